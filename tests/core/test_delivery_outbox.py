"""What keeps an alert from being sent, and for how long."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from hlmon.delivery.silences import silences_path, write_silences
from hlmon.errors import Transient
from hlmon.routing import Inhibit, Silence
from hlmon.testing.builders import ALICE, BOB, make_alert
from tests.core.alerting import QUIET, condition
from tests.servers.dispatching import AT_ONCE, START_MS, Chat, alerts_of, run_for, states, work

MINUTE_MS = 60_000
INHIBIT = (Inhibit(rules=("liquidation",), mutes=("margin",), minutes=15),)


def silence(journal, **changes):
    fields = {"id": "s1", "created_ms": START_MS, "until_ms": START_MS + 10 * MINUTE_MS}
    write_silences(silences_path(journal.path), [Silence(**fields | changes)])


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
    assert chat.messages == []
    assert reasons(journal) == ["quiet hours until 2025-10-09 09:00 UTC"] * 2


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


def test_an_alert_that_waits_for_the_end_of_quiet_hours_or_of_a_silence_is_not_pruned(journal, time, chat, make):
    held, muted = make_alert(time_ms=time.now_ms, rule="quiet"), condition(time, rule="margin")
    journal.append([make_alert(time_ms=time.now_ms, rule="liquidation"), held, muted])
    dispatchers = make(chat=chat, inhibit=INHIBIT, routes=[replace(QUIET, rules=("quiet",)), AT_ONCE])
    run_for(dispatchers, time, 1)
    assert states(journal) == ["sent", "waiting", "muted"]
    journal.prune(time.now_ms + 1, ["notifier.chat"])
    assert [alert.key for alert in journal.states("alert")] == [held.key, muted.key]
    run_for(dispatchers, time, 3_600, step_ms=10_000)
    assert [alert.rule for message in chat.messages for alert in message] == ["liquidation", "quiet", "margin"]


def test_what_waits_for_a_notifier_that_is_no_longer_used_is_pruned(journal, time, chat, make):
    journal.append(alerts_of(1, time))
    run_for(make(chat=chat, routes=[QUIET]), time, 1)
    journal.prune(time.now_ms + 1, ["notifier.other"])
    assert journal.count("alert") == 1  # the other has not passed it
    journal.ack("notifier.other", journal.last_seq())
    journal.prune(time.now_ms + 1, ["notifier.other"])
    assert journal.count("alert") == 0
