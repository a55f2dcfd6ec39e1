"""What the user writes in `[sink.NAME]` with `type = "dynamodb"`."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

from hlmon_dynamodb.tables import TABLES, TableName

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{0,200}")


class DynamodbConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`prefix` begins the tables' names. `region` and `endpoint_url` replace what AWS's own settings say.

    `ttl_days` is how long the items of a table are kept (left out: for ever); states that still hold stay.
    """

    prefix: str = "hl-"
    region: str = ""
    endpoint_url: str = ""
    ttl_days: dict[TableName, Annotated[int, msgspec.Meta(ge=1)]] = msgspec.field(default_factory=dict)

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
