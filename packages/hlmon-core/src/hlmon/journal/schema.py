"""What a journal file must be: recognised before it is touched, created if there is none, migrated if it is older."""

from __future__ import annotations

import importlib.resources
import sqlite3
from pathlib import Path
from typing import Final

from hlmon.errors import JournalError, JournalOutdated
from hlmon.journal.lock import is_held

APPLICATION_ID: Final = 0x484C4D4E  # "HLMN", in the file's header

PAGE_BYTES: Final = (
    16_384  # against the usual 4,096: 0.6 of the time for bursts, 1.5 for single events, where it is 60 us
)

INCREMENTAL: Final = 2
CHEAP_BYTES: Final = 32 * 1024 * 1024  # copied within a second

MIGRATIONS: Final[tuple[str, ...]] = (
    "-- the table notices, which the schema makes\n",
    "-- new columns of the views, which are made anew\n",
)
"""Step n brings the tables of a file of version n + 1 to version n + 2; views are made anew after the last step."""

_MAGIC = b"SQLite format 3\x00"
_MAGIC_AND_ID_BYTES = 72
_ID_OFFSET = 68


def check_place(path: Path, *, must_exist: bool) -> None:
    """Raise JournalError unless a journal is, or can be made, at this path. Touches nothing."""
    if path.is_dir():
        raise JournalError(f"journal {path}: this is a folder; name a file in it, such as {path / 'hlmon.db'}")
    if not path.parent.is_dir():
        raise JournalError(f"journal {path}: the folder {path.parent} does not exist; create it or choose another path")
    if not path.exists():
        if must_exist:
            raise JournalError(f"journal {path}: there is no such file; start `hlmon run` or name the right path")
        return
    if not is_held(path):
        _check_header(path)


def _check_header(path: Path) -> None:
    # The header is read as bytes: opening a stranger's database with SQLite could already change files beside it.
    try:
        with path.open("rb") as file:
            header = file.read(_MAGIC_AND_ID_BYTES)
    except OSError as error:
        raise JournalError(f"journal {path}: it cannot be read ({error.strerror}); make it readable") from error
    if not header:
        return
    advice = "it was left as it is, choose another path for the journal"
    if not header.startswith(_MAGIC):
        raise JournalError(f"journal {path}: this is not a journal of hlmon, nor a database at all; {advice}")
    if int.from_bytes(header[_ID_OFFSET:], "big") != APPLICATION_ID:
        raise JournalError(f"journal {path}: this is the database of another program; {advice}")


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Raise JournalError unless a reader can make sense of this file, JournalOutdated if it will after a run."""
    version = _pragma(connection, "user_version")
    _refuse_newer(version, path)
    if version < newest_version():
        raise JournalOutdated(
            f"journal {path}: it was not yet brought up to date by this hlmon; start `hlmon run` on it once"
        )


def newest_version() -> int:
    """The version that this hlmon writes."""
    return 1 + len(MIGRATIONS)


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make this connection the writer of a journal of the newest version, and prove that it can write."""
    version = _pragma(connection, "user_version")
    _refuse_newer(version, path)
    # A new file gets its header before it gets a write-ahead log: whoever reads the header of a file whose creation was
    # cut short finds either nothing or our id.
    if version < newest_version():
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # does nothing to a file that has pages
        _upgrade(connection, version)
    _allow_giving_back(connection)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("BEGIN IMMEDIATE")  # a try at writing fails now rather than at the first event
    connection.execute(f"PRAGMA user_version = {newest_version()}")
    connection.execute("ROLLBACK")


def _allow_giving_back(connection: sqlite3.Connection) -> None:
    """Let the file shrink when pages become free, if it is small enough: the whole file is written anew for it."""
    if _pragma(connection, "auto_vacuum") == INCREMENTAL:
        return
    size = _pragma(connection, "page_count") * _pragma(connection, "page_size")
    if size <= CHEAP_BYTES:
        connection.execute(f"PRAGMA auto_vacuum = {INCREMENTAL}")
        connection.execute("VACUUM")


def _upgrade(connection: sqlite3.Connection, version: int) -> None:
    steps = MIGRATIONS[version - 1 :] if version else ()
    views = connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall()
    script = ";\n".join(
        (
            "BEGIN IMMEDIATE",
            f"PRAGMA application_id = {APPLICATION_ID}",
            *steps,
            *(f'DROP VIEW "{name}"' for (name,) in views),
            _schema(),
            f"PRAGMA user_version = {newest_version()}",
            "COMMIT;",
        )
    )
    connection.executescript(script)


def _schema() -> str:
    return importlib.resources.files("hlmon.journal").joinpath("schema.sql").read_text(encoding="utf-8")


def _refuse_newer(version: int, path: Path) -> None:
    if version > newest_version():
        raise JournalError(
            f"journal {path}: it was written by a newer hlmon (version {version} of its tables, this one knows "
            f"{newest_version()}); upgrade hlmon or choose another path for the journal"
        )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
