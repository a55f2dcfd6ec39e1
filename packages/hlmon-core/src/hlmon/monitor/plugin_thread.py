"""A thread on which nothing but one plugin's code runs, so that whoever calls it need not wait for ever."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from hlmon.errors import Transient

_log = logging.getLogger(__name__)


class Abandoned(Transient):
    """The call has not returned, and nobody waits for it any more; it may still do what it was to do."""

    def __init__(self) -> None:
        super().__init__("the call was abandoned")


class PluginThread:
    """Calls functions one after the other; a daemon, since one that hangs must not keep the process alive.

    It never touches the journal: one that was abandoned may wake at any time, also while the journal is closed.
    """

    def __init__(self, name: str, last: Callable[[], None]) -> None:
        """`last` is what it does before it ends, also when it was abandoned and came back after all."""
        self._last = last
        self._calls: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._waited_for: Future[Any] | None = None
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def call(self, function: Callable[[], Any], timeout: float | None = None) -> Any:
        """What the function returns or raises, be it a BaseException; Abandoned after `timeout` seconds or `abandon`.

        One call at a time. After Abandoned the thread is of no more use.
        """
        future: Future[Any] = Future()
        self._waited_for = future
        if self._abandoned:
            raise Abandoned()
        self._calls.put((function, future))
        try:
            return future.result(timeout)
        except TimeoutError:
            if future.done():  # the function's own
                return future.result()
            self.abandon()
            raise Abandoned() from None

    def abandon(self) -> None:
        """Wait no more for the present call, nor for any other; the thread ends as soon as it can."""
        self._abandoned = True
        if (future := self._waited_for) is not None:
            with suppress(InvalidStateError):
                future.set_exception(Abandoned())
        self._calls.put(None)

    def end(self) -> None:
        """Do what is last; returns when that is done, or when it is abandoned."""
        if not self._abandoned:
            try:
                self.call(self._last)
            finally:
                self._last = _nothing
                self._calls.put(None)

    def _run(self) -> None:
        for function, future in iter(self._calls.get, None):
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001  # also SystemExit: whatever a plugin raises ends here
                with suppress(InvalidStateError):
                    future.set_exception(error)
            else:
                with suppress(InvalidStateError):
                    future.set_result(result)
        try:
            self._last()
        except BaseException:  # noqa: BLE001  # as above
            _log.warning("%s failed while it was closed", self._thread.name, exc_info=True)


def _nothing() -> None:
    pass
