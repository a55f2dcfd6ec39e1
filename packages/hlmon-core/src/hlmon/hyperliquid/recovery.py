"""One account's hole after a (re)subscription: snapshots close it, REST what they do not reach, live events wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from hlmon.contract import Ingest
from hlmon.errors import Permanent, WireError
from hlmon.events import Event, Gap
from hlmon.hyperliquid.clock import Clock
from hlmon.hyperliquid.decode import decode_answer
from hlmon.hyperliquid.frames import Events
from hlmon.hyperliquid.info import Info
from hlmon.hyperliquid.requests import HISTORY_REQUESTS
from hlmon.hyperliquid.resume import Resume, covers

ORDERED = frozenset({"userFills", "userTwapSliceFills", "userFundings"})
"""Streams whose events conclusions are drawn from in the order of their times."""

NOT_READ_YET = "the exchange's REST did not answer yet"
MOST_HELD = 10_000
PATIENCE_SECONDS = 60.0  # while REST fails
LONGEST_HOLD_SECONDS = 120.0  # however well it answers
SHORT_SNAPSHOT = 100  # one with fewer rows is in all likelihood the whole history: worth reading on, not worth waiting
SNAPSHOTS_SECONDS = 15.0
SECOND_TRY_SECONDS = 300.0  # after an answer that cannot be used
SMALLEST_GAP_MS = 1000

_order = attrgetter("order")
_log = logging.getLogger(__name__)


@dataclass
class History:
    """How far an account's streams are stored, and which gaps were stated as not read back yet; both by stream."""

    complete_ms: dict[str, int]
    stated: dict[str, Gap]


@dataclass(frozen=True)
class Surroundings:
    """What reading back needs of the feed.

    `exchange_ms` is the largest exchange time seen; `quarantine` keeps an answer, why it was not understood, of whom.
    """

    info: Info
    ingest: Ingest
    clock: Clock
    exchange_ms: Callable[[], int]
    quarantine: Callable[[bytes, str, str], None]


