"""How a dispatcher sends alerts: in groups, at a pace, again after trouble, and never twice."""

from __future__ import annotations

import pytest

from hlmon.errors import Transient
from hlmon.routing import NotifierPolicy, Route
from hlmon.testing.builders import ALICE, BOB, make_alert, make_fill, make_order
from tests.servers.dispatching import AT_ONCE, START_MS, Chat, alerts_of, run_for, states, work


def test_one_alert_is_one_message_within_a_good_second(journal, time, chat, make):
    (alert,) = alerts_of(1, time)
    journal.append([make_fill(), alert])
    (dispatcher,) = make(chat=chat)
    work(dispatcher)
    time.now_ms += 999
    work(dispatcher)
    assert chat.messages == []
    time.now_ms += 1
    work(dispatcher)
    assert chat.messages == [[alert]]


def test_a_burst_of_500_fills_of_one_order_is_one_message(journal, time, chat, make):
    (dispatcher,) = make(chat=chat)
    alerts = alerts_of(500, time, rule="fill")
    for first in range(0, 500, 50):
        journal.append(alerts[first : first + 50])
        work(dispatcher)
        time.now_ms += 300
    run_for([dispatcher], time, 5)
    assert chat.messages == [alerts]


def test_alerts_of_two_rules_and_of_two_accounts_are_messages_of_their_own(journal, time, chat, make):
    alerts = [
        make_alert(time_ms=time.now_ms, rule=rule, account=account) for rule in ("a", "b") for account in (ALICE, BOB)
    ]
    journal.append(alerts)
    run_for(make(chat=chat), time, 3)
    assert chat.messages == [[alert] for alert in alerts]


def test_a_group_is_not_larger_than_what_the_notifier_takes_at_once(journal, time, chat, make):
    alerts = alerts_of(5, time)
    journal.append(alerts)
    run_for(make(chat=chat, max_batch=2), time, 3)
    assert chat.messages == [alerts[:2], alerts[2:4], alerts[4:]]


def test_a_backfill_raises_no_storm(journal, time, chat, make):
    old = [make_alert(time_ms=time.now_ms - 60_001 - number) for number in range(2_000)]
    new = make_alert(time_ms=time.now_ms - 60_000)
    journal.append([*old, new])
    run_for(make(chat=chat), time, 3)
    assert chat.messages == [[new]]


def test_what_was_sent_is_not_sent_again_after_a_restart(journal, time, chat, make):
    journal.append(alerts_of(3, time))
    run_for(make(chat=chat), time, 3)
    run_for(make(chat=chat), time, 3)
    assert len(chat.messages) == 1
    assert states(journal) == ["sent"] * 3


def test_what_waited_at_a_restart_is_sent_after_it(journal, time, chat, make):
    alerts = alerts_of(3, time)
    journal.append(alerts)
    work(*make(chat=chat))
    assert journal.cursor("notifier.chat") == journal.last_seq()
    assert states(journal) == ["waiting"] * 3
    run_for(make(chat=chat), time, 3)
    assert chat.messages == [alerts]


def test_an_alert_is_marked_as_sent_after_the_notifier_returned_and_not_before(journal, time, make):
    seen = []

    class Looking:
        def send(self, alerts):
            seen.append(states(journal))

    journal.append(alerts_of(1, time))
    run_for(make(chat=Looking()), time, 3)
    assert (seen, states(journal)) == ([["waiting"]], ["sent"])


@pytest.mark.parametrize("error", [Transient("busy"), OSError("no route"), TimeoutError("late")])
def test_an_outage_brings_the_same_message_again_until_it_is_accepted(journal, time, make, error):
    chat = Chat(*[error] * 20)
    alerts = alerts_of(2, time)
    journal.append(alerts)
    work(*make(chat=chat, routes=[AT_ONCE]))
    assert chat.calls == [alerts] * 21
    assert chat.messages == [alerts]


def test_an_alert_is_sent_however_long_the_attempts_take(journal, time, make):
    chat = Chat(Transient("down", retry_after=3600.0), Transient("down", retry_after=3600.0))
    (alert,) = alerts_of(1, time)
    journal.append([alert])
    work(*make(chat=chat, routes=[AT_ONCE]))
    assert (chat.messages, time.now_ms) == ([[alert]], START_MS + 7_200_000)


def test_alerts_that_come_during_an_outage_do_not_become_too_old_in_it(journal, time, make):
    class Down(Chat):
        def send(self, alerts):
            if len(self.calls) == 1:
                journal.append([late])
            super().send(alerts)

    chat = Down(Transient("down"), Transient("down", retry_after=3600.0))
    late = make_alert(time_ms=time.now_ms, rule="late")
    journal.append(alerts_of(1, time))
    work(*make(chat=chat, routes=[AT_ONCE]))
    assert [late] in chat.messages


def test_a_refused_alert_is_set_aside_and_the_others_of_its_group_are_sent(journal, time, make):
    alerts = alerts_of(4, time)
    chat = Chat(bad=[alerts[1]])
    journal.append(alerts)
    work(*make(chat=chat, routes=[AT_ONCE]))
    assert [alert for message in chat.messages for alert in message] == [alerts[0], *alerts[2:]]
    assert states(journal) == ["sent", "refused", "sent", "sent"]
    (record,) = [entry.event for entry in journal.read_after(0, kinds={"quarantine"})]
    assert (record.origin, record.reason) == ("chat", "Permanent: not this one")
    assert journal.query("SELECT reason FROM notices WHERE state = 'refused'") == [("Permanent: not this one",)]


