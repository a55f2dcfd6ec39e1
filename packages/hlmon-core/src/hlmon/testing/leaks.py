"""What a part leaves behind that was closed: threads, and open files or connections."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hlmon.testing.promises import check

_TIMES: Final = 3
_PATIENCE_SECONDS: Final = 2.0  # what is closed may take a moment to end, the other side of it too
_DESCRIPTORS: Final = Path("/dev/fd")

CLOSED: Final = "closing a part ends every thread that it started and every file and connection that it opened"
BECAUSE: Final = "a part that failed is closed and opened again for as long as the monitor runs, for months"


def check_closed(use: Callable[[], object]) -> None:
    """Raise BrokenPromise if each call, which opens, uses and closes a part and returns it, leaves something behind."""
    __tracebackhide__ = True
    held = [use()]  # what is made once, and kept, is none of ours
    before = _Open()
    held += [use() for _ in range(_TIMES)]
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (left := _Open().since(before)) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.02)
    check(not left, CLOSED, because=BECAUSE, seen=f"opened and closed {_TIMES} times it left {left}")


class _Open:
    def __init__(self) -> None:
        self._threads = set(threading.enumerate())
        self._descriptors = {int(each.name) for each in _DESCRIPTORS.iterdir()} if _DESCRIPTORS.exists() else set()

    def since(self, before: _Open) -> str:
        """What is open now and was not; less than one of a kind for each time may be anybody's."""
        threads = sorted(thread.name for thread in self._threads - before._threads)
        descriptors = len(self._descriptors) - len(before._descriptors)
        left = [f"the threads {', '.join(threads)}"] if len(threads) >= _TIMES else []
        return " and ".join([*left, f"{descriptors} open files or connections"][: len(left) + (descriptors >= _TIMES)])
