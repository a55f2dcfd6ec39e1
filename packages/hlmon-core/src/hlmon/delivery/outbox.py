"""One notifier's side of the outbox: which alerts it is to send, which wait, and why; all of it in the journal."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from hlmon.delivery.follower import UNSAVED_SKIPS
from hlmon.delivery.silences import SilenceFile, silences_path
from hlmon.events import Alert, Event, decode
from hlmon.events.base import LATEST_TIME_MS
from hlmon.journal import Journal
from hlmon.routing import (
    Notice,
    Policy,
    Route,
    Surroundings,
    Waiting,
    condition_of,
    decide,
    is_put_back,
    review,
    route_named,
    take_over,
)
from hlmon.routing.notice import PUT_BACK_MS

READ_AT_ONCE: Final = 1000
BY_HAND: Final = "by hand"
"""The route of an alert that somebody asks for."""
_CAUSES: Final = 1000
_SEQ_OF = "SELECT seq FROM events WHERE kind = 'alert' AND kind <> 'fill' AND account = ? AND key = ?"
_SINCE = "SELECT metadata FROM alerts WHERE created_at_ms >= ? AND id <= ? ORDER BY id DESC LIMIT ?"

_logger = logging.getLogger(__name__)


class Outbox:
    """Decides about alerts and remembers what is decided; sends nothing.

    Each change is one transaction, so that a kill at any point leaves every alert either undecided, waiting or settled.
    Every method may be called from any thread: the fallback of a notifier that hangs decides for it.
    """

    def __init__(self, name: str, journal: Journal, policy: Policy, *, skew_ms: Callable[[], int] = lambda: 0) -> None:
        """`skew_ms` is the exchange's clock, which the times of alerts are of, less this machine's."""
        self.name = name
        self.skew_ms = skew_ms
        self.cursor_name = f"notifier.{name}"
        self._journal = journal
        self._table = journal.notices
        self._policy = policy
        self._lock = threading.Lock()
        self._cursor = self._saved = journal.cursor(self.cursor_name)
        self._silences = SilenceFile(silences_path(journal.path))
        self._silences.refresh()
        self._causes: list[Alert] | None = None

    def wait_for_news(self, seconds: float) -> None:
        """Until the journal has grown beyond what was read, or the time is over."""
        self._journal.wait_beyond(self._cursor, seconds)

    def take_new(self, now_ms: int) -> bool:
        """Decide about the alerts after the cursor and move it, in one transaction; whether there may be more."""
        with self._lock:
            newest = self._journal.last_seq()  # before reading: what is appended meanwhile stays ahead of the cursor
            entries = self._journal.read_after(self._cursor, kinds={Alert.kind}, limit=READ_AT_ONCE)
            decided: dict[int, Notice] = {}
            firing: dict[str, Notice | None] = {}
            for seq, alert in entries:
                if isinstance(alert, Alert):
                    decided |= {notice.seq: notice for notice in self._decide(seq, alert, now_ms, firing)}
            full = len(entries) == READ_AT_ONCE
            cursor = max(self._cursor, entries[-1].seq if entries else 0, 0 if full else newest)
            if decided or cursor - self._saved >= UNSAVED_SKIPS:
                self._table.put(decided.values(), (self.cursor_name, cursor))
                self._saved = cursor
            self._cursor = cursor
            return full

    def _decide(self, seq: int, alert: Alert, now_ms: int, firing: dict[str, Notice | None]) -> list[Notice]:
        """The notices that change; `firing` has the beginnings (None: ended) that are decided and not stored yet."""
        condition = condition_of(alert)
        if condition and condition not in firing:
            firing[condition] = self._table.beginning(self.name, condition)
        notices = decide(seq, alert, self._policy, self._around(now_ms), firing.get(condition))
        firing[condition] = notices[0] if notices[0].condition else None
        self._remember_cause(alert)
        _logger.debug("notifier %s: %s is %s: %s", self.name, alert.key, notices[0].state, notices[0].reason)
        return notices

    def waiting(self, now_ms: int, failed: int = 0) -> list[Waiting]:
        """What waits and is not held, after another look at silences, inhibitions and quiet hours.

        Not all if it is much, but more than the oldest `failed`, which the notifier does not take for now.
        """
        with self._lock:
            most = READ_AT_ONCE + failed
            found = self._table.ready(self.name, now_ms, most)
            waiting = [Waiting(notice, alert, self._route(alert)) for notice, alert in found]
            ready, changed = review(waiting, self._policy, self._around(now_ms), whole=len(found) < most)
            if changed:
                self._table.put(changed)
            return ready

    def _route(self, alert: Alert) -> Route:
        _, route = route_named(alert, self._policy) or ("", Route(to=(self.name,)))
        return route

    def revisit(self, now_ms: int) -> None:
        """Let go what is no longer muted, and tell again of conditions that have been firing for long."""
        with self._lock:
            all_again = self._silences.refresh()
            again = [
                replace(notice, state="waiting", decided_ms=now_ms, hold_until_ms=0, reason="")
                for notice in self._table.muted(self.name)
                if all_again or notice.hold_until_ms <= now_ms or is_put_back(notice.decided_ms, now_ms)
            ]
            again += self._repeats(now_ms)
            if again:
                self._table.put(again)

    def _repeats(self, now_ms: int) -> list[Notice]:
        if all(route.repeat_minutes is None for route in self._policy.routes):
            return []
        found = []
        for notice, alert in self._table.firing(self.name):
            _, route = route_named(alert, self._policy) or ("", None)
            minutes = route.repeat_minutes if route and self._is_watched(alert) else None
            if minutes is None:
                continue
            if now_ms - notice.sent_ms >= minutes * 60_000 or is_put_back(notice.sent_ms, now_ms):
                reason = f"it is still so after {minutes:g} minutes"
                found.append(replace(notice, state="waiting", decided_ms=now_ms, reason=reason))
        return found

    def _is_watched(self, alert: Alert) -> bool:
        """Whether there is still a rule and an account that could tell the end."""
        rules, accounts = self._policy.rules, self._policy.accounts
        return (rules is None or alert.rule in rules) and (not alert.account or alert.account in accounts)

    def take_over(self, other: Outbox, after_ms: int, now_ms: int) -> None:
        """Send in place of another notifier what it had not sent `after_ms` after it was ready, or has refused."""
        with self._lock:
            max_age_ms = self._policy.max_age_ms
            owed = self._table.owed(other.name, self.name, now_ms - after_ms, now_ms - max_age_ms, now_ms + PUT_BACK_MS)
            late = [take_over(theirs, mine, now_ms) for theirs, mine in owed if other.is_late(theirs, after_ms, now_ms)]
            if late:
                self._table.put(late)

    def is_late(self, notice: Notice, after_ms: int, now_ms: int) -> bool:
        """Whether this was refused, or should have been sent `after_ms` ago even if its group waited its longest."""
        routes = {f"route[{position}]": route for position, route in enumerate(self._policy.routes)}
        route = routes.get(notice.route)
        longest_ms = round(route.max_wait_seconds * 1000) if route else 0
        waited = now_ms - notice.ready_ms - longest_ms >= after_ms or is_put_back(notice.decided_ms, now_ms)
        return notice.state == "refused" or waited

    def mark_sent(self, seqs: Sequence[int], now_ms: int) -> None:
        """The notifier accepted these."""
        with self._lock:
            self._table.mark_sent(self.name, seqs, now_ms)

    def mark_refused(self, seq: int, alert: Event, reason: str) -> None:
        """The notifier refused this one for good; with a beginning goes the end that waits."""
        with self._lock:
            self._table.mark_refused(self.name, seq, reason)
            if isinstance(alert, Alert) and alert.state == "firing":
                self._drop_end(seq, condition_of(alert))

    def put_back(self, alert: Alert, now_ms: int) -> bool:
        """Send this after all, whatever was decided; whether the journal has it."""
        with self._lock:
            found = self._journal.query(_SEQ_OF, (alert.account, alert.key))
            for (seq,) in found:
                mine = [each for each in self._table.of_alert(seq) if each.notifier == self.name]
                old = mine[0] if mine else Notice(notifier=self.name, seq=seq, state="refused", decided_ms=now_ms)
                again = replace(old, state="waiting", decided_ms=now_ms, hold_until_ms=0, reason="")
                self._table.put([replace(again, route=old.route or BY_HAND, batch=old.batch or BY_HAND)])
            return bool(found)

    def _drop_end(self, seq: int, condition: str) -> None:
        later = (each for each in self._waiting_after(seq) if condition_of(each[1]) == condition)
        notice, alert = next(later, (None, None))
        if notice and alert and alert.state == "resolved":
            self._table.put([replace(notice, state="dropped", reason="its beginning was refused")])

    def _waiting_after(self, seq: int) -> Iterator[tuple[Notice, Alert]]:
        while found := self._table.ready(self.name, LATEST_TIME_MS, READ_AT_ONCE, after=seq):
            yield from found
            seq = found[-1][0].seq

    def oldest_due_ms(self, now_ms: int) -> int | None:
        """Since when the oldest that waits and is not held could have been sent; None if nothing waits."""
        return self._table.oldest_due_ms(self.name, now_ms)

    def unread(self) -> int:
        """How many events were not looked at."""
        return max(self._journal.last_seq() - self._cursor, 0)

    def save(self) -> None:
        """Store the cursor."""
        with self._lock:
            if self._cursor != self._saved:
                self._journal.ack(self.cursor_name, self._cursor)
                self._saved = self._cursor

    def _around(self, now_ms: int) -> Surroundings:
        if self._causes is None:
            self._causes = self._stored_causes(now_ms)
        return Surroundings(
            now_ms=now_ms, skew_ms=self.skew_ms(), silences=self._silences.silences, causes=self._causes
        )

    def _stored_causes(self, now_ms: int) -> list[Alert]:
        since_ms = now_ms + self.skew_ms() - self._longest_inhibition_ms()
        bodies = self._journal.query(_SINCE, (since_ms, self._cursor, _CAUSES))
        alerts = [decode(Alert.kind, body) for (body,) in reversed(bodies)]
        return [alert for alert in alerts if isinstance(alert, Alert) and self._is_cause(alert)]

    def _remember_cause(self, alert: Alert) -> None:
        if self._causes is not None and self._is_cause(alert):
            self._causes = [*self._causes, alert][-_CAUSES:]

    def _is_cause(self, alert: Alert) -> bool:
        return any(inhibit.is_cause(alert) for inhibit in self._policy.inhibit)

    def _longest_inhibition_ms(self) -> int:
        return round(max((inhibit.minutes for inhibit in self._policy.inhibit), default=0) * 60_000)
