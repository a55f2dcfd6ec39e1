"""Rules on single figures of the account snapshots: health, leverage."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Annotated, ClassVar

from msgspec import Meta

from hlmon.contract import Settings
from hlmon.events import AccountSnapshot
from hlmon.rules.config import AccountCondition, Clear, Words, bound
from hlmon.rules.engine import Finding
from hlmon.rules.text import money, plain


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
