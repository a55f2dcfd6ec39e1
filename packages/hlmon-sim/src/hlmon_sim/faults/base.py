"""What all faults share: the exchange they harm, chance, and their ends."""

from __future__ import annotations

import random
from collections.abc import Callable

from hlmon_sim.account import Account
from hlmon_sim.hub import Connection, Hub
from hlmon_sim.records import FaultBegun


class Harm:
    """Begins and ends faults by the world's time."""

    def __init__(self, hub: Hub, seed: int) -> None:
        self.done: list[str] = []  # kinds, in the order in which they came
        self.hub = hub
        self.world = hub.world
        self.chance = random.Random(f"{seed}/harm")
        self._ends: list[tuple[int, Callable[[], None]]] = []

    def note(self, kind: str, seconds: float = 0, end: Callable[[], None] | None = None) -> None:
        """A fault begins now; `end` is called after so many seconds."""
        self.done.append(kind)
        with self.world.block():
            self.world.record(FaultBegun(kind=kind, **self.world.stamp()))
        if end is not None:
            self._ends.append((self.world.now_ms + int(seconds * 1000), end))

    def end_what_is_due(self) -> None:
        """End what has lasted long enough."""
        for end in [end for end in self._ends if end[0] <= self.world.now_ms]:
            self._ends.remove(end)
            end[1]()

    def connections(self) -> list[Connection]:
        """Those that are open now."""
        return list(self.hub.connections)

    def some_account(self) -> Account | None:
        """One of the accounts that trade, None if there is none."""
        return self.chance.choice(list(self.world.accounts.values())) if self.world.accounts else None
