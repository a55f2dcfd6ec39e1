"""When to commit: as soon as the event loop has nothing more to read, less often under load."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hlmon.errors import JournalBusy

MAX_WAIT_S = 0.25
BUSY_WAIT_S = 0.5


class IdleSchedule:
    """Runs a flush once the loop is idle, and leaves it as much time between two flushes as the last one took.

    One that finds the journal locked by another program is run again, half a second later, until it is not.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failed: asyncio.Future[None] | None = None
        self._early: Callable[[], None] | None = None
        self._not_before = 0.0

    def start(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """Use this loop from now on. The future is done only when a flush fails, and raises its error."""
        self._loop, self._failed = loop, loop.create_future()
        if self._early is not None:
            self(self._early)
        return self._failed

    def __call__(self, flush: Callable[[], None]) -> None:
        """Run `flush` soon; called once whenever something becomes pending. Before `start` it waits for that."""
        if self._loop is None:
            self._early = flush
            return
        wait = self._not_before - self._loop.time()
        if wait <= 0:
            # A loop that still has frames to hand out does not come to this before it ran out of them.
            self._loop.call_soon(self._run, self._loop, flush)
        else:
            self._loop.call_later(wait, self._run, self._loop, flush)

    def _run(self, loop: asyncio.AbstractEventLoop, flush: Callable[[], None]) -> None:
        began = loop.time()
        try:
            flush()
        except JournalBusy:
            loop.call_later(BUSY_WAIT_S, self._run, loop, flush)
        except Exception as error:  # noqa: BLE001 - whoever waits for the future ends the monitor with it
            if self._failed is not None and not self._failed.done():
                self._failed.set_exception(error)
        finished = loop.time()
        self._not_before = finished + min(finished - began, MAX_WAIT_S)
