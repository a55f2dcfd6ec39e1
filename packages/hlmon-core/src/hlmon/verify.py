"""Proof that no fill is missing: per account and coin the fills form a chain that ends where the account state is.

Each perp fill states the position before it. So start_position + signed size of one fill is the start_position of the
next, and the end of the last one is the size that the exchange shows for the position.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from hlmon.events import Fill, Gap, Position
from hlmon.linking import steps

FILL_STREAMS: Final = frozenset({"userFills", "userTwapSliceFills"})
SETTLING_MS: Final = 60_000
"""How long a position may be ahead of its fills before that counts: the two come on different streams."""

Agreement = Literal["equal", "differs", "state older", "settling", "no state", "no fills"]


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
    where they started. `agreement` is `state older` when fills came after the state was last written, `settling` when
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
    state_size: Decimal | None
    state_ms: int | None
    agreement: Agreement
    covered: bool = False

    @property
    def proven(self) -> bool:
        """Whether nothing is missing but what a Gap admits."""
        return all(one.covered for one in self.breaks) and (self.agreement != "differs" or self.covered)


def verify(fills: Iterable[Fill], positions: Iterable[Position], gaps: Iterable[Gap], *, now_ms: int) -> list[Chain]:
    """The chain of every account and coin that has a perp fill or an open position, in the order of their names.

    The order of `fills` does not matter: time orders them, and inside one millisecond their own positions do.
    """
    holes = [gap for gap in gaps if gap.stream in FILL_STREAMS and not gap.healed]
    by_coin: dict[tuple[str, str], list[Fill]] = defaultdict(list)
    for fill in fills:
        if fill.is_perp:
            by_coin[fill.account, fill.coin].append(fill)
    states = {(position.account, position.coin): position for position in positions}
    held = {name for name, position in states.items() if position.size}
    return [
        _chain(
            name, by_coin.get(name, []), states.get(name), [hole for hole in holes if hole.account == name[0]], now_ms
        )
        for name in sorted(by_coin.keys() | held)
    ]


def _chain(name: tuple[str, str], fills: list[Fill], state: Position | None, holes: list[Gap], now_ms: int) -> Chain:
    account, coin = name
    breaks: list[Break] = []
    end: Decimal | None = None
    last_ms = 0
    for start, after, time_ms in steps(fills):
        if end is not None and start is not None and start != end:
            covered = _covered(holes, last_ms, time_ms)
            breaks.append(
                Break(
                    account=account,
                    coin=coin,
                    after_ms=last_ms,
                    before_ms=time_ms,
                    expected=end,
                    found=start,
                    covered=covered,
                )
            )
        end, last_ms = after, time_ms
    agreement = _agreement(end, last_ms, state, now_ms)
    return Chain(
        account=account,
        coin=coin,
        fills=len(fills),
        first_ms=min((fill.time_ms for fill in fills), default=0),
        last_ms=last_ms,
        end=end,
        unlinked=sum(fill.start_position is None for fill in fills),
        breaks=tuple(breaks),
        state_size=_signed(state) if state else None,
        state_ms=state.time_ms if state else None,
        agreement=agreement,
        covered=agreement == "differs" and state is not None and _covered(holes, last_ms, state.time_ms),
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
