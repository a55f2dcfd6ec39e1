"""Orders and TWAPs as the exchange holds them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hlmon_sim.numbers import ZERO, text
from hlmon_sim.records import Json, Side


@dataclass(slots=True)
class Order:
    """One order; `remaining` falls with its fills. `children` are the TP/SL orders that come to life with it."""

    account: str
    coin: str
    side: Side
    price: Decimal
    remaining: Decimal
    original: Decimal
    order_id: int
    time_ms: int
    order_type: str = "Limit"
    tif: str | None = "Gtc"
    cloid: str | None = None
    reduce_only: bool = False
    trigger_price: Decimal = ZERO
    trigger_above: bool = True
    position_tpsl: bool = False
    children: tuple[Order, ...] = ()

    @property
    def is_trigger(self) -> bool:
        """Whether it waits for a price."""
        return self.trigger_price > 0

    def render(self) -> Json:
        """The long form: frontendOpenOrders, openOrders over WebSocket, historicalOrders."""
        way = "above" if self.trigger_above else "below"
        condition = f"Price {way} {text(self.trigger_price).removesuffix('.0')}" if self.is_trigger else "N/A"
        return {
            "coin": self.coin,
            "side": self.side,
            "limitPx": text(self.price),
            "sz": text(self.remaining),
            "oid": self.order_id,
            "timestamp": self.time_ms,
            "triggerCondition": condition,
            "isTrigger": self.is_trigger,
            "triggerPx": text(self.trigger_price),
            "children": [child.render() for child in self.children],
            "isPositionTpsl": self.position_tpsl,
            "reduceOnly": self.reduce_only,
            "orderType": self.order_type,
            "origSz": text(self.original),
            "tif": self.tif,
            "cloid": self.cloid,
        }


def brief(order: Json) -> Json:
    """The short form: openOrders over REST, orderUpdates."""
    short = {key: order[key] for key in ("coin", "side", "limitPx", "sz", "oid", "timestamp", "origSz")}
    if order["cloid"] is not None:
        short["cloid"] = order["cloid"]
    if order["reduceOnly"]:
        short["reduceOnly"] = True
    return short


@dataclass(slots=True)
class Twap:
    """A running TWAP: `slices_left` more parts are due, the next at `next_ms`."""

    account: str
    twap_id: int
    coin: str
    side: Side
    size: Decimal
    minutes: int
    time_ms: int
    slices_left: int
    next_ms: int
    interval_ms: int
    executed: Decimal = ZERO
    executed_notional: Decimal = ZERO

    def render(self) -> Json:
        """As in twapStates and userTwapHistory."""
        return {
            "coin": self.coin,
            "user": self.account,
            "side": self.side,
            "sz": text(self.size),
            "executedSz": text(self.executed),
            "executedNtl": text(self.executed_notional),
            "minutes": self.minutes,
            "reduceOnly": False,
            "randomize": False,
            "timestamp": self.time_ms,
            "trigger": None,
            "stopPx": None,
        }
