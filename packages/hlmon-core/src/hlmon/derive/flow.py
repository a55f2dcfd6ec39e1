"""The trades of one coin, added up in buckets."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from operator import attrgetter
from typing import Final

from hlmon.events import Trade
from hlmon.events.readings import trade_names

KEPT_BUCKETS: Final = 10
KEPT_GAPS: Final = 20
KEPT_TRADE_IDS: Final = 1_000
"""A repeated trade is recognised among at least this many newest ones of its coin."""

_time_of = attrgetter("time_ms")
_start_of = attrgetter("start_ms")


@dataclass(slots=True, kw_only=True)
class Bucket:
    """One interval of one coin. `time_ms` is the newest trade's; `delta_before` the running delta at the start."""

    start_ms: int
    time_ms: int
    delta_before: Decimal
    buy_volume: Decimal = Decimal(0)
    sell_volume: Decimal = Decimal(0)
    trades: int = 0
    complete: bool = True

    def add(self, trades: Sequence[Trade]) -> None:
        """Count trades of this interval, oldest first."""
        bought, sold = self.buy_volume, self.sell_volume
        for trade in trades:
            if trade.side == "buy":
                bought += trade.size
            else:
                sold += trade.size
        self.buy_volume, self.sell_volume = bought, sold
        self.trades += len(trades)
        self.time_ms = max(self.time_ms, trades[-1].time_ms)

    @property
    def cumulative(self) -> Decimal:
        """The running delta up to the end."""
        return self.delta_before + self.buy_volume - self.sell_volume


@dataclass(slots=True, kw_only=True)
class Flow:
    """One coin: its newest buckets, ascending, and the times in which the stream was not seen (None: going on)."""

    interval_ms: int
    buckets: list[Bucket] = field(default_factory=list)
    gaps: list[tuple[int, int | None]] = field(default_factory=list)

    def add(self, trades: Sequence[Trade]) -> list[Bucket]:
        """Count trades, oldest first; returns every bucket whose figures changed."""
        oldest_ms: int | None = None
        index = 0
        while index < len(trades):
            time_ms = trades[index].time_ms
            start_ms = time_ms - time_ms % self.interval_ms
            stop = bisect_left(trades, start_ms + self.interval_ms, lo=index, key=_time_of)
            bucket = self._bucket(start_ms, time_ms)
            if bucket is not None:
                bucket.add(trades[index:stop])
                oldest_ms = start_ms if oldest_ms is None else oldest_ms
            index = stop
        return [] if oldest_ms is None else self._carry_on(oldest_ms)

    def lose(self, start_ms: int, end_ms: int | None) -> list[Bucket]:
        """Note that the stream was not seen from `start_ms` on; returns the buckets that this made incomplete."""
        self.gaps = [gap for gap in self.gaps if gap[0] != start_ms][1 - KEPT_GAPS :]
        self.gaps.append((start_ms, end_ms))
        touched = [bucket for bucket in self.buckets if bucket.complete and self._is_touched(bucket.start_ms)]
        for bucket in touched:
            bucket.complete = False
        return touched

    def resume(self, time_ms: int) -> None:
        """End a gap that was going on, since a trade of `time_ms` has come."""
        if self.gaps and self.gaps[-1][1] is None:
            start_ms = self.gaps[-1][0]
            self.gaps[-1] = (start_ms, max(start_ms, time_ms))

    def restore(self, bucket: Bucket) -> None:
        """Take over a bucket as it was stated once."""
        index = bisect_left(self.buckets, bucket.start_ms, key=_start_of)
        self.buckets[index : index + (bucket.start_ms in map(_start_of, self.buckets))] = [bucket]
        del self.buckets[:-KEPT_BUCKETS]

    def _bucket(self, start_ms: int, time_ms: int) -> Bucket | None:
        """The bucket that starts then, a new one if need be; None if it is too old to be kept."""
        buckets = self.buckets
        if buckets and buckets[-1].start_ms == start_ms:
            return buckets[-1]
        index = bisect_left(buckets, start_ms, key=_start_of)
        if index < len(buckets) and buckets[index].start_ms == start_ms:
            return buckets[index]
        if index == 0 and len(buckets) == KEPT_BUCKETS:
            return None
        before = buckets[index - 1].cumulative if index else buckets[0].delta_before if buckets else Decimal(0)
        bucket = Bucket(
            start_ms=start_ms, time_ms=time_ms, delta_before=before, complete=not self._is_touched(start_ms)
        )
        buckets.insert(index, bucket)
        del buckets[:-KEPT_BUCKETS]
        return bucket

    def _carry_on(self, start_ms: int) -> list[Bucket]:
        """The buckets from `start_ms` on, each with the running delta of the one before it."""
        buckets = self.buckets
        if buckets[-1].start_ms == start_ms:
            return buckets[-1:]
        first = bisect_left(buckets, start_ms, key=_start_of)
        for index in range(first + 1, len(buckets)):
            buckets[index].delta_before = buckets[index - 1].cumulative
        return buckets[first:]

    def _is_touched(self, start_ms: int) -> bool:
        """Whether a gap overlaps the bucket that starts then."""
        end_ms = start_ms + self.interval_ms
        return any(lost_ms < end_ms and (back_ms is None or back_ms >= start_ms) for lost_ms, back_ms in self.gaps)


class Stream:
    """What came of a coin's trades since this start; those up to `floor_ms` were counted before it."""

    def __init__(self, floor_ms: int) -> None:
        self._floor_ms = floor_ms
        self._newest_ms = floor_ms
        self._trade_ids: set[object] = set()  # as `trade_names` has them
        self._older_ids: set[object] = set()

    def unseen(self, trades: Sequence[Trade]) -> Sequence[Trade]:
        """The trades that did not come before, oldest first."""
        if trades[0].time_ms > self._newest_ms:
            ids: set[object] = {trade.trade_id for trade in trades}
            if len(ids) == len(trades) and 0 not in ids:
                self._newest_ms = trades[-1].time_ms
                self._remember(ids)
                return trades
        return self._picked(trades)

    def _remember(self, trade_ids: set[object]) -> None:
        self._trade_ids |= trade_ids
        if len(self._trade_ids) > KEPT_TRADE_IDS:
            self._older_ids, self._trade_ids = self._trade_ids, set()

    def _picked(self, trades: Sequence[Trade]) -> Sequence[Trade]:
        """The same, one by one: some of them are not newer than all before them, or stand twice."""
        newest_ms, trade_ids = self._newest_ms, self._trade_ids
        unseen = []
        is_sorted = True
        for trade, trade_id in zip(trades, trade_names(trades), strict=True):
            time_ms = trade.time_ms
            if time_ms > newest_ms:
                newest_ms = time_ms
            elif time_ms <= self._floor_ms or trade_id in trade_ids or trade_id in self._older_ids:
                continue
            elif time_ms < newest_ms:
                is_sorted = False
            trade_ids.add(trade_id)
            unseen.append(trade)
        self._newest_ms = newest_ms
        self._remember(set())
        return unseen if is_sorted else sorted(unseen, key=_time_of)
