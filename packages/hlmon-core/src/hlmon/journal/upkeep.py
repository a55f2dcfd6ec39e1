"""What a running monitor does about its journal besides writing it: looks whether the file is there, and prunes it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from typing import Final

from hlmon.errors import JournalError
from hlmon.journal import Journal

_LONGEST_PAUSE_S: Final = 1.0

_log = logging.getLogger(__name__)


class Upkeep:
    """`look` is called every few seconds and touches nothing; what takes time runs on a thread of its own."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._told = ""
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Say once in the log that the file was removed or replaced, and once that it is there again."""
        lost = self._journal.lost()
        if lost and not self._told:
            _log.critical("%s", lost)
        elif self._told and not lost:
            _log.warning("journal %s: the file is there again", self._journal.path)
        self._told = lost

    def prune(self, before_ms: int, followers: Collection[str], memories: Collection[str], days: int) -> None:
        """Begin to remove what is older and over, unless that is still being done; returns at once."""
        if self._thread is None or not self._thread.is_alive():
            arguments = (before_ms, tuple(followers), tuple(memories), days)
            self._thread = threading.Thread(target=self._prune, args=arguments, name="journal pruning", daemon=True)
            self._thread.start()

    def stop(self, timeout: float) -> None:
        """End what runs after its present step; a step that waits for longer ends with the journal."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _prune(self, before_ms: int, followers: Collection[str], memories: Collection[str], days: int) -> None:
        try:
            gone = self._journal.prune(before_ms, followers, memories=memories, pause=self._pause)
        except JournalError as error:
            if not self._over.is_set():
                _log.warning("what is older than %d days could not be removed: %s", days, error)
            return
        _log.info("removed %d events older than %d days", gone, days)

    def _pause(self, step_seconds: float) -> bool:
        """As long as the step took, which is what an append may have waited."""
        return self._over.wait(min(step_seconds, _LONGEST_PAUSE_S))
