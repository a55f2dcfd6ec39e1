"""Builders of the events that are stored."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from hlmon.events import (
    AccountInfo,
    AccountSnapshot,
    Alert,
    Checkpoint,
    Cvd,
    Event,
    Fill,
    Funding,
    Gap,
    Ledger,
    Order,
    Position,
    PositionClosed,
    Quarantined,
)

ALICE: Final = "0x" + "a1" * 20
BOB: Final = "0x" + "b0" * 20
START_MS: Final = 1_760_000_000_000
"""The time before the first event that is built."""

_numbers = itertools.count(1)


def next_fields(changes: dict[str, Any], *, account: str = ALICE) -> tuple[int, dict[str, Any]]:
    """A number that counts upwards, and account and time that follow from it unless `changes` says otherwise."""
    number = next(_numbers)
    return number, {"account": account, "time_ms": START_MS + number * 1000} | changes


def make_fill(**changes: Any) -> Fill:
    """ALICE buys 1 BTC at 100,000 with a fee of 45 USDC, opening a position."""
    number, fields = next_fields(changes)
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
    number, fields = next_fields(changes)
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
    number, fields = next_fields(changes)
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
    _, fields = next_fields(changes)
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
    number, fields = next_fields(changes)
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
        "tx_hash": "0x" + "c105ed" * 10 + "0000",
    }
    return PositionClosed(**defaults | fields)


def make_cvd(**changes: Any) -> Cvd:
    """A complete minute of BTC trades of the market (account "")."""
    number, fields = next_fields(changes, account="")
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
    _, fields = next_fields(changes)
    amounts = {"amount": Decimal("-1.25"), "size": Decimal(1), "rate": Decimal("0.0000125")}
    return Funding(**{"coin": "BTC"} | amounts | fields)


def make_ledger(**changes: Any) -> Ledger:
    """ALICE deposits 500 USDC."""
    number, fields = next_fields(changes)
    defaults: dict[str, Any] = {
        "type": "deposit",
        "entry_id": f"{number:016x}",
        "amount": Decimal(500),
        "details": {"type": "deposit", "usdc": "500.0"},
    }
    return Ledger(**defaults | fields)


def make_alert(**changes: Any) -> Alert:
    """A warning to whoever follows ALICE."""
    number, fields = next_fields(changes)
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
    number, fields = next_fields(changes)
    start_ms = START_MS + number * 1000
    defaults: dict[str, Any] = {"stream": "userFills", "start_ms": start_ms, "end_ms": start_ms + 60_000}
    return Gap(**defaults | fields)


def make_checkpoint(**changes: Any) -> Checkpoint:
    """ALICE's fills are complete; pass `stream`, which names a checkpoint, for one beside it."""
    _, fields = next_fields(changes)
    return Checkpoint(**{"stream": "userFills"} | fields)


def make_account_info(**changes: Any) -> AccountInfo:
    """ALICE is an ordinary user and watched; pass `account`, which names it, for one beside it."""
    _, fields = next_fields(changes)
    return AccountInfo(**{"role": "user", "mode": "classic"} | fields)


def make_quarantined(**changes: Any) -> Quarantined:
    """A frame that was not understood."""
    number, fields = next_fields(changes)
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
