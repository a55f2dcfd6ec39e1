"""What the user writes in `[sink.NAME]` with `type = "dynamodb"`."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from hlmon_dynamodb.tables import TABLES, TableName

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{0,200}")


class DynamodbConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which tables, where, and how long what is in them is kept."""

    prefix: Annotated[str, Meta(description="begins the name of every table")] = "hl-"
    region: Annotated[str, Meta(description="the region of the tables; left out: that of AWS's own settings")] = ""
    endpoint_url: Annotated[str, Meta(description="another DynamoDB, e.g. a local one for tests")] = ""
    ttl_days: Annotated[
        dict[TableName, Annotated[int, Meta(ge=1)]],
        Meta(
            description="days that items stay, by table: `fills`, `positions`, `dashboard`, `orders`, `cvd`, `events`; "
            "what is left out stays for ever"
        ),
    ] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse names that no table can have and days for tables that are not there."""
        if not _NAME.fullmatch(self.prefix):
            raise ValueError("prefix: may have letters, digits, _ . and -, at most 200")
        known = [table.name for table in TABLES]
        unknown = sorted(set(self.ttl_days) - set(known))
        if unknown:
            raise ValueError(f"ttl_days: no table {unknown[0]!r}; known: {', '.join(known)}")
        if self.endpoint_url and not self.endpoint_url.startswith(("http://", "https://")):
            raise ValueError("endpoint_url: must begin with https:// (or http://)")

    def table_names(self) -> list[str]:
        """The full names of all tables."""
        return [self.prefix + table.name for table in TABLES]
