"""Which table each kind of event goes to, and what names a row there. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from hlmon import Event, Fact
from hlmon_supabase import rows
from hlmon_supabase.rows import Row


@dataclass(frozen=True, kw_only=True)
class Table:
    """Where the events of one kind go. `key` are the columns that name a row; the row of a fact never changes."""

    name: str
    key: tuple[str, ...]
    row_of: Callable[[Any], Row]

    @property
    def conflict(self) -> str:
        """The natural key as PostgREST wants it."""
        return ",".join(self.key)

    @property
    def holds_facts(self) -> bool:
        """Whether a row that is there already stays as it is."""
        return self.key == FACT_KEY


FACT_KEY: Final = ("event_key", "account_address")

TABLES: Final[dict[str, Table]] = {
    "fill": Table(name="fills", key=FACT_KEY, row_of=rows.fill_row),
    "position": Table(name="positions", key=("account_address", "coin"), row_of=rows.position_row),
    "account": Table(name="hl_dashboard", key=FACT_KEY, row_of=rows.snapshot_row),
    "order": Table(name="hl_orders", key=("account_address", "order_id"), row_of=rows.order_row),
    "cvd": Table(name="hl_cvd", key=("start_ms", "coin", "interval_ms", "account_address"), row_of=rows.cvd_row),
    "position_closed": Table(name="hl_closes", key=FACT_KEY, row_of=rows.close_row),
    "funding": Table(name="fundings", key=FACT_KEY, row_of=rows.funding_row),
    "ledger": Table(name="ledger", key=FACT_KEY, row_of=rows.ledger_row),
    "alert": Table(name="alerts", key=FACT_KEY, row_of=rows.alert_row),
    "gap": Table(name="gaps", key=("account_address", "stream", "started_at"), row_of=rows.gap_row),
    "account_info": Table(name="accounts", key=("account_address",), row_of=rows.account_row),
    "quarantine": Table(name="quarantine", key=FACT_KEY, row_of=rows.quarantine_row),
    "checkpoint": Table(name="checkpoints", key=("account_address", "stream"), row_of=rows.checkpoint_row),
}
"""Kind -> table, in the order of writing.

Checkpoints come last: one that is stored says that everything before it is stored too.
"""


def rows_that_say_more(table: Table, events: Iterable[Event]) -> list[Row]:
    """The rows of facts that another stream told with more in them: they take the place of what is there."""
    if not table.holds_facts:
        return []
    found = [event for event in events if isinstance(event, Fact) and event.version and TABLES.get(event.kind) is table]
    return sorted((table.row_of(event) for event in found), key=itemgetter(*table.key))


def rows_by_table(events: Iterable[Event]) -> list[tuple[Table, list[Row]]]:
    """The rows of each table that has any, in the order of writing.

    Kinds without a table, which a later hlmon may have, are passed over.
    Rows are sorted by their key, so that two writers lock them in one order and do not block each other for ever.
    """
    found: dict[str, list[Row]] = {kind: [] for kind in TABLES}
    for event in events:
        if event.kind not in TABLES:
            continue
        found[event.kind].append(TABLES[event.kind].row_of(event))
    return [(table, sorted(found[kind], key=itemgetter(*table.key))) for kind, table in TABLES.items() if found[kind]]
