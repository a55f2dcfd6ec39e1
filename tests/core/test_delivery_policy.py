"""Waiting, halving and recording: the pure side of delivery."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlmon.delivery import full_jitter, quarantined, settle
from hlmon.events import decode, encode
from hlmon.testing.builders import make_fill, make_quarantined


@given(st.integers(0, 300).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, max(n - 1, 0)), max_size=8))))
def test_halving_isolates_exactly_the_bad_ones_in_order_with_few_calls(case):
    size, bad = case
    batch = list(range(size))
    calls = []

    def accepts(part):
        calls.append(part)
        return not bad & set(part)

    settled = list(settle(batch, accepts))

    assert [one for part, _ in settled for one in part] == batch
    assert {one for part, accepted in settled if not accepted for one in part} == bad & set(batch)
    assert all(len(part) == 1 for part, accepted in settled if not accepted)
    assert len(calls) <= (1 + 2 * len(bad) * math.ceil(math.log2(size)) if size > 1 else size)


def test_halving_settles_a_part_before_it_offers_the_next():
    offered = []
    parts = settle([1, 2, 3, 4], lambda part: offered.append(part) or 4 not in part)
    assert next(parts) == ([1, 2], True)
    assert offered == [[1, 2, 3, 4], [1, 2]]


def test_nothing_is_offered_of_an_empty_batch():
    assert list(settle([], lambda part: pytest.fail("offered"))) == []


def test_waits_double_up_to_a_minute_and_are_jittered():
    longest = full_jitter(lambda: 1.0)
    assert [longest(attempt, None) for attempt in (0, 1, 2, 5, 6, 1000)] == [1, 2, 4, 32, 60, 60]
    assert full_jitter(lambda: 0.25)(2, None) == 1.0


@pytest.mark.parametrize(
    ("asked", "seconds"), [(0.5, 1), (7.5, 7.5), (900, 900), (1e9, 3600), (math.inf, 3600), (-5, 1), (math.nan, 1)]
)
def test_a_wait_that_is_asked_for_is_kept_within_an_hour(asked, seconds):
    assert full_jitter(lambda: 1.0)(0, asked) == seconds


def test_a_record_of_a_refused_event_holds_the_event_and_is_the_same_each_time():
    fill = make_fill()
    record = quarantined(fill, "archive", "too long")
    assert (record.account, record.time_ms, record.origin, record.reason) == (
        fill.account,
        fill.time_ms,
        "archive",
        "too long",
    )
    assert decode("fill", record.payload) == fill
    assert record.name == quarantined(decode("fill", encode(fill)), "archive", "another reason").name


def test_a_record_is_bounded():
    record = quarantined(make_quarantined(payload="€" * 50_000), "archive", "r" * 5_000)
    assert 65_530 < len(record.payload.encode()) <= 65_536
    assert len(record.reason) == 500
