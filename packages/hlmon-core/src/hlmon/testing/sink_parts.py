"""Cases of the sink contract: what becomes of a batch of which a part is stored, refused or unknown."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Final

import pytest

from hlmon.errors import Permanent
from hlmon.events import Event, Fact
from hlmon.testing.builders import START_MS, make_checkpoint
from hlmon.testing.kill import killed_at, lines_of
from hlmon.testing.leaks import check_closed
from hlmon.testing.promises import check, check_error, error_of
from hlmon.testing.sink_case import SinkCase

_LAST: Final = (
    "a monitor with an empty disk goes on from the checkpoint: what it says is stored, and is not, is lost for good"
)
_streams = itertools.count(1)


class _OfALaterHlmon(Fact, frozen=True, kw_only=True, gc=False, tag="of_a_later_hlmon"):
    kind: ClassVar[str] = "of_a_later_hlmon"

    @property
    def key(self) -> str:
        return str(self.time_ms)


class SinkTakesParts(SinkCase):
    """What is true of every part of a batch, and not only of the whole."""

    def test_a_checkpoint_is_stored_after_what_it_covers(self) -> None:
        """At whatever line of `write` the process ends: a checkpoint that is stored has all before it in its batch."""
        self.kinds("checkpoint")
        if self.factory().max_batch == 1:
            pytest.skip("the sink takes one event at a time")
        with self.opened() as sink:
            package = type(sink).__module__.partition(".")[0]
            first, beyond = 1, lines_of(partial(sink.write, self._batch()), package) + 1
        while first < beyond:
            line = (first + beyond) // 2
            if self._is_checkpoint_stored(line, package):
                beyond = line
            else:
                first = line + 1

    def _batch(self) -> list[Event]:
        events = [event for event in self.one_of_each() if event.kind != "checkpoint"]
        return [*events[: self.factory().max_batch - 1], make_checkpoint(stream=f"stream{next(_streams)}")]

    def _is_checkpoint_stored(self, line: int, package: str) -> bool:
        *covered, checkpoint = batch = self._batch()
        with self.opened() as sink:
            killed_at(line, partial(sink.write, batch), package)
        stored = {event.name for event in self.stored()}
        if checkpoint.name not in stored:
            return False
        missing = sorted(event.kind for event in covered if event.name not in stored)
        promise = "a checkpoint becomes durable after every event that stands before it in its batch"
        check(not missing, promise, because=_LAST, seen=f"it is stored, and not yet: {', '.join(missing)}")
        return True

    def test_a_refused_event_raises_permanent(self) -> None:
        """Alone and among others, and the others are stored when they come without it."""
        refused = self.refusal()
        others = [event for event in self.one_of_each() if event.name != refused.name]
        others = others[: self.factory().max_batch - 1]
        half = len(others) // 2
        because = "so the core halves the batch until the event stands alone, sets it aside and goes on with the others"
        with self.opened() as sink:
            for what, batch in {"alone": [refused], "among others": [*others[:half], refused, *others[half:]]}.items():
                promise = f"an event that the store refuses for good raises Permanent, {what}"
                check_error(error_of(partial(sink.write, batch)), (Permanent,), promise, because=because)
            self.write(sink, others)
        self._expect_all(others, "what was refused harms no other event of its batch", because=because)

    def test_kinds_that_it_does_not_know_are_passed_over(self) -> None:
        """A later hlmon, or another plugin, has kinds that did not exist when the sink was written."""
        if self.factory().kinds is not None:
            pytest.skip("the sink is given the kinds that it declares")
        events = self.one_of_each()
        unknown = [_OfALaterHlmon(time_ms=START_MS + number) for number in range(2)]
        promise = "an event of a kind that the sink does not know is no error, and the others are stored"
        because = "it wants every kind: its batches have new ones after an update, and it would never get past them"
        with self.opened() as sink:
            error = error_of(lambda: self.write(sink, [unknown[0], *events, unknown[1]]))
            check(error is None, promise, because=because, seen=error)
        with self.opened():
            pass
        self._expect_all(events, promise, because=because)

    def _expect_all(self, events: Sequence[Event], promise: str, *, because: str) -> None:
        stored = {event.name for event in self.stored()}
        missing = [event.name for event in events if event.name not in stored]
        check(not missing, promise, because=because, seen=f"missing: {missing[:3]}")

    def test_closing_leaves_no_thread_and_no_connection(self) -> None:
        """However often it is opened."""

        def use() -> object:
            with self.opened() as sink:
                self.write(sink, self.one_of_each())
            return sink

        check_closed(use)
