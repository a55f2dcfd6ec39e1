"""A time limit for calls of the main thread into plugins, which nothing else can go on beside.

Whatever else a plugin does happens on a thread of its own and is left to itself when it hangs. An import, a hook and a
deriver run on the main thread, so they are interrupted there, by a signal.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from threading import get_ident
from typing import Final

OPEN_SECONDS: Final = 30.0
"""How long an import, a hook, an open or a close may take."""
CALL_SECONDS: Final = 10.0
"""How long a deriver may take for one event; it needs microseconds."""
HURRIED_SECONDS: Final = 2.0
TICK_SECONDS: Final = 0.5

_MAIN: Final = threading.main_thread().ident
_SIGNAL: Final = signal.SIGURG  # ignored unless it is handled: one that comes too late harms nobody


class Overdue(BaseException):
    """The call has taken too long and is over.

    No Exception, so that a plugin which swallows every Exception does not swallow this one.
    """


class Limit:
    """What the main thread is calling, as far as it is limited. Other threads' calls are not.

    On the hot path whoever has it from `limit_here` counts `number` up and sets `seconds` himself, and back to 0 after.
    """

    __slots__ = ("_late", "_most", "_started", "number", "seconds")

    def __init__(self) -> None:
        self._most = inf
        self.number = 0  # of the call, so that two short ones are not taken for one long one
        self.seconds = 0.0  # 0 outside of calls
        self._late = 0
        self._started = False

    def begin(self, seconds: float) -> None:
        """A call begins; inside it Overdue is raised after this time. To be followed by `end`, whatever happens."""
        if get_ident() == _MAIN:
            self.number += 1
            self.seconds = seconds
            if not self._started:
                self._start()

    def end(self) -> None:
        """The call is over."""
        if get_ident() == _MAIN:
            self.seconds = 0.0

    def hurry(self) -> None:
        """From now on no call gets more than 2 s, also one that has begun: the monitor is about to stop."""
        self._most = HURRIED_SECONDS

    def relax(self) -> None:
        """Each call gets its own time again."""
        self._most = inf

    def _start(self) -> None:
        self._started = True
        signal.signal(_SIGNAL, self._interrupt)
        threading.Thread(target=self._watch, name="deadlines", daemon=True).start()

    def _watch(self) -> None:
        """Counts its own ticks: when the whole process was frozen, nobody is late for it."""
        number, ticks = 0, 0
        while True:
            time.sleep(TICK_SECONDS)
            if self.number != number or not self.seconds:
                number, ticks = self.number, 0
                continue
            ticks += 1
            if ticks * TICK_SECONDS >= min(self.seconds, self._most) > 0:
                self._late = number
                signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)  # again each tick: it may be swallowed

    def _interrupt(self, *_: object) -> None:
        if self.seconds and self.number == self._late:
            raise Overdue(f"it did not return within {min(self.seconds, self._most):.0f} s")


LIMIT: Final = Limit()


def limit_here() -> Limit:
    """The limit of the main thread if this is it; else one that nobody watches."""
    if get_ident() != _MAIN:
        return Limit()
    LIMIT.begin(OPEN_SECONDS)
    LIMIT.end()
    return LIMIT


@contextmanager
def limited(seconds: float = OPEN_SECONDS) -> Iterator[None]:
    """Inside, on the main thread, Overdue is raised after this time; not to be nested."""
    try:
        LIMIT.begin(seconds)
        yield
    finally:
        LIMIT.end()


def is_interrupt(error: BaseException) -> bool:
    """Whether this is the user's Ctrl-C: it reaches the main thread only, and only while nobody else handles it."""
    return (
        isinstance(error, KeyboardInterrupt)
        and get_ident() == _MAIN
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
