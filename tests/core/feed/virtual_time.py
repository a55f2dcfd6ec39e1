"""A time that passes only when a test says so."""

from __future__ import annotations

import asyncio
import heapq
import itertools

from hlmon.hyperliquid.clock import Clock

START_MS = 1_700_000_000_000


class VirtualTime:
    """Seconds that pass by `advance` only; with `hurried`, every sleep passes at once."""

    def __init__(self, *, hurried: bool = False) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._hurried = hurried
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self.clock = Clock(
            now=lambda: self.now,
            sleep=self.sleep,
            wall=lambda: START_MS / 1000 + self.now,
            chance=lambda: 0.5,
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self._hurried:
            self.now += seconds
            assert self.now < 1_000_000, "what is waited for never comes"
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            self.now, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
                await settle()
        self.now = end
        await settle()


async def settle() -> None:
    """Let everything run that can, frames on their way over the loopback included."""
    for _ in range(30):
        await asyncio.sleep(0)


async def until(condition) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("this never became true")
