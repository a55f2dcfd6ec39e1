"""SIGTERM and SIGINT: the monitor is asked to stop, and ended if it cannot."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any, Final, Self

from hlmon.deadline import LIMIT
from hlmon.monitor.ending import end_now

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
LATEST_END_SECONDS: Final = 18.5  # of the 20 promised
LATE: Final = 4  # the exit code if the monitor itself could not end; docs/commands.md


class Stop:
    """Whether the monitor shall stop. `ask` may be called from any thread, also before anybody waits."""

    def __init__(self) -> None:
        self.is_asked = False
        self._wake: Callable[[], object] | None = None

    def ask(self) -> None:
        """It shall, and derivers get little time from now on."""
        self.is_asked = True
        LIMIT.hurry()
        if self._wake is not None:
            with suppress(RuntimeError):  # the loop is closed: it has stopped
                self._wake()

    async def wait(self) -> None:
        """Until it is asked for; for one waiter."""
        asked = asyncio.Event()
        self._wake = partial(asyncio.get_running_loop().call_soon_threadsafe, asked.set)
        if not self.is_asked:
            await asked.wait()


class StopSignals:
    """SIGTERM and SIGINT on a thread of its own, which hears them also while a plugin keeps the main thread.

    The first one asks to stop; if the context has not ended 18.5 s later, the process does. For the main thread only.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._over = threading.Event()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._fd_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _heard_elsewhere) for number in SIGNALS}
        threading.Thread(target=self._listen, name="stop signals", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._fd_before)
        os.close(self._write)

    def _listen(self) -> None:
        """To the end of the context: whatever signal comes, somebody must take it out of the pipe."""
        with open(self._read, "rb", buffering=0) as pipe:  # noqa: PTH123  # a descriptor, no path
            while numbers := pipe.read(64):
                if not self._stop.is_asked and not set(SIGNALS).isdisjoint(numbers):
                    self._stop.ask()
                    threading.Thread(target=self._end_late, name="latest end", daemon=True).start()

    def _end_late(self) -> None:
        if not self._over.wait(LATEST_END_SECONDS):
            end_now(LATE, "the monitor could not end in time; what it had not stored is read back after the start")


def _heard_elsewhere(_number: int, _frame: FrameType | None) -> None:
    """The descriptor gets the number; without a handler the signal would end the process."""
