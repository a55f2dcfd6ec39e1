"""The tables, once: the sink, `hlmon dynamodb create-tables` and a deployment all read this.

| question | table | how it is answered |
|---|---|---|
| an account's fills in a time range | fills | `account` and a range of `key`, which leads with the time in ms |
| an account's open positions | positions | `account`, filtered by `is_open`: one item per coin ever held |
| an account's last snapshot, or those of a time range | dashboard | `account` and `time_ms`, newest first or a range |
| an account's orders, newest first; one order | orders | `account` and `order_id`, which the exchange counts upwards |
| a coin's CVD in a time range | cvd | `series` (coin:interval_ms) and a range of `start_ms` |
| an account's closes, funding, ledger, alerts in a range | events | `series` (kind:account) and a range of `key` |
| all gaps, those of one account | events | `series` "gap" and `key`, which leads with the account and then the start |
| all checkpoints; the role and mode of all accounts | events | `series` "checkpoint"; "account_info" |

None needs a scan or a secondary index. What belongs to the market and to no account has the account "market" (a key
must not be empty).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from hlmon import STORED, State

TableName = Literal["fills", "positions", "dashboard", "orders", "cvd", "events"]
AttributeType = Literal["S", "N"]

MARKET: Final = "market"
"""Stands for the empty account of events that belong to none."""

TTL_ATTRIBUTE: Final = "expires_at"
"""When an item may be deleted, in seconds since 1970; only items of tables with `ttl_days` have it."""


@dataclass(frozen=True, kw_only=True)
class KeyPart:
    """One of the two attributes that name an item."""

    name: str
    type: AttributeType


@dataclass(frozen=True, kw_only=True)
class Units:
    """What one event of a kind costs: items of up to 1 KB are written for one unit, of up to 4 KB read for one.

    A fact is looked up before it is written, since the first telling of it stays.
    """

    write: int = 1
    read: int = 0


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table: what names an item in it, and which kinds of events lie there with what they cost."""

    name: TableName
    partition: KeyPart
    sort: KeyPart
    kinds: Mapping[str, Units]

    @property
    def key_names(self) -> tuple[str, str]:
        """The attributes that name an item."""
        return (self.partition.name, self.sort.name)

    @property
    def holds_facts(self) -> bool:
        """Whether facts are written to it (in batches, after a look)."""
        return any(not issubclass(STORED[kind], State) for kind in self.kinds)

    @property
    def holds_states(self) -> bool:
        """Whether states are written to it (one by one, newest wins)."""
        return any(issubclass(STORED[kind], State) for kind in self.kinds)


def _text(name: str) -> KeyPart:
    return KeyPart(name=name, type="S")


def _number(name: str) -> KeyPart:
    return KeyPart(name=name, type="N")


_FACT: Final = Units(read=1)
_STATE: Final = Units()

TABLES: Final = (
    Table(name="fills", partition=_text("account"), sort=_text("key"), kinds={"fill": _FACT}),
    Table(name="positions", partition=_text("account"), sort=_text("coin"), kinds={"position": _STATE}),
    Table(name="dashboard", partition=_text("account"), sort=_number("time_ms"), kinds={"account": _FACT}),
    Table(name="orders", partition=_text("account"), sort=_number("order_id"), kinds={"order": _STATE}),
    Table(name="cvd", partition=_text("series"), sort=_number("start_ms"), kinds={"cvd": _STATE}),
    Table(
        name="events",
        partition=_text("series"),
        sort=_text("key"),
        kinds={
            "position_closed": _FACT,
            "funding": _FACT,
            "ledger": _FACT,
            "alert": _FACT,
            "gap": _STATE,
            "checkpoint": _STATE,
            "account_info": _STATE,
            "quarantine": Units(write=17, read=1),  # with the longest payload that is kept, in ASCII
        },
    ),
)
"""Every table, and every kind of event in one of them."""

TABLE_OF: Final[Mapping[str, Table]] = {kind: table for table in TABLES for kind in table.kinds}
"""Kind of event -> its table."""

TABLE_NAMES: Final[tuple[str, ...]] = get_args(TableName)


def definition(table: Table, prefix: str) -> dict[str, Any]:
    """The arguments of CreateTable: on-demand billing, no secondary index."""
    parts = (table.partition, table.sort)
    return {
        "TableName": prefix + table.name,
        "AttributeDefinitions": [{"AttributeName": part.name, "AttributeType": part.type} for part in parts],
        "KeySchema": [
            {"AttributeName": part.name, "KeyType": role} for part, role in zip(parts, ("HASH", "RANGE"), strict=True)
        ],
        "BillingMode": "PAY_PER_REQUEST",
    }


def actions(table: Table) -> tuple[str, ...]:
    """What the sink may do with this table, and no more: the actions of an IAM policy, sorted."""
    wanted = []
    if table.holds_facts:
        wanted += ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"]
    if table.holds_states:
        wanted += ["dynamodb:PutItem"]
    if "checkpoint" in table.kinds:
        wanted += ["dynamodb:Query"]
    return tuple(sorted(wanted))
