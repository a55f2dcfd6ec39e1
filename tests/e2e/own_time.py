"""A story's own time: seconds in which this machine ran what wanted to run.

A bound in seconds of the wall is a bound on the machine: while other programs have the processor, a monitor that would
act at once cannot. So a second here is ten sleeps of a tenth, each counted as that, however long it truly was. On an
idle machine this is the time of the wall, less about a thousandth.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

TICK_S = 0.1


def waited_s(pid: int) -> float:
    """For how many seconds a process, its main thread, wanted a processor and got none; 0 where no kernel tells."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    return 0.0


class OwnTime:
    """Counts its seconds in a thread, from entering to leaving."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._ticks = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._count, name="own-time", daemon=True)

    def __enter__(self) -> OwnTime:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def now(self) -> float:
        """Seconds since it was entered."""
        return self._ticks * TICK_S

    def _count(self) -> None:
        while not self._ended.is_set():
            self._sleep(TICK_S)
            self._ticks += 1
