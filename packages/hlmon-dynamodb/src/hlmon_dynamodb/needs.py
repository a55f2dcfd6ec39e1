"""What a deployment must provide, as plain data."""

from __future__ import annotations

from collections.abc import Sequence

from hlmon import Need
from hlmon_dynamodb.config import DynamodbConfig
from hlmon_dynamodb.tables import TABLES, TTL_ATTRIBUTE, Table, actions


def needs(config: DynamodbConfig) -> Sequence[Need]:
    """A table and a permission for each table of `tables.py`; no secret, since a task's role gives the credentials."""
    return [need for table in TABLES for need in (_table(table, config), _permission(table, config))]


def _table(table: Table, config: DynamodbConfig) -> Need:
    return Need(
        kind="table",
        name=config.prefix + table.name,
        why=f"keeps {', '.join(table.kinds)}",
        details={
            "partition_key": {"name": table.partition.name, "type": table.partition.type},
            "sort_key": {"name": table.sort.name, "type": table.sort.type},
            "billing": "on-demand",
            "point_in_time_recovery": True,
            "ttl_attribute": TTL_ATTRIBUTE,
            "write_units": {kind: units.write for kind, units in table.kinds.items()},
            "read_units": {kind: units.read for kind, units in table.kinds.items()},
        },
    )


def _permission(table: Table, config: DynamodbConfig) -> Need:
    return Need(
        kind="permission",
        name=config.prefix + table.name,
        why="to look up and write what it keeps" if table.holds_facts else "to write what it keeps",
        details={"table": config.prefix + table.name, "actions": list(actions(table))},
    )
