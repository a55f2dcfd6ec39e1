"""One monitor writes a journal: locks that the kernel takes back when the process dies.

One is on a file beside the journal and says who has it; one is on the journal itself, whatever name led to it.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from hlmon.errors import JournalError
from hlmon.journal.place import network_file_system

_OWNER_ONLY: Final = 0o600
_FIRST_FREE: Final = 3
_LOCKS: Final = Path("/proc/locks")

_held: set[tuple[int, int]] = set()  # the journals that this process writes


def is_held(path: Path) -> bool:
    """Whether this process writes the journal at this path.

    Then nobody but SQLite may open and close the file: with any descriptor that a process closes, the kernel takes all
    of SQLite's own locks on that file from it, and the next SQL shell that ends deletes the write-ahead log in use.
    """
    return _mark(path) in _held


class JournalLock:
    """The right to write one journal, held until `release` or the end of the process.

    The lock file stays when the lock is gone: removing it would let two monitors lock two files of one name. While it
    is held the journal's file stays open here.
    """

    def __init__(self, path: Path, descriptor: int, held: int | None) -> None:
        self._path = path
        self._descriptor: int | None = descriptor
        self._held = held  # the journal itself; None where it cannot be held
        self._file = None if held is None else _mark(held)
        if self._file is not None:
            _held.add(self._file)
        self._log_file: tuple[int, int] | None = None

    @classmethod
    def acquire(cls, journal: Path) -> Self:
        """Take the lock of this journal, which is created (for its owner only) if there is none.

        Raises JournalError naming the process that has the lock, or why it cannot be taken.
        """
        place = journal.resolve()  # one lock, whatever symbolic links lead to the file
        descriptor = _open_lock(journal, place.with_name(place.name + ".lock"))
        try:
            if not _locked(descriptor):
                owner = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
                raise _taken(journal, owner)
            held = _hold(journal, place)
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(place, descriptor, held)

    def trouble(self) -> str:
        """What became of the files under their names, as a sentence that ends with what to do; "" if they are there.

        A file that was moved away and back again is there.
        """
        if self._held is None:
            return ""
        log = self._path.with_name(f"{self._path.name}-wal")
        log_file = _mark(log)
        if self._log_file is None:
            self._log_file = log_file
        for path, known, found in (
            (self._path, self._file, _mark(self._path)),
            (log, self._log_file, log_file),
        ):
            if known is not None and found != known:
                happened = "removed" if found is None else "replaced by another file"
                return (
                    f"journal {self._path}: {path.name} was {happened} while the monitor writes it, so what comes in "
                    "is kept nowhere when this process ends: put the file back, or restart hlmon, which reads back "
                    "what the exchange still has"
                )
        return ""

    def release(self) -> None:
        """Give the lock back; a second call does nothing. Every connection to the journal is closed before."""
        for descriptor in (self._held, self._descriptor):
            if descriptor is not None:
                os.close(descriptor)
        self._held = self._descriptor = None
        if self._file is not None:
            _held.discard(self._file)


def _open_lock(journal: Path, path: Path) -> int:
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = _opened(path, flags)
    except OSError as error:
        if path.is_symlink():
            raise JournalError(
                f"journal {journal}: its lock file {path} is a symbolic link, which hlmon does not follow; remove it"
            ) from error
        raise JournalError(
            f"journal {journal}: its lock file {path} cannot be written ({error.strerror}); make the folder "
            "writable for this user or choose another path for the journal"
        ) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise JournalError(f"journal {journal}: its lock file {path} is no ordinary file; remove it")
    return descriptor


def _opened(path: Path, flags: int) -> int:
    """Open for its owner only, and never as standard input, output or error: somebody would print into the file."""
    descriptor = os.open(path, flags, _OWNER_ONLY)
    if descriptor >= _FIRST_FREE:
        return descriptor
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
    finally:
        os.close(descriptor)


def _hold(journal: Path, place: Path) -> int | None:
    """Open the journal and lock it as a file, so that no other name of it (a hard link, a mount) has a second monitor.

    On a network file system that lock would be of the kind that SQLite uses itself.
    """
    if is_held(place):
        raise _taken(journal, f"{os.getpid()}, under another name of the file")
    try:
        descriptor = _opened(place, os.O_RDWR | os.O_CREAT)
    except OSError:  # SQLite will say what it cannot do with the file
        return None
    if not network_file_system(place) and not _locked(descriptor):
        owner = _owner(os.fstat(descriptor).st_ino)
        os.close(descriptor)
        raise _taken(journal, f"{owner}, under another name of the file")
    return descriptor


def _taken(journal: Path, owner: str) -> JournalError:
    return JournalError(
        f"journal {journal}: another monitor is writing to it (process {owner}); stop that one or choose another path "
        "for the journal of this one"
    )


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _owner(inode: int) -> str:
    with suppress(OSError):
        found = re.search(rf"FLOCK +\w+ +WRITE +(\d+) +\w+:\w+:{inode} ", _LOCKS.read_text(encoding="ascii"))
        if found:
            return found[1]
    return "unknown"


def _mark(file: Path | int) -> tuple[int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116  # a descriptor, too
    except OSError:
        return None
    return (found.st_dev, found.st_ino)
