"""Copies the write-ahead log into the journal on a thread of its own, so that no append waits for the disk."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from pathlib import Path
from typing import Final

from hlmon.journal.holders import readers

EVERY_TRANSACTIONS: Final = 250
EVERY_ROWS: Final = 20_000
BACKSTOP_PAGES: Final = 20_000  # where SQLite does it inside an append, should this thread ever fall behind
LOOK_SECONDS: Final = 5.0
LOG_BYTES: Final = 64 * 1024 * 1024
"""A log that is larger is begun anew, which waits for a moment in which nobody reads or writes."""

_LOG = logging.getLogger(__name__)


class Checkpointer:
    """Does what SQLite's own automatic checkpoint would do, at about the same pace; `close` waits for its end.

    While somebody reads for long, the log cannot be begun anew and grows. `trouble` then says who.
    """

    def __init__(self, path: Path, writing: threading.Lock, *, log_bytes: int) -> None:
        """`writing` is held by whoever writes; `path` is that of the file itself, without symbolic links."""
        self.trouble = ""
        self._path = path
        self._writing = writing
        self._log_bytes = log_bytes
        self._due = threading.Event()
        self._closed = False
        self._transactions = 0
        self._rows = 0
        self._blocked = False
        self._thread = threading.Thread(target=self._run, name="journal checkpoints", daemon=True)
        self._thread.start()

    def note(self, total_rows: int) -> None:
        """A transaction was committed; the connection has changed so many rows in all."""
        self._transactions += 1
        if self._transactions >= EVERY_TRANSACTIONS or total_rows - self._rows >= EVERY_ROWS:
            self._transactions, self._rows = 0, total_rows
            self._due.set()

    def close(self) -> None:
        """End the thread; what it left is copied when the last connection is closed."""
        self._closed = True
        self._due.set()
        self._thread.join()

    def _run(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        try:
            while not self._closed:
                is_due = self._due.wait(LOOK_SECONDS)
                self._due.clear()
                size = self._size()
                if not self._closed and (is_due or size > self._log_bytes or self.trouble):
                    try:
                        self._copy(connection, size)
                    except sqlite3.Error as error:  # a full disk, for instance: the append that meets it says so
                        _LOG.warning("journal %s: the write-ahead log could not be copied: %s", self._path, error)
        finally:
            connection.close()

    def _copy(self, connection: sqlite3.Connection, size: int) -> None:
        _, pages, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if size <= self._log_bytes:
            self._blocked, self.trouble = False, ""
            return
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        if (pages - copied) * page_bytes <= self._log_bytes // 4 and self._begin_anew(connection):
            self._blocked, self.trouble = False, ""
            return
        if self._blocked:  # at two looks, so that an ordinary read is not blamed
            self.trouble = (
                f"{readers(self._path)} has been reading the journal for long, so its write-ahead log cannot end and "
                f"has {size // 1_000_000} MB: end that read (an SQL shell, a backup), and the file shrinks by itself"
            )
        self._blocked = True

    def _begin_anew(self, connection: sqlite3.Connection) -> bool:
        """Have the next append begin at the start of the log; SQLite cuts the file to its limit then."""
        if not self._writing.acquire(timeout=1.0):
            return True  # under load, not blocked: the next look may find a moment
        try:
            (is_busy, *_) = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        finally:
            self._writing.release()
        return not is_busy

    def _size(self) -> int:
        try:
            return os.stat(f"{self._path}-wal").st_size  # noqa: PTH116  # the name is the journal's and a suffix
        except OSError:
            return 0
