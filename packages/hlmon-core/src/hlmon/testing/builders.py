"""Events for tests: every builder returns a plausible event with a name of its own, changed by keyword as needed.

Names differ from call to call (times and ids count upwards), so a test states only what it is about:
`make_fill(coin="ETH", size=Decimal(2))`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from hlmon.events import (
    AccountInfo,
    AccountSnapshot,
    AccountState,
    Alert,
    Balance,
    Checkpoint,
    Cvd,
    DexState,
    Event,
    Fill,
    Funding,
    Gap,
    Ledger,
    MarketTrades,
    Order,
    Position,
    PositionClosed,
    PositionReading,
    Prices,
    Quarantined,
    SpotState,
    Trade,
)

ALICE: Final = "0x" + "a1" * 20
BOB: Final = "0x" + "b0" * 20
START_MS: Final = 1_760_000_000_000
"""The time before the first event that is built."""

_numbers = itertools.count(1)


def _next(changes: dict[str, Any], *, account: str = ALICE) -> tuple[int, dict[str, Any]]:
    number = next(_numbers)
    return number, {"account": account, "time_ms": START_MS + number * 1000} | changes


def make_fill(**changes: Any) -> Fill:
    """ALICE buys 1 BTC at 100,000 with a fee of 45 USDC, opening a position."""
    number, fields = _next(changes)
    defaults: dict[str, Any] = {
        "coin": "BTC",
        "side": "buy",
        "price": Decimal(100000),
        "size": Decimal(1),
        "direction": "Open Long",
        "start_position": Decimal(0),
        "fee": Decimal(45),
        "order_id": 1_000 + number,
        "trade_id": 5_000 + number,
        "tx_hash": f"0x{number:064x}",
    }
    return Fill(**defaults | fields)


def make_order(**changes: Any) -> Order:
    """An open limit order of ALICE to buy 1 BTC at 90,000."""
    number, fields = _next(changes)
    defaults: dict[str, Any] = {
        "order_id": 1_000 + number,
        "coin": "BTC",
        "side": "buy",
        "size": Decimal(1),
        "remaining": Decimal(1),
        "price": Decimal(90000),
        "status": "open",
        "created_ms": fields["time_ms"],
        "order_type": "Limit",
        "tif": "Gtc",
    }
    return Order(**defaults | fields)


def make_position(**changes: Any) -> Position:
    """An open long of ALICE; the coin's name counts upwards, since a position is named by its coin."""
    number, fields = _next(changes)
    defaults: dict[str, Any] = {
        "coin": f"COIN{number}",
        "side": "long",
        "size": Decimal("2.5"),
        "entry_price": Decimal("1800.25"),
        "mark_price": Decimal(1900),
        "unrealized_pnl": Decimal("249.375"),
        "margin_used": Decimal(475),
        "leverage": 10,
    }
    return Position(**defaults | fields)


def make_account_snapshot(**changes: Any) -> AccountSnapshot:
    """ALICE's account at 10,000 USDC with one position of twice that."""
    _, fields = _next(changes)
    defaults: dict[str, Any] = {
        "account_value": Decimal("10000.5"),
        "total_margin_used": Decimal(1000),
        "withdrawable": Decimal("9000.5"),
        "total_unrealized_pnl": Decimal("-12.75"),
        "maintenance_margin": Decimal(250),
        "notional": Decimal(20000),
        "leverage": Decimal("1.9999"),
        "health_score": 97,
        "positions_count": 1,
    }
    return AccountSnapshot(**defaults | fields)


def make_position_closed(**changes: Any) -> PositionClosed:
    """ALICE closed 1 BTC with a gross profit of 1,000 and a net one of 900."""
    number, fields = _next(changes)
    defaults: dict[str, Any] = {
        "coin": "BTC",
        "side": "long",
        "size": Decimal(1),
        "cause": "order",
        "entry_price": Decimal(100000),
        "exit_price": Decimal(101000),
        "opened_ms": fields["time_ms"] - 60_000,
        "gross_pnl": Decimal(1000),
        "fees": Decimal(90),
        "funding": Decimal(-10),
        "net_pnl": Decimal(900),
        "fills": 2,
        "trigger": f"trigger-{number}",
    }
    return PositionClosed(**defaults | fields)


def make_cvd(**changes: Any) -> Cvd:
    """A complete minute of BTC trades of the market (account "")."""
    number, fields = _next(changes, account="")
    defaults: dict[str, Any] = {
        "coin": "BTC",
        "interval_ms": 60_000,
        "start_ms": START_MS + number * 60_000,
        "buy_volume": Decimal("12.5"),
        "sell_volume": Decimal("10.25"),
        "cumulative": Decimal("2.25"),
        "trades": 7,
    }
    return Cvd(**defaults | fields)


