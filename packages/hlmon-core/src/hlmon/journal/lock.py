"""One monitor writes a journal: a lock on the file beside it, which the kernel takes back when the process dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

from hlmon.errors import JournalError


class JournalLock:
    """The right to write one journal, held until `release` or the end of the process.

    The lock file stays when the lock is gone: removing it would let two monitors lock two files of one name.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, journal: Path) -> Self:
        """Take the lock of this journal. Raises JournalError naming the process that has it, or why it cannot be."""
        path = journal.with_name(journal.name + ".lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise JournalError(
                f"journal {journal}: its lock file {path} cannot be written ({error.strerror}); make the folder "
                "writable for this user or choose another path for the journal"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise JournalError(
                f"journal {journal}: another monitor is writing to it (process {owner}); stop that one or choose "
                "another path for the journal of this one"
            ) from error
        lock = cls(descriptor)
        lock._sign()
        return lock

    def _sign(self) -> None:
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
