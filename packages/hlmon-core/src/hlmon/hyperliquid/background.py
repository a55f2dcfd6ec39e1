"""Work that goes on beside the socket: what fails begins again, and stops nothing else."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from hlmon.errors import JournalError
from hlmon.hyperliquid.clock import Clock

AGAIN_SECONDS: Final = 10.0
TOLD_SECONDS: Final = 300.0  # a failure is a problem of the monitor for so long

_log = logging.getLogger(__name__)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The exception itself, or those in the group that it is."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from causes(inner)
    else:
        yield error


class Background:
    """Keeps named work going. Only cancellation, a JournalError and its own return end it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[str, tuple[float, str]] = {}

    async def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` until it returns; 10 s after whatever it raised, again from its beginning."""
        while True:
            try:
                await work()
            except Exception as error:
                found = list(causes(error))
                if fatal := next((cause for cause in found if isinstance(cause, JournalError)), None):
                    raise fatal from error
                _log.error("the part %r of the feed failed and begins again", name, exc_info=error)
                self._failures[name] = (self._clock.now(), f"{type(found[0]).__name__}: {found[0]}")
                await self._clock.sleep(AGAIN_SECONDS)
            else:
                return

    def problems(self) -> list[str]:
        """What failed lately, as sentences for the user."""
        now = self._clock.now()
        return [
            f"a part of the feed ({name}) failed and began again, please report it with the log: {text}"
            for name, (moment, text) in self._failures.items()
            if now - moment < TOLD_SECONDS
        ]
