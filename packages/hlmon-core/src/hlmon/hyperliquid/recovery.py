"""One account's hole after a (re)subscription: snapshots close it, REST what they do not reach, live events wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

import msgspec

from hlmon.events import Checkpoint, Event, Gap, Quarantined
from hlmon.hyperliquid.frames import Events
from hlmon.hyperliquid.reading import Reading, Surroundings
from hlmon.hyperliquid.requests import HISTORY_REQUESTS
from hlmon.hyperliquid.resume import covers

ORDERED = frozenset({"userFills", "userTwapSliceFills", "userFundings"})
"""Streams whose events conclusions are drawn from in the order of their times."""

NOT_READ_YET = "the exchange's REST did not answer yet"
MOST_HELD = 10_000
MOST_ODD = 1_000
PATIENCE_SECONDS = 60.0  # while REST fails
LONGEST_HOLD_SECONDS = 120.0  # however well it answers
SHORT_SNAPSHOT = 100  # one with fewer rows is in all likelihood the whole history: worth reading on, not worth waiting
SNAPSHOTS_SECONDS = 15.0
SMALLEST_GAP_MS = 1000

_order = attrgetter("order")
_log = logging.getLogger(__name__)


@dataclass
class History:
    """How far an account's streams are stored, and which gaps were stated as not read back yet; both by stream.

    `alive_ms` is the exchange's time when the account was last seen to be live, `odd` are the digests of rows that came
    over the socket and could not be read.
    """

    complete_ms: dict[str, int] = field(default_factory=dict)
    stated: dict[str, Gap] = field(default_factory=dict)
    alive_ms: int = 0
    odd: set[str] = field(default_factory=set)

    def note_odd(self, unread: Iterable[Quarantined]) -> None:
        """Rows that could not be read came over the socket; so many at most are remembered."""
        self.odd.update(row.digest for row in unread if len(self.odd) < MOST_ODD)

    def advance(self, stream: str, time_ms: int) -> bool:
        """This stream is complete up to then, too; whether that is the first that is known of it."""
        known_ms = self.complete_ms.get(stream, 0)
        self.complete_ms[stream] = max(known_ms, time_ms)
        return time_ms > 0 and not known_ms


class Hole:
    """What one stream may have missed since `start_ms` (None: it was never watched)."""

    def __init__(
        self, stream: str, account: str, start_ms: int | None, around: Surroundings, odd: Set[str] = frozenset()
    ) -> None:
        self.stream = stream
        self.start_ms = start_ms
        self.answered = False  # its snapshot came
        self.snapshot_ms: int | None = None  # of the snapshot's oldest row
        self.newest_ms = 0  # of the rows seen over the socket
        self.rows_seen = 0  # over the socket
        self.blocking = stream in ORDERED  # later events wait for it
        self.done = False
        self.covered_at = 0.0  # the moment of the snapshot that left nothing to read
        self.events_read = 0
        self.oldest_read_ms: int | None = None
        self.reading = Reading(stream, account, start_ms, around, odd)
        self.resume = self.reading.resume

    @property
    def not_before(self) -> float:
        """The moment before which nothing should be asked."""
        return self.reading.not_before

    @property
    def proven_ms(self) -> int:
        """Up to here nothing is missing but what a gap states; more rows of the newest millisecond may follow."""
        proven_ms = self.reading.proven_ms
        return max(proven_ms, self.newest_ms - 1) if self.done else proven_ms

    @property
    def joined(self) -> bool:
        """Whether reading has reached the rows of the snapshot, behind which everything came over the socket."""
        return self.snapshot_ms is not None and self.resume.read_until_ms >= self.snapshot_ms

    def opens_before(self, snapshot: Events) -> bool:
        """Whether rows before this snapshot may be missing; that some become visible late is not worth waiting for."""
        if len(snapshot.events) + len(snapshot.unread) < SHORT_SNAPSHOT or snapshot.oldest_ms is None:
            return False
        return self.start_ms is None or snapshot.oldest_ms > self.start_ms


class Held(NamedTuple):
    """An event that waits; `read_from` is the hole that it was read back from, `rank` its place in its millisecond."""

    event: Event
    read_from: Hole | None
    rank: int

    @property
    def order(self) -> tuple[int, bool, int]:
        """By time; in one millisecond funding is paid on what was held before the fills, and REST's rows are whole."""
        return (self.event.time_ms, self.event.kind != "funding", self.rank)


FROM_REST, FROM_SNAPSHOT, LIVE = range(3)


