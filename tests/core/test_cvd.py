"""Cumulative volume delta: what a bucket counts and when it is complete."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from itertools import count
from typing import ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st

from hlmon.contract import NoConfig, Settings
from hlmon.derive.cvd import FACTORY, VolumeDelta
from hlmon.derive.flow import KEPT_BUCKETS, KEPT_TRADE_IDS
from hlmon.events import Cvd, MarketTrades, Trade
from hlmon.testing.builders import START_MS, make_gap, make_market_trades
from hlmon.testing.deriver_contract import DeriverContract

D = Decimal
MINUTE_MS = 60_000
GRID_MS = START_MS - START_MS % MINUTE_MS
_ids = count(1)


def trade(after_ms: int, signed_size: str = "1", trade_id: int | None = None) -> Trade:
    """A trade after the grid's start; the sign of its size says who was the aggressor."""
    size = D(signed_size)
    side = "buy" if size > 0 else "sell"
    return Trade(GRID_MS + after_ms, side, D(100), abs(size), next(_ids) if trade_id is None else trade_id)


def reading(*trades: Trade, coin: str = "BTC") -> MarketTrades:
    return make_market_trades(*trades, coin=coin)


def gap(start_ms: int, end_ms: int | None, coin: str = "BTC", **changes):
    end = None if end_ms is None else GRID_MS + end_ms
    return make_gap(account="", stream=f"trades:{coin}", start_ms=GRID_MS + start_ms, end_ms=end, **changes)


def buckets_of(*events, deriver: VolumeDelta | None = None) -> list[Cvd]:
    deriver = deriver or VolumeDelta(MINUTE_MS)
    return [bucket for event in events for bucket in deriver(event)]


def running() -> VolumeDelta:
    """A deriver that has seen one trade in the minute before the grid's start."""
    deriver = VolumeDelta(MINUTE_MS)
    deriver(reading(trade(-1, "1")))
    return deriver


def test_a_bucket_adds_up_what_the_aggressors_bought_and_sold():
    (bucket,) = buckets_of(reading(trade(5, "2"), trade(6, "-0.5"), trade(7, "-3")), deriver=running())
    assert bucket == Cvd(
        time_ms=GRID_MS + 7,
        coin="BTC",
        interval_ms=MINUTE_MS,
        start_ms=GRID_MS,
        buy_volume=D(2),
        sell_volume=D("3.5"),
        cumulative=D("-0.5"),
        trades=3,
        complete=False,
    )
    assert bucket.delta == D("-1.5")


def test_a_bucket_is_stated_once_per_reading():
    deriver = running()
    first, second = buckets_of(reading(trade(1), trade(2)), reading(trade(3), trade(4)), deriver=deriver)
    assert (first.trades, second.trades) == (2, 4)
    assert second.version > first.version


def test_a_reading_over_two_intervals_states_both():
    before, after = buckets_of(reading(trade(59_999), trade(60_000, "2")), deriver=running())
    assert (before.start_ms, after.start_ms) == (GRID_MS, GRID_MS + MINUTE_MS)
    assert (before.cumulative, after.cumulative) == (D(2), D(4))


def test_coins_are_apart():
    deriver = running()
    bucket = buckets_of(reading(trade(1), coin="ETH"), deriver=deriver)[-1]
    assert (bucket.coin, bucket.cumulative) == ("ETH", D(1))


def test_the_first_bucket_after_the_first_start_is_incomplete():
    first, _, second, _ = buckets_of(reading(trade(30_000)), reading(trade(60_000)), reading(trade(120_000)))
    assert (first.complete, second.complete) == (False, True)


def test_a_bucket_is_complete_once_a_trade_of_a_later_one_has_come():
    open_one, ended, following = buckets_of(reading(trade(5)), reading(trade(60_000)), deriver=running())
    assert (open_one.complete, ended.complete, following.complete) == (False, True, False)
    assert (ended.start_ms, ended.trades) == (open_one.start_ms, open_one.trades)
    assert ended.version > open_one.version


