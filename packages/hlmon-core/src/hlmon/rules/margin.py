"""The rule `margin`: how much of its equity the margin of an account takes, every 5 s."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Annotated, ClassVar, Final

import msgspec
from msgspec import Meta

from hlmon.contract import Settings
from hlmon.derive.account_view import AccountView
from hlmon.derive.health import Margin, isolated_maintenance
from hlmon.derive.value import account_value, shares_collateral
from hlmon.events import AccountSnapshot, AccountState, Event, Prices, Severity
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

    view: AccountView = msgspec.field(default_factory=AccountView)
    state_ms: int = 0


class MarginMemory(msgspec.Struct, omit_defaults=True):
    """All accounts by address, and the prices of spot tokens."""

    accounts: dict[str, AccountMargin] = {}
    prices: dict[str, Decimal] = {}


class Margins:
    """The margin account of an account that is nearest to its liquidation, with every account state (each 5 s).

    Where collateral is shared the equity needs the spot balances and, if tokens are among them, prices. While figures
    cannot be told (see `account_view`) nothing begins or ends. A snapshot serves where account states are not seen, as
    in a backtest.
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
            case AccountSnapshot():
                if event.time_ms > account.state_ms + UNSEEN_MS:
                    whole = Margin(event.maintenance_margin, event.account_value)
                    return [self._finding(event.account, {"whole account": whole})]
            case AccountState():
                account.state_ms = max(account.state_ms, event.time_ms)
                margins = self._margins(account, event)
                return [self._finding(event.account, margins)] if margins else ()
            case _:
                account.view.note(event)
        return ()

    def _margins(self, account: AccountMargin, state: AccountState) -> dict[str, Margin]:
        """Every margin account by what it is called; none while the equity cannot be told."""
        view, prices = account.view, self.memory.prices
        doubt = view.doubt(state)
        if doubt or view.mode is None:
            return {}
        margins = {
            f"{position.coin} isolated": Margin(isolated_maintenance(position), position.margin_used)
            for dex in state.dexes
            for position in dex.positions
            if position.margin_mode == "isolated"
        }
        if not shares_collateral(view.mode):
            for dex in state.dexes:
                margins[f"{dex.dex} cross margin".strip()] = Margin(
                    dex.cross_maintenance_margin, dex.cross_account_value
                )
            return margins
        if not view.is_priced(prices):
            return {}
        maintenance = sum((dex.cross_maintenance_margin for dex in state.dexes), ZERO)
        value = account_value(view.mode, state.dexes, view.balances or (), prices)
        margins["whole account"] = Margin(maintenance, value)
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