class Recovery:
    """Reads one account's hole back.

    Events of the ordered streams are held until everything before them is read: at most 10,000, for two minutes at
    most, and for one while REST fails; the hole is then stated as a gap until it heals. A snapshot that is short enough
    to be the whole history holds nothing up. `told` hears of every event that is passed on.
    """

    def __init__(
        self, account: str, history: History, around: Surroundings, told: Callable[[Sequence[Event]], None]
    ) -> None:
        self.since_ms = 0  # the first exchange time of this subscription: where the hole ends
        self._account = account
        self._history = history
        self._around = around
        self._told = told
        self._holes = {
            name: Hole(name, account, history.complete_ms.get(name), around, history.odd) for name in HISTORY_REQUESTS
        }
        self._alive_ms = history.alive_ms  # before this subscription
        self._held: list[Held] = []
        self._holding = True
        self._bound = self._find_bound()
        self.began = self._progress = around.clock.now()
        self._begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, frame: Events) -> None:
        """A frame of this account, live or snapshot."""
        hole = self._holes.get(frame.stream)
        if hole is None:
            self._around.ingest((*frame.events, *frame.unread))
            return
        if frame.unread:
            self._around.ingest(frame.unread)
        hole.rows_seen += len(frame.events) + len(frame.unread)
        hole.newest_ms = max(hole.newest_ms, frame.newest_ms or 0)
        if frame.is_snapshot:
            self._take_snapshot(frame, hole)
        else:
            self._take_live(frame, hole)

    def _take_snapshot(self, frame: Events, hole: Hole) -> None:
        hole.answered, hole.snapshot_ms = True, frame.oldest_ms
        if not hole.done and covers(frame.oldest_ms, hole.start_ms):
            hole.done, hole.covered_at = True, self._around.clock.now()
        hole.blocking = hole.blocking and hole.opens_before(frame)
        self._put(frame.stream, [Held(event, hole, FROM_SNAPSHOT) for event in frame.events])
        self._release()
        self._note()

    def _take_live(self, frame: Events, hole: Hole) -> None:
        """Most frames of a busy account, whose history may take minutes to read: what they do not change is kept."""
        if not self._holding or frame.stream not in ORDERED or self._bound is None:
            self._around.ingest(frame.events)
            self._told(frame.events)
        else:
            self._put(frame.stream, [Held(event, None, LIVE) for event in frame.events])
            if frame.oldest_ms is not None and frame.oldest_ms <= self._bound:
                self._release()
        if hole.done:
            self._advance(hole, hole.newest_ms - 1)

    def seen(self, time_ms: int) -> None:
        """The account's state of this time came: the subscription lives."""
        if not self.since_ms:
            self.since_ms = time_ms
            for hole in self._holes.values():
                hole.resume.until_ms = time_ms
        self._note()

    def read_at(self, stream: str) -> float:
        """The moment up to which this stream has been read; what the exchange left out since then, nothing has seen."""
        hole = self._holes[stream]
        return hole.covered_at or hole.reading.read_at

    @property
    def is_whole(self) -> bool:
        """Whether everything that was missed could be read back, as far as it was read."""
        return not any(hole.resume.gaps for hole in self._holes.values())

    def check(self, now: float) -> None:
        """Called again and again: nothing is held for long, and what REST does not answer for a minute is a gap."""
        failing = self._around.info.failing or any(hole.not_before > now for hole in self._pending())
        stalled = failing and now - self._progress > PATIENCE_SECONDS
        if self._holding and (stalled or now - self.began > LONGEST_HOLD_SECONDS):
            self._let_go()
        if stalled:
            for hole in self._pending():
                self._state_gap(hole)

    async def run(self) -> None:
        """Read until every hole is closed; repeats for ever what fails."""
        clock = self._around.clock
        await clock.within(SNAPSHOTS_SECONDS, self._begun)
        while pending := self._pending():
            now = clock.now()
            ready = [hole for hole in pending if hole.not_before <= now]
            if ready:
                await self._read_page(min(ready, key=lambda hole: (not hole.blocking, hole.resume.complete_until_ms)))
            else:
                await clock.sleep(min(hole.not_before for hole in pending) - now)
        self._release()
        self._around.ingest([gap for hole in self._holes.values() for gap in self._healed(hole)])

    async def _read_page(self, hole: Hole) -> None:
        if hole.reading.done:
            self._close(hole)
            return
        pages = hole.reading.pages
        read = await hole.reading.next_page()
        if hole.reading.pages == pages:
            return
        self._progress = self._around.clock.now()
        self._state_lost(hole)
        self._put(hole.stream, [Held(event, hole, FROM_REST) for event in read])
        if hole.joined:
            hole.blocking = False  # even if it is read on, to learn how much the exchange has
            if hole.resume.join(hole.rows_seen):
                self._close(hole)
        self._release()

    def _close(self, hole: Hole) -> None:
        hole.done, hole.blocking = True, False
        self._state_lost(hole)
        self._release()

    def _pending(self) -> list[Hole]:
        return [hole for hole in self._holes.values() if not hole.done]

    def _put(self, stream: str, found: list[Held]) -> None:
        if self._holding and stream in ORDERED:
            self._held += found
            if len(self._held) > MOST_HELD:
                self._let_go()
        else:
            self._pass_on(found)

    def _find_bound(self) -> int | None:
        """What is later than this has to wait; None: nothing has to. Live frames do not move it."""
        return min((hole.resume.complete_until_ms for hole in self._pending() if hole.blocking), default=None)

    def _release(self) -> None:
        """Pass on, by time, what is older than everything that is still to be read."""
        self._bound = bound = self._find_bound()
        self._held.sort(key=_order)
        ready = [held for held in self._held if bound is None or held.event.time_ms <= bound]
        del self._held[: len(ready)]
        self._pass_on(ready)
        for hole in self._holes.values():
            self._advance(hole, hole.proven_ms)

    def _advance(self, hole: Hole, proven_ms: int) -> None:
        """Move the checkpoint of a stream as far as it is proven, but not beyond what waits."""
        if self._holding and hole.stream in ORDERED and self._bound is not None:
            proven_ms = min(self._bound, proven_ms)
        if self._history.advance(hole.stream, proven_ms):  # the next run must know that it was watched
            self._around.ingest([Checkpoint(account=self._account, stream=hole.stream, time_ms=proven_ms)])

    def _let_go(self) -> None:
        self._holding = False
        self._held.sort(key=_order)
        held, self._held = self._held, []
        self._pass_on(held)

    def _pass_on(self, found: Iterable[Held]) -> None:
        for event, hole, _ in found:
            new = self._around.ingest((event,))
            self._told((event,))
            if new and hole is not None and event.time_ms > (hole.start_ms or 0):
                hole.events_read += 1
                hole.oldest_read_ms = min(event.time_ms, hole.oldest_read_ms or event.time_ms)

    def _note(self) -> None:
        if self.since_ms and not self._begun.done() and all(hole.answered for hole in self._holes.values()):
            self._begun.set_result(None)

    def _state_gap(self, hole: Hole) -> None:
        if hole.start_ms is None or hole.stream in self._history.stated:
            return
        gap = Gap(
            account=self._account,
            stream=hole.stream,
            start_ms=hole.start_ms,
            end_ms=self.since_ms or None,
            time_ms=self._around.exchange_ms(),
            reason=NOT_READ_YET,
        )
        self._history.stated[hole.stream] = gap
        self._around.ingest((gap,))

    def _state_lost(self, hole: Hole) -> None:
        """What can never be read back; later than what was stated of the same time while nothing was known."""
        stated = self._history.stated.get(hole.stream)
        for gap in hole.resume.gaps:
            time_ms = max(gap.time_ms, stated.time_ms + 1) if stated else gap.time_ms
            self._around.ingest([msgspec.structs.replace(gap, time_ms=time_ms)])

    def _healed(self, hole: Hole) -> Iterator[Gap]:
        """The hole as healed gaps, if anything was missed in it or it was stated before: all but what stays missing."""
        stated = self._history.stated.pop(hole.stream, None)
        start_ms = stated.start_ms if stated else hole.start_ms
        end_ms = self.since_ms or self._around.exchange_ms()
        missed = stated or (hole.events_read and hole.start_ms is not None and end_ms - hole.start_ms > SMALLEST_GAP_MS)
        if not missed or start_ms is None or any(gap.start_ms == start_ms for gap in hole.resume.gaps):
            return
        if not stated and self._alive_ms and hole.oldest_read_ms:
            start_ms = max(start_ms, min(self._alive_ms, hole.oldest_read_ms))
        events_read = hole.events_read
        for part_start_ms, part_end_ms in without(start_ms, end_ms, hole.resume.gaps):
            yield Gap(
                account=self._account,
                stream=hole.stream,
                start_ms=part_start_ms,
                end_ms=part_end_ms,
                time_ms=max(self._around.exchange_ms(), end_ms, stated.time_ms + 1 if stated else 0),
                healed=True,
                events_read=events_read,
                reason="the connection was lost",
            )
            events_read = 0  # they are counted once


def without(start_ms: int, end_ms: int, lost: Iterable[Gap]) -> Iterator[tuple[int, int]]:
    """The parts of a span of time that none of these gaps touches."""
    for gap in sorted(lost, key=attrgetter("start_ms")):
        if gap.start_ms > start_ms:
            yield start_ms, gap.start_ms
        start_ms = end_ms if gap.end_ms is None else max(start_ms, gap.end_ms + 1)
    if start_ms < end_ms:
        yield start_ms, end_ms
