"""Who watches the watcher: a ping while all is well, so that its absence tells of a dead monitor, and /healthz.

`reasons` and `Rhythm` are pure; the ping and the HTTP server are loaded only where the config asks for them.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from hlmon.status import Status
from hlmon.watchdog.gaps import OpenGaps
from hlmon.watchdog.reasons import STALE_MS, STUCK_MS, reasons, uncommitted
from hlmon.watchdog.rhythm import Rhythm, Signal
from hlmon.watchdog.section import WatchdogSection
from hlmon.watchdog.skew import SET_CLOCK, TOLD_SKEW_MS, skew_text

__all__ = [
    "SET_CLOCK",
    "STALE_MS",
    "STUCK_MS",
    "TOLD_SKEW_MS",
    "OpenGaps",
    "Rhythm",
    "Signal",
    "Watchdog",
    "WatchdogSection",
    "prove",
    "reasons",
    "skew_text",
    "uncommitted",
    "watching",
]

LOOK_SECONDS: Final = 5.0

Ping = Callable[[Signal, str], str]
"""Sends a signal with a text; returns "" or why it did not arrive."""
Wait = Callable[[threading.Event, float], bool]

_log = logging.getLogger(__name__)


def _steady_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def prove(section: WatchdogSection) -> list[str]:
    """What a run will do, in lines; sends nothing. Raises ConfigError if the ping URL is not there or is none."""
    lines = []
    if section.ping_url is not None:
        from hlmon.watchdog.ping import Pinger

        Pinger(section.ping_url)
        lines.append(f"watchdog: a ping every {section.ping_seconds} s to the URL in {section.ping_url.reference}")
    if section.healthz is not None:
        lines.append(f"watchdog: http://{section.healthz}/healthz")
    return lines


class Watchdog:
    """Looks at what the monitor last said of itself; what it said too long ago counts as a reason, not as news.

    `clock_ms` is a clock that never steps: how old the status is does not depend on what time it is.
    """

    def __init__(self, *, clock_ms: Callable[[], int] = _steady_ms) -> None:
        self._clock_ms = clock_ms
        self._seen: tuple[Status, int] | None = None

    def see(self, status: Status) -> None:
        """What the monitor says of itself now; call it every few seconds, from any thread."""
        self._seen = (status, self._clock_ms())

    def reasons(self) -> list[str]:
        """Why not all is well now; empty if it is."""
        if self._seen is None:
            return reasons(None, now_ms=0)
        status, seen_ms = self._seen
        return reasons(status, now_ms=status.updated_ms + self._clock_ms() - seen_ms)

    def look(self, rhythm: Rhythm, ping: Ping, now: float) -> None:
        """Send the signal that is due, if any."""
        found = self.reasons()
        signal = rhythm.due(now, well=not found)
        if signal is None:
            return
        why_not = ping(signal, "\n".join(found) if signal == "fail" else "")
        if not why_not:
            rhythm.sent(signal, now)
            return
        rhythm.missed(now)
        _log.warning("the ping %r of the watchdog did not arrive: %s", signal, why_not)


@contextmanager
def watching(
    section: WatchdogSection,
    *,
    clock: Callable[[], float] = time.monotonic,
    wait: Wait = threading.Event.wait,
) -> Iterator[Watchdog]:
    """Answer at `healthz` and ping `ping_url` meanwhile, as far as they are configured; `fail` when an error ends it.

    Raises ConfigError if the address is taken or the secret is not there.
    """
    watchdog = Watchdog()
    with ExitStack() as stack:
        if section.ping_url is not None:  # first, so that it tells of whatever else cannot be opened
            from hlmon.watchdog.ping import Pinger

            rhythm = Rhythm(section.ping_seconds, clock())
            stack.enter_context(_pinging(watchdog, Pinger(section.ping_url), rhythm, clock, wait))
        if section.healthz is not None:
            from hlmon.watchdog.healthz import answering

            stack.enter_context(answering(section.healthz, watchdog.reasons))
        yield watchdog


@contextmanager
def _pinging(watchdog: Watchdog, ping: Ping, rhythm: Rhythm, clock: Callable[[], float], wait: Wait) -> Iterator[None]:
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            watchdog.look(rhythm, ping, clock())
            wait(over, LOOK_SECONDS)

    thread = threading.Thread(target=run, name="watchdog", daemon=True)
    thread.start()
    ended_by: Exception | None = None
    try:
        yield
    except Exception as error:
        ended_by = error
        raise
    finally:
        over.set()
        thread.join(1.0)  # a ping that hangs is left to itself
        if ended_by is not None and (why_not := ping("fail", f"the monitor ended: {ended_by}")):
            _log.warning("the ping 'fail' of the watchdog did not arrive: %s", why_not)
