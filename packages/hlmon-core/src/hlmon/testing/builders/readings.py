"""Builders of readings, which derivers see and nobody stores."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from hlmon.events import (
    AccountState,
    Agent,
    Agents,
    Balance,
    DexState,
    Event,
    ExchangeStatus,
    InputEnded,
    MarketTrades,
    OpenOrders,
    Order,
    PositionReading,
    Prices,
    Pulse,
    Rebuilt,
    SpotState,
    Trade,
    Twap,
)
from hlmon.status import AccountStatus, ConnectionStatus, FollowerStatus, SourceStatus
from hlmon.testing.builders.stored import ALICE, BOB, make_order, next_fields


def make_position_reading(**changes: Any) -> PositionReading:
    """A long of 1 BTC worth 100,000, as an account state shows it."""
    defaults: dict[str, Any] = {
        "coin": "BTC",
        "size": Decimal(1),
        "position_value": Decimal(100000),
        "entry_price": Decimal(99000),
        "unrealized_pnl": Decimal(1000),
        "margin_used": Decimal(10000),
        "leverage": 10,
        "max_leverage": 40,
    }
    return PositionReading(**defaults | changes)


def make_dex_state(**changes: Any) -> DexState:
    """The main dex with 50,000 USDC and no position."""
    defaults: dict[str, Any] = {
        "dex": "",
        "account_value": Decimal(50000),
        "cross_account_value": Decimal(50000),
        "notional": Decimal(0),
        "margin_used": Decimal(0),
        "cross_maintenance_margin": Decimal(0),
        "withdrawable": Decimal(50000),
        "positions": (),
    }
    return DexState(**defaults | changes)


def make_account_state(*positions: PositionReading, **changes: Any) -> AccountState:
    """ALICE's account state with these positions on the main dex."""
    _, fields = next_fields(changes)
    return AccountState(**{"dexes": (make_dex_state(positions=positions),)} | fields)


def make_spot_state(**changes: Any) -> SpotState:
    """ALICE holds 100 USDC on spot."""
    _, fields = next_fields(changes)
    return SpotState(**{"balances": (Balance(coin="USDC", total=Decimal(100)),)} | fields)


def make_prices(**changes: Any) -> Prices:
    """HYPE is worth 40 USDC."""
    _, fields = next_fields(changes, account="")
    return Prices(**{"prices": {"HYPE": Decimal(40)}} | fields)


def make_market_trades(*trades: Trade, **changes: Any) -> MarketTrades:
    """Trades of BTC; without any given, one buy of 1 at 100,000."""
    number, fields = next_fields(changes, account="")
    time_ms = trades[-1].time_ms if trades else fields["time_ms"]
    one = Trade(time_ms=time_ms, side="buy", price=Decimal(100000), size=Decimal(1), trade_id=number)
    return MarketTrades(**{"coin": "BTC", "trades": trades or (one,)} | fields | {"time_ms": time_ms} | changes)


def make_open_orders(*orders: Order, **changes: Any) -> OpenOrders:
    """ALICE's resting orders on the main dex: these, or one without any given."""
    _, fields = next_fields(changes)
    return OpenOrders(**{"dex": "", "orders": orders or (make_order(),)} | fields)


def make_agents(*agents: Agent, **changes: Any) -> Agents:
    """ALICE's API wallets: these, or one that ends in 90 days without any given."""
    _, fields = next_fields(changes)
    one = Agent(name="bot", address=BOB, valid_until_ms=fields["time_ms"] + 90 * 86_400_000)
    return Agents(**{"agents": agents or (one,)} | fields)


def make_exchange_status(**changes: Any) -> ExchangeStatus:
    """The exchange says that all is normal."""
    _, fields = next_fields(changes, account="")
    return ExchangeStatus(**fields)


def make_twap(**changes: Any) -> Twap:
    """A TWAP order of ALICE to buy 1 BTC in 30 minutes, all of it executed."""
    number, fields = next_fields(changes)
    defaults: dict[str, Any] = {
        "twap_id": number,
        "coin": "BTC",
        "side": "buy",
        "size": Decimal(1),
        "executed_size": Decimal(1),
        "minutes": 30,
        "status": "finished",
    }
    return Twap(**defaults | fields)


def make_input_ended(**changes: Any) -> InputEnded:
    """A recording has been read."""
    _, fields = next_fields(changes, account="")
    return InputEnded(**fields)


def make_rebuilt(**changes: Any) -> Rebuilt:
    """The derivers have their memories back."""
    _, fields = next_fields(changes, account="")
    return Rebuilt(**fields)


def make_pulse(*accounts: AccountStatus, **changes: Any) -> Pulse:
    """All is well: one live source that watches these accounts, ALICE without any given, and one sink."""
    _, fields = next_fields(changes, account="")
    watched = accounts or (AccountStatus(address=ALICE, role="user", status="watched", last_seen_ms=fields["time_ms"]),)
    connection = ConnectionStatus(state="live", last_frame_ms=fields["time_ms"])
    defaults: dict[str, Any] = {
        "sources": [SourceStatus(connection=connection, accounts=list(watched))],
        "followers": [FollowerStatus(name="archive", part="sink", last_ack_ms=fields["time_ms"])],
    }
    return Pulse(**defaults | fields)


READING_BUILDERS: Final[dict[str, Callable[..., Event]]] = {
    "account_state": make_account_state,
    "spot_state": make_spot_state,
    "prices": make_prices,
    "trades": make_market_trades,
    "open_orders": make_open_orders,
    "agents": make_agents,
    "exchange_status": make_exchange_status,
    "twap": make_twap,
    "input_ended": make_input_ended,
    "pulse": make_pulse,
    "rebuilt": make_rebuilt,
}
"""A builder for every kind of reading."""
