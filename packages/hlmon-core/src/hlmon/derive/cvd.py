"""Cumulative volume delta per coin, in buckets of fixed length.

A bucket is complete only if the trades stream was seen over all of it, which is known once a trade of a later one has
come: until then it may be the last that was seen of it. A start of hlmon is a break of the stream: from
the last trade known before it, if there is one, to the first one after it. A trade that comes late counts for its own
bucket as long as that is one of the newest `KEPT_BUCKETS`; older ones are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from hlmon.contract import DeriverFactory, NoConfig, Settings
from hlmon.derive.flow import Bucket, Flow, Stream
from hlmon.events import Cvd, Event, Gap, MarketTrades

KINDS: Final = frozenset({"trades", "cvd", "gap"})
STREAM_PREFIX: Final = "trades:"


class Memory(msgspec.Struct, omit_defaults=True):
    """All coins."""

    flows: dict[str, Flow] = msgspec.field(default_factory=dict)


class VolumeDelta:
    """States every bucket that trades change, once per reading, and every one that has ended or a gap breaks."""

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._flows = Memory().flows
        self._streams: dict[str, Stream] = {}

    def __call__(self, event: Event, /) -> Sequence[Event]:
        """The buckets that this event changes."""
        if type(event) is MarketTrades:
            return self._count(event)
        if type(event) is Gap:
            return self._lose(event)
        if type(event) is Cvd and event.coin not in self._streams and event.interval_ms == self._interval_ms:
            self._flow(event.coin).restore(_bucket(event))
        return ()

    def dump_memory(self) -> bytes:
        """The memory as JSON."""
        return msgspec.json.encode(Memory(self._flows))

    def load_memory(self, memory: bytes, /) -> None:
        """Take over a dumped memory; buckets of another length are of no use and stay away."""
        flows = msgspec.json.decode(memory, type=Memory).flows
        self._flows = {coin: flow for coin, flow in flows.items() if flow.interval_ms == self._interval_ms}

    def _flow(self, coin: str) -> Flow:
        flow = self._flows.get(coin)
        if flow is None:
            flow = self._flows[coin] = Flow(interval_ms=self._interval_ms)
        return flow

    def _lose(self, gap: Gap) -> Sequence[Event]:
        if gap.healed or not gap.stream.startswith(STREAM_PREFIX):
            return ()
        coin = gap.stream.removeprefix(STREAM_PREFIX)
        flow = self._flow(coin)
        return [_cvd(coin, flow, bucket) for bucket in flow.lose(gap.start_ms, gap.end_ms)]

    def _count(self, reading: MarketTrades) -> Sequence[Event]:
        coin = reading.coin
        flow = self._flow(coin)
        stream = self._streams.get(coin)
        broken: list[Bucket] = []
        if stream is None and reading.trades:
            first_ms = reading.trades[0].time_ms
            floor_ms = flow.buckets[-1].time_ms if flow.buckets else -1
            stream = self._streams[coin] = Stream(floor_ms)
            broken = flow.lose(max(floor_ms, 0), max(floor_ms, first_ms))
        trades = stream.unseen(reading.trades) if stream and reading.trades else ()
        if trades:
            flow.resume(trades[0].time_ms)
        running = flow.buckets[-1:]
        changed = flow.add(trades)
        if running and running[0].complete and changed and changed[0].start_ms > running[0].start_ms:
            changed = [*running, *changed]  # it has ended
        changed = [*(bucket for bucket in broken if bucket not in changed), *changed] if broken else changed
        return [_cvd(coin, flow, bucket) for bucket in changed]


def _cvd(coin: str, flow: Flow, bucket: Bucket) -> Cvd:
    return Cvd(
        time_ms=bucket.time_ms,
        coin=coin,
        interval_ms=flow.interval_ms,
        start_ms=bucket.start_ms,
        buy_volume=bucket.buy_volume,
        sell_volume=bucket.sell_volume,
        cumulative=bucket.cumulative,
        trades=bucket.trades,
        complete=bucket.complete and bucket is not flow.buckets[-1],
    )


def _bucket(cvd: Cvd) -> Bucket:
    return Bucket(
        start_ms=cvd.start_ms,
        time_ms=cvd.time_ms,
        delta_before=cvd.cumulative - cvd.delta,
        buy_volume=cvd.buy_volume,
        sell_volume=cvd.sell_volume,
        trades=cvd.trades,
        complete=cvd.complete,
    )


@contextmanager
def _open(_config: NoConfig, settings: Settings) -> Iterator[VolumeDelta]:
    yield VolumeDelta(settings.cvd_interval_ms)


FACTORY: Final = DeriverFactory(name="buckets", open=_open, config=NoConfig, kinds=KINDS, always=True)
