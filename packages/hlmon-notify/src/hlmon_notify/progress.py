"""Which parts of a message were accepted, so that its repetition goes on with the others."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from hlmon import Alert, Name

PartT = TypeVar("PartT", bound=Hashable)


class Progress:
    """Remembers the parts of the last group of alerts; another group, or the same once complete, begins anew."""

    def __init__(self) -> None:
        self._group: tuple[Name, ...] = ()
        self._done: set[Hashable] = set()

    def left(self, alerts: Sequence[Alert], parts: Iterable[PartT]) -> Iterator[PartT]:
        """The parts that were not accepted yet. One counts as accepted when the next is asked for."""
        group = tuple(alert.name for alert in alerts)
        if group != self._group:
            self._group, self._done = group, set()
        for part in parts:
            if part not in self._done:
                yield part
                self._done.add(part)
        self._group = ()
