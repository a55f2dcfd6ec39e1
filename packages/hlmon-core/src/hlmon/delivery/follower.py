"""The courier itself: one thread that brings a journal's events to one plugin."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, Literal

from hlmon.delivery.policy import Backoff, full_jitter, quarantined, settle
from hlmon.errors import Permanent, Transient
from hlmon.events import Event, Quarantined
from hlmon.journal import Entry, Journal
from hlmon.status import FollowerStatus

Wait = Callable[[threading.Event, float], bool]

HANGING_AFTER_MS: Final = 60_000
PATIENCE_WITH_BATCH: Final = 3
PATIENCE_WITH_ONE: Final = 10
_IDLE_S: Final = 0.5  # how late an idle follower notices that it shall stop
_DRAINING_WAIT_S: Final = 1.0
_UNSAVED_SKIPS: Final = 500

_logger = logging.getLogger(__name__)


def now_ms() -> int:
    """This machine's clock."""
    return time.time_ns() // 1_000_000


class _GivenUp(Exception):
    """The time to stop is over."""


class Follower:
    """Delivers a journal's events, in order, to one plugin.

    `deliver` gets at most `max_batch` events of `kinds` (None: all) that `wants` lets pass; its return is the ack.

    - Transient, OSError: the same events again after `backoff`, for ever.
    - Permanent: halved until the refused event stands alone; a record of it goes to `quarantine`, which must be durable
      on return, and the follower goes on.
    - Any other exception is a bug in the plugin. It may be about one event or, untranslated, about an outage. So it is
      treated as transient first (three times for a batch, ten times, some minutes, for an event alone) and then as
      permanent: a bad event does not stop the others for ever, a short outage loses nothing.

    After a batch that was not full it rests for `linger_ms`, so that a state which changes often meanwhile is delivered
    once; draining ends the rest.

    The cursor is saved after the plugin returned, also within a batch that is being halved; after a kill at most one
    batch comes again.
    """

    def __init__(
        self,
        name: str,
        journal: Journal,
        deliver: Callable[[Sequence[Any]], None],
        *,
        part: Literal["sink", "notifier"],
        quarantine: Callable[[Quarantined], None],
        kinds: Collection[str] | None = None,
        wants: Callable[[Event], bool] | None = None,
        max_batch: int = 500,
        linger_ms: int = 0,
        backoff: Backoff | None = None,
        clock_ms: Callable[[], int] = now_ms,
        wait: Wait = threading.Event.wait,
    ) -> None:
        self.name = name
        self._part = part
        self.cursor_name = f"{part}.{name}"
        self._journal = journal
        self._deliver = deliver
        self._quarantine = quarantine
        self._kinds = kinds
        self._wants = wants
        self._max_batch = max_batch
        self._linger_s = linger_ms / 1000
        self._backoff = backoff or full_jitter()
        self._clock_ms = clock_ms
        self._wait = wait
        self._cursor = self._saved = journal.cursor(self.cursor_name)
        self._last_ack_ms = 0
        self._failing_since_ms: int | None = None
        self._calling_since_ms: int | None = None
        self._error = ""
        self._draining = threading.Event()
        self._over = threading.Event()
        # A daemon: a plugin that hangs must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name=f"follower {self.cursor_name}", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def drain(self) -> None:
        """Deliver what the journal holds, with short waits between attempts, and then end. Returns at once."""
        self._draining.set()

    def stop(self, timeout: float) -> bool:
        """Drain for at most `timeout` seconds; returns whether everything was delivered.

        A plugin that is still inside its call is then left to itself. The rest is delivered after the next start.
        """
        self.drain()
        self._thread.join(max(timeout, 0.0))
        self._over.set()
        self._thread.join(0.1)
        if self._thread.is_alive():
            _logger.warning("%s %s did not return in time and is left to itself", self._part, self.name)
        return not self._thread.is_alive() and self._lag() == 0

    def status(self) -> FollowerStatus:
        """How it is now; a call that has been running for more than 60 s is reported as hanging."""
        since_ms, failing_since_ms, error = self._calling_since_ms, self._failing_since_ms, self._error
        if since_ms is not None and (running_ms := self._clock_ms() - since_ms) > HANGING_AFTER_MS:
            failing_since_ms = failing_since_ms or since_ms
            error = f"hanging: a call has been running for {running_ms // 1000} s"
        return FollowerStatus(
            name=self.name,
            part=self._part,
            lag=self._lag(),
            last_ack_ms=self._last_ack_ms,
            failing_since_ms=failing_since_ms,
            error=error,
        )

    def deliver_next(self) -> bool:
        """Deliver the next batch; returns whether there may be more behind it."""
        newest = self._journal.last_seq()  # before reading: what is appended meanwhile must stay ahead of the cursor
        entries = self._journal.read_after(self._cursor, kinds=self._kinds, limit=self._max_batch)
        wanted = [entry for entry in entries if self._wants is None or self._wants(entry.event)]
        for settled, accepted in settle(wanted, self._accepts):
            if not accepted:
                self._set_aside(settled[0].event)
            self._ack(settled[-1].seq)
        full = len(entries) == self._max_batch
        self._skip_to(max(entries[-1].seq if entries else 0, 0 if full else newest))
        return full

    def _accepts(self, entries: Sequence[Entry]) -> bool:
        """Call the plugin until it has taken the events (True) or refused them (False, `_error` says why)."""
        events = [entry.event for entry in entries]
        patience = PATIENCE_WITH_BATCH if len(events) > 1 else PATIENCE_WITH_ONE
        attempt = 0
        while (error := self._call(events)) is not None:
            self._failed(error)
            if isinstance(error, Permanent):
                return False
            if not isinstance(error, Transient | OSError):
                _logger.error("%s %s raised what it should not", self._part, self.name, exc_info=error)
                patience -= 1
                if patience < 0:
                    return False
            self._pause(attempt, error.retry_after if isinstance(error, Transient) else None)
            if self._over.is_set():
                raise _GivenUp
            attempt += 1
        self._failing_since_ms, self._error = None, ""
        return True

    def _call(self, events: Sequence[Event]) -> BaseException | None:
        self._calling_since_ms = self._clock_ms()
        try:
            self._deliver(events)
        except BaseException as error:  # noqa: BLE001 - also SystemExit: whatever a plugin raises ends here
            return error
        finally:
            self._calling_since_ms = None
        return None

    def _set_aside(self, event: Event) -> None:
        name = " ".join(event.name)
        _logger.error("%s %s refused %s for good: %s", self._part, self.name, name, self._error)
        if not isinstance(event, Quarantined):  # a record of a refused record would be refused as well, for ever
            self._quarantine(quarantined(event, self.name, self._error))
        self._failing_since_ms, self._error = None, ""

    def _failed(self, error: BaseException) -> None:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if self._failing_since_ms is None:
            self._failing_since_ms = self._clock_ms()
            _logger.warning("%s %s fails: %s", self._part, self.name, text)
        self._error = text

    def _pause(self, attempt: int, retry_after: float | None = None) -> None:
        """Wait before the next attempt; draining cuts it short, so that the time left is used."""
        seconds = self._backoff(attempt, retry_after)
        if self._draining.is_set():
            self._wait(self._over, min(seconds, _DRAINING_WAIT_S))
        else:
            self._wait(self._draining, seconds)

    def _rest(self) -> None:
        """Until there is more to deliver and the time to linger is over."""
        if self._linger_s:
            self._wait(self._draining, self._linger_s)
        self._journal.wait_beyond(self._cursor, _IDLE_S)

    def _ack(self, seq: int) -> None:
        self._cursor = seq
        self._save()
        self._last_ack_ms = self._clock_ms()

    def _skip_to(self, seq: int) -> None:
        """Pass over events that are not for this plugin; saved now and then only, since skipping again is cheap."""
        self._cursor = max(self._cursor, seq)
        if self._cursor - self._saved >= _UNSAVED_SKIPS:
            self._save()

    def _save(self) -> None:
        if self._cursor != self._saved:
            self._journal.ack(self.cursor_name, self._cursor)
            self._saved = self._cursor

    def _lag(self) -> int:
        return max(self._journal.last_seq() - self._cursor, 0)

    def _run(self) -> None:
        attempt = 0
        while not self._over.is_set():
            try:
                draining = self._draining.is_set()  # before delivering: what was appended before it goes out still
                more = self.deliver_next()
                attempt = 0
                self._failing_since_ms, self._error = None, ""
                if not more and draining:
                    self._save()
                    return
                if not more:
                    self._rest()
            except _GivenUp:
                return
            except Exception as error:  # noqa: BLE001 - the journal itself: a full disk, for instance
                self._failed(error)
                self._pause(attempt)
                attempt += 1
