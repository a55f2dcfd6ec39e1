"""Rules about sums of a day: realised PnL, funding paid.

They are judged at account snapshots, which are of now: fills and payments may be read back long after their time, and
an alert as old as those would not be sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from hlmon.contract import Settings
from hlmon.derive.value import COLLATERAL
from hlmon.events import AccountSnapshot, Event, Fill, Funding, Prices
from hlmon.rules.config import AccountCondition, Clear, Words, bound, two_bounds
from hlmon.rules.engine import Finding
from hlmon.rules.text import money, word

ZERO: Final = Decimal(0)
_SIDES: Final = {"below": "loss", "above": "profit"}


def day_of(time_ms: int, zone: str) -> str:
    """The date there, e.g. `2026-11-24`."""
    return datetime.fromtimestamp(time_ms / 1000, _zone(zone)).date().isoformat()


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)  # UTC is known without a database of zones


class DayConfig(AccountCondition, frozen=True, kw_only=True):
    """The field of every rule about days."""

    zone: Annotated[str, Meta(description="the time zone in which a day begins at midnight")] = "UTC"

    def __post_init__(self) -> None:
        """Raise ValueError for the first thing that is wrong."""
        super().__post_init__()
        try:
            _zone(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError('zone: must be a time zone such as "Europe/Berlin"') from None


class PnlConfig(DayConfig, frozen=True, kw_only=True):
    """When the day's realised PnL is an alert."""

    speech: ClassVar[Words] = Words(
        title="Realised {kind} of the day: {pnl}",
        words=("kind", "day"),
        numbers=("pnl", "gross", "fees", "funding"),
        details=("day", "pnl", "gross", "fees", "funding"),
    )

    below: Annotated[Decimal | None, Meta(description="a loss, e.g. `-500`: USDC of a day, net")] = None
    above: Annotated[Decimal | None, Meta(description="a profit: USDC of a day, net")] = None
    coins: Annotated[tuple[str, ...], Meta(description="the coins that count")] = ()
    clear: Clear = None

    def __post_init__(self) -> None:
        """Raise ValueError for the first thing that is wrong."""
        super().__post_init__()
        two_bounds(self, **_SIDES)


class Day(msgspec.Struct, omit_defaults=True):
    """The sums of one account on one day."""

    day: str
    gross: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        """Gross less fees, with funding."""
        return self.gross - self.fees + self.funding

    def add(self, event: Event, prices: Mapping[str, Decimal]) -> None:
        """Count a fill or a funding payment; other events say only what day it is."""
        if isinstance(event, Fill):
            self.gross += event.closed_pnl
            self.fees += fee_dollars(event, prices)
        elif isinstance(event, Funding):
            self.funding += event.amount


def fee_dollars(fill: Fill, prices: Mapping[str, Decimal]) -> Decimal:
    """What the fee is worth: on spot it may be paid in the token that is traded, on any market in HYPE."""
    if fill.fee_token in COLLATERAL:
        return fill.fee
    if fill.fee_token in prices:
        return fill.fee * prices[fill.fee_token]
    return ZERO if fill.is_perp else fill.fee * fill.price


class Days(msgspec.Struct, omit_defaults=True):
    """All accounts by address, and the prices of spot tokens."""

    accounts: dict[str, Day] = {}
    prices: dict[str, Decimal] = {}

    def take(self, event: Event, zone: str) -> Day | None:
        """The sums with this event; None if it is of a day that is over."""
        day = day_of(event.time_ms, zone)
        held = self.accounts.get(event.account)
        if held is None or day > held.day:
            held = self.accounts[event.account] = Day(day)
        if day < held.day:
            return None
        held.add(event, self.prices)
        return held


class DayPnl:
    """The realised PnL of the day: closed PnL, less fees, with funding. A new day begins at 0."""

    def __init__(self, config: PnlConfig, _settings: Settings) -> None:
        self._zone = config.zone
        self._bounds = two_bounds(config, **_SIDES)
        self.memory: Any = Days()

    def __call__(self, event: Event, _standing: Collection[str], /) -> Iterable[Finding]:
        """The sum of the day, at a snapshot."""
        if isinstance(event, Prices):
            self.memory.prices |= event.prices
            return
        day = self.memory.take(event, self._zone)
        if day is None or not isinstance(event, AccountSnapshot):
            return
        for kind, limit in self._bounds.items():
            yield Finding(
                account=event.account,
                subject=kind,
                verdict=limit.judge(day.net),
                values={
                    "kind": word(kind),
                    "day": word(day.day),
                    "pnl": money(day.net, signed=True),
                    "gross": money(day.gross, signed=True),
                    "fees": money(-day.fees, signed=True),
                    "funding": money(day.funding, signed=True),
                },
            )


class FundingConfig(DayConfig, frozen=True, kw_only=True):
    """When funding is an alert."""

    speech: ClassVar[Words] = Words(
        title="Funding paid today: {paid}", words=("day",), numbers=("paid",), details=("day", "paid")
    )

    above: Annotated[Decimal, Meta(description="USDC paid on a day, what was received taken off")]
    coins: Annotated[tuple[str, ...], Meta(description="the coins that count")] = ()
    clear: Clear = None

    def __post_init__(self) -> None:
        """Raise ValueError for the first thing that is wrong."""
        super().__post_init__()
        bound(above=self.above, clear=self.clear)


class FundingCost:
    """The funding paid on a day, net of what was received."""

    def __init__(self, config: FundingConfig, _settings: Settings) -> None:
        self._zone = config.zone
        self._bound = bound(above=config.above, clear=config.clear)
        self.memory: Any = Days()

    def __call__(self, event: Event, _standing: Collection[str], /) -> Iterable[Finding]:
        """The sum of the day, at a snapshot."""
        day = self.memory.take(event, self._zone)
        if day is None or not isinstance(event, AccountSnapshot):
            return
        yield Finding(
            account=event.account,
            subject="funding",
            verdict=self._bound.judge(-day.funding),
            values={"day": word(day.day), "paid": money(-day.funding)},
        )
