"""The source "replay": recorded frames of the WebSocket, one a line exactly as received, on the path of live ones.

The same lines always give the same events, so a file may be replayed again, whole or in part. Where a recording shows
that a connection was lost, it states the same gaps as a live feed does.

Market trades: after the acknowledgement of a subscription the exchange repeats old trades, so the first frame then
counts for nothing, as it does live. A file without acknowledgements is a selection of frames; there, each one counts.
Trades that are older than the CVD already in the journal are not counted again.

A list of open orders has no time: it has the one of the frames before it. The newest of each stream is kept as its
checkpoint, so that lists which were replayed before say nothing about orders whose later life is known.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import msgspec

from hlmon.contract import Ingest, Settings, SourceFactory
from hlmon.errors import ConfigError, WireError
from hlmon.events import Checkpoint, Cvd, Event, Gap, InputEnded, MarketTrades, OpenOrders
from hlmon.hyperliquid.decode import decode_frame, quarantined
from hlmon.hyperliquid.frames import Ack, Events, Frame, Greeting, Ignored, Refusal
from hlmon.hyperliquid.market import Coin, unread_trades
from hlmon.hyperliquid.requests import Subscription

LINES_PER_STEP: Final = 200


class ReplayConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which recordings."""

    files: Annotated[tuple[str, ...], msgspec.Meta(description="files of `hlmon record`, read in their order")]


@dataclass
class Tally:
    """What was in the lines so far."""

    lines: int = 0
    read: Counter[str] = field(default_factory=Counter)  # events by kind, known ones too
    ignored: Counter[str] = field(default_factory=Counter)  # frames by channel
    others: int = 0  # frames of accounts that were not asked for
    quarantined: int = 0


class Replay:
    """Reads files, in each run from the beginning; `tally` is of the last one. An empty `accounts` means all."""

    def __init__(self, files: Sequence[Path], accounts: Iterable[str] = ()) -> None:
        self._files = files
        self._accounts = frozenset(account.lower() for account in accounts)
        self._begin({}, {})

    def _begin(self, counted_ms: Mapping[str, int], listed_ms: Mapping[tuple[str, str], int]) -> None:
        """Know nothing of an earlier run.

        `counted_ms` is the time up to which a coin's trades are in the journal, `listed_ms` that of the lists of open
        orders, by account and stream.
        """
        self.tally = Tally()
        self._clock_ms = 0
        self._newest_ms: dict[tuple[str, str], int] = {}
        self._lost: set[tuple[str, str]] = set()
        self._coins: dict[str, Coin] = {}
        self._counted_ms = counted_ms
        self._known_lists_ms = listed_ms
        self._lists_ms: dict[tuple[str, str], int] = {}
        self._early: list[Events] = []  # lists of open orders that came before any time was known

    async def run(self, ingest: Ingest) -> None:
        """Replay everything, letting the event loop go on in between."""
        for _ in self.steps(ingest):
            await asyncio.sleep(0)

    def steps(self, ingest: Ingest) -> Iterator[int]:
        """Replay a few lines at a time; yields the bytes read in each step. Raises ConfigError if a file cannot be."""
        self._begin(_newest_by_coin(ingest.states("cvd")), _newest_by_stream(ingest.states("checkpoint")))
        for path in self._files:
            try:
                with path.open("rb") as file:
                    while lines := [line for _, line in zip(range(LINES_PER_STEP), file, strict=False)]:
                        ingest(event for line in lines for event in self._events_of(line.strip()))
                        yield sum(map(len, lines))
            except OSError as error:
                raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        ingest([event for frame in self._early for event in self._listed(frame)])
        ingest(
            Checkpoint(
                account=account, stream=stream, time_ms=max(at_ms, self._known_lists_ms.get((account, stream), 0))
            )
            for (account, stream), at_ms in self._lists_ms.items()
        )
        ingest([InputEnded(time_ms=self._clock_ms)])

    def _events_of(self, line: bytes) -> Iterator[Event]:
        if not line:
            return
        self.tally.lines += 1
        try:
            frame = decode_frame(line, clock_ms=self._clock_ms)
        except WireError as error:
            self.tally.quarantined += 1
            yield quarantined(line, str(error), time_ms=self._clock_ms)
            return
        for event in self._admitted(frame):
            self.tally.read[event.kind] += 1
            yield event

    def _admitted(self, frame: Frame) -> Iterable[Event]:
        match frame:
            case Events(account=account) if account and self._accounts and account not in self._accounts:
                self.tally.others += 1
            case Events():
                return self._of_stream(frame)
            case Ack(method="subscribe", subscription=Subscription(type="trades", coin=coin)):
                self._coins.setdefault(coin, Coin(coin))
            case Greeting():
                self._lost = set(self._newest_ms)
                return [event for coin in self._coins.values() for event in coin.lost(self._clock_ms)]
            case Ignored(channel=channel):
                self.tally.ignored[channel] += 1
            case Refusal():
                self.tally.ignored["error"] += 1
        return ()

    def _of_stream(self, frame: Events) -> Iterator[Event]:
        yield from self._hole_before(frame)
        self._clock_ms = max(self._clock_ms, frame.newest_ms or 0)
        self.tally.quarantined += len(frame.unread)
        yield from frame.unread
        yield from unread_trades(frame.unread)
        if frame.events and isinstance(frame.events[0], OpenOrders):
            if self._clock_ms:
                yield from self._listed(frame)
            else:
                self._early.append(frame)
            return
        while self._clock_ms and self._early:
            yield from self._listed(self._early.pop(0))
        for event in frame.events:
            if isinstance(event, MarketTrades):
                yield from self._trades(event)
            else:
                yield event

    def _hole_before(self, frame: Events) -> Iterator[Event]:
        """A snapshot holds the newest rows: if it does not reach back to what was seen before, rows are missing."""
        stream = (frame.account, frame.stream)
        before_ms = self._newest_ms.get(stream, 0)
        self._newest_ms[stream] = max(before_ms, frame.newest_ms or 0)
        if frame.is_snapshot and frame.oldest_ms and stream in self._lost and before_ms < frame.oldest_ms:
            yield Gap(
                account=frame.account,
                stream=frame.stream,
                start_ms=before_ms,
                end_ms=frame.oldest_ms,
                time_ms=frame.oldest_ms,
                reason="the recording lost its connection",
            )
        self._lost.discard(stream)

    def _listed(self, frame: Events) -> Iterator[Event]:
        """Lists of one stream, each a little later than the one before it, unless the journal had a later one."""
        stream = (frame.account, frame.stream)
        for event in frame.events:
            time_ms = max(self._clock_ms, self._lists_ms.get(stream, 0) + 1)
            self._lists_ms[stream] = time_ms
            if time_ms > self._known_lists_ms.get(stream, 0):
                yield msgspec.structs.replace(event, time_ms=time_ms)

    def _trades(self, event: MarketTrades) -> Iterable[Event]:
        coin = self._coins.get(event.coin)
        for taken in (event,) if coin is None else coin.take(event):
            if not isinstance(taken, MarketTrades):
                yield taken
            elif fresh := tuple(trade for trade in taken.trades if trade.time_ms > self._counted_ms.get(event.coin, 0)):
                yield msgspec.structs.replace(taken, trades=fresh)


