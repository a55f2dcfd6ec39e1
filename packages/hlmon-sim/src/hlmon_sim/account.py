"""One account: positions, balances, and the margin arithmetic of the exchange."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from hlmon_sim.market import Coin, Market
from hlmon_sim.numbers import ZERO, cut, sign
from hlmon_sim.orders import Order, Twap
from hlmon_sim.records import Fill, FundingPayment, LedgerEntry, OrderChange, TwapChange

Mode = Literal["default", "disabled", "unifiedAccount", "portfolioMargin"]
Role = Literal["user", "subAccount", "vault"]
FILLS_KEPT = 10_000
ORDERS_KEPT = 2_000


@dataclass(slots=True)
class Position:
    """A perp position. `cost` is the signed notional at entry, so average entry = cost / size, without rounding."""

    coin: Coin
    leverage: int
    isolated: bool
    opened_ms: int
    size: Decimal = ZERO
    cost: Decimal = ZERO
    isolated_cash: Decimal = ZERO
    paid_since_open: Decimal = ZERO
    paid_since_change: Decimal = ZERO
    largest: Decimal = ZERO
    gross: Decimal = ZERO
    fees: Decimal = ZERO
    fills: int = 0

    def apply(self, delta: Decimal, price: Decimal) -> Decimal:
        """Change the size by `delta` at this price; returns the gross realised PnL, exact over the position's life."""
        direction = sign(self.size)
        closing = min(abs(delta), abs(self.size)) if direction * sign(delta) < 0 else ZERO
        realised = ZERO
        if closing:
            whole = closing == abs(self.size)
            released = self.cost if whole else cut(self.cost * closing / abs(self.size), 6)
            realised = direction * closing * price - released
            self.cost -= released
            self.size -= direction * closing
            delta += direction * closing
        self.size += delta
        self.cost += delta * price
        self.paid_since_change = ZERO
        self.largest = max(self.largest, abs(self.size))
        return realised

    def unrealised(self, market: Market) -> Decimal:
        """Gross PnL at the present price."""
        return self.size * market.price(self.coin.name) - self.cost

    def notional(self, market: Market) -> Decimal:
        """Unsigned value at the present price."""
        return abs(self.size) * market.price(self.coin.name)

    def maintenance(self, market: Market) -> Decimal:
        """Margin below which the position is liquidated."""
        return cut(self.notional(market) / (2 * self.coin.max_leverage), 6)

    def margin_used(self, market: Market) -> Decimal:
        """Initial margin at the present price; for isolated ones what the position is worth."""
        if self.isolated:
            return self.isolated_cash + self.unrealised(market)
        return cut(self.notional(market) / self.leverage, 6)


@dataclass(slots=True)
class Balance:
    """Of one token; `cost` is what was paid for it."""

    token: str
    index: int | None
    total: Decimal = ZERO
    hold: Decimal = ZERO
    cost: Decimal = ZERO


