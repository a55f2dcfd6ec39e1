"""The health score of an account and the figures it is made of. Pure functions; docs/health.md explains them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from hlmon.derive.value import shares_collateral
from hlmon.events import AccountMode, DexState, PositionReading

FAR: Final = Decimal("0.5")
"""A liquidation price this share of the mark price away, or farther, costs no health."""
_ZERO = Decimal(0)
_ONE = Decimal(1)


class Margin(NamedTuple):
    """A margin account: it is liquidated when its equity falls to its maintenance margin."""

    maintenance: Decimal
    equity: Decimal


def health_score(margins: Iterable[Margin], distances: Iterable[Decimal]) -> int:
    """0 (being liquidated) to 100: the geometric mean of the freest margin share and the nearest liquidation distance.

    `margins` are the margin accounts, of which the worst counts; `distances` are the shares by which the mark prices
    may move against the positions, of which the smallest counts.
    """
    free = min((_free_share(margin) for margin in margins), default=_ONE)
    room = min((_clamp(distance / FAR) for distance in distances), default=_ONE)
    return int(100 * (free * room).sqrt())


def margins_of(dexes: Iterable[DexState], mode: AccountMode, account_value: Decimal) -> list[Margin]:
    """The margin accounts of an account: every isolated position, and the cross margin.

    Where collateral is not shared each dex has a cross margin account of its own; else the account's whole value backs
    the cross positions of all dexes.
    """
    dexes = list(dexes)
    margins = [
        Margin(isolated_maintenance(position), position.margin_used)
        for dex in dexes
        for position in dex.positions
        if position.margin_mode == "isolated"
    ]
    if shares_collateral(mode):
        margins.append(Margin(sum((dex.cross_maintenance_margin for dex in dexes), _ZERO), account_value))
    else:
        margins += [Margin(dex.cross_maintenance_margin, dex.cross_account_value) for dex in dexes]
    return margins


def distances_of(dexes: Iterable[DexState]) -> list[Decimal]:
    """For each position with a liquidation price, how far the mark price is from it, as a share of the mark price."""
    return [
        distance
        for dex in dexes
        for position in dex.positions
        if (distance := liquidation_distance(position)) is not None
    ]


def liquidation_distance(position: PositionReading) -> Decimal | None:
    """The adverse move, as a share of the mark price, that liquidates; 0 or less when it is there, None without one."""
    if position.liquidation_price is None or not position.size or not position.position_value:
        return None
    mark_price = abs(position.position_value / position.size)
    distance = (mark_price - position.liquidation_price) / mark_price
    return distance if position.size > 0 else -distance


def isolated_maintenance(position: PositionReading) -> Decimal:
    """The maintenance margin of one position: its notional / (2 x the coin's maximum leverage)."""
    return abs(position.position_value) / (2 * max(position.max_leverage, position.leverage, 1))


def _free_share(margin: Margin) -> Decimal:
    """The share of the equity that maintenance margin does not take."""
    if not margin.maintenance:
        return _ONE
    return _clamp(1 - margin.maintenance / margin.equity) if margin.equity > 0 else _ZERO


def _clamp(share: Decimal) -> Decimal:
    return min(max(share, _ZERO), _ONE)
