"""Where sources put events: what is news is admitted, concluded from, and stored together with its conclusions."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from operator import attrgetter
from typing import Any, Final

from hlmon.contract import Deriver
from hlmon.deadline import CALL_SECONDS, Overdue, is_interrupt, limit_here, limited
from hlmon.delivery.policy import quarantined, settle
from hlmon.errors import JournalBusy, JournalError, text_of
from hlmon.events import STORED, Alert, Event, Fact, Order, Quarantined, Reading, Rebuilt, State, decode, encode
from hlmon.ingest.admission import Admission
from hlmon.ingest.save_times import SaveTimes
from hlmon.journal import UNENDED, Journal
from hlmon.journal.file import PATIENCE_S

MAX_DEPTH: Final = 8
MAX_PENDING: Final = 2_000
MAX_HELD: Final = 50_000
"""So many events wait in memory, some 100 MB, while another program keeps the journal locked."""
FINAL_PATIENCE_S: Final = 5.0
MAX_QUARANTINED: Final = 10_000

_LOG = logging.getLogger(__name__)
_time_ms = attrgetter("time_ms")


class Ingest:
    """Admits events and appends them to the journal, on one thread; every event goes with what was derived from it.

    `schedule` is called with a function that writes what is pending, once until that function was called; without it
    the caller sees to `flush`. At `max_pending` events they are written at once; while another program keeps the
    journal locked, they wait instead, up to `max_held` of them. A deriver that raises, or derives what
    cannot be stored, loses that conclusion and nothing else; `failures` counts by its name. An event that cannot be
    stored is quarantined with the origin "journal", and counted. What is quarantined beyond the first 10,000 of a
    journal is only counted, in `quarantine_overflow`.
    """

    def __init__(
        self,
        journal: Journal,
        derivers: Sequence[tuple[str, frozenset[str], Deriver]],
        *,
        schedule: Callable[[Callable[[], None]], None] | None = None,
        max_pending: int = MAX_PENDING,
        max_held: int = MAX_HELD,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.failures: Counter[str] = Counter()
        self.failing: dict[str, tuple[float, str]] = {}
        """Derivers whose last call failed: since when, by `now`, and why."""
        self.hanging: set[str] = set()
        """Of these the ones that did not return: they are not called again."""
        self._limit = limit_here()
        self.quarantine_overflow = 0
        self._journal = journal
        self._derivers = derivers
        self._schedule = schedule
        self._max_pending = self._flush_at = max_pending
        self._max_held = max_held
        self._now = now
        self.waiting_since: float | None = None  # by `now`: since when something waits to be committed
        self.committed_at: float | None = None
        self._admission = Admission(journal)
        self._admits: dict[str, Callable[[Any], bool]] = {
            kind: self._admission.state if issubclass(cls, State) else self._admission.fact
            for kind, cls in STORED.items()
        }
        self._admits["funding"] = self._admission.payment
        self._admits["quarantine"] = self._quarantine
        self._quarantine_room = MAX_QUARANTINED - journal.count("quarantine")
        self._wanted_by: defaultdict[str, list[tuple[str, Deriver]]] = defaultdict(list)
        for name, kinds, deriver in derivers:
            for kind in kinds:
                self._wanted_by[kind].append((name, deriver))
        self._scheduled = False
        self._failed: set[tuple[str, str]] = set()
        self._saves = SaveTimes(name for name, _, _ in derivers)
        self._forgetful: set[str] = set()  # whose memory could not be had the last time

    def __call__(self, events: Iterable[Event], /) -> int:
        """Admit events in this order; they are durable after the next `flush`.

        Returns how many of them were news: readings and what was derived do not count. Raises JournalError if the
        journal could not be written; what is pending then stays so.
        """
        news, pending = 0, self._admission.pending
        try:
            for event in events:
                try:
                    news += self._take(event, 0)
                except JournalError:
                    raise
                except (Exception, Overdue) as error:  # noqa: BLE001 - one event that makes no sense costs that event
                    self._take(self._set_aside(event, error), 0)
                if len(pending) >= self._flush_at:
                    self.flush()
        finally:
            if pending and self.waiting_since is None:
                self.waiting_since = self._now()
            if pending and not self._scheduled and self._schedule is not None:
                self._scheduled = True
                self._schedule(self._flush_as_scheduled)
        return news

    def states(self, kind: str, /) -> Sequence[Event]:
        """The events of this kind that are held now; flushes first."""
        self.flush()
        return self._with_pending(self._journal.states(kind), lambda event: event.kind == kind)

    def unended_orders(self) -> Sequence[Event]:
        """The orders whose end is not known, of which there are few among all that are held; flushes first."""
        self.flush()
        unended = self._with_pending(self._journal.unended_orders(), lambda event: isinstance(event, Order))
        return [order for order in unended if isinstance(order, Order) and order.status in UNENDED]

    def _with_pending(self, stored: list[Event], wanted: Callable[[Event], bool]) -> list[Event]:
        """What is stored and what still waits for the journal, as if it were stored."""
        waiting = {event.name: event for event in self._admission.pending.values() if wanted(event)}
        return [*(event for event in stored if event.name not in waiting), *waiting.values()] if waiting else stored

    @property
    def remembering(self) -> list[str]:
        """The derivers whose memory is saved again and again: what it does not know yet must stay in the journal.

        One that hangs, or whose memory cannot be had, is none of them: the journal would grow for ever.
        """
        able = (name for name, _, deriver in self._derivers if hasattr(deriver, "dump_memory"))
        return [name for name in able if name not in self.hanging and name not in self._forgetful]

    def flush(self, *, final: bool = False) -> None:
        """Append what is pending, with the derivers' memories when they are due or this is the `final` flush.

        While another program keeps the journal locked, what is pending stays so; JournalBusy only if this is the
        `final` flush, or if nothing else will flush.
        """
        try:
            self._flush(final=final)
        except JournalBusy:
            if final or self._schedule is None:
                raise

    def _flush(self, *, final: bool = False) -> None:
        events = list(self._admission.pending.values())
        if not events and not final:
            return
        try:
            self._commit(events, final)
        except JournalBusy as error:
            self._flush_at = self._max_held
            if len(events) >= self._max_held:
                raise JournalError(f"{error}; {len(events)} events wait, and no more can") from error
            raise
        except JournalError:
            raise
        except Exception as error:
            _LOG.exception("what came in could not be written")
            raise JournalError(
                f"journal {self._journal.path}: what came in could not be written ({type(error).__name__}: {error}); "
                "this is a fault of the program, please report it"
            ) from error
        self._flush_at = self._max_pending

    def _commit(self, events: list[Event], final: bool) -> None:
        # What derivers concluded from before it was completed, they must not meet again when they are rebuilt.
        due = self._saves.due(events)
        everything = final or self._admission.completes
        memories = self._dump_memories(None if everything else due) if everything or due else {}
        patience_s = FINAL_PATIENCE_S if final else PATIENCE_S if self._schedule is None else 0.0
        self._append(events, memories, patience_s)
        self._admission.flushed()
        self._saves.done(events, memories)
        self.waiting_since, self.committed_at = None, self._now()

    def rebuild(self) -> None:
        """Give the derivers their memories back: as last saved, then the stored events after that. Call it first.

        What they derive meanwhile is ignored, for it was stored at the time. When they are told that it is over, they
        may still derive what was not.
        """
        known_to = {name: self._load_memory(name, deriver) for name, _, deriver in self._derivers}
        kinds = frozenset[str]().union(*(kinds for _, kinds, _ in self._derivers)) & STORED.keys()
        seq = min(known_to.values(), default=0)
        while entries := self._journal.read_after(seq, kinds=kinds) if kinds else []:
            for seq, event in entries:
                for name, deriver in self._wanted_by.get(event.kind, ()):
                    if seq > known_to[name]:
                        self._derive(name, deriver, event)
        self([Rebuilt(time_ms=self._journal.newest_ms())])

    def _take(self, event: Event, depth: int) -> bool:
        kind = event.kind
        admits = self._admits.get(kind)  # None for readings
        if admits is not None and not admits(event):
            return False
        for name, deriver in self._wanted_by.get(kind, ()):
            for derived in self._derive(name, deriver, event):
                self._take_derived(name, derived, depth + 1)
        return admits is not None

    def _take_derived(self, name: str, derived: Event, depth: int) -> None:
        try:
            if depth > MAX_DEPTH:
                raise RecursionError(f"{derived.kind} is more than {MAX_DEPTH} conclusions away from what came in")
            self._take(derived, depth)
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001 - a broken plugin never stops ingestion
            self._fail(name, error)

    def _quarantine(self, event: Fact) -> bool:
        if self._quarantine_room <= 0:
            self.quarantine_overflow += 1
            return False
        news = self._admission.fact(event)
        self._quarantine_room -= news
        return news

    def _derive(self, name: str, deriver: Deriver, event: Event) -> Sequence[Event]:
        if name in self.hanging:
            return ()
        limit = self._limit
        try:
            limit.number += 1
            limit.seconds = CALL_SECONDS
            derived = deriver(event)
            if derived != ():  # which is what most return; whatever is no sequence of events fails below
                derived = tuple(derived)
                for each in derived:
                    _check(each)
        except BaseException as error:
            if is_interrupt(error):
                raise
            self._fail(name, error)
            return ()
        finally:
            limit.seconds = 0.0
        if self.failing and name not in self._forgetful:
            self.failing.pop(name, None)
        return derived

    def _fail(self, name: str, error: BaseException) -> None:
        self.failures[name] += 1
        since, _ = self.failing.get(name, (self._now(), ""))
        self.failing[name] = (since, text_of(error))
        if isinstance(error, Overdue):
            self.hanging.add(name)  # what hung once would keep everything waiting again and again
        if (name, type(error).__name__) not in self._failed:
            self._failed.add((name, type(error).__name__))
            _LOG.error("deriver %s failed; further failures of this type are only counted", name, exc_info=error)

    def _flush_as_scheduled(self) -> None:
        self._flush()  # raises JournalBusy to the schedule, which calls this again
        self._scheduled = False

    def _append(self, events: list[Event], memories: dict[str, bytes], patience_s: float) -> None:
        try:
            self._journal.append(events, memories, patience_s=patience_s)
        except JournalError:
            raise
        except Exception:  # noqa: BLE001 - an event from a plugin may raise anything
            for _ in settle(events, self._is_stored):
                pass
            self._journal.append([], memories)

    def _is_stored(self, events: Sequence[Event]) -> bool:
        """Store a part of what could not be stored together; one that cannot be stored alone is set aside."""
        try:
            self._journal.append(events)
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            if len(events) == 1:
                self._journal.append([self._set_aside(events[0], error)])
            return False
        return True

    def _set_aside(self, event: Event, error: BaseException) -> Quarantined:
        """Count an event that cannot be stored; its record takes its place."""
        self._fail(f"kind {event.kind}", error)
        return quarantined(event, "journal", f"it cannot be stored: {text_of(error)}")

    def _dump_memories(self, names: Collection[str] | None) -> dict[str, bytes]:
        """The memories of these derivers, None: of all."""
        memories = {}
        for name, _, deriver in self._derivers:
            dump_memory = getattr(deriver, "dump_memory", None)
            if dump_memory is not None and (names is None or name in names) and name not in self.hanging:
                try:
                    with limited(CALL_SECONDS):
                        memories[name] = _memory(dump_memory())
                    if name in self._forgetful:
                        self._forgetful.discard(name)
                        self.failing.pop(name, None)
                except BaseException as error:
                    if is_interrupt(error):
                        raise
                    self._forgetful.add(name)
                    self._fail(name, error)
        return memories

    def _load_memory(self, name: str, deriver: Deriver) -> int:
        load_memory = getattr(deriver, "load_memory", None)
        saved = self._journal.memory(name)
        if load_memory is None or saved is None:
            return 0
        seq, memory = saved
        try:
            with limited():
                load_memory(memory)
        except BaseException as error:
            if is_interrupt(error):
                raise
            if isinstance(error, Overdue):
                self._fail(name, error)
            _LOG.warning(
                "deriver %s cannot read its saved memory (%s); it is rebuilt from all stored events", name, error
            )
            return 0
        return seq


def _memory(dumped: object) -> bytes:
    if not isinstance(dumped, bytes | bytearray | memoryview):
        raise TypeError(f"dump_memory returned {type(dumped).__name__}, not bytes")
    return bytes(dumped)


def _check(derived: Event) -> None:
    if type(derived) is STORED.get(derived.kind):
        if type(derived) is Alert:  # rules have many authors, and an alert that nobody can read back is lost
            decode(derived.kind, encode(derived))
        if isinstance(derived.time_ms, int) and isinstance(getattr(derived, "version", 0), int):
            return
        raise TypeError(f"{type(derived).__name__} has no time or version that is a whole number")
    if not isinstance(derived, Reading) or derived.kind in STORED:
        raise TypeError(f"{type(derived).__name__} is not an event that can be stored")
