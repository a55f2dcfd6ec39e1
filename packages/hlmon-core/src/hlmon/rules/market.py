"""Rules about the market: the volume delta of a coin over a window."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Annotated, ClassVar, Final

import msgspec
from msgspec import Meta

from hlmon.contract import Settings
from hlmon.errors import ConfigError
from hlmon.events import Cvd
from hlmon.rules.config import Clear, ConditionConfig, Words, two_bounds
from hlmon.rules.engine import Finding
from hlmon.rules.text import plain, span, word

MAX_BUCKETS: Final = 10_000
_SIDES: Final = {"above": "bought", "below": "sold"}


class CvdConfig(ConditionConfig, frozen=True, kw_only=True):
    """When the flow of market trades is an alert."""

    speech: ClassVar[Words] = Words(
        title="{coin}: {delta} net {deed} in {window}",
        words=("coin", "deed"),
        numbers=("delta", "bought", "sold", "trades", "window"),
        details=("delta", "bought", "sold", "trades"),
    )

    coins: Annotated[tuple[str, ...], Meta(min_length=1, description="coins of `[hyperliquid] coins`")]
    window_minutes: Annotated[float, Meta(gt=0, description="length of the window that ends with the newest trade")] = 5
    above: Annotated[Decimal | None, Meta(description="net bought in the window, in units of the coin")] = None
    below: Annotated[Decimal | None, Meta(description="net sold, as a negative number, in units of the coin")] = None
    clear: Clear = None

    def __post_init__(self) -> None:
        """Raise ValueError for the first thing that is wrong."""
        super().__post_init__()
        two_bounds(self, **_SIDES)


class Bucket(msgspec.Struct):
    """What was bought and sold in one CVD bucket."""

    start_ms: int
    bought: Decimal
    sold: Decimal
    trades: int


class Windows(msgspec.Struct, omit_defaults=True):
    """The buckets of each coin's window, ascending."""

    coins: dict[str, list[Bucket]] = {}


class Flow:
    """The volume delta of each coin over the window; buckets that began in it count whole."""

    def __init__(self, config: CvdConfig, settings: Settings) -> None:
        for coin in config.coins:
            if coin not in settings.coins:
                raise ConfigError(f"coins: {coin!r} is not counted; add it to coins of [hyperliquid]")
        self._bounds = two_bounds(config, **_SIDES)
        self._interval_ms = settings.cvd_interval_ms
        self._window_ms = int(config.window_minutes * 60_000)
        self.memory = Windows()

    def __call__(self, cvd: Cvd, _standing: Collection[str], /) -> Iterable[Finding]:
        """The delta with this bucket."""
        if cvd.interval_ms != self._interval_ms:
            return
        buckets = [each for each in self.memory.coins.get(cvd.coin, ()) if each.start_ms != cvd.start_ms]
        buckets.append(Bucket(cvd.start_ms, cvd.buy_volume, cvd.sell_volume, cvd.trades))
        buckets.sort(key=lambda each: each.start_ms)
        first_ms = buckets[-1].start_ms - max(self._window_ms, self._interval_ms)
        buckets = [each for each in buckets if each.start_ms > first_ms][-MAX_BUCKETS:]
        self.memory.coins[cvd.coin] = buckets
        bought = sum((each.bought for each in buckets), Decimal(0))
        sold = sum((each.sold for each in buckets), Decimal(0))
        for deed, limit in self._bounds.items():
            yield Finding(
                subject=f"{cvd.coin}:{deed}",
                labels={"coin": cvd.coin, "side": "buy" if deed == "bought" else "sell"},
                verdict=limit.judge(bought - sold),
                values={
                    "coin": word(cvd.coin),
                    "deed": word(deed),
                    "delta": plain(abs(bought - sold)),
                    "bought": plain(bought),
                    "sold": plain(sold),
                    "trades": plain(sum(each.trades for each in buckets)),
                    "window": span(self._window_ms),
                },
            )