def test_a_late_trade_from_before_the_first_start_makes_no_complete_bucket():
    *_, late, _ = buckets_of(reading(trade(120_000)), reading(trade(5)))
    assert (late.start_ms, late.complete) == (GRID_MS, False)


def test_a_repeated_trade_is_not_counted_again():
    deriver, again = running(), trade(5, "2", trade_id=77)
    buckets_of(reading(again, trade(9)), deriver=deriver)
    assert buckets_of(reading(again), deriver=deriver) == []
    (bucket,) = buckets_of(reading(again, trade(10)), deriver=deriver)
    assert (bucket.trades, bucket.buy_volume) == (3, D(4))


def test_trades_of_one_millisecond_are_told_apart_by_their_ids():
    (bucket,) = buckets_of(reading(trade(5), trade(5), trade(5)), deriver=running())
    assert bucket.trades == 3


def test_repeats_are_recognised_among_the_newest_trades_and_memory_stays_bounded():
    deriver = running()
    many = [trade(10 + number) for number in range(3 * KEPT_TRADE_IDS)]
    for one in many:
        deriver(reading(one))
    assert buckets_of(reading(*many[-KEPT_TRADE_IDS:]), deriver=deriver) == []
    stream = deriver._streams["BTC"]
    assert len(stream._trade_ids) + len(stream._older_ids) <= 2 * KEPT_TRADE_IDS + 2


def test_a_late_trade_counts_for_its_own_bucket_and_for_the_running_sums_after_it():
    deriver = running()
    buckets_of(reading(trade(5)), reading(trade(60_005)), deriver=deriver)
    late, following = buckets_of(reading(trade(4, "-10")), deriver=deriver)
    assert (late.start_ms, late.trades, late.cumulative, late.time_ms) == (GRID_MS, 2, D(-8), GRID_MS + 5)
    assert (following.cumulative, following.trades) == (D(-7), 1)


def test_a_trade_older_than_the_kept_buckets_is_left_out():
    deriver = running()
    for number in range(KEPT_BUCKETS + 1):
        deriver(reading(trade(number * MINUTE_MS)))
    assert buckets_of(reading(trade(7)), deriver=deriver) == []


def test_a_gap_makes_the_buckets_it_touches_incomplete():
    deriver = running()
    buckets_of(*(reading(trade(minute * MINUTE_MS + 10)) for minute in range(3)), deriver=deriver)
    touched = buckets_of(gap(MINUTE_MS + 10, 2 * MINUTE_MS), deriver=deriver)
    assert [(bucket.start_ms - GRID_MS, bucket.complete) for bucket in touched] == [
        (MINUTE_MS, False),
        (2 * MINUTE_MS, False),
    ]


def test_a_gap_that_goes_on_lasts_until_the_next_trade():
    deriver = running()
    (broken,) = buckets_of(reading(trade(5)), gap(10, None), deriver=deriver)[1:]
    assert not broken.complete
    later = (reading(trade(after_ms)) for after_ms in (70_000, 120_000, 180_000))
    resumed, _, whole, _ = buckets_of(*later, deriver=deriver)
    assert (resumed.complete, whole.complete) == (False, True)


def test_a_bucket_that_begins_after_the_gap_was_stated_is_incomplete_too():
    bucket = buckets_of(gap(30_000, 61_000), reading(trade(62_000)), deriver=running())[-1]
    assert not bucket.complete


def test_gaps_of_other_coins_and_streams_and_healed_ones_do_not_matter():
    others = [gap(0, 10, coin="ETH"), make_gap(start_ms=GRID_MS, end_ms=GRID_MS + 9), gap(0, 10, healed=True)]
    trades = reading(trade(5)), reading(trade(60_000))
    assert buckets_of(*others, *trades, deriver=running())[1].complete