def require_frames(files: Iterable[Path]) -> None:
    """Raise ConfigError for the first file without a single frame: another file was meant, and nothing is taken of it.

    Of a recording only the beginning is read.
    """
    for path in files:
        try:
            with path.open("rb") as file:
                holds = any(map(_is_frame, file))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        if not holds:
            raise ConfigError(f"{path}: holds no frame of the exchange; name a file that `hlmon record` wrote")


def _is_frame(line: bytes) -> bool:
    try:
        decode_frame(line.strip(), clock_ms=0)
    except WireError:
        return False
    return True


def _newest_by_coin(buckets: Iterable[Event]) -> dict[str, int]:
    newest: dict[str, int] = {}
    for bucket in buckets:
        if isinstance(bucket, Cvd):
            newest[bucket.coin] = max(newest.get(bucket.coin, 0), bucket.time_ms)
    return newest


def _newest_by_stream(checkpoints: Iterable[Event]) -> dict[tuple[str, str], int]:
    return {(each.account, each.stream): each.time_ms for each in checkpoints if isinstance(each, Checkpoint)}


def check_replay(config: ReplayConfig) -> dict[str, str]:
    """Whether each file is there and holds a frame."""
    try:
        require_frames(_paths(config))
    except ConfigError as error:
        return {"files": str(error)}
    return {}


def _paths(config: ReplayConfig) -> list[Path]:
    return [Path(name).expanduser() for name in config.files]


def _open(config: ReplayConfig, settings: Settings) -> AbstractContextManager[Replay]:
    files = _paths(config)
    require_frames(files)
    return nullcontext(Replay(files, settings.accounts))


FACTORY: Final = SourceFactory(name="replay", open=_open, config=ReplayConfig, check=check_replay)
