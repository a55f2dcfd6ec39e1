"""Which processes keep a journal locked or read it, as far as the kernel tells: /proc/locks of Linux."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

WRITE_BYTES: Final = range(120, 121)
READ_BYTES: Final = range(123, 128)
"""Of the file -shm: where SQLite locks while somebody writes, and while somebody reads from the write-ahead log.

https://www.sqlite.org/walformat.html#wal_locks
"""

_LOCKS: Final = Path("/proc/locks")
_LOCK: Final = re.compile(r"\d+: POSIX +\w+ +(READ|WRITE) +(\d+) +\w+:\w+:(\d+) +(\d+) +(\d+|EOF)")


def writers(journal: Path) -> str:
    """Who holds the write lock, besides this process, in words: "process 17 (sqlite3)", else "another program"."""
    return _named(_processes(journal, WRITE_BYTES), "another program")


def readers(journal: Path) -> str:
    """Who is inside a read, besides this process, in the same words."""
    return _named(_processes(journal, READ_BYTES), "another process")


def _processes(journal: Path, places: range) -> list[int]:
    try:
        inode = os.stat(f"{journal}-shm").st_ino  # noqa: PTH116  # the name is the journal's and a suffix
        text = _LOCKS.read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return sorted(set(locking(text, inode, places)) - {os.getpid()})


def locking(text: str, inode: int, places: range) -> Iterator[int]:
    """The processes that hold a lock on one of these bytes of the file, by the text of /proc/locks."""
    for line in text.splitlines():
        found = _LOCK.match(line)
        if found and int(found[3]) == inode and int(found[4]) < places.stop:
            last = places.stop if found[5] == "EOF" else int(found[5])
            if last >= places.start and int(found[2]):  # 0 for a process of another container
                yield int(found[2])


def _named(pids: list[int], otherwise: str) -> str:
    return " and ".join(f"process {pid}{_command(pid)}" for pid in pids) or otherwise


def _command(pid: int) -> str:
    try:
        return f" ({Path(f'/proc/{pid}/comm').read_text(encoding='utf-8', errors='replace').strip()})"
    except OSError:
        return ""
