"""The fills of one coin in the order in which each starts where the one before it ended. Pure.

Each fill states the position before it. Time orders fills, and inside one millisecond their own positions do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby, pairwise
from operator import attrgetter

import msgspec

from hlmon.events import Fill

_time_ms = attrgetter("time_ms")


class FillRow(msgspec.Struct, gc=False):
    """What of a fill tells its place; made of a stored fill without reading the rest of it."""

    time_ms: int
    side: str
    price: Decimal
    size: Decimal
    coin: str = ""
    start_position: Decimal | None = None
    trade_id: int = 0
    tx_hash: str = ""
    self_trade: bool = False


Linkable = Fill | FillRow
Edge = tuple[Decimal | None, Decimal | None]
"""Position before a fill, and after it; None where the fill does not say where it started."""
Step = tuple[Decimal | None, Decimal | None, int]
"""An edge and the time of its fill."""


def steps(fills: Iterable[Linkable], position: Decimal | None = None) -> Iterator[Step]:
    """Every fill of one coin as a step, oldest first, from `position` on if that is known."""
    for time_ms, group in groupby(sorted(fills, key=_time_ms), key=_time_ms):
        for start, after in linked(list(group), position):
            yield start, after, time_ms
            position = after


def linked(fills: Sequence[Linkable], position: Decimal | None) -> Sequence[Edge]:
    """The fills of one millisecond, ordered so that as many as possible follow on each other."""
    if len(fills) == 1:
        (fill,) = fills
        start = fill.start_position
        return [(start, None if start is None else _after(fill, start))]
    known = [fill for fill in fills if fill.start_position is not None]
    if len(known) < len(fills):  # what an unlinked fill did is unknown, so the chain begins anew after it
        return [*linked(known, position), (None, None)] if known else [(None, None)]
    edges = _edges(fills)
    return edges if _follow_on(edges, position) else list(_trail(edges, position))


def _after(fill: Linkable, start: Decimal) -> Decimal:
    if fill.self_trade:  # both legs state one start and change nothing
        return start
    return start + fill.size if fill.side == "buy" else start - fill.size


def _edges(fills: Sequence[Linkable]) -> list[tuple[Decimal, Decimal]]:
    """Position before and after each fill; the two legs of a self-trade may not be flagged as such."""
    sides = Counter((_leg(fill), fill.side) for fill in fills)
    edges = []
    for fill in fills:
        start = fill.start_position or Decimal(0)
        is_self = sides[_leg(fill), "buy"] and sides[_leg(fill), "sell"]
        edges.append((start, start if is_self else _after(fill, start)))
    return edges


def _leg(fill: Linkable) -> tuple[object, ...]:
    return (fill.trade_id, fill.tx_hash, fill.price, fill.size, fill.start_position)


def _follow_on(edges: Iterable[tuple[Decimal, Decimal]], position: Decimal | None) -> bool:
    for start, after in edges:
        if position is not None and start != position:
            return False
        position = after
    return True


def _trail(edges: Sequence[tuple[Decimal, Decimal]], position: Decimal | None) -> Iterator[tuple[Decimal, Decimal]]:
    """Every edge once, in few unbroken runs, the first from `position` if an edge starts there.

    A position may be passed several times, so a plain walk can strand: what it left out is put in as loops.
    """
    onward: dict[Decimal, list[Decimal]] = defaultdict(list)
    surplus: Counter[Decimal] = Counter()
    for start, after in reversed(edges):
        onward[start].append(after)
        surplus[start] += 1
        surplus[after] -= 1
    while heads := [start for start, ends in onward.items() if ends]:
        run = _run(onward, position if position in heads else max(heads, key=surplus.__getitem__))
        surplus[run[0]] -= 1
        surplus[run[-1]] += 1
        yield from pairwise(run)
        position = None


def _run(onward: dict[Decimal, list[Decimal]], head: Decimal) -> list[Decimal]:
    run = _walk(onward, head)
    index = 0
    while index < len(run):
        loop = _walk(onward, run[index])
        if loop[-1] == run[index]:
            run[index:index] = loop[:-1]
        else:
            for start, after in reversed(list(pairwise(loop))):
                onward[start].append(after)
        index += 1
    return run


def _walk(onward: dict[Decimal, list[Decimal]], head: Decimal) -> list[Decimal]:
    walk = [head]
    while onward.get(walk[-1]):
        walk.append(onward[walk[-1]].pop())
    return walk
