"""Time and chance as the feed sees them: passed in, so that a test lives through fifteen minutes in no time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

_BOOT_TIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
seconds: Callable[[], float] = time.monotonic if _BOOT_TIME is None else partial(time.clock_gettime, _BOOT_TIME)
"""Seconds that never go back, and go on while the machine is suspended where the system counts that."""


@dataclass(frozen=True)
class Clock:
    """`now` and `sleep` count seconds and never go back, `wall` is UTC in seconds, `chance` is uniform in [0, 1)."""

    now: Callable[[], float] = seconds
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    wall: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random

    def wall_ms(self, moment: float | None = None) -> int:
        """UTC milliseconds of this machine at `moment` (a past `now()`), or now; 0 for a moment of 0."""
        if moment == 0:
            return 0
        return int((self.wall() - (self.now() - moment if moment else 0)) * 1000)

    def jitter(self, attempt: int, *, first: float, cap: float) -> float:
        """Full jitter: anything between 0 and a limit that doubles from `first` with each attempt, up to `cap`."""
        return self.chance() * min(cap, first * 2.0 ** min(attempt, 16))

    async def within(self, seconds: float, awaited: asyncio.Future[Any]) -> bool:
        """Wait for `awaited`, but at most so long; whether it is done. It is not cancelled."""
        limit = asyncio.ensure_future(self.sleep(seconds))
        try:
            await asyncio.wait({awaited, limit}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            limit.cancel()
        return awaited.done()


REAL_TIME = Clock()
