"""What becomes of an alert at a notifier: sent, held, muted or dropped, and why."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from hlmon.routing import Inhibit, Notice, Policy, Route, Silence, Surroundings, decide, take_over
from hlmon.testing.builders import ALICE, BOB, make_alert

NOW_MS = 1_760_000_000_000  # 08:53:20 UTC
HOUR_MS = 3_600_000
SILENCE = Silence(id="s1", created_ms=0, until_ms=NOW_MS + HOUR_MS, why="maintenance", rules=("margin",))


def policy(*routes, **changes):
    inhibit = (Inhibit(rules=("liquidation",), mutes=("margin",)),)
    return Policy(**{"notifier": "chat", "max_age_ms": 60_000, "routes": routes, "inhibit": inhibit} | changes)


def alert_of(**changes):
    return make_alert(**{"rule": "margin", "account": ALICE, "time_ms": NOW_MS} | changes)


def decided(alert, *routes, beginning=None, **around):
    return decide(7, alert, policy(*routes), Surroundings(now_ms=NOW_MS, **around), beginning)


def own(alert, *routes, **around):
    return decided(alert, *routes, **around)[0]


def beginning(**changes):
    fields = {"state": "sent", "times_sent": 1, "route": "all", "batch": "b", "condition": "c", "decided_ms": 1}
    return Notice(**{"notifier": "chat", "seq": 3} | fields | changes)


def test_an_alert_waits_with_others_of_its_route_rule_and_account():
    first, second = (own(alert_of(subject=subject)) for subject in "ab")
    assert (first.state, first.route, first.hold_until_ms, first.decided_ms) == ("waiting", "all", 0, NOW_MS)
    assert first.batch == second.batch
    for other in (alert_of(rule="fill"), alert_of(account=BOB)):
        assert own(other).batch != first.batch


@pytest.mark.parametrize(
    ("group_by", "same"),
    [
        ((), {"rule": "x", "account": BOB}),
        (("account",), {"rule": "x", "severity": "info"}),
        (("coin",), {"rule": "x"}),
    ],
)
def test_a_route_groups_by_what_it_says(group_by, same):
    route = Route(to=("chat",), group_by=group_by)
    labels = {"coin": "BTC"}
    assert own(alert_of(labels=labels), route).batch == own(alert_of(labels=labels, **same), route).batch


def test_a_route_groups_by_labels():
    route = Route(to=("chat",), group_by=("coin",))
    assert own(alert_of(labels={"coin": "BTC"}), route).batch != own(alert_of(labels={"coin": "ETH"}), route).batch


def test_alerts_of_two_routes_never_share_a_message():
    routes = (Route(to=("chat",), severity="critical", group_by=()), Route(to=("chat",), group_by=()))
    assert own(alert_of(severity="critical"), *routes).batch != own(alert_of(severity="info"), *routes).batch


def test_an_alert_that_no_route_takes_is_dropped():
    notice = own(alert_of(), Route(to=("phone",)))
    assert (notice.state, notice.reason, notice.route) == ("dropped", "no route leads here", "")


@pytest.mark.parametrize(("age_ms", "state"), [(60_000, "waiting"), (60_001, "dropped"), (-5_000, "waiting")])
def test_an_alert_that_is_too_old_when_it_is_read_is_dropped(age_ms, state):
    notice = own(alert_of(time_ms=NOW_MS - age_ms))
    assert notice.state == state
    assert ("60 s old" in notice.reason) == (state == "dropped")


def test_a_silenced_happening_is_dropped_with_the_reason():
    notice = own(alert_of(), silences=[SILENCE])
    assert notice.state == "dropped"
    assert notice.reason == "silenced by s1 (maintenance) until 2025-10-09 09:53 UTC"


@pytest.mark.parametrize(
    "silence",
    [replace(SILENCE, until_ms=NOW_MS), replace(SILENCE, rules=("other",)), replace(SILENCE, accounts=(BOB,))],
)
def test_a_silence_that_is_over_or_about_something_else_changes_nothing(silence):
    assert own(alert_of(), silences=[silence]).state == "waiting"


def test_a_silenced_condition_waits_for_the_end_of_the_longest_silence():
    longer = replace(SILENCE, id="s2", until_ms=SILENCE.until_ms + 1)
    notice = own(alert_of(state="firing"), silences=[SILENCE, longer, SILENCE])
    assert (notice.state, notice.hold_until_ms) == ("muted", longer.until_ms)


def test_a_liquidated_account_mutes_its_margin_warnings():
    cause = alert_of(rule="liquidation", time_ms=NOW_MS - 60_000)
    assert own(alert_of(), causes=[cause]).state == "dropped"
    assert own(alert_of(), causes=[cause]).reason == "muted by the alert of liquidation until 2025-10-09 09:07 UTC"
    assert own(alert_of(state="firing"), causes=[cause]).state == "muted"
    assert own(alert_of(account=BOB), causes=[cause]).state == "waiting"


def test_a_condition_is_not_muted_by_what_is_over():
    cause = alert_of(rule="liquidation", time_ms=NOW_MS - 16 * 60_000)
    old = alert_of(state="firing", time_ms=NOW_MS - 30_000)
    assert own(old, causes=[cause]).state == "waiting"


QUIET = Route(to=("chat",), quiet_hours="08:00-09:00")


def test_quiet_hours_hold_what_is_below_critical_until_their_end_and_as_one_message():
    notices = [own(alert_of(rule=rule), QUIET) for rule in ("a", "b")]
    assert {notice.state for notice in notices} == {"waiting"}
    assert {notice.hold_until_ms for notice in notices} == {NOW_MS + 400_000}
    assert len({notice.batch for notice in notices}) == 1
    assert notices[0].reason == "quiet hours until 2025-10-09 09:00 UTC"
    assert own(alert_of(severity="critical"), QUIET).hold_until_ms == 0


def test_a_route_says_what_is_loud_enough_for_its_quiet_hours():
    route = replace(QUIET, quiet_below="warning")
    assert own(alert_of(severity="warning"), route).hold_until_ms == 0
    assert own(alert_of(severity="info"), route).hold_until_ms > 0


def test_a_condition_is_remembered_until_it_ends():
    firing = own(alert_of(state="firing", subject="s"))
    assert firing.condition == f"margin\n{ALICE}\ns"
    assert own(alert_of(state="event")).condition == ""
    resolved, over = decided(alert_of(state="resolved", subject="s"), beginning=beginning())
    assert (resolved.condition, over.condition, over.seq) == ("", "", 3)


def test_a_condition_that_fires_again_without_having_ended_takes_the_place_of_the_first():
    again, first = decided(alert_of(state="firing"), beginning=beginning())
    assert (again.state, first) == ("waiting", beginning(condition=""))


@pytest.mark.parametrize(
    "before", [None, beginning(state="dropped", times_sent=0), beginning(state="refused", times_sent=0)]
)
def test_the_end_of_what_was_not_told_is_not_told(before):
    notice = own(alert_of(state="resolved"), beginning=before)
    assert (notice.state, notice.reason) == ("dropped", "its beginning was not sent here")


def test_the_end_is_told_where_the_beginning_was_whatever_the_routes_and_its_age():
    old = alert_of(state="resolved", time_ms=NOW_MS - HOUR_MS)
    notice = own(old, Route(to=("phone",)), beginning=beginning(route="fallback of phone"))
    assert (notice.state, notice.route) == ("waiting", "fallback of phone")


def test_a_beginning_and_an_end_that_both_wait_become_one_message():
    held = beginning(state="waiting", times_sent=0, hold_until_ms=NOW_MS + 5, reason="quiet hours")
    resolved, over = decided(alert_of(state="resolved"), beginning=held)
    assert (resolved.seq, resolved.state, resolved.hold_until_ms) == (7, "waiting", NOW_MS + 5)
    assert resolved.batch == over.batch == "b"
    assert (over.state, over.condition) == ("waiting", "")


def test_what_began_and_ended_while_it_was_muted_is_not_told():
    muted = beginning(state="muted", times_sent=0, reason="silenced by s1", hold_until_ms=NOW_MS + 5)
    resolved, over = decided(alert_of(state="resolved"), beginning=muted)
    assert (resolved.state, resolved.reason) == ("dropped", "its beginning was silenced by s1")
    assert (over.state, over.reason) == ("dropped", "silenced by s1; it ended meanwhile")


@pytest.mark.parametrize("state", ["waiting", "muted"])
def test_a_repetition_that_still_waits_is_given_up_when_the_condition_ends(state):
    resolved, over = decided(alert_of(state="resolved"), beginning=beginning(state=state, hold_until_ms=NOW_MS + 5))
    assert (resolved.state, over.state, over.hold_until_ms) == ("waiting", "sent", 0)


def test_a_fallback_sends_what_the_other_could_not_whatever_its_own_routes():
    owed = beginning(notifier="phone", state="waiting", times_sent=0, decided_ms=5)
    mine = beginning(state="dropped", route="", batch="", times_sent=0, reason="no route leads here")
    notice = take_over(owed, mine, NOW_MS)
    assert (notice.notifier, notice.state, notice.decided_ms) == ("chat", "waiting", NOW_MS)
    assert (notice.route, notice.reason) == ("fallback of phone", "phone did not accept it")
    assert notice.condition == mine.condition
