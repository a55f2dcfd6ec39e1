"""Rules about open positions as the account state shows them, every 5 s: liquidation distance, missing stops."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from decimal import Decimal
from typing import Annotated, ClassVar, Final

import msgspec
from msgspec import Meta

from hlmon.contract import Settings
from hlmon.derive.figures import dex_of
from hlmon.derive.health import liquidation_distance
from hlmon.events import AccountState, OpenOrders, Order, PositionReading, Severity, is_perp
from hlmon.rules.config import Clear, CoinCondition, Words, bound
from hlmon.rules.engine import Finding
from hlmon.rules.text import Shown, money, percent, plain, price, word

HUNDRED: Final = Decimal(100)


def gone(state: AccountState, standing: Collection[str]) -> Iterator[Finding]:
    """The end of every standing condition of a coin that the state shows no more, though it shows its dex whole."""
    dexes = {dex.dex for dex in state.dexes if dex.complete}
    shown = {position.coin for dex in state.dexes for position in dex.positions}
    for coin in sorted(standing):
        if coin not in shown and dex_of(coin) in dexes:
            yield Finding(account=state.account, subject=coin, verdict="over", labels={"coin": coin})


def position_values(position: PositionReading) -> dict[str, Shown]:
    """The figures of an open position."""
    size = abs(position.size)
    mark = abs(position.position_value / position.size) if size else None
    return {
        "coin": word(position.coin),
        "side": word(side_of(position)),
        "size": plain(size),
        "value": money(abs(position.position_value)),
        "entry": price(position.entry_price),
        "mark": price(mark),
        "liquidation": price(position.liquidation_price),
        "unrealized": money(position.unrealized_pnl, signed=True),
    }


def side_of(position: PositionReading) -> str:
    """Long or short."""
    return "long" if position.size > 0 else "short"


class DistanceConfig(CoinCondition, frozen=True, kw_only=True):
    """When the way to a liquidation price is an alert."""

    speech: ClassVar[Words] = Words(
        title="{coin} {side} is {distance} from its liquidation price",
        words=("coin", "side"),
        numbers=("distance", "mark", "liquidation", "size", "value", "entry", "unrealized"),
        details=("distance", "mark", "liquidation", "size", "value", "entry", "unrealized"),
    )

    severity: Annotated[Severity, Meta(description="how urgent its alerts are")] = "critical"
    below: Annotated[Decimal, Meta(description="percent of the mark price that it may still move")] = Decimal(10)
    clear: Clear = None

    def __post_init__(self) -> None:
        """Raise ValueError for the first thing that is wrong."""
        super().__post_init__()
        bound(below=self.below, clear=self.clear)


class Distance:
    """How far each position is from its liquidation price."""

    memory = None

    def __init__(self, config: DistanceConfig, _settings: Settings) -> None:
        self._bound = bound(below=config.below, clear=config.clear)

    def __call__(self, state: AccountState, standing: Collection[str], /) -> Iterable[Finding]:
        """Every position that has a liquidation price, and the ends of those that have none any more."""
        for dex in state.dexes:
            for position in dex.positions:
                share = liquidation_distance(position)
                distance = None if share is None else share * HUNDRED
                yield Finding(
                    account=state.account,
                    subject=position.coin,
                    labels={"coin": position.coin, "side": side_of(position)},
                    verdict="over" if distance is None else self._bound.judge(distance),
                    values={**position_values(position), "distance": percent(distance)},
                )
        yield from gone(state, standing)


class StopConfig(CoinCondition, frozen=True, kw_only=True):
    """When a position without a stop is an alert."""

    speech: ClassVar[Words] = Words(
        title="{coin} {side} has no stop",
        words=("coin", "side"),
        numbers=("size", "value", "entry", "mark", "liquidation", "unrealized", "covered"),
        details=("size", "value", "entry", "mark", "liquidation", "unrealized", "covered"),
    )

    for_seconds: Annotated[float, Meta(ge=0, description="how long a position may be without one")] = 60
    covers: Annotated[
        Decimal, Meta(description="percent of the position for which there must be stops; one for all of it counts 100")
    ] = HUNDRED
    above: Annotated[Decimal, Meta(description="only positions worth at least so much")] = Decimal(0)


class Stop(msgspec.Struct, frozen=True):
    """An open stop order; a size of None is the whole position."""

    is_sell: bool
    size: Decimal | None


class Stops(msgspec.Struct, omit_defaults=True):
    """Open stop orders by account, coin and order id; and the dexes whose list of open orders was seen, by account."""

    accounts: dict[str, dict[str, dict[int, Stop]]] = {}
    listed: dict[str, set[str]] = {}


class WithoutStop:
    """Positions whose open stop orders do not cover them.

    Nothing is said of a dex whose list of open orders has still to come, if lists come at all.
    """

    def __init__(self, config: StopConfig, _settings: Settings) -> None:
        self._covers = config.covers
        self._above = config.above
        self.memory = Stops()

    def __call__(self, event: AccountState | OpenOrders | Order, standing: Collection[str], /) -> Iterable[Finding]:
        """Whether each position is covered."""
        if isinstance(event, Order):
            self._note(event)
            return
        if isinstance(event, OpenOrders):
            self.memory.listed.setdefault(event.account, set()).add(event.dex)
            return
        stops = self.memory.accounts.get(event.account, {})
        listed = self.memory.listed.get(event.account)
        for dex in event.dexes:
            for position in dex.positions:
                if position.size and (listed is None or dex.dex in listed):
                    yield self._finding(event.account, position, stops.get(position.coin, {}).values())
        yield from gone(event, standing)

    def _note(self, order: Order) -> None:
        is_stop = order.trigger_price is not None and order.order_type.startswith("Stop")
        if not is_stop or not is_perp(order.coin):
            return
        stops = self.memory.accounts.setdefault(order.account, {}).setdefault(order.coin, {})
        if order.status == "open":
            whole = order.is_position_tpsl or not order.size
            stops[order.order_id] = Stop(order.side == "sell", None if whole else order.size)
        else:
            stops.pop(order.order_id, None)

    def _finding(self, account: str, position: PositionReading, stops: Iterable[Stop]) -> Finding:
        size = abs(position.size)
        sizes = [stop.size for stop in stops if stop.is_sell is (position.size > 0)]
        covered = HUNDRED if None in sizes else sum((each or Decimal(0) for each in sizes), Decimal(0)) / size * HUNDRED
        is_bare = covered < self._covers and abs(position.position_value) >= self._above
        return Finding(
            account=account,
            subject=position.coin,
            labels={"coin": position.coin, "side": side_of(position)},
            verdict="holds" if is_bare else "over",
            values={**position_values(position), "covered": percent(min(covered, HUNDRED) or None)},
        )
