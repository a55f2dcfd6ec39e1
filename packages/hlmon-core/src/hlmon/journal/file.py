"""The journal's file as connections: one that writes, one for each thread that reads, and SQLite's errors in words."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from hlmon.errors import JournalBusy, JournalError
from hlmon.journal.checkpointer import BACKSTOP_PAGES, LOG_BYTES, Checkpointer
from hlmon.journal.holders import writers
from hlmon.journal.lock import JournalLock
from hlmon.journal.place import network_warning
from hlmon.journal.schema import check_place, check_version, prepare

Answer = TypeVar("Answer")

PATIENCE_S: Final = 60.0
"""So long a write waits for another program's lock, unless whoever writes has no time."""
BUSY_MS: Final = 50  # of it inside of SQLite at a time, where it keeps this program's other writers waiting too
BUSY_PAUSE_S: Final = 0.25
_FIRST_PATIENCE_S: Final = 2.0  # at the start, before the log says what is waited for

_LOG = logging.getLogger(__name__)

_ADVICE: Final = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space and start again, what was stored is still there",
    sqlite3.SQLITE_READONLY: "it cannot be written; make the file and its folder writable for this user, or choose "
    "another path for the journal",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; make the file and its folder readable and writable for this user",
    sqlite3.SQLITE_BUSY: "another program keeps it locked; close that program (an SQL shell, a backup) and start again",
    sqlite3.SQLITE_NOTADB: "it is not a journal of hlmon; it was left as it is, choose another path for the journal",
    sqlite3.SQLITE_CORRUPT: "it is damaged; move it away and start again, what the exchange still has is read back",
    sqlite3.SQLITE_IOERR: "the disk reports an error; check the disk and its free space, then start again",
}


def explain(path: Path, error: sqlite3.Error) -> JournalError:
    """The error in words for the user: what is wrong with which file, and what to do."""
    primary_code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    advice = _ADVICE.get(primary_code)
    kind = JournalBusy if primary_code == sqlite3.SQLITE_BUSY else JournalError
    return kind(f"journal {path}: {advice} ({error})" if advice else f"journal {path}: {error}")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Inside, every error of SQLite becomes a JournalError about this file."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(path, error) from error


