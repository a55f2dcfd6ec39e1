"""What keeps an alert from being sent, for how long, and who sends it instead."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from hlmon.delivery.silences import silences_path, write_silences
from hlmon.errors import Permanent, Transient
from hlmon.routing import Inhibit, NotifierPolicy, Route, Silence
from hlmon.testing.builders import ALICE, BOB, make_alert
from tests.servers.dispatching import AT_ONCE, START_MS, Chat, alerts_of, run_for, states, work

MINUTE_MS = 60_000
INHIBIT = (Inhibit(rules=("liquidation",), mutes=("margin",), minutes=15),)
QUIET = Route(to=("chat",), quiet_hours="08:00-09:00")  # it is 08:53:20


def condition(time, state="firing", **changes):
    return make_alert(**{"time_ms": time.now_ms, "rule": "margin", "subject": "s", "state": state} | changes)


def silence(journal, **changes):
    fields = {"id": "s1", "created_ms": START_MS, "until_ms": START_MS + 10 * MINUTE_MS}
    write_silences(silences_path(journal.path), [Silence(**fields | changes)])


def told(chat):
    return [alert.title for message in chat.messages for alert in message]


def reasons(journal, notifier="chat"):
    return [row for (row,) in journal.query("SELECT reason FROM notices WHERE notifier = ? ORDER BY seq", (notifier,))]


def test_what_quiet_hours_held_comes_as_one_message_at_their_end(journal, time, chat, make):
    alerts = [make_alert(time_ms=time.now_ms, rule=rule, account=who) for rule in "ab" for who in (ALICE, BOB)]
    journal.append(alerts)
    run_for(make(chat=chat, routes=[QUIET]), time, 120)
    dispatchers = make(chat=chat, routes=[QUIET])  # held alerts survive a restart
    run_for(dispatchers, time, 279)
    assert chat.messages == []
    assert dispatchers[0].status().lag == 0
    run_for(dispatchers, time, 3)
    assert chat.messages == [alerts]


def test_what_is_critical_comes_in_quiet_hours(journal, time, chat, make):
    loud = make_alert(time_ms=time.now_ms, severity="critical")
    journal.append([*alerts_of(2, time), loud])
    run_for(make(chat=chat, routes=[QUIET]), time, 3)
    assert chat.messages == [[loud]]


def test_an_outage_that_lasts_into_quiet_hours_does_not_break_them(journal, time, make):
    time.now_ms -= 54 * MINUTE_MS  # 07:59:20
    chat = Chat(Transient("down", retry_after=120.0))
    first, second = (make_alert(time_ms=time.now_ms, rule=rule) for rule in "ab")
    journal.append([first, second])
    run_for(make(chat=chat, routes=[replace(QUIET, wait_seconds=0)]), time, 300)
    assert chat.messages == [[first]]
    assert reasons(journal)[1] == "quiet hours until 2025-10-09 09:00 UTC"


def test_a_silence_holds_from_when_it_is_written_until_it_ends(journal, time, chat, make):
    dispatchers = make(chat=chat, routes=[AT_ONCE])
    run_for(dispatchers, time, 1)
    silence(journal, rules=("margin",))
    run_for(dispatchers, time, 1)
    journal.append([make_alert(time_ms=time.now_ms, rule="margin"), make_alert(time_ms=time.now_ms, rule="other")])
    run_for(dispatchers, time, 1)
    assert states(journal) == ["dropped", "sent"]
    time.now_ms = START_MS + 10 * MINUTE_MS
    journal.append([make_alert(time_ms=time.now_ms, rule="margin")])
    run_for(dispatchers, time, 1)
    assert states(journal) == ["dropped", "sent", "sent"]


def test_a_silence_also_stops_what_waits_already(journal, time, chat, make):
    dispatchers = make(chat=chat)
    journal.append(alerts_of(1, time, rule="margin"))
    work(*dispatchers)
    silence(journal, rules=("margin",))
    run_for(dispatchers, time, 3)
    assert (chat.messages, states(journal)) == ([], ["dropped"])


def test_a_condition_that_fires_still_is_told_when_its_silence_ends(journal, time, chat, make):
    silence(journal)
    dispatchers = make(chat=chat, routes=[AT_ONCE])
    journal.append([condition(time)])
    run_for(dispatchers, time, 599)
    assert (chat.messages, states(journal)) == ([], ["muted"])
    run_for(dispatchers, time, 2)
    assert states(journal) == ["sent"]


def test_a_condition_that_ended_within_its_silence_is_not_told(journal, time, chat, make):
    silence(journal)
    dispatchers = make(chat=chat, routes=[AT_ONCE])
    journal.append([condition(time)])
    run_for(dispatchers, time, 10)
    journal.append([condition(time, "resolved")])
    run_for(dispatchers, time, 700)
    assert (chat.messages, states(journal)) == ([], ["dropped", "dropped"])


def test_a_condition_is_told_at_once_when_its_silence_is_removed(journal, time, chat, make):
    silence(journal)
    dispatchers = make(chat=chat, routes=[AT_ONCE])
    journal.append([condition(time)])
    run_for(dispatchers, time, 10)
    write_silences(silences_path(journal.path), [])
    run_for(dispatchers, time, 1)
    assert states(journal) == ["sent"]


def test_a_file_of_silences_that_cannot_be_understood_changes_nothing_and_is_said_once(
    journal, time, chat, make, caplog
):
    silence(journal, rules=("margin",))
    dispatchers = make(chat=chat, routes=[AT_ONCE])
    silences_path(journal.path).write_text("[{]")
    journal.append([make_alert(time_ms=time.now_ms, rule="margin")])
    run_for(dispatchers, time, 3)
    assert states(journal) == ["dropped"]
    assert caplog.text.count("the silences cannot be read") == 1


def test_a_liquidation_mutes_the_margin_warning_that_came_just_before_it(journal, time, chat, make):
    liquidation = make_alert(time_ms=time.now_ms, rule="mine", labels={"type": "liquidation"}, severity="critical")
    journal.append([make_alert(time_ms=time.now_ms, rule="margin"), liquidation])
    run_for(make(chat=chat, inhibit=INHIBIT), time, 3)
    assert chat.messages == [[liquidation]]
    assert reasons(journal)[0] == "muted by the alert of mine until 2025-10-09 09:08 UTC"


def test_an_inhibition_is_remembered_over_a_restart(journal, time, chat, make):
    journal.append([make_alert(time_ms=time.now_ms, rule="liquidation")])
    run_for(make(chat=chat, inhibit=INHIBIT), time, 60)
    journal.append([make_alert(time_ms=time.now_ms, rule="margin")])
    run_for(make(chat=chat, inhibit=INHIBIT), time, 3)
    assert states(journal) == ["sent", "dropped"]


def test_what_no_route_brings_here_mutes_here_nevertheless(journal, time, chat, make):
    route = replace(AT_ONCE, rules=("margin",))
    journal.append(
        [make_alert(time_ms=time.now_ms, rule="liquidation"), make_alert(time_ms=time.now_ms, rule="margin")]
    )
    run_for(make(chat=chat, inhibit=INHIBIT, routes=[route]), time, 3)
    assert states(journal) == ["dropped", "dropped"]


def test_a_margin_warning_that_fires_still_is_told_after_the_inhibition(journal, time, chat, make):
    dispatchers = make(chat=chat, inhibit=INHIBIT, routes=[AT_ONCE])
    journal.append([make_alert(time_ms=time.now_ms, rule="liquidation"), condition(time)])
    run_for(dispatchers, time, 899, step_ms=1_000)
    assert states(journal) == ["sent", "muted"]
    run_for(dispatchers, time, 3)
    assert states(journal) == ["sent", "sent"]


def test_a_condition_is_told_again_while_it_fires_and_not_after_its_end(journal, time, chat, make):
    route = replace(AT_ONCE, repeat_minutes=10)
    journal.append([condition(time, title="margin 90 %")])
    run_for(make(chat=chat, routes=[route]), time, 700, step_ms=1_000)
    dispatchers = make(chat=chat, routes=[route])  # also across a restart
    run_for(dispatchers, time, 600, step_ms=1_000)
    assert told(chat) == ["margin 90 %", "Still: margin 90 %", "Still: margin 90 %"]
    journal.append([condition(time, "resolved", title="margin 40 %")])
    run_for(dispatchers, time, 3_600, step_ms=10_000)
    assert told(chat)[3:] == ["margin 40 %"]
    assert journal.query("SELECT times_sent FROM notices ORDER BY seq") == [(3,), (1,)]


@pytest.mark.parametrize("gone", [{"rules": ("closes",)}, {"accounts": {}}], ids=["rule", "account"])
def test_a_condition_whose_rule_or_account_is_gone_is_not_told_again(journal, time, chat, make, gone):
    journal.append([condition(time)])
    routes = [replace(AT_ONCE, repeat_minutes=10)]
    run_for(make(chat=chat, routes=routes), time, 3)
    run_for(make(chat=chat, routes=routes, **gone), time, 3_600, step_ms=10_000)
    assert len(chat.messages) == 1


def test_without_repeat_minutes_a_condition_is_told_once(journal, time, chat, make):
    journal.append([condition(time)])
    run_for(make(chat=chat, routes=[AT_ONCE]), time, 86_400, step_ms=600_000)
    assert len(chat.messages) == 1


def test_a_happening_is_never_told_again(journal, time, chat, make):
    journal.append(alerts_of(1, time))
    run_for(make(chat=chat, routes=[replace(AT_ONCE, repeat_minutes=1)]), time, 600, step_ms=5_000)
    assert len(chat.messages) == 1


def test_a_beginning_and_an_end_in_one_outage_become_one_message(journal, time, make):
    class Down(Chat):
        def send(self, alerts):
            if not self.calls:
                journal.append([condition(time), condition(time, "resolved", time_ms=time.now_ms + 1)])
            super().send(alerts)

    chat = Down(Transient("down"))
    journal.append([make_alert(time_ms=time.now_ms, rule="other")])
    run_for(make(chat=chat, routes=[AT_ONCE]), time, 5)
    assert [[alert.state for alert in message] for message in chat.messages] == [["event"], ["firing", "resolved"]]


def test_of_a_condition_that_comes_and_goes_within_one_read_every_step_is_told(journal, time, chat, make):
    steps = ["firing", "resolved", "firing", "resolved"]
    journal.append([condition(time, state, time_ms=time.now_ms + n) for n, state in enumerate(steps)])
    run_for(make(chat=chat), time, 3)
    assert [[alert.state for alert in message] for message in chat.messages] == [steps]


def test_the_end_is_told_only_by_the_notifier_that_told_the_beginning(journal, time, make):
    chat, mail = Chat(), Chat()
    routes = [replace(AT_ONCE, to=("chat",), severity="critical"), replace(AT_ONCE, to=("mail",), severity="critical")]
    dispatchers = make(chat=chat, mail=mail, routes=routes[:1])
    journal.append([condition(time, severity="critical")])
    run_for(dispatchers, time, 1)
    journal.append([condition(time, "resolved", severity="info")])
    run_for(dispatchers, time, 2)
    assert (len(chat.messages), len(mail.messages)) == (2, 0)


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


@pytest.mark.parametrize(("condition_ends", "kept"), [(False, 1), (True, 0)])
def test_what_is_still_to_be_told_is_not_pruned(journal, time, chat, make, condition_ends, kept):
    dispatchers = make(chat=chat, routes=[replace(AT_ONCE, repeat_minutes=60)])
    journal.append([condition(time)])
    run_for(dispatchers, time, 1)
    if condition_ends:
        journal.append([condition(time, "resolved")])
        run_for(dispatchers, time, 1)
    journal.prune(time.now_ms + 1, ["notifier.chat"])
    assert journal.count("alert") == kept
    assert journal.query("SELECT count(*) FROM notices") == [(kept,)]


def test_what_waits_for_a_notifier_that_is_no_longer_used_is_pruned(journal, time, chat, make):
    journal.append(alerts_of(1, time))
    run_for(make(chat=chat, routes=[QUIET]), time, 1)
    journal.prune(time.now_ms + 1, ["notifier.other"])
    assert journal.count("alert") == 1  # the other has not passed it
    journal.ack("notifier.other", journal.last_seq())
    journal.prune(time.now_ms + 1, ["notifier.other"])
    assert journal.count("alert") == 0
