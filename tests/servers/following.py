"""A follower between a journal and a store, for tests of what the store holds afterwards."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from msgspec.structs import replace

from hlmon import Event, State
from hlmon.delivery import Follower, full_jitter
from hlmon.journal import Journal
from hlmon.testing.builders import STORED_BUILDERS, make_checkpoint

GENEROUS_S = 300.0  # only bounds a failure: how fast a store is says nothing about whether it is right


def history(count: int) -> list[Event]:
    """Events of every kind, newer versions of some states, and a checkpoint at the end."""
    kinds = [kind for kind in STORED_BUILDERS if kind not in ("checkpoint", "account_info")]
    events = [STORED_BUILDERS[kind]() for kind in (kinds[index % len(kinds)] for index in range(count))]
    states = [event for event in events if isinstance(event, State)]
    newer = [replace(state, time_ms=state.time_ms + 5) for state in states[::2] if state.kind in ("order", "position")]
    return [*events, *newer, make_checkpoint()]


def in_journal(journal: Journal) -> dict[tuple[str, str, str], Event]:
    """Every event that the journal holds, by its name."""
    return {entry.event.name: entry.event for entry in journal.read_after(0, limit=100_000)}


class Following:
    """A running follower, and what it set aside."""

    def __init__(self, journal: Journal, write: Callable[[Any], None], **options: Any) -> None:
        self.aside: list[Any] = []
        options = {"backoff": lambda *_: 0.01} | options
        self.follower = Follower("store", journal, write, part="sink", quarantine=self.aside.append, **options)

    def until(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds."""
        deadline, pause = time.monotonic() + GENEROUS_S, threading.Event()
        while not condition():
            assert time.monotonic() < deadline, self.follower.status()
            pause.wait(0.005)

    def deliver_all(self) -> None:
        """Return when everything is delivered."""
        self.until(lambda: self.follower.status().lag == 0)


@contextmanager
def following(journal: Journal, write: Callable[[Any], None], **options: Any) -> Iterator[Following]:
    """A follower that runs until the end of the context."""
    found = Following(journal, write, **options)
    found.follower.start()
    try:
        yield found
    finally:
        found.follower.stop(GENEROUS_S)


class LongOutage:
    """An outage of so many seconds in which a follower that waits between its attempts makes the time pass."""

    def __init__(self, outage: AbstractContextManager[None], seconds: float) -> None:
        self.attempts_at_s: list[float] = []
        self.now_s = 0.0
        self._ends_s = seconds
        self._outage = ExitStack()
        self._outage.enter_context(outage)

    def options(self) -> dict[str, Any]:
        """For a follower with the back-off that every follower has."""
        backoff = full_jitter(random.Random(1).random)
        return {"backoff": backoff, "wait": self.wait, "clock_ms": lambda: int(self.now_s * 1000)}

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Passes at once; the outage is over when its time is."""
        self.attempts_at_s.append(self.now_s)
        self.now_s += seconds
        if self.now_s >= self._ends_s:
            self._outage.close()
        return event.is_set()
