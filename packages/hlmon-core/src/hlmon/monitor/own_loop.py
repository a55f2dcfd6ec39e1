"""A plugin's source, on a thread and an event loop of its own: blocking code in it keeps nobody else."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from hlmon.contract import Ingest, ReportsStatus, Settings, Source
from hlmon.delivery import Backoff
from hlmon.errors import HlmonError, text_of
from hlmon.events import Event
from hlmon.monitor.life import Life, steady_ms
from hlmon.parts import EnabledPart
from hlmon.status import ComponentStatus, SourceStatus

SILENT_MS: Final = 30_000
SETTLED_SECONDS: Final = 10.0

_log = logging.getLogger(__name__)


class SourceThread:
    """Opens a source, runs it, and starts it again after a pause whenever it fails, until it is stopped.

    What it gives is admitted on the loop on which `start` was called. Other methods are for that loop's thread too.
    """

    def __init__(self, part: EnabledPart[Any], settings: Settings, ingest: Ingest, backoff: Backoff) -> None:
        self._part = part
        self._settings = settings
        self._ingest = ingest
        self._backoff = backoff
        self.life = Life("source", part.name, part.factory.name)
        self._loop: asyncio.AbstractEventLoop | None = None  # the plugin's, while it runs
        self._task: asyncio.Task[Any] | None = None
        self._running: Source | None = None
        self._said: SourceStatus | None = None
        self._speechless = ""  # why it cannot say anything
        self._heard_ms = steady_ms()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"source {part.name}", daemon=True)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin; `loop` is where events are admitted."""
        self._host = _Host(self._ingest, loop, self._stopping)
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end. Returns at once."""
        self._stopping.set()
        if self._loop is not None and self._task is not None:
            _call_on(self._loop, self._task.cancel)

    @property
    def has_ended(self) -> bool:
        """Whether its thread is over."""
        return not self._thread.is_alive()

    def leave(self) -> None:
        """Take nothing from it any more."""
        self._host.is_closed = True

    def component(self, now_ms: int) -> ComponentStatus:
        """How it is, with `now_ms` as the present; asks whether its loop still runs, so call it every few seconds."""
        status = self.life.status(now_ms)
        silent_ms = steady_ms() - self._heard_ms
        if self._loop is not None:
            _call_on(self._loop, self._say)
        elif status.state != "starting":
            return status
        if silent_ms > SILENT_MS and status.state in {"starting", "running"}:
            what = "its open has not returned" if self._loop is None else "it blocks its event loop"
            text = f"{what} for {silent_ms // 1000} s; if it stays so restart hlmon and tell the plugin's authors"
            return replace(status, state="failing", why=text, since_ms=now_ms - silent_ms)
        if self._speechless and status.state == "running":
            return replace(status, state="failing", why=self._speechless, since_ms=now_ms)
        return status

    def status(self) -> SourceStatus | None:
        """What it last said of itself, None if it says nothing."""
        return self._said

    def _say(self) -> None:
        self._heard_ms = steady_ms()
        if isinstance(self._running, ReportsStatus):
            try:
                self._said, self._speechless = _checked(self._running.status()), ""
            except BaseException as error:  # noqa: BLE001  # a broken plugin never stops the others
                self._said, self._speechless = None, f"it cannot say how it is: {text_of(error)}"

    def _run(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            self._heard_ms = steady_ms()
            try:
                with self._part.open_unnamed(self._settings) as source:
                    self._running = source
                    with asyncio.Runner() as runner:
                        runner.run(self._watch(source))
                        self._loop = None
                self._ended()
                break
            except BaseException as error:  # noqa: BLE001  # whatever a source raises, the others go on
                self._loop = self._running = self._said = None
                if self._stopping.is_set():
                    _log.warning("source %s failed while it was stopped: %s", self._part.name, text_of(error))
                    break
                if self.life.state == "running":
                    attempt = 0
                self._failed(error, self._backoff(attempt, None))
                attempt += 1
        self.life.is_now("stopped")

    async def _watch(self, source: Source) -> None:
        self._task = asyncio.current_task()
        self._loop = loop = asyncio.get_running_loop()
        self._say()
        # One that fails again and again is not running in between.
        loop.call_later(SETTLED_SECONDS if self.life.failures else 0, self.life.is_now, "running")
        if self._stopping.is_set():
            return
        try:
            await source.run(self._host)
        except asyncio.CancelledError:
            if not self._stopping.is_set():  # its own: nobody cancelled it
                raise
        finally:
            self._say()

    def _ended(self) -> None:
        """A finite input is over."""
        self._loop = self._running = None
        if not self._stopping.is_set():
            _log.info("source %s has come to its end", self._part.name)

    def _failed(self, error: BaseException, seconds: float) -> None:
        self.life.fails(text_of(error), seconds)
        _log.error(
            "source %s failed and will be started again in %.0f s: %s",
            self._part.name,
            seconds,
            text_of(error),
            exc_info=None if isinstance(error, HlmonError) else error,
        )
        self._stopping.wait(seconds)
        self.life.tries_again()


def _checked(said: object) -> SourceStatus:
    """A copy that is what its type says, since the monitor relies on it. Raises TypeError or ValidationError."""
    if not isinstance(said, SourceStatus):
        raise TypeError(f"status returned {type(said).__name__}, not SourceStatus")
    return msgspec.json.decode(msgspec.json.encode(said), type=SourceStatus)


class _Host:
    """The Ingest that a source on another thread has: each call waits until the monitor's loop has done it."""

    def __init__(self, ingest: Ingest, loop: asyncio.AbstractEventLoop, stopping: threading.Event) -> None:
        self._ingest = ingest
        self._loop = loop
        self._stopping = stopping
        self.is_closed = False

    def __call__(self, events: Iterable[Event], /) -> int:
        batch = list(events)  # what makes them is the plugin's code too
        return int(self._there(lambda: self._ingest(batch)))

    def states(self, kind: str, /) -> Sequence[Event]:
        """The events of this kind that are held now."""
        found: Sequence[Event] = self._there(lambda: self._ingest.states(kind))
        return found

    def _there(self, function: Callable[[], Any]) -> Any:
        answer: Future[Any] = Future()

        def call() -> None:
            try:
                if self.is_closed:
                    raise HlmonError("the monitor has stopped and takes nothing any more")
                answer.set_result(function())
            except BaseException as error:  # noqa: BLE001  # it is the source's, which called
                answer.set_exception(error)

        if not _call_on(self._loop, call):
            raise HlmonError("the monitor has stopped and takes nothing any more")
        return answer.result()


def _call_on(loop: asyncio.AbstractEventLoop, function: Callable[[], Any]) -> bool:
    """Whether the loop will call it; one that is closed will not."""
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError:
        return False
    return True