class Hole:
    """What one stream may have missed since `start_ms` (None: it was never watched)."""

    def __init__(self, stream: str, account: str, start_ms: int | None) -> None:
        self.stream = stream
        self.start_ms = start_ms
        self.answered = False  # its snapshot came
        self.snapshot_ms: int | None = None  # of the snapshot's oldest row
        self.rows_seen = 0  # over the socket
        self.blocking = stream in ORDERED  # later events wait for it
        self.done = False
        self.events_read = 0
        self.not_before = 0.0
        self.unreadable = 0  # the last answer that was not understood, hashed
        self.resume = Resume(stream, account, start_ms)

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
    to be the whole history holds nothing up.
    """

    def __init__(self, account: str, history: History, around: Surroundings) -> None:
        self.since_ms = 0  # the first exchange time of this subscription: where the hole ends
        self._account = account
        self._history = history
        self._around = around
        self._holes = {name: Hole(name, account, history.complete_ms.get(name)) for name in HISTORY_REQUESTS}
        self._held: list[Held] = []
        self._holding = True
        self._started = self._progress = around.clock.now()
        self._begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, frame: Events) -> None:
        """A frame of this account, live or snapshot."""
        hole = self._holes.get(frame.stream)
        if hole is None:
            self._around.ingest((*frame.events, *frame.unread))
            return
        self._around.ingest(frame.unread)
        hole.rows_seen += len(frame.events) + len(frame.unread)
        if frame.is_snapshot:
            hole.answered, hole.snapshot_ms = True, frame.oldest_ms
            hole.done = hole.done or covers(frame.oldest_ms, hole.start_ms)
            hole.blocking = hole.blocking and hole.opens_before(frame)
            self._put(frame.stream, [Held(event, hole, FROM_SNAPSHOT) for event in frame.events])
        else:
            self._put(frame.stream, [Held(event, None, LIVE) for event in frame.events])
        self._release()
        self._note()

    def seen(self, time_ms: int) -> None:
        """The account's state of this time came: the subscription lives."""
        if not self.since_ms:
            self.since_ms = time_ms
            for hole in self._holes.values():
                hole.resume.until_ms = time_ms
        self._note()

    def completed(self, stream: str) -> bool:
        """Whether all that came of a stream is passed on and nothing before it is missing."""
        return self._holes[stream].done and not (self._held and stream in ORDERED)

    def check(self, now: float) -> None:
        """Called again and again: nothing is held for long, and what REST does not answer for a minute is a gap."""
        failing = self._around.info.failing or any(hole.not_before > now for hole in self._pending())
        stalled = failing and now - self._progress > PATIENCE_SECONDS
        if self._holding and (stalled or now - self._started > LONGEST_HOLD_SECONDS):
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
        request = hole.resume.request()
        if request is None:
            self._close(hole)
            return
        try:
            answer = await self._around.info.ask(request)
        except Permanent as error:
            self._postpone(hole, error)
            return
        try:
            found = decode_answer(request["type"], self._account, answer, clock_ms=self._around.exchange_ms())
        except WireError as error:
            self._quarantine(hole, answer, error)
            self._postpone(hole, error)
            return
        self._progress = self._around.clock.now()
        self._around.ingest(found.unread)
        read = hole.resume.feed(found.events, found.unread)
        self._around.ingest(hole.resume.gaps)
        self._put(hole.stream, [Held(event, hole, FROM_REST) for event in read])
        if hole.joined:
            hole.blocking = False  # even if it is read on, to learn how much the exchange has
            if hole.resume.join(hole.rows_seen):
                self._close(hole)
        self._release()

    def _postpone(self, hole: Hole, error: Exception) -> None:
        _log.warning("%s of %s cannot be read back: %s", hole.stream, self._account, error)
        hole.not_before = self._around.clock.now() + SECOND_TRY_SECONDS
        self._state_gap(hole)

    def _quarantine(self, hole: Hole, answer: Any, error: WireError) -> None:
        """Keep the answer; once, if the next try gives the same."""
        raw = msgspec.json.encode(answer)
        if hole.unreadable != hash(raw):
            hole.unreadable = hash(raw)
            self._around.quarantine(raw, f"{hole.stream}: {error}", self._account)

    def _close(self, hole: Hole) -> None:
        hole.done, hole.blocking = True, False
        self._around.ingest(hole.resume.gaps)
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

    def _release(self) -> None:
        """Pass on, by time, what is older than everything that is still to be read."""
        pending = self._pending()
        bound = min((hole.resume.complete_until_ms for hole in pending if hole.blocking), default=None)
        self._held.sort(key=_order)
        ready = [held for held in self._held if bound is None or held.event.time_ms <= bound]
        del self._held[: len(ready)]
        self._pass_on(ready)
        for hole in pending:
            reached_ms = hole.resume.checkpoint_ms
            if self._holding and hole.stream in ORDERED and bound is not None:
                reached_ms = min(bound, reached_ms)
            if reached_ms > (hole.start_ms or 0):
                self._history.complete_ms[hole.stream] = reached_ms

    def _let_go(self) -> None:
        self._holding = False
        self._held.sort(key=_order)
        held, self._held = self._held, []
        self._pass_on(held)

    def _pass_on(self, found: Iterable[Held]) -> None:
        for event, hole, _ in found:
            new = self._around.ingest((event,))
            if new and hole is not None and event.time_ms > (hole.start_ms or 0):
                hole.events_read += 1

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

    def _healed(self, hole: Hole) -> Iterable[Gap]:
        """The hole as a healed gap, if anything was missed in it or it was stated before."""
        stated = self._history.stated.pop(hole.stream, None)
        start_ms = stated.start_ms if stated else hole.start_ms
        end_ms = self.since_ms or self._around.exchange_ms()
        missed = stated or (hole.events_read and hole.start_ms is not None and end_ms - hole.start_ms > SMALLEST_GAP_MS)
        if missed and start_ms is not None and all(gap.start_ms != start_ms for gap in hole.resume.gaps):
            yield Gap(
                account=self._account,
                stream=hole.stream,
                start_ms=start_ms,
                end_ms=end_ms,
                time_ms=max(self._around.exchange_ms(), end_ms, stated.time_ms + 1 if stated else 0),
                healed=True,
                events_read=hole.events_read,
                reason="the connection was lost",
            )
