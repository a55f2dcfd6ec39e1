"""The rule `margin`: how much of its equity the margin of an account takes, every 5 s."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Annotated, ClassVar, Final

import msgspec
from msgspec import Meta

from hlmon.contract import Settings
from hlmon.derive.health import Margin, isolated_maintenance
from hlmon.derive.value import COLLATERAL, account_value
from hlmon.events import (
    AccountInfo,
    AccountMode,
    AccountSnapshot,
    AccountState,
    Balance,
    Event,
    Prices,
    Severity,
    SpotState,
)
from hlmon.rules.config import AccountCondition, Clear, Words, bound
from hlmon.rules.engine import Finding
from hlmon.rules.text import money, percent, word

ZERO: Final = Decimal(0)
HUNDRED: Final = Decimal(100)
UNSEEN_MS: Final = 60_000
"""After so long without an account state, which comes each 5 s, snapshots must do."""


class MarginConfig(AccountCondition, frozen=True, kw_only=True):
    """When margin is an alert."""

    speech: ClassVar[Words] = Words(
        title="Maintenance margin takes {used} of the equity ({where})",
        words=("where",),
        numbers=("used", "maintenance", "equity"),
        details=("used", "maintenance", "equity"),
    )

    severity: Annotated[Severity, Meta(description="how urgent its alerts are")] = "critical"
    above: Annotated[
        Decimal, Meta(description="percent of the equity that maintenance margin takes; liquidation is at 100")
    ] = Decimal(75)
    clear: Clear = None

    def __post_init__(self) -> None:
        """Raise ValueError for the first thing that is wrong."""
        super().__post_init__()
        bound(above=self.above, clear=self.clear)


class AccountMargin(msgspec.Struct, omit_defaults=True):
    """What of an account says how its collateral counts. `state_ms` is the newest account state."""

    mode: AccountMode | None = None
    balances: tuple[Balance, ...] | None = None
    state_ms: int = 0


class MarginMemory(msgspec.Struct, omit_defaults=True):
    """All accounts by address, and the prices of spot tokens."""

    accounts: dict[str, AccountMargin] = {}
    prices: dict[str, Decimal] = {}


class Margins:
    """The margin account of an account that is nearest to its liquidation, with every account state (each 5 s).

    In the unified modes the equity needs the spot balances and, if tokens are among them, prices. A snapshot serves
    where account states are not seen, as in a backtest.
    """

    def __init__(self, config: MarginConfig, _settings: Settings) -> None:
        self._bound = bound(above=config.above, clear=config.clear)
        self.memory = MarginMemory()

    def __call__(self, event: Event, _standing: Collection[str], /) -> Iterable[Finding]:
        """The worst margin account."""
        if isinstance(event, Prices):
            self.memory.prices |= event.prices
            return ()
        account = self.memory.accounts.setdefault(event.account, AccountMargin())
        match event:
            case AccountInfo():
                account.mode = event.mode
            case SpotState():
                account.balances = event.balances
            case AccountSnapshot():
                account.mode = event.mode
                if event.time_ms > account.state_ms + UNSEEN_MS:
                    whole = Margin(event.maintenance_margin, event.account_value)
                    return [self._finding(event.account, {"whole account": whole})]
            case AccountState():
                account.state_ms = max(account.state_ms, event.time_ms)
                margins = self._margins(account, event)
                return [self._finding(event.account, margins)] if margins else ()
        return ()

    def _margins(self, account: AccountMargin, state: AccountState) -> dict[str, Margin]:
        """Every margin account by what it is called; none while the equity cannot be told."""
        if account.mode is None or account.mode == "unknown":
            return {}
        margins = {
            f"{position.coin} isolated": Margin(isolated_maintenance(position), position.margin_used)
            for dex in state.dexes
            for position in dex.positions
            if position.margin_mode == "isolated"
        }
        if account.mode == "classic":
            for dex in state.dexes:
                margins[f"{dex.dex} cross margin".strip()] = Margin(
                    dex.cross_maintenance_margin, dex.cross_account_value
                )
            return margins
        balances, prices = account.balances, self.memory.prices
        if balances is None or (not prices and _holds_tokens(balances)):
            return {}
        maintenance = sum((dex.cross_maintenance_margin for dex in state.dexes), ZERO)
        margins["whole account"] = Margin(maintenance, account_value(account.mode, state.dexes, balances, prices))
        return margins

    def _finding(self, account: str, margins: dict[str, Margin]) -> Finding:
        where = max(margins, key=lambda name: used_percent(margins[name]))
        margin = margins[where]
        used = used_percent(margin)
        return Finding(
            account=account,
            subject="margin",
            verdict=self._bound.judge(used),
            values={
                "where": word(where),
                "used": percent(used),
                "maintenance": money(margin.maintenance),
                "equity": money(margin.equity),
            },
        )


def used_percent(margin: Margin) -> Decimal:
    """How much of the equity maintenance margin takes; 100 and more is liquidation."""
    if not margin.maintenance:
        return ZERO
    return margin.maintenance / margin.equity * HUNDRED if margin.equity > 0 else HUNDRED


def _holds_tokens(balances: Iterable[Balance]) -> bool:
    return any(balance.total and balance.coin not in COLLATERAL for balance in balances)