def test_a_notifier_with_a_bug_loses_only_the_alert_it_is_about(journal, time, make):
    good, bad = alerts_of(2, time)

    class Buggy(Chat):
        def send(self, alerts):
            if bad in alerts:
                raise KeyError("coin")
            super().send(alerts)

    chat = Buggy()
    journal.append([good, bad])
    work(*make(chat=chat, routes=[AT_ONCE]))
    assert (chat.messages, states(journal)) == ([[good]], ["sent", "refused"])


def test_above_the_pace_what_is_due_comes_as_one_message_that_says_how_much_it_is(journal, time, chat, make):
    (dispatcher,) = make(chat=chat, policies={"chat": NotifierPolicy(messages_per_minute=4)})
    alerts = [make_alert(time_ms=time.now_ms, rule=f"rule-{number}") for number in range(20)]
    journal.append(alerts)
    run_for([dispatcher], time, 60)
    assert [len(message) for message in chat.messages] == [1, 1, 19]
    summary = chat.messages[2][0]
    assert summary.title == "18 messages with 18 alerts were held back"
    assert [alert.rule for message in chat.messages for alert in message if alert is not summary] == [
        alert.rule for alert in alerts
    ]
    assert states(journal) == ["sent"] * 20


def test_the_message_of_what_was_held_back_is_as_severe_as_the_worst_of_it(journal, time, chat, make):
    (dispatcher,) = make(chat=chat, policies={"chat": NotifierPolicy(messages_per_minute=1)})
    severities = ["critical", "info", "warning", "info"]
    journal.append([make_alert(time_ms=time.now_ms, rule=f"rule-{n}", severity=s) for n, s in enumerate(severities)])
    run_for([dispatcher], time, 70)
    assert [message[0].severity for message in chat.messages] == ["critical", "warning"]


def test_what_is_too_much_for_one_message_follows_at_the_pace(journal, time, chat, make):
    (dispatcher,) = make(chat=chat, max_batch=4, policies={"chat": NotifierPolicy(messages_per_minute=2)})
    alerts = [make_alert(time_ms=time.now_ms, rule=f"rule-{number}") for number in range(9)]
    journal.append(alerts)
    run_for([dispatcher], time, 200)
    told = [alert for message in chat.messages for alert in message if alert.rule != "hlmon"]
    assert sorted(alert.rule for alert in told) == [alert.rule for alert in alerts]
    assert max(len(message) for message in chat.messages) == 4
    assert [message[0].body for message in chat.messages if message[0].rule == "hlmon"] == [
        "This notifier may send 2 messages a minute. 5 of the alerts follow.",
        "This notifier may send 2 messages a minute. 2 of the alerts follow.",
        "This notifier may send 2 messages a minute.",
    ]
    assert len(chat.messages) <= 5


def test_one_message_that_had_to_wait_for_the_pace_comes_as_it_is(journal, time, chat, make):
    (dispatcher,) = make(chat=chat, policies={"chat": NotifierPolicy(messages_per_minute=1)})
    alerts = [make_alert(time_ms=time.now_ms, rule=rule) for rule in "ab"]
    journal.append(alerts)
    run_for([dispatcher], time, 70)
    assert chat.messages == [[alert] for alert in alerts]


def test_draining_sends_at_once_what_waits_for_more_and_leaves_what_is_held(journal, time, chat, make):
    quiet = Route(to=("chat",), rules=("quiet",), quiet_hours="08:00-09:00")
    alerts = [make_alert(time_ms=time.now_ms, rule=rule) for rule in ("loud", "quiet")]
    journal.append(alerts)
    (dispatcher,) = make(chat=chat, routes=[quiet, Route(to=("chat",))])
    dispatcher.drain()
    work(dispatcher)
    assert chat.messages == [alerts[:1]]
    assert states(journal) == ["sent", "waiting"]
    assert dispatcher.status().lag == 0


def test_the_lag_counts_what_was_not_looked_at_and_what_waits(journal, time, make):
    chat = Chat(*[Transient("busy")] * 3)
    lags = []
    (dispatcher,) = make(
        chat=chat,
        routes=[AT_ONCE],
        backoff=lambda attempt, retry_after: lags.append(dispatcher.status().lag) or 1.0,
    )
    journal.append([make_order(), *alerts_of(2, time)])
    assert dispatcher.status().lag == 3
    work(dispatcher)
    assert (lags, dispatcher.status().lag) == ([2, 2, 2], 0)
    assert dispatcher.status().last_ack_ms == time.now_ms


def test_what_waits_for_others_of_its_group_is_not_behind(journal, time, chat, make):
    (dispatcher,) = make(chat=chat)
    journal.append(alerts_of(1, time))
    work(dispatcher)
    assert (states(journal), dispatcher.status().lag) == (["waiting"], 0)


def test_what_the_pace_holds_back_is_behind(journal, time, chat, make):
    (dispatcher,) = make(chat=chat, routes=[AT_ONCE], policies={"chat": NotifierPolicy(messages_per_minute=1)})
    journal.append([make_alert(time_ms=time.now_ms, rule=rule) for rule in "abc"])
    work(dispatcher)
    assert (len(chat.messages), dispatcher.status().lag) == (1, 2)


def test_a_sink_and_a_notifier_of_one_name_have_cursors_of_their_own(journal, time, chat, make):
    journal.append(alerts_of(1, time))
    journal.ack("sink.chat", journal.last_seq())
    run_for(make(chat=chat), time, 3)
    assert len(chat.messages) == 1


def test_events_that_are_no_alerts_are_passed_over_and_that_is_saved_now_and_then(journal, make, chat):
    (dispatcher,) = make(chat=chat)
    journal.append([make_fill() for _ in range(499)])
    work(dispatcher)
    assert (journal.cursor("notifier.chat"), dispatcher.status().lag) == (0, 0)
    journal.append([make_fill()])
    work(dispatcher)
    assert journal.cursor("notifier.chat") == 500
