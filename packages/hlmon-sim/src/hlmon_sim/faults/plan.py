"""When which fault comes."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault and when it comes, in seconds after the start of the server."""

    kind: str
    at_seconds: float


def random_plan(seed: int, kinds: Iterable[str], *, every_seconds: float = 8.0, count: int = 10_000) -> list[Planned]:
    """Faults of these kinds in a seeded order, about this far apart; every kind comes before any comes twice."""
    chance, at = random.Random(f"{seed}/faults"), 0.0
    plan: list[Planned] = []
    kinds = list(kinds)
    while kinds and len(plan) < count:
        for kind in chance.sample(kinds, len(kinds)):
            at += every_seconds * chance.uniform(0.5, 1.5)
            plan.append(Planned(kind, at))
    return plan
