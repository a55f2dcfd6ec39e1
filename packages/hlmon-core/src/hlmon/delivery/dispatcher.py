"""The courier of a notifier: sends what its outbox says is due, grouped, at a bounded pace."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from hlmon.delivery.courier import (
    DRAINING_WAIT_S,
    IDLE_S,
    PATIENCE_WITH_BATCH,
    PATIENCE_WITH_ONE,
    Courier,
    is_expected,
    retry_after_of,
)
from hlmon.delivery.delays import Delays
from hlmon.delivery.outbox import Outbox
from hlmon.delivery.policy import LONGEST_ASKED_WAIT_S, settle
from hlmon.delivery.rejected import Retries, Retry
from hlmon.errors import JournalError, Permanent
from hlmon.events import Alert, Event
from hlmon.journal import Entry
from hlmon.plain import plain_alert
from hlmon.routing import SEVERITIES, Group, NotifierPolicy, Pace, Waiting, condition_of, merged, plan, urgency

_NOT_STORED: Final = 0  # the place of an alert that the dispatcher itself makes
_SMALLEST_MERGER: Final = 2  # a message of so few alerts would be the summary of hardly anything
_LONGEST_PAUSE_S: Final = 30.0
_CROWD: Final = 20
_CROWD_REST_S: Final = 0.1


class _NotTaken(Exception):
    """The notifier did not take a message for now."""


class Dispatcher(Courier):
    """Sends alerts to one notifier: each group is one message, and is marked as sent after the notifier returned.

    A message that is not taken waits by itself while others are sent (see `delays`).

    So a kill loses nothing, and doubles only what was inside the send. Alerts that arrive during an outage are decided
    meanwhile and join what waits. Draining sends what is due, and groups that still waited for more; what is held, and
    what the pace forbids, stays in the outbox for the next start.
    """

    def __init__(
        self,
        outbox: Outbox,
        send: Callable[[Sequence[Any]], None],
        *,
        max_batch: int,
        policy: NotifierPolicy | None = None,
        fallback_of: Sequence[tuple[Outbox, float]] = (),
        **more: Any,
    ) -> None:
        """`fallback_of` are other notifiers' outboxes and after how many minutes this one helps out.

        `more` are further arguments of Courier, `quarantine` at least.
        """
        super().__init__(outbox.name, partial(_send_plain, send), part="notifier", **more)
        self._outbox = outbox
        self._max_batch = max_batch
        self._pace = Pace((policy or NotifierPolicy()).messages_per_minute)
        self._fallback_of = fallback_of
        self._delays = Delays(self._backoff)
        self._is_held_back = False  # something that was due had to wait for the pace
        self._next_ms: int | None = None
        self._waiting = 0
        self._due = 0  # alerts of which nothing but the notifier or its pace keeps us

    def deliver_next(self) -> bool:
        """Decide about what is new and send one message if one is due; whether there may be more to do at once."""
        now_ms = self._clock_ms()
        more = self._outbox.take_new(now_ms)
        for other, minutes in self._fallback_of:
            other.take_new(self._clock_ms())  # and then the time, so that nothing it decided is later
            self._outbox.take_over(other, round(minutes * 60_000), self._clock_ms())
        self._outbox.revisit(now_ms)
        self._redeliver()
        more = self._send_next(now_ms) or more
        self._tell_trouble()
        return more

    def _deliver_again(self, retries: Retries, retry: Retry, event: Event) -> None:
        if isinstance(event, Alert) and self._outbox.put_back(event, self._clock_ms()):
            retries.delivered(retry, self._clock_ms())
        else:
            retries.refused(retry, "it is no alert of the journal", self._clock_ms())

    def _send_next(self, now_ms: int) -> bool:
        waiting = self._outbox.waiting(now_ms, len(self._delays))
        self._delays.keep(waiting)
        steady_ms, longest_ms = self._steady_ms(), self._longest_delay_ms()
        new, again = self._delays.split(waiting, steady_ms, longest_ms)
        due, self._next_ms = plan(new, now_ms, at_once=self._draining.is_set())
        groups = [*due, *plan(again, now_ms, at_once=True)[0]]
        self._waiting = len(waiting)
        self._due = len(waiting) - len(new) + sum(map(len, due))
        busy_ms = self._delays.free_ms(longest_ms) - steady_ms
        if busy_ms > 0 and waiting:
            return self._wait_a_little(busy_ms)
        if not groups:
            next_ms = self._delays.next_ms(longest_ms)
            return next_ms is not None and self._wait_a_little(min(next_ms - steady_ms, IDLE_S * 1000))
        free_ms = self._pace.free_ms(now_ms)
        if free_ms > now_ms:
            self._is_held_back = True
            self._next_ms = free_ms
            return False
        first = min(groups, key=lambda group: (self._delays.doubt(group), urgency(group)))
        if self._is_held_back and len(due) > 1 and first in due and self._max_batch > _SMALLEST_MERGER:
            self._send_merged(due, now_ms)
        else:
            self._send([_entry(each) for each in self._delays.first_of(first, self._max_batch)])
        self._is_held_back = False
        return True

    def _wait_a_little(self, ms: float) -> bool:
        """Wait before the next attempt; whether there is time for one."""
        self._next_try_ms = self._delays.next_ms(self._longest_delay_ms())
        self._sleep(self._over if self._draining.is_set() else self._draining, max(ms, 1) / 1000)
        return not self._over.is_set()

    def _longest_delay_ms(self) -> int:
        return round(1000 * (DRAINING_WAIT_S if self._draining.is_set() else LONGEST_ASKED_WAIT_S))

    def _tell_trouble(self) -> None:
        trouble = self._delays.trouble()
        if trouble is not None:
            self._failing_since_ms, self._error = trouble
        elif not self._refuses_everything:
            self._failing_since_ms, self._error = None, ""

    def _send_merged(self, groups: Sequence[Group], now_ms: int) -> None:
        """Send what was held back as one message that begins with how much it is; what is too much follows later."""
        now, later = merged(groups, self._max_batch - 1)
        body = f"This notifier may send {self._pace.per_minute} messages a minute."
        summary = Alert(
            time_ms=now_ms + self._outbox.skew_ms(),
            rule="hlmon",
            subject="messages held back",
            severity=max((each.alert.severity for each in now), key=SEVERITIES.index),
            title=f"{len(groups)} messages with {len(now) + later} alerts were held back",
            body=f"{body} {later} of the alerts follow." if later else body,
            labels={"type": "held_back"},
        )
        self._send([Entry(_NOT_STORED, summary), *map(_entry, now)])

    def _send(self, entries: Sequence[Entry]) -> None:
        refused: set[str] = set()  # conditions whose beginning was refused just now: their end is not sent either
        with suppress(_NotTaken):  # what was not offered yet is offered with the next message
            for settled, accepted in settle(entries, partial(self._takes_pairs, refused)):
                self._remember(settled, refused, accepted=accepted)
                if self._refuses_everything:
                    return

    def _remember(self, settled: Sequence[Entry], refused: set[str], *, accepted: bool) -> None:
        stored = [entry for entry in settled if entry.seq != _NOT_STORED]
        if accepted:
            refused.difference_update(condition_of(each.event) for each in stored if isinstance(each.event, Alert))
            self._outbox.mark_sent([entry.seq for entry in stored], self._clock_ms())
        elif stored:
            seq, event = stored[0]
            if isinstance(event, Alert) and event.state == "firing":
                refused.add(condition_of(event))
            self._outbox.mark_refused(seq, event, self._set_aside(event))

    def _takes_pairs(self, refused: Collection[str], entries: Sequence[Entry]) -> bool:
        alerts = [entry.event for entry in entries if isinstance(entry.event, Alert)]
        if any(alert.state == "resolved" and condition_of(alert) in refused for alert in alerts):
            self._error = "its beginning was refused"
            return False
        return self._takes(entries)

    def _takes(self, entries: Sequence[Entry]) -> bool:
        """Call the notifier once; whether it has taken the alerts or refused them for good. Raises _NotTaken."""
        seqs = [entry.seq for entry in entries if entry.seq != _NOT_STORED]
        self._pace.spend(self._clock_ms())
        error = self._call([entry.event for entry in entries])
        if error is None:
            self._accepted()
            self._delays.accepted(seqs)
            return True
        self._call_failed(error)
        patience = PATIENCE_WITH_BATCH if len(entries) > 1 else PATIENCE_WITH_ONE
        is_worn_out = not is_expected(error) and self._delays.faults(seqs) >= patience
        if is_worn_out or (isinstance(error, Permanent) and not self._refuses_everything):
            self._refused(entries)
            return False
        self._delays.failed(
            seqs,
            self._error,
            self._steady_ms(),
            retry_after=retry_after_of(error),
            is_fault=not is_expected(error),
            halve=self._refuses_everything,
        )
        raise _NotTaken

    def _sleep(self, until: threading.Event, seconds: float) -> None:
        """Between attempts: what comes meanwhile is decided when it comes, not when the service is back."""
        while seconds > 0 and not until.is_set():
            with suppress(JournalError):  # whoever pauses because of the journal must not fail by it again
                self._outbox.take_new(self._clock_ms())
            self._wait(until, min(seconds, _LONGEST_PAUSE_S))
            seconds -= _LONGEST_PAUSE_S

    def _rest(self) -> None:
        if self._waiting > _CROWD:  # each look reads all of them, and a burst comes in many small appends
            self._wait(self._draining, _CROWD_REST_S)
        seconds = IDLE_S if self._next_ms is None else (self._next_ms - self._clock_ms()) / 1000
        self._outbox.wait_for_news(min(max(seconds, 0.0), IDLE_S))

    def _save(self) -> None:
        self._outbox.save()

    def _lag(self) -> int:
        return self._outbox.unread() + self._due

    def _oldest_due_ms(self) -> int | None:
        return self._outbox.oldest_due_ms(self._clock_ms())


def _send_plain(send: Callable[[Sequence[Any]], None], alerts: Sequence[Alert]) -> None:
    """Texts from outside become plain here, once for every notifier; the journal has them as they came."""
    send([plain_alert(alert) for alert in alerts])


def _entry(waiting: Waiting) -> Entry:
    notice, alert, _ = waiting
    return Entry(notice.seq, replace(alert, title=f"Still: {alert.title}") if notice.times_sent else alert)
