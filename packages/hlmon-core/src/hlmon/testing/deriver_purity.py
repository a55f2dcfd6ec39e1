"""Cases of the deriver contract: no I/O, no growth without end, and nothing that differs from process to process."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

import msgspec
import pytest

from hlmon.contract import Deriver
from hlmon.environment import ENVIRON
from hlmon.events import Event, Fact
from hlmon.testing.deriver_case import REPLAY, DeriverCase, derived, parting
from hlmon.testing.promises import BrokenPromise, check, error_of, named
from hlmon.testing.without_io import without_io

_SEEDS: Final = ("0", "1", "2", "3")
_WINDOW: Final = 1_000  # events
_WINDOWS: Final = 3
_HOUR_MS: Final = 3_600_000
_NOT_FOUND: Final = 3
_CHILD: Final = f"""
import pickle, sys
try:
    contract, events = pickle.load(sys.stdin.buffer)
except Exception:
    sys.exit({_NOT_FOUND})
pickle.dump(contract.derive(events), sys.stdout.buffer)
"""


class DeriverIsPure(DeriverCase):
    """What a deriver must not do, however right its conclusions are."""

    def test_it_does_no_io(self) -> None:
        """It opens nothing, asks nobody and waits for nothing."""
        events = self.events()
        self.derive(events)  # what it imports is imported now: that is allowed
        with self.opened() as deriver, without_io("it"):
            error = error_of(lambda: derived(deriver, events))
        because = "it is called between the frame and its commit: whatever it waits for, everybody waits for"
        seen = error and (str(error) if isinstance(error, BrokenPromise) else named(error))
        check(error is None, "a deriver does no I/O", because=because, seen=seen)

    def test_the_order_of_hashes_plays_no_part(self) -> None:
        """Another process, whose sets have another order, draws the same conclusions in the same order."""
        events = self.events()
        try:
            given = pickle.dumps((self, events))
        except Exception as error:  # noqa: BLE001 - a class inside of a function, for instance
            pytest.skip(f"this test cannot be taken to another process: {named(error)}")
        first, *others = _in_processes(given)
        for other in others:
            promise = "the same events give the same in every process, whatever PYTHONHASHSEED is"
            check(first == other, promise, because=REPLAY, seen=parting(first, other))

    def test_its_memory_does_not_grow_for_ever(self) -> None:
        """The same happens again and again, hour after hour: what it remembers comes to an end."""
        events = self.events()
        check(bool(events), "there are events", because="else nothing is tested", seen="events() is empty")
        with self.opened() as deriver:
            again = _again_and_again(events)
            _blocks_more(deriver, islice(again, 3 * _WINDOW))  # what is bounded by number is full then
            grown = [_blocks_more(deriver, islice(again, _WINDOW)) for _ in range(_WINDOWS)]
        check(
            min(grown) < _WINDOW // 10,
            "what a deriver remembers is bounded, by time or by number",
            because="it runs for months, and a busy account has a hundred fills a second",
            seen=f"with each {_WINDOW} events it holds more: {', '.join(f'{each:,}' for each in grown)} objects",
        )


def _in_processes(given: bytes) -> list[list[Event]]:
    """What processes of different seeds make of it."""
    environment = dict(ENVIRON) | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment | {"PYTHONHASHSEED": seed},
        )
        for seed in _SEEDS
    ]
    answers = [process.communicate(given)[0] for process in processes]
    codes = {process.returncode for process in processes}
    if _NOT_FOUND in codes:
        pytest.skip("another process cannot import this test: use one of pytest's import modes that change sys.path")
    check(codes == {0}, "it runs in another process", because=REPLAY, seen=f"exit codes {sorted(codes)}")
    return [pickle.loads(answer) for answer in answers]  # noqa: S301  # of our own processes


def _again_and_again(events: Sequence[Event]) -> Iterator[Event]:
    """The events without end: each round begins an hour after the one before, and its facts have ids of their own."""
    times = [event.time_ms for event in events]
    length_ms = max(times) - min(times) + _HOUR_MS
    number = 0
    while True:
        for event in events:
            yield _moved(event, number * length_ms, number << 32)
        number += 1


def _moved(value: Any, by_ms: int, by_id: int) -> Any:
    """The same, later: times grow, and the ids of what happened, so that it is new. States keep their names."""
    if isinstance(value, tuple | list):
        return type(value)([_moved(each, by_ms, by_id) for each in value])
    if not isinstance(value, msgspec.Struct):
        return value
    ids = {"trade_id", "order_id"} if isinstance(value, Fact) else {"trade_id"}
    changes = {}
    for field in value.__struct_fields__:
        held = getattr(value, field)
        if isinstance(held, tuple | list | msgspec.Struct):
            changes[field] = _moved(held, by_ms, by_id)
        elif held and field in ids:
            changes[field] = held + by_id
        elif held and field.endswith("_ms") and field != "interval_ms":
            changes[field] = held + by_ms
    return msgspec.structs.replace(value, **changes)


def _blocks_more(deriver: Deriver, events: Iterator[Event]) -> int:
    """How many blocks of memory more are in use after these events than before."""
    gc.collect()
    before = sys.getallocatedblocks()
    for event in events:
        for _ in deriver(event):
            pass
    gc.collect()
    return sys.getallocatedblocks() - before
