"""When the memories of derivers are saved: so often that little is derived again after a kill, at a bounded cost. Pure.

A memory is saved after a minute of the events' time, or many events. A large one waits until twenty times as many bytes
of events came as it had itself, so that saving writes a twentieth of what the events do; but no longer than ten
minutes, since what it learnt from readings is not among the stored events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from hlmon.events import Event

SAVE_AFTER_MS: Final = 60_000
SAVE_AFTER_EVENTS: Final = 10_000
LONGEST_MS: Final = 600_000
EVENT_BYTES: Final = 400
"""About what one event takes in the journal."""
EVENTS_PER_MEMORY: Final = 20
"""In bytes. A thousand fills that are kept whole mean a save after 20,000, which a start derives again in a second."""

_time_ms = attrgetter("time_ms")


@dataclass(slots=True)
class _Saved:
    """When one memory was saved, how large it was, and how many events came since."""

    time_ms: int
    size: int = 0
    events: int = 0

    def is_due(self, now_ms: int, events: int) -> bool:
        elapsed_ms, events = now_ms - self.time_ms, self.events + events
        if elapsed_ms < SAVE_AFTER_MS and events < SAVE_AFTER_EVENTS:
            return False
        return events * EVENT_BYTES >= EVENTS_PER_MEMORY * self.size or elapsed_ms >= LONGEST_MS


class SaveTimes:
    """By the names of derivers; times are those of events."""

    def __init__(self, names: Iterable[str]) -> None:
        self._newest_ms = 0
        self._saved: dict[str, _Saved] | None = None  # from the first events on
        self._names = tuple(names)

    def due(self, events: Sequence[Event]) -> list[str]:
        """Whose memory shall be saved with these events."""
        self._newest_ms = max(self._newest_ms, max(map(_time_ms, events), default=0))
        if self._saved is None:
            self._saved = {name: _Saved(self._newest_ms) for name in self._names}
        return [name for name, saved in self._saved.items() if saved.is_due(self._newest_ms, len(events))]

    def done(self, events: Sequence[Event], memories: Mapping[str, bytes]) -> None:
        """These events are stored, with these memories."""
        for name, saved in (self._saved or {}).items():
            saved.events += len(events)
            if name in memories:
                saved.time_ms, saved.size, saved.events = self._newest_ms, len(memories[name]), 0
