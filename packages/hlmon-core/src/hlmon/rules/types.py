"""Every type of rule, as the factories that plugins.py knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from hlmon.addresses import address_problem
from hlmon.contract import DeriverFactory, Settings
from hlmon.errors import ConfigError
from hlmon.fields import nearest
from hlmon.rules import (
    account,
    closes,
    day,
    drawdown,
    exchange,
    expression,
    fills,
    margin,
    market,
    positions,
    twap,
    watching,
)
from hlmon.rules.config import RuleConfig
from hlmon.rules.engine import Measure, Rule, names_of

Make = Callable[[Any, Settings], Measure]


def rule_factory(name: str, config: type[RuleConfig], make: Make, kinds: set[str]) -> DeriverFactory[Any]:
    """A type of rule; besides its own kinds it sees alerts, which are its memory of what was told."""
    return DeriverFactory(
        name=name, open=_opener(name, make, frozenset(kinds)), config=config, kinds=frozenset(kinds) | {"alert"}
    )


def _opener(name: str, make: Make, kinds: frozenset[str]) -> Callable[[Any, Settings], AbstractContextManager[Rule]]:
    @contextmanager
    def open_rule(config: RuleConfig, settings: Settings) -> Iterator[Rule]:
        check_accounts(getattr(config, "accounts", ()), settings)
        yield Rule(name, config, settings, make(config, settings), kinds)

    return open_rule


def check_accounts(accounts: tuple[str, ...], settings: Settings) -> None:
    """Raise ConfigError for an account that is not watched: a rule about it would be silent for ever."""
    known = {name for address in settings.accounts for name in names_of(address, settings.accounts) if name}
    for name in accounts:
        if name.lower() not in known and (known or address_problem(name)):
            raise ConfigError(f"accounts: {address_problem(name) if len(name) > 60 else _unknown(name, known)}")


def _unknown(name: str, known: set[str]) -> str:
    return f"unknown account {name!r}{nearest(name, known)}"


FACTORIES: Final[tuple[DeriverFactory[Any], ...]] = (
    rule_factory("position_closed", closes.ClosedConfig, closes.Closed, {"position_closed"}),
    rule_factory("position_opened", closes.OpenedConfig, closes.Opened, {"fill"}),
    rule_factory("position_flipped", closes.FlippedConfig, closes.Flipped, {"fill"}),
    rule_factory("fill", fills.FillConfig, fills.Filled, {"fill"}),
    rule_factory("liquidation", closes.LiquidationConfig, lambda *_: closes.Forced("liquidation"), {"fill"}),
    rule_factory("adl", closes.AdlConfig, lambda *_: closes.Forced("adl"), {"fill"}),
    rule_factory("liquidation_distance", positions.DistanceConfig, positions.Distance, {"account_state"}),
    rule_factory(
        "margin",
        margin.MarginConfig,
        margin.Margins,
        {"account_state", "spot_state", "prices", "account_info", "account", "ledger"},
    ),
    rule_factory("health", account.HealthConfig, account.SnapshotFigure, {"account"}),
    rule_factory("leverage", account.LeverageConfig, account.SnapshotFigure, {"account"}),
    rule_factory(
        "drawdown",
        drawdown.DrawdownConfig,
        drawdown.Drawdown,
        {"account", "account_state", "ledger", "prices"},
    ),
    rule_factory("pnl", day.PnlConfig, day.DayPnl, {"fill", "funding", "account", "prices"}),
    rule_factory("funding_cost", day.FundingConfig, day.FundingCost, {"funding", "account"}),
    rule_factory("order", fills.OrderConfig, fills.OrderEnded, {"order"}),
    rule_factory(
        "position_without_stop", positions.StopConfig, positions.WithoutStop, {"account_state", "open_orders", "order"}
    ),
    rule_factory("twap", twap.TwapConfig, twap.TwapEnded, {"twap", "account_state", "account"}),
    rule_factory("transfer", fills.TransferConfig, fills.Transferred, {"ledger"}),
    rule_factory("cvd", market.CvdConfig, market.Flow, {"cvd"}),
    rule_factory("exchange_halt", exchange.HaltConfig, exchange.Halt, {"exchange_status"}),
    rule_factory("agent_expiry", exchange.ExpiryConfig, exchange.Expiry, {"agents"}),
    rule_factory("stream", watching.StreamConfig, watching.Streams, {"pulse", "gap"}),
    rule_factory("delivery", watching.DeliveryConfig, watching.Deliveries, {"pulse"}),
    rule_factory("expression", expression.ExpressionConfig, expression.Expression, set(expression.KINDS)),
)
"""Every type, in the order of docs/rules.md."""
