"""Rows of a Supabase project as the events that they tell of, past the sink."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import fields

from hlmon import (
    STORED,
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
    Liquidation,
    Order,
    Position,
    PositionClosed,
    Quarantined,
)
from hlmon_supabase.tables import TABLES
from tests.servers.supabase import Project


def milliseconds(value: datetime | None) -> int | None:
    return None if value is None else (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


# Where a column is not called like the field.
TIMES: dict[type[Event], dict[str, str]] = {
    Fill: {"time_ms": "created_at"},
    Order: {"time_ms": "updated_at", "created_ms": "created_at"},
    Position: {"time_ms": "updated_at", "closed_ms": "closed_at"},
    AccountSnapshot: {"time_ms": "created_at"},
    Cvd: {"time_ms": "updated_at"},
    PositionClosed: {"time_ms": "closed_at", "opened_ms": "opened_at", "stated_ms": "stated_at"},
    Funding: {"time_ms": "created_at"},
    Ledger: {"time_ms": "created_at"},
    Alert: {"time_ms": "created_at"},
    Gap: {"time_ms": "updated_at", "start_ms": "started_at", "end_ms": "ended_at"},
    Checkpoint: {"time_ms": "complete_to"},
    AccountInfo: {"time_ms": "updated_at"},
    Quarantined: {"time_ms": "created_at"},
}


def event_of(kind: str, row: dict[str, Any]) -> Event:
    """A row of the database as the event that it tells of; what it lacks stays missing."""
    cls = STORED[kind]
    values: dict[str, Any] = {}
    for field in fields(cls):
        if (column := TIMES[cls].get(field.name)) is not None:
            values[field.name] = milliseconds(row[column])
        elif field.name == "account":
            values["account"] = row["account_address"]
        elif field.name in ("order_id", "trade_id"):
            values[field.name] = int(row[field.name])
        elif field.name == "liquidation":
            found = row["liquidated_user"], row["liquidation_mark_price"], row["liquidation_method"]
            values["liquidation"] = (
                None if found[0] is None else Liquidation(user=found[0], mark_price=found[1], method=found[2])
            )
        elif field.name == "cause" and cls is Alert:
            found = row["cause_kind"], row["cause_account"], row["cause_key"]
            values["cause"] = None if found[0] is None else found
        else:
            values[field.name] = row[field.name]
    return cls(**values)


def stored_in(project: Project) -> list[Event]:
    """Every event of every table."""
    return [event_of(kind, row) for kind, table in TABLES.items() for row in project.rows(table.name)]
