"""The journal's file as connections: one that writes, one for each thread that reads, and SQLite's errors in words."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, Self

from hlmon.errors import JournalError
from hlmon.journal.checkpointer import BACKSTOP_PAGES, Checkpointer
from hlmon.journal.lock import JournalLock
from hlmon.journal.schema import check_place, check_version, prepare

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
    return JournalError(f"journal {path}: {advice} ({error})" if advice else f"journal {path}: {error}")


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
        self._checkpointer = Checkpointer(path) if writer is not None else None
        self._writing = threading.Lock()
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
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction that no other thread can enter: committed at the end, undone whole by any exception."""
        with self._writing, explained(self.path):
            if self._writer is None or self._checkpointer is None or self._closed:
                state = "closed" if self._closed else "open for reading only"
                raise JournalError(f"journal {self.path}: it is {state}, so nothing can be written")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
                self._checkpointer.note(self._writer.total_changes)
            except BaseException:
                if self._writer.in_transaction:  # a full disk may have ended it already
                    self._writer.execute("ROLLBACK")
                raise

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of one statement, on the calling thread's own connection, which cannot write."""
        return self._reader().read(sql, parameters)

    def scan(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of one statement, one by one, on a connection of its own: for more than should be in memory."""
        with explained(self.path), closing(_open_reader(self.path)) as connection:
            yield from connection.execute(sql, parameters)

    def _reader(self) -> _Reader:
        reader: _Reader | None = getattr(self._thread, "reader", None)
        if reader is None:
            reader = _Reader(self.path)
            with self._writing:
                self._readers.append(reader)
            if self._closed:
                reader.close()
            self._thread.reader = reader
        return reader

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
    with explained(path):
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            prepare(connection, path)
            connection.execute(f"PRAGMA wal_autocheckpoint = {BACKSTOP_PAGES}")
        except BaseException:
            connection.close()
            raise
        return connection
