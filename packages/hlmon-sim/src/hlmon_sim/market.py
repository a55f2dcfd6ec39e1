"""The coins that are traded and their seeded prices."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from hlmon_sim.numbers import ZERO, cut

CoinKind = Literal["perp", "spot", "outcome"]
DEXES = ("", "xyz")  # at the start; a dex may get another name
USDC_TOKEN = 0
MINUTE_MS = 60_000
CANDLES_KEPT = 5_000


@dataclass(frozen=True, slots=True)
class Coin:
    """One market. `token` is what a spot account holds of it: the base token, or `+E` for the outcome coin `#E`."""

    name: str
    kind: CoinKind
    size_decimals: int
    start_price: float
    max_leverage: int = 1
    dex: str = ""
    only_isolated: bool = False
    is_delisted: bool = False
    token: str = ""
    token_index: int = 0

    @property
    def price_decimals(self) -> int:
        """Most decimals that a price may have."""
        return (6 if self.kind == "perp" else 8) - self.size_decimals

    def price(self, value: float | Decimal) -> Decimal:
        """The value as a price that the exchange accepts: at most five significant digits; integers always."""
        number = float(value)
        digits = 0 if number <= 0 else max(0, 4 - math.floor(math.log10(number)))
        return Decimal(str(round(number, min(digits, self.price_decimals))))

    def size(self, value: float | Decimal) -> Decimal:
        """The value as a size in whole lots, at least one lot."""
        lot = Decimal(1).scaleb(-self.size_decimals)
        return max(cut(Decimal(str(value)), self.size_decimals), lot)


COINS: tuple[Coin, ...] = (
    Coin("BTC", "perp", 5, 86_000, 40),
    Coin("ETH", "perp", 4, 2_720, 25),
    Coin("MATIC", "perp", 1, 0.376, 20, is_delisted=True),
    Coin("SOL", "perp", 2, 121, 20),
    Coin("HYPE", "perp", 2, 92.9, 10),
    Coin("DOGE", "perp", 0, 0.096, 10),
    Coin("SUI", "perp", 1, 1.22, 10),
    Coin("kPEPE", "perp", 0, 0.00434, 10),
    Coin("xyz:XYZ100", "perp", 4, 31_175, 30, dex="xyz"),
    Coin("xyz:SILVER", "perp", 2, 82.7, 20, dex="xyz"),
    Coin("xyz:TSLA", "perp", 3, 402, 10, dex="xyz", only_isolated=True),
    Coin("PURR/USDC", "spot", 0, 0.148, token="PURR", token_index=1),
    Coin("@107", "spot", 2, 92.9, token="HYPE", token_index=150),
    Coin("@142", "spot", 5, 86_000, token="UBTC", token_index=197),
    Coin("#1000", "outcome", 0, 0.55, token="+1000"),
)


@dataclass(slots=True)
class Candle:
    """One minute of one coin."""

    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    trades: int = 0


@dataclass(slots=True)
class Quote:
    """What is known of a coin now."""

    coin: Coin
    price: Decimal
    walk: float  # the unrounded price
    previous_day_price: Decimal
    funding_rate: Decimal = Decimal("0.0000125")
    base_volume: Decimal = ZERO
    notional_volume: Decimal = ZERO
    is_delisted: bool = False
    candles: deque[Candle] = field(default_factory=lambda: deque(maxlen=CANDLES_KEPT))


class Market:
    """Prices of all coins; the same seed and the same steps give the same path."""

    def __init__(self, seed: int, coins: Iterable[Coin] = COINS) -> None:
        self._random = random.Random(f"{seed}/prices")
        self.dexes = list(DEXES)
        self.quotes: dict[str, Quote] = {}
        for coin in coins:
            price = coin.price(coin.start_price)
            self.quotes[coin.name] = Quote(coin, price, coin.start_price, price, is_delisted=coin.is_delisted)

    def coin(self, name: str) -> Coin:
        """The coin of this name; KeyError if there is none (names are case-sensitive)."""
        return self.quotes[name].coin

    def price(self, name: str) -> Decimal:
        """Mark, oracle and mid price at once."""
        return self.quotes[name].price

    def perps(self, dex: str) -> list[Coin]:
        """The universe of one dex, in its order."""
        return [quote.coin for quote in self.quotes.values() if quote.coin.kind == "perp" and quote.coin.dex == dex]

    def spots(self) -> list[Coin]:
        """The spot pairs."""
        return [quote.coin for quote in self.quotes.values() if quote.coin.kind == "spot"]

    def tradable(self, *kinds: CoinKind) -> list[Coin]:
        """What can be traded now."""
        return [quote.coin for quote in self.quotes.values() if not quote.is_delisted and quote.coin.kind in kinds]

    def rename(self, old: str, new: str) -> dict[str, Coin]:
        """Give a dex another name; returns its coins, with their new names, by their old names."""
        self.dexes[self.dexes.index(old)] = new
        coins: dict[str, Coin] = {}
        for name, quote in list(self.quotes.items()):
            del self.quotes[name]  # and back again, so that the order stays
            if quote.coin.dex == old:
                coins[name] = quote.coin = replace(quote.coin, name=f"{new}:{name.partition(':')[2]}", dex=new)
            self.quotes[quote.coin.name] = quote
        return coins

    def move(self, seconds: float) -> None:
        """Let the prices walk for so long: about 80 % a year, outcomes stay between 0 and 1."""
        spread = 0.00015 * math.sqrt(seconds)
        for quote in self.quotes.values():
            if quote.is_delisted:
                continue
            self.set_price(quote.coin.name, quote.walk * math.exp(self._random.gauss(0, spread)))
            drift = Decimal(self._random.randint(-20, 20)).scaleb(-8)
            quote.funding_rate = max(min(quote.funding_rate + drift, Decimal("0.0002")), Decimal("-0.0002"))

    def set_price(self, name: str, value: float | Decimal) -> None:
        """Put the price somewhere."""
        quote = self.quotes[name]
        bounded = min(max(float(value), 0.02), 0.98) if quote.coin.kind == "outcome" else float(value)
        quote.walk = bounded
        quote.price = quote.coin.price(bounded)

    def note_trade(self, name: str, price: Decimal, size: Decimal, time_ms: int) -> Candle:
        """Count a trade into the day's volume and the minute's candle, which is returned."""
        quote = self.quotes[name]
        quote.base_volume += size
        quote.notional_volume += size * price
        start_ms = time_ms - time_ms % MINUTE_MS
        candles = quote.candles
        if not candles or candles[-1].start_ms < start_ms:
            candles.append(Candle(start_ms, price, price, price, price))
        candle = candles[-1]
        candle.high, candle.low, candle.close = max(candle.high, price), min(candle.low, price), price
        candle.volume += size
        candle.trades += 1
        return candle
