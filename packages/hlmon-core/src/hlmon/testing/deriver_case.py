"""What a deriver's test says of it, and how what it derives is compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final

from msgspec.structs import astuple

from hlmon.contract import Deriver, DeriverFactory, Settings
from hlmon.events import Event
from hlmon.testing.contract_case import Contract

REPLAY: Final = "replaying a file or a history from zero must give the same journal"


class DeriverCase(Contract):
    """What a subclass defines."""

    to_define: ClassVar[frozenset[str]] = frozenset({"config", "events", "factory", "settings"})
    settings: ClassVar[Settings] = Settings(name="contract")

    def factory(self) -> DeriverFactory[Any]:
        """The factory of the deriver."""
        self.missing("factory()", "returns the deriver's factory", excusable=False)

    def config(self) -> Any:
        """A config with which the deriver opens."""
        self.missing("config()", "returns a config with which the deriver opens", excusable=False)

    def events(self) -> Sequence[Event]:
        """Events of the deriver's kinds, in order, from which it derives at least one event."""
        self.missing("events()", "returns events from which the deriver derives something", excusable=False)

    @contextmanager
    def opened(self) -> Iterator[Deriver]:
        """The deriver, opened as the host opens it, with an empty memory."""
        with self.factory().open(self.config(), self.settings) as deriver:
            yield deriver

    def derive(self, events: Iterable[Event]) -> list[Event]:
        """What a fresh deriver makes of the events."""
        with self.opened() as deriver:
            return derived(deriver, events)


def derived(deriver: Deriver, events: Iterable[Event]) -> list[Event]:
    """What the deriver makes of the events, in order."""
    return [further for event in events for further in deriver(event)]


def parting(first: Sequence[Event], other: Sequence[Event]) -> str:
    """Where two lists of events begin to differ, in words."""
    for number, (one, another) in enumerate(zip(first, other, strict=False), 1):
        if type(one) is not type(another):
            return f"number {number} is {one}, the other time {another}"
        fields = zip(one.__struct_fields__, astuple(one), astuple(another), strict=True)
        if changes := [
            f"{name} = {before!r}, the other time {after!r}" for name, before, after in fields if before != after
        ]:
            return f"number {number} ({one.kind}) has {'; '.join(changes)}"
    beyond = [*first[len(other) :], *other[len(first) :]]
    return f"{len(first)} events, the other time {len(other)}; in one only: {beyond[:1]}"
