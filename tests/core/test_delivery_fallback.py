"""Who sends an alert that its notifier cannot send."""

from __future__ import annotations

from msgspec.structs import replace

from hlmon.errors import Permanent
from hlmon.routing import NotifierPolicy
from tests.core.alerting import QUIET
from tests.servers.dispatching import AT_ONCE, Chat, alerts_of, run_for, states

FALLBACK = {"chat": NotifierPolicy(fallback=("mail",), fallback_after_minutes=5)}
TO_CHAT = replace(AT_ONCE, to=("chat",))


def test_the_fallback_sends_what_a_notifier_could_not_send_for_minutes(journal, time, make):
    mail, stuck = Chat(), Chat()
    (alert,) = alerts_of(1, time)
    journal.append([alert])
    _, fallback = make(chat=stuck, mail=mail, routes=[TO_CHAT], policies=FALLBACK)
    run_for([fallback], time, 309)  # the thread of the other hangs, so that it decides nothing either
    assert mail.messages == []
    run_for([fallback], time, 3)
    assert mail.messages == [[alert]]
    assert (states(journal), states(journal, "mail")) == (["waiting"], ["sent"])
    run_for([fallback], time, 600)
    assert len(mail.messages) == 1


def test_what_the_fallback_sent_is_sent_by_the_notifier_as_well_when_it_is_back(journal, time, make):
    chat, mail = Chat(), Chat()
    journal.append(alerts_of(1, time))
    first, fallback = make(chat=chat, mail=mail, routes=[TO_CHAT], policies=FALLBACK)
    run_for([fallback], time, 320)
    run_for([first], time, 3)
    assert (len(chat.messages), len(mail.messages)) == (1, 1)


def test_the_fallback_sends_what_a_notifier_refused_at_once(journal, time, make):
    chat, mail = Chat(*[Permanent("gone")] * 3), Chat()
    (alert,) = alerts_of(1, time)
    journal.append([alert])
    run_for(make(chat=chat, mail=mail, routes=[TO_CHAT], policies=FALLBACK), time, 2)
    assert (states(journal), mail.messages) == (["refused"], [[alert]])


def test_what_is_held_on_purpose_is_no_case_for_the_fallback(journal, time, make):
    chat, mail = Chat(), Chat()
    journal.append(alerts_of(1, time))
    policies = {"chat": NotifierPolicy(fallback=("mail",), fallback_after_minutes=1)}
    run_for(make(chat=chat, mail=mail, routes=[QUIET], policies=policies), time, 390)
    assert (chat.messages, mail.messages) == ([], [])


def test_a_fallback_that_gets_the_alert_by_a_route_gets_it_once(journal, time, make):
    mail = Chat()
    journal.append(alerts_of(1, time))
    _, fallback = make(chat=Chat(), mail=mail, routes=[AT_ONCE], policies=FALLBACK)
    run_for([fallback], time, 400)
    assert len(mail.messages) == 1


def test_two_notifiers_may_be_each_others_fallback(journal, time, make):
    chat, mail = Chat(*[Permanent("gone")] * 9), Chat(*[Permanent("gone")] * 9)
    policies = {"chat": NotifierPolicy(fallback=("mail",)), "mail": NotifierPolicy(fallback=("chat",))}
    journal.append(alerts_of(1, time))
    run_for(make(chat=chat, mail=mail, routes=[TO_CHAT], policies=policies), time, 60)
    assert (len(chat.calls), len(mail.calls)) == (1, 1)


def test_a_group_that_may_wait_for_long_is_not_late_while_it_does(journal, time, make):
    mail = Chat()
    journal.append(alerts_of(1, time))
    route = replace(TO_CHAT, wait_seconds=600, max_wait_seconds=1_200)
    _, fallback = make(chat=Chat(), mail=mail, routes=[route], policies=FALLBACK)
    run_for([fallback], time, 1_499, step_ms=1_000)
    assert mail.messages == []
    run_for([fallback], time, 4)
    assert len(mail.messages) == 1
