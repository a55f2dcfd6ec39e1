"""The ingest that a source under test feeds: it keeps in memory what a journal would, and ends the run in time."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from hlmon.events import STORED, Event, Name, State


class Taken:
    """What a source fed. The run is to end when everything is there that is `expected`, by kind.

    `events` are all that came, in order. `kept` are the facts and states as a journal keeps them, with those `held`
    before. With a `limit` the run is cancelled after so many facts and states, within the call that feeds them; a
    `deadly` one is the end of the process, and what comes then is lost. `look` is called each time something is fed.
    """

    def __init__(
        self,
        expected: Mapping[str, int],
        *,
        held: Iterable[Event] = (),
        limit: int | None = None,
        deadly: bool = False,
        look: Callable[[], object] = lambda: None,
    ) -> None:
        self.events: list[Event] = []
        self.kept: dict[Name, Event] = {event.name: event for event in held}
        self.counts = Counter(event.kind for event in self.kept.values())
        self.foreign_threads: set[str] = set()  # that called instead of the event loop's
        self._expected = expected
        self._limit = limit
        self._deadly = deadly
        self._look = look
        self._loop: asyncio.AbstractEventLoop
        self._loop_thread = 0
        self._run: asyncio.Task[None]
        self._ends: asyncio.Event
        self._stopped = False

    def begin(self, run: asyncio.Task[None]) -> asyncio.Event:
        """The run begins, in this event loop; the event that is returned says that it is to end."""
        self._loop, self._loop_thread = asyncio.get_running_loop(), threading.get_ident()
        self._run, self._ends = run, asyncio.Event()
        if self.enough:
            self._ends.set()
        return self._ends

    def stop(self) -> bool:
        """Cancel the run, once: what it does then is not to be disturbed. Returns whether it was still running."""
        self._stopped = self._stopped or self._run.cancel()
        return self._stopped

    def __call__(self, events: Iterable[Event], /) -> int:
        """Take the events; returns how many facts and states were new."""
        foreign = self._is_foreign()
        self._look()
        new = sum([self._take(event) for event in events])
        if self.cut or self.enough:
            self._loop.call_soon_threadsafe(self._end) if foreign else self._end()
        return new

    def states(self, kind: str, /) -> Sequence[Event]:
        """What is kept of this kind."""
        self._is_foreign()
        return [event for event in self.kept.values() if event.kind == kind]

    @property
    def stored(self) -> list[Event]:
        """The facts and states that were fed, repeated ones too."""
        return [event for event in self.events if event.kind in STORED]

    @property
    def cut(self) -> bool:
        """Whether the limit was reached."""
        return self._limit is not None and self._limit <= 0

    @property
    def enough(self) -> bool:
        """Whether everything that is expected is there."""
        return all(self.counts[kind] >= count for kind, count in self._expected.items())

    @property
    def names(self) -> set[Name]:
        """The names of what is kept of the expected kinds."""
        return {name for name in self.kept if name[0] in self._expected}

    def _end(self) -> None:
        if self.cut:
            self.stop()
        self._ends.set()

    def _is_foreign(self) -> bool:
        foreign = threading.get_ident() != self._loop_thread
        if foreign:
            self.foreign_threads.add(threading.current_thread().name)
        return foreign

    def _take(self, event: Event) -> bool:
        if self.cut and self._deadly:
            return False
        self.events.append(event)
        if event.kind not in STORED:
            self.counts[event.kind] += 1
            return False
        if self._limit is not None:
            self._limit -= 1
        known = self.kept.get(event.name)
        if known is None:
            self.counts[event.kind] += 1
        elif not isinstance(event, State) or not isinstance(known, State) or event.version <= known.version:
            return False
        self.kept[event.name] = event
        return True
