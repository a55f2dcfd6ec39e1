"""Copies the write-ahead log into the journal on a thread of its own, so that no append waits for the disk."""

from __future__ import annotations

import logging
import sqlite3
import threading
from pathlib import Path
from typing import Final

EVERY_TRANSACTIONS: Final = 250
EVERY_ROWS: Final = 20_000
BACKSTOP_PAGES: Final = 20_000  # where SQLite does it inside an append, should this thread ever fall behind

_LOG = logging.getLogger(__name__)


class Checkpointer:
    """Does what SQLite's own automatic checkpoint would do, at about the same pace; `close` waits for its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._due = threading.Event()
        self._closed = False
        self._transactions = 0
        self._rows = 0
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
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            while self._due.wait() and not self._closed:
                self._due.clear()
                try:
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                except sqlite3.Error as error:  # a full disk, for instance: the append that meets it says so
                    _LOG.warning("journal %s: the write-ahead log could not be copied: %s", self._path, error)
        finally:
            connection.close()
