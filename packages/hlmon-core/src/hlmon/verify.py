"""Proof that no fill is missing: per account and coin the fills form a chain that ends where the account state is.

Each perp fill states the position before it. So start_position + signed size of one fill is the start_position of the
next, and the end of the last one is the size that the exchange shows for the position.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from operator import attrgetter
from typing import Final, Literal

from hlmon.events import Fill, Gap, Position, is_perp
from hlmon.linking import Linkable, linked

FILL_STREAMS: Final = frozenset({"userFills", "userTwapSliceFills"})
SETTLING_MS: Final = 60_000
"""How long a position may be ahead of its fills before that counts: the two come on different streams."""
MOST_BREAKS: Final = 100
"""So many breaks of one chain are listed; the others are counted."""

Agreement = Literal["equal", "differs", "state older", "settling", "no state", "no fills"]

_time_ms = attrgetter("time_ms")


@dataclass(frozen=True, kw_only=True)
class Break:
    """Between two fills of one coin the position changed without a fill. `covered`: a Gap admits that hole."""

    account: str
    coin: str
    after_ms: int
    before_ms: int
    expected: Decimal
    found: Decimal
    covered: bool


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The fills of one coin and how their end compares with the account state.

    `end` is the signed position after the last fill, None if no fill tells it; `unlinked` counts fills that do not say
    where they started. `breaks` are the first ones, `breaks_found` how many there are and `breaks_covered` how many of
    them a gap admits. `agreement` is `state older` when fills came after the state was last written, `settling` when
    the state is too fresh for its fills to be missed.
    """

    account: str
    coin: str
    fills: int
    first_ms: int
    last_ms: int
    end: Decimal | None
    unlinked: int
    breaks: tuple[Break, ...]
    breaks_found: int
    breaks_covered: int
    state_size: Decimal | None
    state_ms: int | None
    agreement: Agreement
    covered: bool = False

    @property
    def proven(self) -> bool:
        """Whether nothing is missing but what a Gap admits."""
        return self.breaks_found == self.breaks_covered and (self.agreement != "differs" or self.covered)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Everything that stands against "no fill is missing"."""

    chains: Sequence[Chain]
    open_gaps: int = 0  # of the accounts' streams
    unread: int = 0  # rows of the accounts that could not be read and are not dealt with
    overflow: int = 0  # such ones that were only counted, since there were too many

    @property
    def missing(self) -> int:
        """Chains in which fills are missing and no gap admits it."""
        return sum(not chain.proven for chain in self.chains)

    @property
    def admitted(self) -> int:
        """Places at which fills are missing and a gap admits it."""
        return sum(chain.breaks_covered + chain.covered for chain in self.chains)

    @property
    def unlinked(self) -> int:
        """Fills that do not say where they started."""
        return sum(chain.unlinked for chain in self.chains)

    @property
    def uncompared(self) -> int:
        """Chains whose end could not be compared with an account state."""
        return sum(chain.agreement not in {"equal", "differs"} for chain in self.chains)

    @property
    def proven(self) -> bool:
        """Whether nothing at all stands against it; a chain that could not be compared yet does not."""
        found = self.missing + self.admitted + self.unlinked + self.open_gaps + self.unread + self.overflow
        return found == 0


def verify(fills: Iterable[Fill], positions: Iterable[Position], gaps: Iterable[Gap], *, now_ms: int) -> list[Chain]:
    """The chain of every account and coin that has a perp fill or an open position, in the order of their names.

    The order of `fills` does not matter: time orders them, and inside one millisecond their own positions do.
    """
    walk = Walk(positions, gaps)
    for fill in sorted(fills, key=_time_ms):
        walk.take(fill.account, fill)
    return walk.chains(now_ms=now_ms)


class Walk:
    """Follows the chains of all accounts and coins at once: it remembers where each is, not the fills."""

    def __init__(self, positions: Iterable[Position], gaps: Iterable[Gap]) -> None:
        self._states = {(position.account, position.coin): position for position in positions}
        self._holes: dict[str, list[Gap]] = {}
        for gap in gaps:
            if gap.stream in FILL_STREAMS and not gap.healed:
                self._holes.setdefault(gap.account, []).append(gap)
        self._places: dict[tuple[str, str], _Place] = {}

    def take(self, account: str, fill: Linkable) -> None:
        """The next fill by time, of whatever account and coin."""
        name = (account, fill.coin)
        place = self._places.get(name)
        if place is None:
            if not is_perp(fill.coin):
                return
            place = self._places[name] = _Place(name, self._holes.get(account, []))
        if place.moment and place.moment[0].time_ms != fill.time_ms:
            place.pass_moment()
        place.moment.append(fill)

    def chains(self, *, now_ms: int) -> list[Chain]:
        """What was found, when all fills were taken."""
        held = {name for name, position in self._states.items() if position.size}
        found = []
        for name in sorted(self._places.keys() | held):
            place = self._places.get(name) or _Place(name, self._holes.get(name[0], []))
            place.pass_moment()
            found.append(_chain(place, self._states.get(name), now_ms))
        return found


@dataclass(slots=True)
class _Place:
    """How far one chain is followed."""

    name: tuple[str, str]
    holes: Sequence[Gap]
    moment: list[Linkable] = field(default_factory=list)  # the fills of the present millisecond
    fills: int = 0
    unlinked: int = 0
    first_ms: int = 0
    last_ms: int = 0
    end: Decimal | None = None
    breaks: list[Break] = field(default_factory=list)
    breaks_found: int = 0
    breaks_covered: int = 0

    def pass_moment(self) -> None:
        """All fills of the millisecond are there: link them."""
        if not self.moment:
            return
        time_ms = self.moment[0].time_ms
        self.first_ms = self.first_ms or time_ms
        self.fills += len(self.moment)
        end, last_ms = self.end, self.last_ms
        for fill in self.moment:
            self.unlinked += fill.start_position is None
        for start, after in linked(self.moment, end):
            if end is not None and start is not None and start != end:
                self._note_break(last_ms, time_ms, end, start)
            end, last_ms = after, time_ms
        self.end, self.last_ms = end, time_ms
        self.moment.clear()

    def _note_break(self, after_ms: int, before_ms: int, expected: Decimal, found: Decimal) -> None:
        covered = _covered(self.holes, after_ms, before_ms)
        self.breaks_found += 1
        self.breaks_covered += covered
        if len(self.breaks) < MOST_BREAKS:
            account, coin = self.name
            self.breaks.append(
                Break(
                    account=account,
                    coin=coin,
                    after_ms=after_ms,
                    before_ms=before_ms,
                    expected=expected,
                    found=found,
                    covered=covered,
                )
            )


def _chain(place: _Place, state: Position | None, now_ms: int) -> Chain:
    account, coin = place.name
    agreement = _agreement(place.end, place.last_ms, state, now_ms)
    return Chain(
        account=account,
        coin=coin,
        fills=place.fills,
        first_ms=place.first_ms,
        last_ms=place.last_ms,
        end=place.end,
        unlinked=place.unlinked,
        breaks=tuple(place.breaks),
        breaks_found=place.breaks_found,
        breaks_covered=place.breaks_covered,
        state_size=_signed(state) if state else None,
        state_ms=state.time_ms if state else None,
        agreement=agreement,
        covered=agreement == "differs" and state is not None and _covered(place.holes, place.last_ms, state.time_ms),
    )


def _agreement(end: Decimal | None, last_ms: int, state: Position | None, now_ms: int) -> Agreement:
    if state is None:
        return "equal" if end == 0 else "no state"
    if end is None:
        return "no fills"
    if end == _signed(state):
        return "equal"
    if state.time_ms < last_ms:
        return "state older"
    return "settling" if now_ms - state.time_ms < SETTLING_MS else "differs"


def _signed(position: Position) -> Decimal:
    return position.size if position.side == "long" else -position.size


def _covered(holes: Iterable[Gap], after_ms: int, before_ms: int) -> bool:
    return any(hole.start_ms <= before_ms and (hole.end_ms is None or hole.end_ms >= after_ms) for hole in holes)