def test_a_restart_makes_everything_from_the_last_known_trade_to_the_first_new_one_incomplete():
    before = running()
    (last,) = buckets_of(reading(trade(5)), deriver=before)
    after = VolumeDelta(MINUTE_MS)
    after.load_memory(before.dump_memory())
    broken, resumed = buckets_of(reading(trade(130_000, "3")), deriver=after)
    assert (broken.start_ms, broken.trades, broken.complete) == (last.start_ms, last.trades, False)
    assert (resumed.cumulative, resumed.complete) == (D(5), False)
    assert buckets_of(reading(trade(180_000)), reading(trade(240_000)), deriver=after)[1].complete


def test_a_rebuilt_memory_goes_on_like_a_saved_one():
    before = running()
    stored = buckets_of(reading(trade(5)), reading(trade(60_005, "-2")), deriver=before)
    loaded, rebuilt = VolumeDelta(MINUTE_MS), VolumeDelta(MINUTE_MS)
    loaded.load_memory(before.dump_memory())
    buckets_of(*stored, deriver=rebuilt)
    again = reading(trade(60_005, "-2"), trade(60_006))
    assert buckets_of(again, deriver=loaded) == buckets_of(again, deriver=rebuilt)


def test_trades_counted_before_a_restart_are_not_counted_again():
    before, last = running(), trade(5)
    buckets_of(reading(last), deriver=before)
    after = VolumeDelta(MINUTE_MS)
    after.load_memory(before.dump_memory())
    (bucket,) = buckets_of(reading(last), deriver=after)
    assert (bucket.trades, bucket.complete) == (1, False)


def test_buckets_of_another_length_are_forgotten():
    before = running()
    after = VolumeDelta(2 * MINUTE_MS)
    after.load_memory(before.dump_memory())
    assert buckets_of(reading(trade(5)), deriver=after)[-1].cumulative == D(1)


def test_stored_buckets_of_another_length_are_not_taken_over():
    stored = buckets_of(reading(trade(5, "7")))
    deriver = VolumeDelta(2 * MINUTE_MS)
    assert buckets_of(*stored, reading(trade(6)), deriver=deriver)[-1].cumulative == D(1)


def test_late_trades_among_newer_ones_count_for_their_own_buckets():
    deriver = running()
    buckets_of(reading(trade(61_000)), deriver=deriver)
    mixed = reading(trade(60_500), trade(59_000), trade(60_600), trade(61_001))
    assert [(one.start_ms - GRID_MS, one.trades) for one in buckets_of(mixed, deriver=deriver)] == [
        (0, 1),
        (MINUTE_MS, 4),
    ]


moves = st.tuples(st.integers(0, 5 * MINUTE_MS), st.integers(-500, 500).filter(bool))


@given(st.lists(moves, max_size=40), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_buckets_equal_a_plain_sum_whatever_the_order_and_the_repeats(sequence, chunk):
    trades = [trade(after_ms, str(D(size) / 100)) for after_ms, size in sequence]
    deriver, final = VolumeDelta(MINUTE_MS), {}
    for first in range(0, len(trades), chunk):
        part = sorted(trades[max(first - 2, 0) : first + chunk], key=lambda one: one.time_ms)
        final |= {bucket.start_ms: bucket for bucket in deriver(reading(*part))}
    sums = defaultdict(list)
    for one in trades:
        sums[one.time_ms - one.time_ms % MINUTE_MS].append(one.size if one.side == "buy" else -one.size)
    cumulative = D(0)
    for start_ms in sorted(sums):
        cumulative += sum(sums[start_ms])
        bucket = final[start_ms]
        assert (bucket.delta, bucket.trades) == (sum(sums[start_ms]), len(sums[start_ms]))
        assert bucket.cumulative == cumulative
    assert len(final) == len(sums)


class TestContract(DeriverContract):
    """The CVD keeps the contract of derivers."""

    settings = Settings(name="cvd", cvd_interval_ms=MINUTE_MS)
    excused: ClassVar = {
        "test_a_saved_memory_changes_nothing": "the trades of a restart are missed, and the buckets say so"
    }

    def factory(self):
        return FACTORY

    def config(self):
        return NoConfig()

    def events(self):
        return [reading(trade(1, "1", 1), trade(2, "-2", 2)), gap(10, 20), reading(trade(60_000, "1", 3))]