class _Reader:
    """One thread's connection for reading. Closed while a statement runs on it, SQLite would use freed memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.connection = _open_reader(path)
        self._in_use = threading.Lock()
        self._closed = False

    def read(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """All rows; raises JournalError after `close`, and when `close` breaks into a long statement."""
        with self._in_use, explained(self._path):
            if self._closed:
                raise JournalError(f"journal {self._path}: it is closed, so nothing can be read")
            return self.connection.execute(sql, parameters).fetchall()

    def close(self) -> None:
        """From any thread: end the statement that runs, if any, then the connection."""
        while not self._in_use.acquire(timeout=0.05):
            self.connection.interrupt()
        try:
            self._closed = True
            self.connection.close()
        finally:
            self._in_use.release()


class JournalFile:
    """An open journal file. Reading and writing may be done from any thread; `close` ends both."""

    def __init__(self, path: Path, writer: sqlite3.Connection | None, lock: JournalLock | None) -> None:
        self.path = path
        self._writer = writer
        self._lock = lock
        self._writing = threading.Lock()
        self._busy_since: float | None = None
        self._checkpointer = (
            Checkpointer(path.resolve(), self._writing, log_bytes=LOG_BYTES) if writer is not None else None
        )
        self._thread = threading.local()
        self._readers: list[_Reader] = []
        self._closed = False

    @classmethod
    def open(cls, path: Path, *, read_only: bool) -> Self:
        """Open the file; unless `read_only`, lock it first, then create or migrate it. Raises JournalError."""
        check_place(path, must_exist=read_only)
        if read_only:
            file = cls(path, None, None)
            try:
                check_version(file._reader().connection, path)
            except sqlite3.Error as error:
                file.close()
                raise explain(path, error) from error
            except JournalError:
                file.close()
                raise
            return file
        lock = JournalLock.acquire(path)
        if warning := network_warning(path):
            _LOG.warning("%s", warning)
        try:
            return cls(path, _open_writer(path), lock)
        except BaseException:
            lock.release()
            raise

    @property
    def read_only(self) -> bool:
        """Whether this process may only read."""
        return self._writer is None

    @contextmanager
    def transaction(self, patience_s: float = PATIENCE_S) -> Iterator[sqlite3.Connection]:
        """One transaction that no other thread can enter: committed at the end, undone whole by any exception.

        While another program has the journal locked it is waited for; JournalBusy after `patience_s`.
        """
        writer, checkpointer = self.patiently(patience_s, self._begin)
        try:
            with explained(self.path):
                try:
                    yield writer
                    writer.execute("COMMIT")
                    checkpointer.note(writer.total_changes)
                except BaseException:
                    if writer.in_transaction:  # a full disk may have ended it already
                        writer.execute("ROLLBACK")
                    raise
        finally:
            self._writing.release()

    def _begin(self) -> tuple[sqlite3.Connection, Checkpointer]:
        """Begin a transaction, and keep `_writing` if that succeeded."""
        self._writing.acquire()
        try:
            if self._writer is None or self._checkpointer is None or self._closed:
                state = "closed" if self._closed else "open for reading only"
                raise JournalError(f"journal {self.path}: it is {state}, so nothing can be written")
            with explained(self.path):
                self._writer.execute("BEGIN IMMEDIATE")
        except BaseException as error:
            if isinstance(error, JournalBusy) and self._busy_since is None:
                self._busy_since = time.monotonic()
            self._writing.release()
            raise
        self._busy_since = None
        return self._writer, self._checkpointer

    def patiently(self, patience_s: float, attempt: Callable[[], Answer]) -> Answer:
        """What the attempt returns, made again while it raises JournalBusy and `patience_s` is not over.

        What keeps others from writing is let go of in between.
        """
        gives_up = time.monotonic() + patience_s
        while True:
            try:
                return attempt()
            except JournalBusy:
                if time.monotonic() >= gives_up:
                    raise
            time.sleep(BUSY_PAUSE_S)

    def problems(self) -> Iterator[str]:
        """What is wrong with the file while it is written, as sentences that end with what to do."""
        busy_since = self._busy_since
        if busy_since is not None:
            yield (
                f"{writers(self.path.resolve())} has kept the journal locked for {time.monotonic() - busy_since:.0f} s,"
                " what comes in waits in memory: end its transaction (an SQL shell, a backup)"
            )
        if self._checkpointer is not None and self._checkpointer.trouble:
            yield self._checkpointer.trouble

    def lost(self) -> str:
        """That the file is no longer under its name, as a sentence that ends with what to do; "" if it is."""
        return "" if self._lock is None else self._lock.trouble()

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of one statement, on the calling thread's own connection, which cannot write."""
        return self._reader().read(sql, parameters)

    def scan(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of one statement, one by one, on a connection of its own: for more than should be in memory."""
        self._require_file()
        with explained(self.path), closing(_open_reader(self.path)) as connection:
            yield from connection.execute(sql, parameters)

    def _reader(self) -> _Reader:
        reader: _Reader | None = getattr(self._thread, "reader", None)
        if reader is None:
            self._require_file()
            reader = _Reader(self.path)
            with self._writing:
                self._readers.append(reader)
            if self._closed:
                reader.close()
            self._thread.reader = reader
        return reader

    def _require_file(self) -> None:
        """A new connection would find another file under the name, and SQLite would mix the two."""
        if lost := self.lost():
            raise JournalError(lost)

    def close(self) -> None:
        """Close every connection, the writer last, and give the lock back. A second call does nothing."""
        with self._writing:
            self._closed = True
            if self._checkpointer is not None:
                self._checkpointer.close()
            while self._readers:
                self._readers.pop().close()
            if self._writer is not None:
                self._writer.close()
            if self._lock is not None:
                self._lock.release()


def _open_reader(path: Path) -> sqlite3.Connection:
    with explained(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA cache_size = -512")  # KiB; there is one reader for each follower
        return connection


def _open_writer(path: Path) -> sqlite3.Connection:
    """Waits for another program's lock, and says so once."""
    try:
        return _prepared(path, _FIRST_PATIENCE_S)
    except JournalBusy:
        holder = writers(path.resolve())
        _LOG.warning("journal %s: %s keeps it locked; waiting up to %d s for it", path, holder, PATIENCE_S)
        return _prepared(path, PATIENCE_S)


def _prepared(path: Path, patience_s: float) -> sqlite3.Connection:
    with explained(path):
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=patience_s)
        try:
            prepare(connection, path)
            connection.execute(f"PRAGMA wal_autocheckpoint = {BACKSTOP_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        except BaseException:
            connection.close()
            raise
        return connection
