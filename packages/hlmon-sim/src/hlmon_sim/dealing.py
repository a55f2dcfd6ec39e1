"""What traders do, by name: open, close, flip, place, cancel, trigger, trade with themselves, buy spot."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hlmon_sim.account import Account
from hlmon_sim.market import Coin
from hlmon_sim.numbers import ZERO, cut, sign, unit
from hlmon_sim.orders import Order
from hlmon_sim.records import Fill, Liquidation, Side
from hlmon_sim.trading import Party, Terms, Trading

Amount = Decimal | int | str


class Dealing(Trading):
    """Named actions of traders. Signed sizes: positive buys. All fills of one call share one time, hash and order."""

    def trade(
        self,
        account: Account,
        coin: str,
        size: Amount,
        *,
        parts: int = 1,
        against: Account | None = None,
        price: Amount | None = None,
        cloid: bool = False,
    ) -> list[Fill]:
        """A market order, filled in so many parts by outsiders, or by the resting order of another account."""
        signed = Decimal(size)
        market_coin = self.market.coin(coin)
        with self.block():
            order = self.order(account, coin, signed, order_type="Market", tif="FrontendMarket", cloid=cloid)
            self.note_order(account, order, "open")
            taker = Party(account.address, order.order_id, account, order.cloid)
            fills = self._sweep(taker, market_coin, signed, parts=parts, against=against, price=price)
            order.remaining = ZERO
            self.note_order(account, order, "filled")
        return [fill for fill in fills if fill.account == account.address]

    open = trade  # the same order opens, adds, reduces and flips; these names make scripts readable
    add = trade

    def reduce(self, account: Account, coin: str, size: Amount, **how: Any) -> list[Fill]:
        """Close this much (unsigned) of a position."""
        return self.trade(account, coin, -sign(self.size_of(account, coin)) * Decimal(size), **how)

    def close(self, account: Account, coin: str, **how: Any) -> list[Fill]:
        """Close a whole position."""
        return self.trade(account, coin, -self.size_of(account, coin), **how)

    def flip(self, account: Account, coin: str, **how: Any) -> list[Fill]:
        """Turn a position into one of the same size in the other direction."""
        return self.trade(account, coin, -2 * self.size_of(account, coin), **how)

    @staticmethod
    def size_of(account: Account, coin: str) -> Decimal:
        """The signed size of a perp position, 0 if there is none."""
        position = account.positions.get(coin)
        return position.size if position else ZERO

    def self_trade(self, account: Account, coin: str, size: Amount) -> list[Fill]:
        """The account's market order meets its own resting order."""
        signed = Decimal(size)
        market_coin = self.market.coin(coin)
        with self.block():
            resting = self.place(account, coin, -signed, self.market.price(coin))
            taking = self.order(account, coin, signed, order_type="Market", tif="FrontendMarket")
            self.note_order(account, taking, "open")
            maker = Party(account.address, resting.order_id, account)
            taker = Party(account.address, taking.order_id, account)
            terms = self._terms(market_coin, abs(signed), resting.price)
            fills = self.match(terms, "B" if signed > 0 else "A", taker, maker)
            for order in (resting, taking):
                order.remaining = ZERO
                self.note_order(account, order, "filled")
        return fills

    # resting orders

    def place(
        self, account: Account, coin: str, size: Amount, price: Amount, *, tif: str = "Gtc", cloid: bool = False
    ) -> Order:
        """A limit order that rests in the book."""
        with self.block():
            order = self.order(account, coin, Decimal(size), price=price, tif=tif, cloid=cloid)
            self.note_order(account, order, "open")
        return order

    def place_bracket(self, account: Account, coin: str, size: Amount, price: Amount) -> Order:
        """A limit order with a stop and a take-profit that wait until it is filled whole, and end with it."""
        signed, at = Decimal(size), Decimal(price)
        with self.block():
            order = self.order(account, coin, signed, price=at)
            factors = ("0.95", "1.05") if signed > 0 else ("1.05", "0.95")
            order.children = tuple(
                self._exit(account, coin, -signed, at * Decimal(factor), kind)
                for factor, kind in zip(factors, ("Stop Market", "Take Profit Market"), strict=True)
            )
            self.note_order(account, order, "open")
            for child in order.children:
                self.note_order(account, child, "waitingForFill")
        return order

    def _exit(self, account: Account, coin: str, signed: Decimal, price: Decimal, kind: str) -> Order:
        child = self.order(account, coin, signed, price=price, order_type=kind, tif=None)
        child.trigger_price, child.reduce_only = child.price, True
        child.trigger_above = (child.side == "B") == (kind == "Stop Market")
        return child

    def _free_children(self, order: Order, status: str) -> None:
        children, order.children = order.children, ()
        for child in children:
            self.note_order(self.accounts[order.account], child, status)

    def place_trigger(self, account: Account, coin: str, price: Amount, *, above: bool) -> Order:
        """A stop or take-profit order that closes the account's position when the price gets there."""
        held = self.size_of(account, coin)
        order = self.order(account, coin, -held, price=price, tif=None)
        takes_profit = above == (held > 0)
        order.order_type = "Take Profit Market" if takes_profit else "Stop Market"
        order.trigger_price, order.trigger_above = order.price, above
        order.reduce_only = order.position_tpsl = True
        with self.block():
            self.note_order(account, order, "open")
        return order

    def fill_order(self, order: Order, size: Amount | None = None) -> list[Fill]:
        """Somebody takes (a part of) a resting order: the account is the maker."""
        account, coin = self.accounts[order.account], self.market.coin(order.coin)
        amount = order.remaining if size is None else Decimal(size)
        with self.block():
            maker = Party(account.address, order.order_id, account, order.cloid)
            taker = Party(self.outsider(), self.new_order_id())
            taker_side: Side = "A" if order.side == "B" else "B"
            fills = self.match(self._terms(coin, amount, order.price), taker_side, taker, maker)
            order.remaining -= amount
            if not order.remaining:
                self.note_order(account, order, "filled")
                self._free_children(order, "open")
            verb = "Bought" if order.side == "B" else "Sold"
            self.notify(account, f"Resting order filled: {verb} {amount} {order.coin} at ${order.price}")
        return fills

    def trigger(self, order: Order) -> list[Fill]:
        """The price of a trigger order is reached: it becomes a market order and is filled."""
        account, coin = self.accounts[order.account], self.market.coin(order.coin)
        signed = order.remaining if order.side == "B" else -order.remaining
        with self.block():
            self.note_order(account, order, "triggered")
            taker = Party(account.address, order.order_id, account, order.cloid)
            fills = self._sweep(taker, coin, signed)
            order.remaining = ZERO
            self.note_order(account, order, "filled")
        return fills

    def cancel(self, order: Order, status: str = "canceled") -> None:
        """End a resting order; the remainder stays in its size. `status` may be any of the canceled family."""
        with self.block():
            self.note_order(self.accounts[order.account], order, status)
            self._free_children(order, status)

    def vanish(self, order: Order) -> None:
        """Cancel a resting order so that no history shows it, as when more than 2,000 rows came after it."""
        with self.block():
            self.note_order(self.accounts[order.account], order, "canceled", is_hidden=True)
            for child in order.children:
                self.note_order(self.accounts[order.account], child, "canceled", is_hidden=True)

    def reject(self, account: Account, coin: str, size: Amount, status: str = "perpMarginRejected") -> Order:
        """An order that the exchange did not accept."""
        order = self.order(account, coin, Decimal(size), tif="Ioc")
        with self.block():
            self.note_order(account, order, status)
        return order

    # spot

    def spot_buy(self, account: Account, coin: str, size: Amount, **how: Any) -> list[Fill]:
        """Buy a token or an outcome; the fee of a token is taken from the token bought."""
        return self.trade(account, coin, Decimal(size), **how)

    def spot_sell(self, account: Account, coin: str, size: Amount, **how: Any) -> list[Fill]:
        """Sell a token or an outcome."""
        return self.trade(account, coin, -Decimal(size), **how)

    # load

    def burst(self, account: Account, fills: int, coin: str = "BTC", *, per_block: int = 100) -> list[Fill]:
        """So many fills as fast as possible: opening and closing in turns, in blocks one millisecond apart."""
        done: list[Fill] = []
        lot = self.market.coin(coin).size(0)
        while len(done) < fills:
            parts = min(per_block, fills - len(done))
            held = self.size_of(account, coin)
            signed = -held if abs(held) >= 50 * parts * lot else parts * lot
            self.set_time(self.now_ms + 1)
            done += self.trade(account, coin, signed, parts=parts)
        return done

    def crowd(self, account: Account, fills: int, coin: str = "BTC") -> None:
        """So many fills of one coin in a single millisecond; the position is the same afterwards."""
        lot = self.market.coin(coin).size(0)
        with self.block():
            if not self.size_of(account, coin):
                self.trade(account, coin, lot)
            lots = fills // 2 * lot * sign(self.size_of(account, coin))
            self.trade(account, coin, lots, parts=fills // 2)
            self.trade(account, coin, -lots, parts=fills // 2)

    def background(self, coin: str, size: Amount, side: Side = "B") -> None:
        """A trade between two outsiders."""
        with self.block():
            terms = self._terms(self.market.coin(coin), Decimal(size))
            self.match(terms, side, Party(self.outsider(), 0), Party(self.outsider(), 0))

    # parts of the above

    def order(
        self,
        account: Account,
        coin: str,
        size: Amount,
        *,
        price: Amount | None = None,
        order_type: str = "Limit",
        tif: str | None = "Gtc",
        cloid: bool = False,
    ) -> Order:
        """An order of this signed size that the exchange has not heard of yet."""
        signed = Decimal(size)
        limit = self.market.coin(coin).price(Decimal(price) if price is not None else self._limit(coin, signed))
        return Order(
            account.address,
            coin,
            "B" if signed > 0 else "A",
            limit,
            abs(signed),
            abs(signed),
            self.new_order_id(),
            self.now_ms,
            order_type,
            tif,
            self.new_cloid() if cloid else None,
        )

    def _limit(self, coin: str, size: Decimal) -> Decimal:
        return self.market.price(coin) * (Decimal("1.08") if size > 0 else Decimal("0.92"))

    def _terms(
        self,
        coin: Coin,
        size: Decimal,
        price: Decimal | None = None,
        hash_: str = "",
        liquidation: Liquidation | None = None,
    ) -> Terms:
        at = self.market.price(coin.name) if price is None else price
        return Terms(coin, at, size, hash_ or self.new_hash(), self.new_trade_id(), liquidation)

    def _sweep(
        self,
        taker: Party,
        coin: Coin,
        signed: Decimal,
        *,
        parts: int = 1,
        against: Account | None = None,
        price: Amount | None = None,
        liquidation: Liquidation | None = None,
    ) -> list[Fill]:
        """Take liquidity away from the price in so many parts, each a little worse."""
        side: Side = "B" if signed > 0 else "A"
        start = coin.price(Decimal(price)) if price is not None else self.market.price(coin.name)
        tick = unit(coin.price_decimals) if start < 10_000 else Decimal(1)
        step = max(coin.price(start + tick) - start, tick) * sign(signed)
        hash_ = self.new_hash()
        fills: list[Fill] = []
        for index, size in enumerate(split(abs(signed), parts, coin.size_decimals)):
            at = coin.price(max(start + step * (index // 3), tick))
            if against is None:
                maker = Party(self.outsider(), self.new_order_id())
                fills += self.match(self._terms(coin, size, at, hash_, liquidation), side, taker, maker)
                continue
            resting = self.place(against, coin.name, -size * sign(signed), at)
            maker = Party(against.address, resting.order_id, against)
            fills += self.match(self._terms(coin, size, at, hash_, liquidation), side, taker, maker)
            resting.remaining = ZERO
            self.note_order(against, resting, "filled")
        return fills


def split(size: Decimal, parts: int, decimals: int) -> list[Decimal]:
    """The size in so many parts (fewer if there are not enough lots), all but the last alike."""
    lot = unit(decimals)
    part = max(cut(size / parts, decimals), lot)
    count = min(parts, int(size / part)) if size >= part else 1
    return [part] * (count - 1) + [size - part * (count - 1)]
