"""Runs of a source as the host does them, but bounded: how they ended, and where one stands that does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

from hlmon.contract import Source
from hlmon.testing.source_taken import Taken

STOP_SECONDS: Final = 5.0  # the host waits 9 s for all its sources together
STALL_SECONDS: Final = 0.25  # as long as the host leaves a burst uncommitted at most
_TURNS: Final = 100  # of the event loop: a run that has fed everything may end by itself

_stuck: list[asyncio.Runner] = []  # held, so that none is collected with a warning in a later test


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run ended. `seen` says where it stands if it does not; `left` are the tasks that it left running."""

    how: Literal["returned by itself", "raised", "was cancelled", "returned when cancelled", "went on"]
    seen: str
    error: BaseException | None = None
    left: Sequence[str] = ()


class Runs:
    """The runs of one open source, one after the other on one event loop as in the host.

    Each lasts until there is enough and is cancelled then. With `debug` asyncio logs each step above STALL_SECONDS.
    """

    def __init__(self, source: Source, *, patience_seconds: float, debug: bool = False) -> None:
        self.source = source
        self._patience_seconds = patience_seconds
        self._runner = asyncio.Runner(debug=debug)
        self._is_stuck = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._is_stuck:
            _stuck.append(self._runner)  # closing it would wait for the run
        else:
            self._runner.close()

    def __call__(self, taken: Taken) -> Ended:
        """Run the source until there is enough."""
        ended = self._runner.run(self._run(taken))
        self._is_stuck = ended.how == "went on"
        return ended

    async def _run(self, taken: Taken) -> Ended:
        asyncio.get_running_loop().slow_callback_duration = STALL_SECONDS
        task = asyncio.create_task(self.source.run(taken))
        ends = asyncio.create_task(taken.begin(task).wait())
        await asyncio.wait({task, ends}, timeout=self._patience_seconds, return_when=asyncio.FIRST_COMPLETED)
        ends.cancel()
        if not taken.cut:
            await _turns(task.done)
        cancelled = taken.stop()
        await asyncio.wait({task}, timeout=STOP_SECONDS)
        own = {ends, asyncio.current_task()}
        await _turns(lambda: asyncio.all_tasks() <= own)
        return _ended(task, cancelled=cancelled, left=[repr(other) for other in asyncio.all_tasks() - own - {task}])


async def _turns(enough: Callable[[], bool]) -> None:
    for _ in range(_TURNS):
        if enough():
            return
        await asyncio.sleep(0)


def _ended(task: asyncio.Task[None], *, cancelled: bool, left: Sequence[str]) -> Ended:
    if not task.done():
        return Ended(how="went on", seen=repr(task))
    if task.cancelled():
        return Ended(how="was cancelled", seen="CancelledError", left=left)
    error = task.exception()
    if error is not None:
        return Ended(how="raised", seen=f"{type(error).__name__}: {error}", error=error, left=left)
    if cancelled:
        return Ended(how="returned when cancelled", seen="CancelledError was swallowed", left=left)
    return Ended(how="returned by itself", seen="nothing", left=left)
