"""Whether the order of every fill has been heard of: that the history of orders fell silent shows in nothing sooner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hlmon.events import Event, Fill, OpenOrders, Order

PATIENCE_SECONDS: Final = 12.0
"""How long an order may come after its fill: they are on different streams."""
FIRST_PAUSE_SECONDS: Final = 30.0
LONGEST_PAUSE_SECONDS: Final = 3600.0
MOST_KNOWN: Final = 10_000
MOST_WAITING: Final = 1_000
_ORDINARY: Final = frozenset(
    {"Open Long", "Open Short", "Close Long", "Close Short", "Long > Short", "Short > Long", "Buy", "Sell"}
)
"""Directions of fills that an order of the account's own led to."""


class FillOrders:
    """The orders of one account. Slices of TWAPs and forced fills need no order of the account's own."""

    def __init__(self) -> None:
        self._known: dict[int, None] = {}
        self._waiting: dict[int, float] = {}  # order ids of fills, since when
        self._since_ms = 0
        self._pause = self._not_before = 0.0
        self._asked: list[int] = []

    def begin(self, time_ms: int) -> None:
        """Fills up to now may be older than the history of orders goes back."""
        self._since_ms = time_ms
        self._waiting.clear()
        self._asked.clear()

    def take(self, events: Iterable[Event], now: float) -> None:
        """Fills and orders as they come, and lists of open orders."""
        known, waiting, since_ms = self._known, self._waiting, self._since_ms
        for event in events:
            if type(event) is Fill:
                order_id = event.order_id
                if order_id not in known and event.time_ms > since_ms and self._needs_order(event):
                    waiting.setdefault(order_id, now)
            elif type(event) is Order:
                self._know(event.order_id)
            elif type(event) is OpenOrders:
                for order in event.orders:
                    self._know(order.order_id)

    def doubt(self, now: float) -> bool:
        """Whether the history of orders should be read now; what it does not have then is asked about no more."""
        if now < self._not_before or not self._waiting:
            return False
        self._asked = [order_id for order_id, since in self._waiting.items() if now - since >= PATIENCE_SECONDS]
        return bool(self._asked)

    def read_again(self, now: float) -> None:
        """The history was read, and `take` got it: where it has no such orders it is asked ever more rarely."""
        is_explained = any(order_id not in self._waiting for order_id in self._asked)
        self._pause = 0.0 if is_explained else min(2 * self._pause or FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self._not_before = now + self._pause
        for order_id in self._asked:
            if order_id in self._waiting:
                self._know(order_id)
        self._asked.clear()

    def _needs_order(self, fill: Fill) -> bool:
        is_own = fill.direction in _ORDINARY and fill.twap_id is None and fill.trade_id and fill.order_id
        is_forced = fill.liquidation is not None and fill.liquidation.user in {"", fill.account}
        return bool(is_own) and not is_forced and len(self._waiting) < MOST_WAITING

    def _know(self, order_id: int) -> None:
        self._waiting.pop(order_id, None)
        if order_id not in self._known:
            self._known[order_id] = None
            while len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]
