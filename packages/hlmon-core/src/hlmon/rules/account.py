"""Rules on account snapshots: health, leverage, drawdown."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import Meta

from hlmon.contract import Settings
from hlmon.events import AccountSnapshot, Ledger
from hlmon.rules.config import AccountCondition, Clear, Words, bound
from hlmon.rules.day import DayConfig, day_of
from hlmon.rules.engine import Finding
from hlmon.rules.fills import dollars_of
from hlmon.rules.text import money, percent, plain, word

ZERO: Final = Decimal(0)
HUNDRED: Final = Decimal(100)


class HealthConfig(AccountCondition, frozen=True, kw_only=True):
    """When the health score is an alert."""

    speech: ClassVar[Words] = Words(
        title="Health is down to {health}",
        numbers=("health", "value", "notional", "maintenance", "leverage", "positions"),
        details=("health", "value", "maintenance", "leverage", "positions"),
    )

    below: Annotated[Decimal, Meta(description="a health score, from 0 (liquidation) to 100")] = Decimal(30)
    clear: Clear = None

    def __post_init__(self) -> None:
        """Raise ValueError for the first thing that is wrong."""
        super().__post_init__()
        bound(below=self.below, clear=self.clear)


class LeverageConfig(AccountCondition, frozen=True, kw_only=True):
    """When the leverage is an alert."""

    speech: ClassVar[Words] = Words(
        title="Leverage is up to {leverage}x",
        numbers=("leverage", "value", "notional", "maintenance", "health", "positions"),
        details=("leverage", "value", "notional", "health", "positions"),
    )

    above: Annotated[Decimal, Meta(description="notional of all positions / account value")] = Decimal(10)
    clear: Clear = None

    def __post_init__(self) -> None:
        """Raise ValueError for the first thing that is wrong."""
        super().__post_init__()
        bound(above=self.above, clear=self.clear)


class SnapshotFigure:
    """One figure of the account snapshots against a bound."""

    memory = None

    def __init__(self, config: HealthConfig | LeverageConfig, _settings: Settings) -> None:
        if isinstance(config, HealthConfig):
            self._figure, self._bound = "health_score", bound(below=config.below, clear=config.clear)
        else:
            self._figure, self._bound = "leverage", bound(above=config.above, clear=config.clear)

    def __call__(self, snapshot: AccountSnapshot, _standing: Collection[str], /) -> Iterable[Finding]:
        """The figure."""
        yield Finding(
            account=snapshot.account,
            subject=self._figure,
            verdict=self._bound.judge(Decimal(getattr(snapshot, self._figure))),
            values={
                "health": plain(snapshot.health_score),
                "leverage": plain(round(snapshot.leverage, 2)),
                "value": money(snapshot.account_value),
                "notional": money(snapshot.notional),
                "maintenance": money(snapshot.maintenance_margin),
                "positions": plain(snapshot.positions_count),
            },
        )


class DrawdownConfig(DayConfig, frozen=True, kw_only=True):
    """When a fall of the account value is an alert."""

    speech: ClassVar[Words] = Words(
        title="Account value is {drawdown} below its {period} high",
        words=("period",),
        numbers=("drawdown", "value", "high", "lost"),
        details=("drawdown", "value", "high", "lost"),
    )

    for_seconds: Annotated[
        float, Meta(ge=0, description="how long it must hold before the alert; a transfer takes a moment to be known")
    ] = 60
    above: Annotated[Decimal, Meta(description="percent of the high that are lost")] = Decimal(10)
    high: Annotated[Literal["day", "all_time"], Meta(description="that of the day or of all time")] = "day"
    clear: Clear = None

    def __post_init__(self) -> None:
        """Raise ValueError for the first thing that is wrong."""
        super().__post_init__()
        bound(above=self.above, clear=self.clear)


class High(msgspec.Struct, omit_defaults=True):
    """The highest account value of a period (the day, or "")."""

    value: Decimal
    day: str = ""


class Highs(msgspec.Struct, omit_defaults=True):
    """All accounts by address."""

    accounts: dict[str, High] = {}


class Drawdown:
    """How far the account value is below its high. Transfers raise and lower the high with the value."""

    def __init__(self, config: DrawdownConfig, _settings: Settings) -> None:
        self._bound = bound(above=config.above, clear=config.clear)
        self._zone = config.zone if config.high == "day" else ""
        self.memory: Any = Highs()

    def __call__(self, event: AccountSnapshot | Ledger, _standing: Collection[str], /) -> Iterable[Finding]:
        """The drawdown at a snapshot."""
        high = self.memory.accounts.get(event.account)
        if isinstance(event, Ledger):
            if high is not None:
                high.value = max(high.value + (dollars_of(event) or ZERO), ZERO)
            return
        day = day_of(event.time_ms, self._zone) if self._zone else ""
        value = event.account_value
        if high is None or day > high.day:
            high = self.memory.accounts[event.account] = High(value, day)
        if day < high.day:
            return
        high.value = max(high.value, value)
        lost = high.value - value
        drawdown = lost / high.value * HUNDRED if high.value > 0 else ZERO
        yield Finding(
            account=event.account,
            subject="drawdown",
            verdict=self._bound.judge(drawdown),
            values={
                "drawdown": percent(drawdown),
                "period": word("day's" if self._zone else "all-time"),
                "value": money(value),
                "high": money(high.value),
                "lost": money(lost),
            },
        )
