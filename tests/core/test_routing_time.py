"""Quiet hours, groups and the pace: when an alert goes out."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlmon.routing import Notice, Pace, Route, Waiting, merged, plan
from hlmon.routing.quiet import quiet_until_ms
from hlmon.testing.builders import make_alert

BERLIN = "Europe/Berlin"
ROUTE = Route(to=("chat",), wait_seconds=1, max_wait_seconds=10)


def at(text: str, zone: str = BERLIN, fold: int = 0) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp() * 1000)


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        ("22:00-07:00", "2026-07-01 21:59:59", None),
        ("22:00-07:00", "2026-07-01 22:00", "2026-07-02 07:00"),
        ("22:00-07:00", "2026-07-01 23:30", "2026-07-02 07:00"),
        ("22:00-07:00", "2026-07-02 06:59:59", "2026-07-02 07:00"),
        ("22:00-07:00", "2026-07-02 07:00", None),
        ("12:00 - 13:30", "2026-07-02 12:30", "2026-07-02 13:30"),
        ("12:00-13:30", "2026-07-02 13:30", None),
        ("00:00-08:00", "2026-07-02 00:00", "2026-07-02 08:00"),
        ("22:00-00:00", "2026-07-01 23:00", "2026-07-02 00:00"),
        ("22:00-07:00", "2026-03-28 23:00", "2026-03-29 07:00"),  # an hour less in this night
        ("22:00-07:00", "2026-10-24 23:00", "2026-10-25 07:00"),  # an hour more
    ],
)
def test_quiet_hours_are_those_of_the_clock_on_the_wall(hours, now, until):
    assert quiet_until_ms(hours, BERLIN, at(now)) == (until and at(until))


def test_quiet_hours_that_end_in_the_hour_that_comes_twice_end_after_now():
    for fold in (0, 1):
        now_ms = at("2026-10-25 02:10", fold=fold)
        assert quiet_until_ms("01:00-02:30", BERLIN, now_ms) == now_ms + 20 * 60_000


def test_quiet_hours_that_end_in_the_hour_that_is_skipped_end_with_the_change():
    change_ms = at("2026-03-29 01:00", "UTC")  # from 02:00 to 03:00 on the wall
    assert quiet_until_ms("22:00-02:30", BERLIN, at("2026-03-29 01:59")) == change_ms
    assert quiet_until_ms("22:00-02:30", BERLIN, change_ms) is None
    assert quiet_until_ms("01:00-02:00", BERLIN, at("2026-03-29 01:59")) == change_ms


def test_the_zone_counts():
    now_ms = at("2026-07-01 23:00", "UTC")
    assert quiet_until_ms("22:00-07:00", "UTC", now_ms) == at("2026-07-02 07:00", "UTC")
    assert quiet_until_ms("22:00-07:00", "Asia/Tokyo", now_ms) is None


@given(
    st.integers(1_700_000_000, 1_900_000_000),
    st.sampled_from(["22:00-07:00", "00:00-06:00", "02:15-02:45", "23:59-00:01"]),
    st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "UTC"]),
)
def test_quiet_hours_end_after_now_and_within_a_day(now_s, hours, zone):
    until_ms = quiet_until_ms(hours, zone, now_s * 1000)
    assert until_ms is None or 0 < until_ms - now_s * 1000 <= 86_400_000


@given(
    st.sampled_from(
        [(BERLIN, "2026-03-29"), ("America/New_York", "2026-03-08"), ("Australia/Lord_Howe", "2026-10-04")]
    ),
    st.integers(-120, 300),
    st.integers(0, 1_439),
    st.integers(1, 1_439),
)
def test_in_a_night_without_an_hour_quiet_hours_end_with_the_first_minute_that_is_not_quiet(
    place, minute, start, length
):
    zone, day = place
    start_text, end_text = (f"{each // 60:02}:{each % 60:02}" for each in (start, (start + length) % 1_440))
    hours, now_ms = f"{start_text}-{end_text}", at(f"{day} 00:00", zone) + minute * 60_000
    until_ms = quiet_until_ms(hours, zone, now_ms)
    minutes = range(now_ms, now_ms + 86_400_000 + 60_000, 60_000)
    ends = next((each for each in minutes if quiet_until_ms(hours, zone, each) is None), None)
    assert until_ms == (None if ends == now_ms else ends)


def waiting(seq: int, decided_ms: int, batch: str = "b", route: Route = ROUTE, severity="info", **changes) -> Waiting:
    fields = {"notifier": "chat", "seq": seq, "state": "waiting", "decided_ms": decided_ms, "batch": batch}
    return Waiting(Notice(**fields | changes), make_alert(severity=severity), route)


def seqs(groups) -> list[list[int]]:
    return [[each.notice.seq for each in group] for group in groups]


@pytest.mark.parametrize(
    ("joined_ms", "due_ms"),
    [([0], 1_000), ([0, 900], 1_900), ([0, 900, 1_800], 2_800), (list(range(0, 30_000, 500)), 10_000)],
)
def test_a_group_is_due_when_nothing_joined_for_a_while_or_its_first_waited_long(joined_ms, due_ms):
    def group(now_ms):
        return [waiting(seq, ms) for seq, ms in enumerate(joined_ms) if ms <= now_ms]

    assert plan(group(due_ms - 1), due_ms - 1)[0] == []
    assert plan(group(due_ms - 1), due_ms)[1] is None
    assert len(plan(group(due_ms - 1), due_ms)[0]) == 1


def test_when_the_next_group_is_due_is_said():
    assert plan([waiting(1, 0, "a"), waiting(2, 500, "b")], 100) == ([], 1_000)
    assert plan([], 100) == ([], None)


def test_what_was_held_is_due_from_its_release_on():
    held = waiting(1, 0, hold_until_ms=50_000)
    assert plan([held], 50_999) == ([], 51_000)
    assert seqs(plan([held], 51_000)[0]) == [[1]]


def test_the_most_severe_group_comes_first_then_the_oldest():
    found, _ = plan(
        [waiting(1, 0, "a"), waiting(2, 0, "b"), waiting(3, 0, "c"), waiting(4, 0, "c", severity="critical")], 5_000
    )
    assert seqs(found) == [[3, 4], [1], [2]]


def test_nothing_waits_for_more_when_all_shall_go_at_once():
    assert seqs(plan([waiting(1, 0, "a"), waiting(2, 0, "b")], 0, at_once=True)[0]) == [[1], [2]]


def test_merged_groups_are_in_the_order_of_the_journal():
    groups = [[waiting(2, 0), waiting(4, 0)], [waiting(1, 0), waiting(3, 0)]]
    together, more = merged(groups, 9)
    assert (seqs([together]), more) == ([[1, 2, 3, 4]], 0)


def test_where_room_is_short_the_first_groups_are_in_the_merged_one():
    groups = [[waiting(9, 0), waiting(7, 0)], [waiting(1, 0), waiting(3, 0)]]
    together, more = merged(groups, 3)
    assert (seqs([together]), more) == ([[1, 7, 9]], 1)


@given(st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from("abc")), max_size=40), st.integers(0, 40_000))
def test_every_alert_is_in_one_group_that_is_due_or_in_one_that_comes_later(arrivals, now_ms):
    all_waiting = [waiting(seq, ms, batch) for seq, (ms, batch) in enumerate(arrivals)]
    due, next_ms = plan(all_waiting, now_ms)
    there = [each.notice.seq for group in due for each in group]
    assert len(there) == len(set(there))
    assert all(len({each.notice.batch for each in group}) == 1 for group in due)
    assert (next_ms is None) == (len(there) == len(arrivals))
    if next_ms is not None:
        assert now_ms < next_ms <= max(ms for ms, _ in arrivals) + 1_000


@given(st.integers(1, 60), st.lists(st.integers(0, 20_000), max_size=200))
def test_no_minute_has_more_messages_than_the_pace_allows(per_minute, pauses):
    pace, now_ms, sent = Pace(per_minute), 1_000_000, []
    for pause in pauses:
        now_ms = pace.free_ms(now_ms + pause)
        pace.spend(now_ms)
        sent.append(now_ms)
    for first in range(len(sent)):
        assert sum(sent[first] <= ms < sent[first] + 60_000 for ms in sent) <= per_minute


def test_the_usual_pace_lets_ten_messages_go_at_once_and_then_one_every_few_seconds():
    pace = Pace(20)
    for _ in range(10):
        assert pace.free_ms(0) == 0
        pace.spend(0)
    assert pace.free_ms(0) == 5_455


def test_a_clock_that_is_put_back_does_not_stop_the_messages():
    pace = Pace(1)
    pace.spend(10**12)
    assert pace.free_ms(1_000) <= 61_000