def make_funding(**changes: Any) -> Funding:
    """ALICE pays 1.25 USDC of funding on BTC."""
    _, fields = _next(changes)
    amounts = {"amount": Decimal("-1.25"), "size": Decimal(1), "rate": Decimal("0.0000125")}
    return Funding(**{"coin": "BTC"} | amounts | fields)


def make_ledger(**changes: Any) -> Ledger:
    """ALICE deposits 500 USDC."""
    number, fields = _next(changes)
    defaults: dict[str, Any] = {
        "type": "deposit",
        "entry_id": f"{number:016x}",
        "amount": Decimal(500),
        "details": {"type": "deposit", "usdc": "500.0"},
    }
    return Ledger(**defaults | fields)


def make_alert(**changes: Any) -> Alert:
    """A warning to whoever follows ALICE."""
    number, fields = _next(changes)
    defaults: dict[str, Any] = {
        "rule": "position_closed",
        "subject": f"subject-{number}",
        "severity": "warning",
        "title": f"BTC long closed ({number})",
        "body": "Net +900 USDC.",
        "labels": {"coin": "BTC"},
        "cause": ("position_closed", fields["account"], f"{fields['time_ms']}:BTC:trigger"),
    }
    return Alert(**defaults | fields)


def make_gap(**changes: Any) -> Gap:
    """A minute of ALICE's fills that was not seen."""
    number, fields = _next(changes)
    start_ms = START_MS + number * 1000
    defaults: dict[str, Any] = {"stream": "userFills", "start_ms": start_ms, "end_ms": start_ms + 60_000}
    return Gap(**defaults | fields)


def make_checkpoint(**changes: Any) -> Checkpoint:
    """ALICE's fills are complete; pass `stream`, which names a checkpoint, for one beside it."""
    _, fields = _next(changes)
    return Checkpoint(**{"stream": "userFills"} | fields)


def make_account_info(**changes: Any) -> AccountInfo:
    """ALICE is an ordinary user and watched; pass `account`, which names it, for one beside it."""
    _, fields = _next(changes)
    return AccountInfo(**{"role": "user"} | fields)


def make_quarantined(**changes: Any) -> Quarantined:
    """A frame that was not understood."""
    number, fields = _next(changes)
    defaults = {"origin": "wire", "reason": "not JSON", "digest": f"{number:064x}", "payload": "{"}
    return Quarantined(**defaults | fields)


STORED_BUILDERS: Final[dict[str, Callable[..., Event]]] = {
    "fill": make_fill,
    "order": make_order,
    "position": make_position,
    "account": make_account_snapshot,
    "cvd": make_cvd,
    "position_closed": make_position_closed,
    "funding": make_funding,
    "ledger": make_ledger,
    "alert": make_alert,
    "gap": make_gap,
    "checkpoint": make_checkpoint,
    "account_info": make_account_info,
    "quarantine": make_quarantined,
}
"""A builder for every kind that is stored."""


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
    _, fields = _next(changes)
    return AccountState(**{"dexes": (make_dex_state(positions=positions),)} | fields)


def make_spot_state(**changes: Any) -> SpotState:
    """ALICE holds 100 USDC on spot."""
    _, fields = _next(changes)
    return SpotState(**{"balances": (Balance(coin="USDC", total=Decimal(100)),)} | fields)


def make_prices(**changes: Any) -> Prices:
    """HYPE is worth 40 USDC."""
    _, fields = _next(changes, account="")
    return Prices(**{"prices": {"HYPE": Decimal(40)}} | fields)


def make_market_trades(*trades: Trade, **changes: Any) -> MarketTrades:
    """Trades of BTC; without any given, one buy of 1 at 100,000."""
    number, fields = _next(changes, account="")
    time_ms = trades[-1].time_ms if trades else fields["time_ms"]
    one = Trade(time_ms=time_ms, side="buy", price=Decimal(100000), size=Decimal(1), trade_id=number)
    return MarketTrades(**{"coin": "BTC", "trades": trades or (one,)} | fields | {"time_ms": time_ms} | changes)


READING_BUILDERS: Final[dict[str, Callable[..., Event]]] = {
    "account_state": make_account_state,
    "spot_state": make_spot_state,
    "prices": make_prices,
    "trades": make_market_trades,
}
"""A builder for every kind of reading."""
