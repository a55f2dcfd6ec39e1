"""Cases of the deriver contract: the same events give the same conclusions, whenever it was restarted."""

from __future__ import annotations

from functools import partial
from typing import Final, cast
from unittest.mock import patch

import pytest

from hlmon.contract import RemembersDeriver
from hlmon.events import STORED, Event, Fact, decode, encode
from hlmon.testing.builders import READING_BUILDERS, STORED_BUILDERS
from hlmon.testing.deriver_case import REPLAY, DeriverCase, derived, parting
from hlmon.testing.promises import check, error_of

_YEAR_S: Final = 365 * 86_400.0


def _survives(event: Event) -> None:
    again = decode(event.kind, encode(event))
    if again != event:
        raise ValueError(f"{event} comes back as {again}")


class DeriverConcludes(DeriverCase):
    """What it makes of its events."""

    def test_the_events_are_of_its_kinds_and_derive_something(self) -> None:
        """The other cases say nothing without such input."""
        events, kinds = self.events(), self.factory().kinds
        foreign = sorted({event.kind for event in events} - kinds)
        because = "the core calls a deriver with its kinds only"
        check(not foreign, "the events are of the kinds that the factory declares", because=because, seen=foreign)
        check(
            bool(self.derive(events)), "the events derive something", because="else nothing is tested", seen="nothing"
        )

    def test_the_same_events_give_the_same_conclusions(self) -> None:
        """Two fresh derivers share nothing."""
        events = self.events()
        first, second = self.derive(events), self.derive(events)
        check(first == second, "the same events from zero give the same", because=REPLAY, seen=parting(first, second))

    def test_the_clock_plays_no_part(self) -> None:
        """The only times are those of the events."""
        import time  # noqa: PLC0415 - what is patched below

        events = self.events()
        now = self.derive(events)
        later_s = time.time() + _YEAR_S
        with patch("time.time", lambda: later_s), patch("time.time_ns", lambda: int(later_s * 1e9)):
            later = self.derive(events)
        check(now == later, "the same events a year later give the same", because=REPLAY, seen=parting(now, later))

    def test_a_saved_memory_changes_nothing(self) -> None:
        """Whenever it is saved and taken over by a fresh deriver."""
        events = self.events()
        whole = self.derive(events)
        for split in range(len(events) + 1):
            with self.opened() as before, self.opened() as after:
                if not hasattr(before, "dump_memory"):
                    pytest.skip("the deriver saves no memory: it is rebuilt from stored events")
                first = derived(before, events[:split])
                memory = cast("RemembersDeriver", before).dump_memory()
                check(
                    isinstance(memory, bytes), "dump_memory gives bytes", because="they are stored", seen=type(memory)
                )
                cast("RemembersDeriver", after).load_memory(memory)
                parts = first + derived(after, events[split:])
                undisturbed = first + derived(before, events[split:])
            because = "the monitor may be restarted between any two events"
            promise = f"saving and loading the memory after {split} of {len(events)} events changes nothing"
            check(parts == whole, promise, because=because, seen=parting(whole, parts))
            promise = f"dumping the memory after {split} events does not disturb it"
            check(undisturbed == whole, promise, because=because, seen=parting(whole, undisturbed))

    def test_it_derives_only_what_is_stored(self) -> None:
        """Readings come from sources alone, and a derived event survives its own encoding."""
        for event in self.derive(self.events()):
            promise, because = "a derived event is a fact or a state with a key", "it is appended to the journal"
            check(event.kind in STORED, promise, because=because, seen=event)
            check(bool(event.key), promise, because=because, seen=event)
            error = error_of(partial(_survives, event))
            check(error is None, "a derived event comes back from JSON", because="the journal keeps it so", seen=error)

    def test_a_fact_is_derived_once(self) -> None:
        """Two conclusions have two names."""
        facts = [event.name for event in self.derive(self.events()) if isinstance(event, Fact)]
        twice = sorted({name for name in facts if facts.count(name) > 1})
        check(not twice, "no two derived facts share a name", because="the second would vanish", seen=twice)

    def test_events_are_not_changed(self) -> None:
        """Events belong to everyone."""
        events = self.events()
        before = [repr(event) for event in events]
        self.derive(events)
        seen = [event.name for event, text in zip(events, before, strict=True) if repr(event) != text]
        check(not seen, "deriving leaves the events as they are", because="others see the same objects", seen=seen)

    def test_events_of_other_kinds_are_ignored(self) -> None:
        """They raise nothing, derive nothing and leave no trace."""
        events, kinds = self.events(), self.factory().kinds
        builders = STORED_BUILDERS | READING_BUILDERS
        others = [build() for kind, build in builders.items() if kind not in kinds]
        mixed = [event for one in events for event in (*others, one)] + others
        promise = "events of kinds that the factory does not declare are ignored"
        error = error_of(lambda: self.derive(mixed))
        check(error is None, promise, because="a later hlmon has more kinds", seen=error)
        whole, alone = self.derive(mixed), self.derive(events)
        check(whole == alone, promise, because="what it needs, it must declare", seen=parting(alone, whole))
