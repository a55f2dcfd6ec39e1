"""A sink: a table in SQLite, in a deployment a table and a key to it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from hlmon import Checkpoint, ConfigError, Event, Need, Settings, SinkFactory, State, Transient, decode, encode

_TABLE = "CREATE TABLE IF NOT EXISTS shelf (name TEXT PRIMARY KEY, kind TEXT, version INTEGER, body BLOB)"
_PUT = (
    "INSERT INTO shelf VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE"
    " SET version = excluded.version, body = excluded.body WHERE excluded.version > version"
)


class ShelfConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`path` is the database."""

    path: Path


class Shelf:
    """One table, one row for each name."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def write(self, events: Sequence[Event], /) -> None:
        """One transaction."""
        rows = [(json.dumps(each.name), each.kind, _version(each), encode(each)) for each in events]
        try:
            with self._database:
                self._database.executemany(_PUT, rows)
        except sqlite3.OperationalError as error:
            raise Transient(f"the shelf cannot be reached: {error}") from error

    def load_checkpoints(self) -> Iterable[Checkpoint]:
        """The checkpoints on the shelf."""
        rows = self._database.execute("SELECT body FROM shelf WHERE kind = ?", (Checkpoint.kind,))
        events = [decode(Checkpoint.kind, body) for (body,) in rows]
        return [event for event in events if isinstance(event, Checkpoint)]


def _version(event: Event) -> int:
    return event.version if isinstance(event, State) else 0


def needs_of(_config: ShelfConfig) -> Sequence[Need]:
    """What has to be there before the sink can open."""
    key = {"name": "name", "type": "S"}
    put = {"table": "shelf", "actions": ["dynamodb:PutItem"]}
    return (
        Need(kind="table", name="shelf", why="keeps the events", details={"partition_key": key}),
        Need(kind="permission", name="shelf", why="to put events on the shelf", details=put),
    )


@contextmanager
def open_shelf(config: ShelfConfig, settings: Settings) -> Iterator[Shelf]:
    """Make the table, which proves that it can be written."""
    try:
        database = sqlite3.connect(config.path, timeout=0, check_same_thread=False)
        database.execute(_TABLE)
    except sqlite3.OperationalError as error:
        raise ConfigError(f"sink.{settings.name}.path: cannot use {config.path}: {error}") from error
    with closing(database):
        yield Shelf(database)


FACTORY = SinkFactory(name="acme-shelf", config=ShelfConfig, open=open_shelf, needs=needs_of, max_batch=200)
