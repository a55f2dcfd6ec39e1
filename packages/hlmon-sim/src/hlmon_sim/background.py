"""A simulated exchange with a thread of its own, for programs and tests that are not written with asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from hlmon_sim.server import SimServer

ResultT = TypeVar("ResultT")


class BackgroundServer:
    """Runs a server from `with` to its end. The world belongs to its thread: reach it through `do`."""

    def __init__(self, server: SimServer) -> None:
        self.server = server
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()], daemon=True)

    @property
    def url(self) -> str:
        """The REST base; the WebSocket is at its `/ws`."""
        return self.server.url

    def do(self, action: Callable[[], ResultT]) -> ResultT:
        """Run `action` on the server's thread, between two steps of the world, and return what it returns."""

        async def act() -> ResultT:
            return action()

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result()

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        async with self.server:
            self._started.set()
            await self._stop.wait()
