"""What a sink's test says of it, and how the events in its store are compared with those it was given."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

import msgspec
import pytest

from hlmon.contract import Settings, Sink, SinkFactory
from hlmon.events import STORED, Event
from hlmon.testing.builders import STORED_BUILDERS
from hlmon.testing.contract_case import Contract
from hlmon.testing.promises import check


class SinkCase(Contract):
    """What a subclass defines. Each case begins with an empty store, and may open it several times.

    `secrets` are the secret texts that `config` leads to.
    """

    to_define: ClassVar[frozenset[str]] = frozenset(
        {"config", "factory", "outage", "refusal", "secrets", "settings", "stored", "wrong_configs"}
    )
    secrets: ClassVar[Sequence[str]] = ()
    settings: ClassVar[Settings] = Settings(name="contract")

    def factory(self) -> SinkFactory[Any]:
        """The factory of the sink."""
        self.missing("factory()", "returns the sink's factory", excusable=False)

    def config(self) -> Any:
        """A config with which the sink opens; the same store during one case."""
        self.missing("config()", "returns a config with which the sink opens", excusable=False)

    def stored(self) -> Iterable[Event]:
        """Every row of the store, read past the sink: the facts, and each state as the store shows it."""
        self.missing("stored()", "reads back every event that the store holds", excusable=False)

    def wrong_configs(self) -> Mapping[str, Any]:
        """What can be wrong with a config -> such a config."""
        self.missing("wrong_configs()", "returns configs that cannot work, each under what is wrong with it")

    def outage(self) -> AbstractContextManager[None]:
        """A context in which the store cannot be reached."""
        self.missing("outage()", "returns a context in which the store cannot be reached")

    def refusal(self) -> Event:
        """An event that the store refuses for good; a stand-in for the store may be told so here."""
        self.missing("refusal()", "returns an event that the store refuses for good")

    @contextmanager
    def opened(self) -> Iterator[Sink]:
        """The sink, opened as the host opens it."""
        with self.factory().open(self.config(), self.settings) as sink:
            yield sink

    def kinds(self, *among: str) -> list[str]:
        """The kinds that the sink wants, of these; skips the case if there are none."""
        wanted = self.factory().kinds
        kinds = [kind for kind in among or STORED if wanted is None or kind in wanted]
        if not kinds:
            pytest.skip(f"the sink wants no {' or '.join(among)}")
        return kinds

    def one_of_each(self) -> list[Event]:
        """An event of every kind that the sink wants."""
        return [STORED_BUILDERS[kind]() for kind in self.kinds()]

    def write(self, sink: Sink, events: Iterable[Event]) -> None:
        """Write as a follower does: at most `max_batch` in one call."""
        remaining = iter(events)
        while batch := tuple(itertools.islice(remaining, self.factory().max_batch)):
            sink.write(batch)

    def expect(self, expected: Iterable[Event], promise: str, *, because: str) -> None:
        """Check that the store holds exactly these events."""
        __tracebackhide__ = True
        seen = differences(list(expected), list(self.stored()))
        check(not seen, promise, because=because, seen="; ".join(seen[:5]))


def differences(expected: Sequence[Event], stored: Sequence[Event]) -> list[str]:
    """What tells the stored events from the expected ones, in words; numbers are compared with their types."""
    wanted = {event.name: event for event in expected}
    found: dict[tuple[str, str, str], Event] = {}
    seen = []
    for event in stored:
        if event.name in found:
            seen.append(f"{event.name} is there twice")
        elif event.name not in wanted:
            seen.append(f"{event.name} is there but was never to be kept")
        found[event.name] = event
    for name, event in wanted.items():
        seen += _changes(event, found[name]) if name in found else [f"{name} is missing"]
    return seen


def _changes(expected: Event, stored: Event) -> list[str]:
    fields = zip(expected.__struct_fields__, msgspec.structs.astuple(expected), strict=True)
    return [
        f"{expected.name} has {field} = {getattr(stored, field, None)!r}, given was {value!r}"
        for field, value in fields
        if not _same(value, getattr(stored, field, None))
    ]


def _same(expected: Any, stored: Any) -> bool:
    """Equal and of one type: a float that happens to equal a decimal is not exact."""
    if type(expected) is not type(stored):
        return False
    if isinstance(expected, dict):
        return expected.keys() == stored.keys() and all(_same(value, stored[key]) for key, value in expected.items())
    if isinstance(expected, list | tuple):
        return len(expected) == len(stored) and all(map(_same, expected, stored))
    return bool(expected == stored)
