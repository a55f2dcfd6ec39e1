"""What every courier has: a thread, patience with its plugin, an orderly end, a status."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Literal, Protocol

from hlmon.delivery.policy import Backoff, full_jitter, quarantined
from hlmon.delivery.rejected import Retries, Retry, recording
from hlmon.errors import Permanent, Transient, text_of
from hlmon.events import Event, Quarantined
from hlmon.journal import Entry
from hlmon.status import ComponentState, ComponentStatus, FollowerStatus


class Life(Protocol):
    """What surrounds the calls of a plugin, on the courier's thread. Each may raise whatever the plugin raises."""

    def open(self) -> None:
        """Make it ready to be called; called again after it raised."""

    def close(self) -> None:
        """It is not called any more."""

    def abandon(self) -> None:
        """From another thread: whatever call is under way, the courier goes on at once."""


class AlwaysOpen:
    """The life of what needs none."""

    def open(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def abandon(self) -> None:
        """Nobody waits."""


Wait = Callable[[threading.Event, float], bool]

HANGING_AFTER_MS: Final = 60_000
PATIENCE_WITH_BATCH: Final = 3
PATIENCE_WITH_ONE: Final = 10
MOST_REFUSED_IN_A_ROW: Final = 20
"""So many different events that are refused one after the other are not all bad: it is the plugin's place that is."""
IDLE_S: Final = 0.5  # how late an idle courier notices that it shall stop
LAST_WAIT_S: Final = 0.5  # for what a courier has still to do when nothing hinders it any more
DRAINING_WAIT_S: Final = 1.0

_logger = logging.getLogger(__name__)


def now_ms() -> int:
    """This machine's clock."""
    return time.time_ns() // 1_000_000


class GivenUp(Exception):
    """The time to stop is over."""


class Courier(ABC):
    """Calls one plugin from a thread of its own, again and again until it accepts or refuses.

    - Transient, OSError: the same events again after `backoff`, for ever; fewer at once if that goes on.
    - Permanent: the events are refused; a record of a single one goes to `quarantine`, which must be durable on return.
      After 20 in a row nothing more is set aside until one is accepted: a store or a service that refuses everything is
      at fault itself, and somebody puts it right.
    - Any other exception is a bug in the plugin. It may be about one event or, untranslated, about an outage. So it is
      treated as transient first (three times for a batch, ten times, some minutes, for an event alone) and then as
      permanent: a bad event does not stop the others for ever, a short outage loses nothing.
    """

    def __init__(
        self,
        name: str,
        deliver: Callable[[Sequence[Any]], None],
        *,
        part: Literal["sink", "notifier"],
        quarantine: Callable[[Quarantined], None],
        backoff: Backoff | None = None,
        clock_ms: Callable[[], int] = now_ms,
        steady_ms: Callable[[], int] | None = None,
        wait: Wait = threading.Event.wait,
        life: Life | None = None,
        kind: str = "",
        retries: Retries | None = None,
    ) -> None:
        """`kind` is the plugin's type as the user writes it, `retries` what it is to be given again.

        `steady_ms` measures ages: it never steps, as `clock_ms`, the wall clock, may.
        """
        self.name = name
        self.cursor_name = f"{part}.{name}"
        self._part = part
        self._deliver = deliver
        self._quarantine = recording(quarantine, retries) if retries else quarantine
        self._retries = retries
        self._backoff = backoff or full_jitter()
        self._clock_ms = clock_ms
        self._steady_ms = steady_ms or clock_ms
        self._wait = wait
        self.life: Life = life or AlwaysOpen()
        self._kind = kind
        self._state: ComponentState = "starting"
        self._state_since_ms = self._steady_ms()
        self._failures = 0
        self._next_try_ms: int | None = None
        self.tried = threading.Event()
        """Set as soon as it is known whether the plugin can be opened."""
        self._last_ack_ms = 0
        self._idle_ms = self._state_since_ms  # when it was last seen with nothing to deliver
        self._failing_since_ms: int | None = None
        self._calling_since_ms: int | None = None
        self._error = ""
        self._refused_in_a_row = 0
        self._draining = threading.Event()
        self._over = threading.Event()
        # A daemon: a plugin that hangs must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name=f"follower {self.cursor_name}", daemon=True)

    @abstractmethod
    def deliver_next(self) -> bool:
        """Deliver what is next; returns whether there may be more to do at once."""

    @abstractmethod
    def _rest(self) -> None:
        """Wait until there may be something to do, at most for `IDLE_S`."""

    @abstractmethod
    def _save(self) -> None:
        """Make durable how far it is."""

    @abstractmethod
    def _lag(self) -> int:
        """How many events it is behind."""

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def drain(self) -> None:
        """Deliver what can be delivered now, with short waits between attempts, and then end. Returns at once."""
        self._draining.set()

    def stop(self, timeout: float) -> bool:
        """Drain for at most `timeout` seconds; returns whether everything was delivered.

        A plugin that is still inside its call is then left to itself. The rest is delivered after the next start.
        """
        self.drain()
        self._thread.join(max(timeout, 0.0))
        hangs = self._thread.is_alive() and self._calling_since_ms is not None
        self._over.set()
        self.life.abandon()
        self._thread.join(LAST_WAIT_S)
        if hangs or self._thread.is_alive():
            _logger.warning("%s %s did not return in time and is left to itself", self._part, self.name)
        return not self._thread.is_alive() and self._lag() == 0

    def component(self) -> ComponentStatus:
        """What it is doing, and since when; with the reason and the next try if it fails."""
        failing_since_ms, error = self._trouble()
        since_ms = self._state_since_ms if failing_since_ms is None else failing_since_ms
        to_wall_ms = self._clock_ms() - self._steady_ms()
        next_try_ms = None if failing_since_ms is None else self._next_try_ms
        is_failing = failing_since_ms is not None and self._state != "stopped"
        return ComponentStatus(
            name=self.name,
            part=self._part,
            type=self._kind,
            state="failing" if is_failing else self._state,
            since_ms=since_ms + to_wall_ms,
            why=error,
            next_try_ms=None if next_try_ms is None else next_try_ms + to_wall_ms,
            failures=self._failures,
        )

    def _trouble(self) -> tuple[int | None, str]:
        """Since when it fails, if it does, and why."""
        since_ms, failing_since_ms, error = self._calling_since_ms, self._failing_since_ms, self._error
        if since_ms is not None and (running_ms := self._steady_ms() - since_ms) > HANGING_AFTER_MS:
            return failing_since_ms or since_ms, f"hanging: a call has been running for {running_ms // 1000} s"
        return failing_since_ms, error

    def status(self) -> FollowerStatus:
        """How it is now; a call that has been running for more than 60 s is reported as hanging."""
        failing_since_ms, error = self._trouble()
        steady_ms, lag, due_ms = self._steady_ms(), self._lag(), self._oldest_due_ms()
        to_wall_ms = self._clock_ms() - steady_ms
        if not lag:
            self._idle_ms = steady_ms
        return FollowerStatus(
            name=self.name,
            part=self._part,
            lag=lag,
            last_ack_ms=self._last_ack_ms and self._last_ack_ms + to_wall_ms,
            failing_since_ms=None if failing_since_ms is None else failing_since_ms + to_wall_ms,
            error=error,
            behind_since_ms=max(self._last_ack_ms, self._idle_ms) + to_wall_ms if lag else None,
            oldest_due_ms=due_ms,
        )

    def _redeliver(self) -> None:
        """Deliver what was refused once and somebody asks for."""
        if self._retries is None:
            return
        for retry, event in self._retries.due(self._steady_ms()):
            self._deliver_again(self._retries, retry, event)

    @abstractmethod
    def _deliver_again(self, retries: Retries, retry: Retry, event: Event) -> None:
        """Deliver this event out of turn."""

    def _oldest_due_ms(self) -> int | None:
        """By the wall clock: since when the oldest alert waits that nothing holds back; None without one."""
        return None

    @property
    def _refuses_everything(self) -> bool:
        return self._refused_in_a_row >= MOST_REFUSED_IN_A_ROW

    def _accepted(self) -> None:
        """The plugin has taken something just now."""
        self._failing_since_ms, self._error, self._refused_in_a_row = None, "", 0
        self._last_ack_ms = self._steady_ms()

    def _call_failed(self, error: BaseException) -> None:
        """A call raised this; a fault of the plugin is told with its traceback."""
        self._failed(error)
        if not is_expected(error) and not self._over.is_set():
            _logger.error("%s %s raised what it should not", self._part, self.name, exc_info=error)

    def _refused(self, entries: Sequence[Entry]) -> None:
        """The plugin has refused these just now."""
        self._refused_in_a_row += len(entries) == 1

    def _call(self, events: Sequence[Event]) -> BaseException | None:
        """One call; what it raised, None if it has taken the events."""
        return self._ask(partial(self._deliver, events))

    def _ask(self, call: Callable[[], None]) -> BaseException | None:
        """Call the plugin; whatever it raises is returned."""
        self._calling_since_ms = self._steady_ms()
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - also SystemExit: whatever a plugin raises ends here
            return error
        finally:
            self._calling_since_ms = None
        return None

    def _set_aside(self, event: Event) -> str:
        """Record that the event was refused, and return why."""
        reason, self._error, self._failing_since_ms = self._error, "", None
        _logger.error("%s %s refused %s for good: %s", self._part, self.name, " ".join(event.name), reason)
        if not isinstance(event, Quarantined):  # a record of a refused record would be refused as well, for ever
            self._quarantine(quarantined(event, self.name, reason))
        if self._refuses_everything:
            self._failing_since_ms = self._steady_ms()
            self._error = _refuses_everything(reason)
            _logger.error("%s %s %s", self._part, self.name, self._error)
        return reason

    def _failed(self, error: BaseException) -> None:
        text = text_of(error)
        if self._refuses_everything and isinstance(error, Permanent):
            text = _refuses_everything(text)
        if self._failing_since_ms is None:
            self._failing_since_ms = self._steady_ms()
            _logger.warning("%s %s fails: %s", self._part, self.name, text)
        self._error = text
        self._failures += 1

    def _pause(self, attempt: int, retry_after: float | None = None) -> None:
        """Wait before the next attempt; draining cuts it short, so that the time left is used."""
        seconds = self._backoff(attempt, retry_after)
        self._next_try_ms = self._steady_ms() + round(seconds * 1000)
        if self._draining.is_set():
            self._sleep(self._over, min(seconds, DRAINING_WAIT_S))
        else:
            self._sleep(self._draining, seconds)
        self._next_try_ms = None

    def _sleep(self, until: threading.Event, seconds: float) -> None:
        self._wait(until, seconds)

    def _run(self) -> None:
        try:
            if self._opens():
                self._is_now("running")
                self._deliver_all()
        finally:
            if (error := self._ask(self.life.close)) is not None and not self._over.is_set():
                _logger.warning("%s %s failed while it was closed: %s", self._part, self.name, text_of(error))
            self._is_now("stopped")

    def _is_now(self, state: ComponentState) -> None:
        self._state, self._state_since_ms = state, self._steady_ms()

    def _opens(self) -> bool:
        """Open the plugin, again and again if need be; False if it is to stop before that."""
        attempt = 0
        while (error := self._ask(self.life.open)) is not None:
            self._failed(error)
            self.tried.set()
            if self._draining.is_set():
                return False
            self._pause(attempt, error.retry_after if isinstance(error, Transient) else None)
            attempt += 1
        self._failing_since_ms, self._error = None, ""
        self.tried.set()
        return True

    def _deliver_all(self) -> None:
        attempt = 0
        while not self._over.is_set():
            try:
                draining = self._draining.is_set()  # before delivering: what was appended before it goes out still
                more = self.deliver_next()
                if attempt:  # the journal is well again
                    self._failing_since_ms, self._error = None, ""
                attempt = 0
                if not more and draining:
                    self._save()
                    return
                if not more:
                    self._rest()
            except GivenUp:
                return
            except Exception as error:  # noqa: BLE001 - the journal itself: a full disk, for instance
                self._failed(error)
                self._pause(attempt)
                attempt += 1


def is_expected(error: BaseException) -> bool:
    """Whether a plugin may raise it."""
    return isinstance(error, Permanent | Transient | OSError)


def retry_after_of(error: BaseException) -> float | None:
    """The wait in seconds that the other side asked for, if it did."""
    return error.retry_after if isinstance(error, Transient) else None


def _refuses_everything(reason: str) -> str:
    return (
        f"refused {MOST_REFUSED_IN_A_ROW} different events in a row, so it is not they that are wrong ({reason}): "
        "put it right, then run `hlmon rejected retry`; nothing more is set aside until one is accepted"
    )