@dataclass(slots=True)
class Account:
    """Everything of one address, with the histories that the API can still show."""

    address: str
    mode: Mode = "default"
    role: Role = "user"
    master: str = ""
    taker_rate: Decimal = Decimal("0.00045")
    maker_rate: Decimal = Decimal("0.00015")
    builder_rate: Decimal = ZERO
    leverage: int = 5
    escrows: dict[str, Decimal] = field(default_factory=dict)  # tokens that wait on the EVM side
    perp_cash: dict[str, Decimal] = field(default_factory=dict)  # per dex; classic modes only
    balances: dict[str, Balance] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    paid_ever: dict[str, Decimal] = field(default_factory=dict)  # funding per coin, positive = paid
    orders: dict[int, Order] = field(default_factory=dict)
    twaps: dict[int, Twap] = field(default_factory=dict)
    volume: Decimal = ZERO
    pnl: Decimal = ZERO
    fills: deque[Fill] = field(default_factory=lambda: deque(maxlen=FILLS_KEPT))
    slices: deque[Fill] = field(default_factory=lambda: deque(maxlen=FILLS_KEPT))
    fundings: deque[FundingPayment] = field(default_factory=lambda: deque(maxlen=FILLS_KEPT))
    ledger: deque[LedgerEntry] = field(default_factory=lambda: deque(maxlen=FILLS_KEPT))
    order_changes: deque[OrderChange] = field(default_factory=lambda: deque(maxlen=ORDERS_KEPT))
    twap_changes: deque[TwapChange] = field(default_factory=lambda: deque(maxlen=ORDERS_KEPT))
    values: deque[tuple[int, Decimal, Decimal]] = field(default_factory=lambda: deque(maxlen=5_000))

    @property
    def unified(self) -> bool:
        """Whether all collateral lives in the spot balances."""
        return self.mode in {"unifiedAccount", "portfolioMargin"}

    def balance(self, token: str, index: int | None) -> Balance:
        """The balance of this token, made if missing; it stays listed when it falls to zero."""
        return self.balances.setdefault(token, Balance(token, index))

    def cash(self, dex: str) -> Decimal:
        """USDC that is not tied up in isolated positions."""
        return self.balance("USDC", 0).total if self.unified else self.perp_cash.get(dex, ZERO)

    def add_cash(self, dex: str, amount: Decimal) -> None:
        """Pay in (or out) where this account's mode keeps the money."""
        if self.unified:
            self.balance("USDC", 0).total += amount
        else:
            self.perp_cash[dex] = self.perp_cash.get(dex, ZERO) + amount

    def unify(self) -> None:
        """Move all collateral to the spot balances; there is no way back (the exchange refuses it)."""
        money = sum(self.perp_cash.values(), ZERO)
        self.perp_cash.clear()
        self.mode = "unifiedAccount"
        self.balance("USDC", 0).total += money

    def rename_dex(self, old: str, new: str, coins: dict[str, Coin]) -> None:
        """Everything of the dex has its new name from now on; the rows of its past keep the old one."""
        if old in self.perp_cash:
            self.perp_cash[new] = self.perp_cash.pop(old)
        for name, coin in coins.items():
            if position := self.positions.pop(name, None):
                position.coin = coin
                self.positions[coin.name] = position
            if name in self.paid_ever:
                self.paid_ever[coin.name] = self.paid_ever.pop(name)
        children = [child for order in self.orders.values() for child in order.children]
        traded: list[Order | Twap] = [*self.orders.values(), *children, *self.twaps.values()]
        for each in traded:
            each.coin = coins[each.coin].name if each.coin in coins else each.coin

    def on_dex(self, dex: str) -> list[Position]:
        """The positions of one dex."""
        return [position for position in self.positions.values() if position.coin.dex == dex]

    def cross_equity(self, dex: str, market: Market) -> Decimal:
        """What cross positions are secured with: cash and unrealised PnL; in unified modes over all dexes."""
        pool = self.positions.values() if self.unified else self.on_dex(dex)
        return self.cash(dex) + unrealised(pool, market)

    def cross_maintenance(self, dex: str, market: Market) -> Decimal:
        """Sum of notional / (2 x maximal leverage) over the cross positions that share the collateral."""
        pool = self.positions.values() if self.unified else self.on_dex(dex)
        return sum((position.maintenance(market) for position in pool if not position.isolated), ZERO)

    def value(self, market: Market) -> Decimal:
        """What the whole account is worth in USDC."""
        perps = sum(
            (p.margin_used(market) if p.isolated else p.unrealised(market) for p in self.positions.values()), ZERO
        )
        return perps + sum(self.perp_cash.values(), ZERO) + self.spot_value(market)

    def spot_value(self, market: Market) -> Decimal:
        """Balances at the present prices."""
        prices = {quote.coin.token: quote.price for quote in market.quotes.values() if quote.coin.token}
        prices["USDC"] = Decimal(1)
        return sum((balance.total * prices.get(balance.token, ZERO) for balance in self.balances.values()), ZERO)

    def liquidation_price(self, position: Position, market: Market) -> Decimal | None:
        """Where the position would be liquidated with all else equal; None where no positive price does it."""
        side, rate = sign(position.size), 1 / Decimal(2 * position.coin.max_leverage)
        if position.isolated:
            spare = position.margin_used(market) - position.maintenance(market)
        else:
            dex = position.coin.dex
            spare = self.cross_equity(dex, market) - self.cross_maintenance(dex, market)
        price = market.price(position.coin.name) - side * spare / abs(position.size) / (1 - rate * side)
        return cut(price, 10) if price > 0 else None

    def facts(self) -> dict[str, Any]:
        """What the ground truth says of the account."""
        return {"account": self.address, "role": self.role, "mode": self.mode, "master": self.master}


def unrealised(positions: Iterable[Position], market: Market) -> Decimal:
    """Summed over the cross positions among them."""
    return sum((position.unrealised(market) for position in positions if not position.isolated), ZERO)
