"""Random but seeded activity: who does what, and when."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal

from hlmon_sim.account import Account
from hlmon_sim.market import Coin
from hlmon_sim.world import World

Action = Callable[["Traffic", Account], int]


class Traffic:
    """Lets the accounts of a world trade at a rate of `rate` fills per second, and outsiders at `trades_rate`."""

    def __init__(self, world: World, seed: int, *, rate: float, trades_rate: float) -> None:
        self.world = world
        self.rate = rate
        self.trades_rate = trades_rate
        self._random = random.Random(f"{seed}/traffic")
        self._fills_due = 0.0
        self._trades_due = 0.0

    def step(self, now_ms: int) -> None:
        """Let time pass until `now_ms`, with everything that is due by then."""
        seconds = max(now_ms - self.world.now_ms, 0) / 1000
        self.world.step(now_ms)
        self._fills_due += seconds * self.rate
        self._trades_due += seconds * self.trades_rate
        with self.world.block():
            while self._fills_due >= 1 and self.world.accounts:
                self._fills_due -= max(self._act(), 0.05)
            while self._trades_due >= 1:
                self._trades_due -= 1
                self._background()

    def history(self, fills: int, start_ms: int, end_ms: int) -> None:
        """Let every account make so many fills between these times."""
        accounts = list(self.world.accounts.values())
        missing = dict.fromkeys((account.address for account in accounts), fills)
        while left := sum(max(count, 0) for count in missing.values()):
            passed = 1 - left / (fills * len(accounts))
            self.world.step(start_ms + int((end_ms - start_ms) * passed))
            for account in accounts:
                if missing[account.address] > 0:
                    missing[account.address] -= self._trade(account)
        self.world.step(end_ms)

    def _act(self) -> int:
        account = self._random.choice(list(self.world.accounts.values()))
        actions, weights = zip(*ACTIONS, strict=True)
        action: Action = self._random.choices(actions, weights)[0]
        return action(self, account)

    def _background(self) -> None:
        coin = self._random.choice(self.world.market.tradable("perp", "spot"))
        self.world.background(coin.name, self._size(coin, 2_000), self._random.choice("BA"))  # type: ignore[arg-type]

    def _size(self, coin: Coin, notional: float) -> Decimal:
        scale = self._random.uniform(0.2, 1.0)
        return coin.size(notional * scale / float(self.world.market.price(coin.name)))

    def _budget(self, account: Account) -> float:
        """Notional for one order: keeps an account's leverage around one."""
        return max(float(account.value(self.world.market)) * 0.15, 50.0)

    def _trade(self, account: Account) -> int:
        """Open, add, reduce, close or flip a perp."""
        held = [position for position in account.positions.values() if not self._delisted(position.coin)]
        parts = self._random.choice((1, 1, 2, 3, 5))
        if held and (len(held) >= 4 or self._random.random() < 0.75):
            position = self._random.choice(held)
            name = position.coin.name
            kind = self._random.choices(("add", "reduce", "close", "flip"), (20, 30, 40, 10))[0]
            if kind == "close":
                return len(self.world.close(account, name, parts=parts))
            if kind == "flip":
                return len(self.world.flip(account, name, parts=parts))
            if kind == "reduce":
                size = min(position.coin.size(abs(position.size) * Decimal("0.4")), abs(position.size))
                return len(self.world.reduce(account, name, size, parts=parts))
            size = self._size(position.coin, self._budget(account) / 2)
            return len(self.world.trade(account, name, size if position.size > 0 else -size, parts=parts))
        coin = self._random.choice(self.world.market.tradable("perp"))
        size = self._size(coin, self._budget(account)) * self._random.choice((1, -1))
        cloid = self._random.random() < 0.5
        return len(self.world.trade(account, coin.name, size, parts=parts, cloid=cloid))

    def _delisted(self, coin: Coin) -> bool:
        return self.world.market.quotes[coin.name].is_delisted

    def _pair(self, account: Account) -> int:
        """Two simulated accounts trade with each other."""
        others = [other for other in self.world.accounts.values() if other is not account]
        if not others:
            return 0
        coin = self._random.choice(self.world.market.tradable("perp"))
        size = self._size(coin, self._budget(account) / 2) * self._random.choice((1, -1))
        return 2 * len(self.world.trade(account, coin.name, size, against=self._random.choice(others)))

    def _rest(self, account: Account) -> int:
        """Place, fill, cancel or trigger a resting order."""
        orders = [order for order in account.orders.values() if not order.is_trigger]
        if orders and self._random.random() < 0.7:
            order = self._random.choice(orders)
            if self._delisted(self.world.market.coin(order.coin)) or self._random.random() < 0.3:
                self.world.cancel(order)
                return 0
            return len(self.world.fill_order(order))
        coin = self._random.choice(self.world.market.tradable("perp"))
        size = self._size(coin, self._budget(account) / 3) * self._random.choice((1, -1))
        away = Decimal("0.998") if size > 0 else Decimal("1.002")
        if self._random.random() < 0.2:
            self.world.place_bracket(account, coin.name, size, self.world.market.price(coin.name) * away)
            return 0
        self.world.place(account, coin.name, size, self.world.market.price(coin.name) * away, tif="Alo", cloid=True)
        return 0

    def _protect(self, account: Account) -> int:
        """Set or trigger a stop on a position."""
        held = [position for position in account.positions.values() if not self._delisted(position.coin)]
        stops = [order for order in account.orders.values() if order.is_trigger]
        for order in stops:
            position = account.positions.get(order.coin)
            gone = position is None or (position.size > 0) != (order.side == "A")
            if position is None or gone or abs(position.size) < order.remaining:
                self.world.cancel(order, "reduceOnlyCanceled")
            elif self._random.random() < 0.3:
                return len(self.world.trigger(order))
        if held and len(stops) < 3:
            position = self._random.choice(held)
            price = self.world.market.price(position.coin.name) * Decimal("0.97" if position.size > 0 else "1.03")
            self.world.place_trigger(account, position.coin.name, price, above=position.size < 0)
        return 0

    def _spot(self, account: Account) -> int:
        """Buy or sell a token."""
        coin = self._random.choice(self.world.market.tradable("spot", "outcome"))
        balance = account.balance(coin.token, coin.token_index or None)
        lots = coin.size(balance.total / 2) if balance.total else coin.size(0)
        if lots <= balance.total and self._random.random() < 0.5:
            return len(self.world.spot_sell(account, coin.name, lots))
        money = account.balance("USDC", 0)
        if money.total < 500:
            if account.unified or account.perp_cash.get("", Decimal(0)) < 2_000:
                return 0
            self.world.class_transfer(account, 1_000, to_perp=False)
        return len(self.world.spot_buy(account, coin.name, self._size(coin, 400)))

    def _twap(self, account: Account) -> int:
        """Start a TWAP."""
        if account.twaps:
            return 0
        coin = self._random.choice(self.world.market.tradable("perp"))
        slices = self._random.randint(3, 8)
        size = self._size(coin, self._budget(account)) * self._random.choice((1, -1))
        self.world.twap(account, coin.name, size, slices=slices)
        return 0

    def _money(self, account: Account) -> int:
        """Deposits and transfers; accounts that ran dry are filled up."""
        others = [other for other in self.world.accounts.values() if other is not account]
        kind = self._random.choice(("deposit", "withdraw", "internal", "airdrop"))
        if account.value(self.world.market) < 5_000 or kind == "deposit":
            self.world.deposit(account, self._random.randint(1_000, 20_000))
        elif kind == "airdrop":
            self.world.airdrop(account)
        elif kind == "withdraw" or not others:
            self.world.withdraw(account, self._random.randint(10, 200))
        else:
            self.world.transfer(account, self._random.choice(others), self._random.randint(10, 200))
        return 0

    def _reject(self, account: Account) -> int:
        coin = self._random.choice(self.world.market.tradable("perp"))
        self.world.reject(account, coin.name, self._size(coin, 100), self._random.choice(REJECTIONS))
        return 0

    def _force(self, account: Account) -> int:
        """Liquidation, ADL, or a self-trade."""
        if not account.positions:
            return self._trade(account)
        position = self._random.choice(list(account.positions.values()))
        name = position.coin.name
        kind = self._random.choice(("market", "backstop", "adl", "self"))
        if kind == "market":
            return len(self.world.liquidate(account, name))
        if kind == "backstop":
            return len(self.world.liquidate(account, name, "backstop"))
        if kind == "adl":
            return len(self.world.adl(account, name))
        return len(self.world.self_trade(account, name, position.coin.size(abs(position.size) / 3)))


REJECTIONS = ("perpMarginRejected", "minTradeNtlRejected", "iocCancelRejected", "badAloPxRejected")
ACTIONS: tuple[tuple[Action, int], ...] = (
    (Traffic._trade, 600),
    (Traffic._rest, 150),
    (Traffic._pair, 40),
    (Traffic._spot, 60),
    (Traffic._protect, 40),
    (Traffic._reject, 10),
    (Traffic._money, 10),
    (Traffic._force, 10),
    (Traffic._twap, 8),
)
