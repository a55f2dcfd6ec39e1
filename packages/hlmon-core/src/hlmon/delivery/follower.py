"""The courier of a sink: brings a journal's events to it, in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from hlmon.delivery.courier import (
    IDLE_S,
    PATIENCE_WITH_BATCH,
    PATIENCE_WITH_ONE,
    Courier,
    GivenUp,
    is_expected,
    retry_after_of,
)
from hlmon.delivery.policy import BatchSize, settle
from hlmon.delivery.rejected import Retries, Retry
from hlmon.errors import Permanent, text_of
from hlmon.events import Checkpoint, Event
from hlmon.journal import Entry, Journal

UNSAVED_SKIPS: Final = 500
FAILURES_OF_ONE_SIZE: Final = 2


class _TooMany(Exception):
    """The batch failed again and again, perhaps because of its size."""


class Follower(Courier):
    """Delivers a journal's events, in order, to one plugin.

    `deliver` gets at most `max_batch` events of `kinds` (None: all); its return is the ack. What is refused is halved
    until the refused event stands alone; that one is recorded, and the follower goes on. A batch that fails twice is
    halved too, for its size may be the reason (a time-out, a limit, throttling). So is one that was refused although
    every part of it is accepted. Larger ones are tried again after ten that were accepted.

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
        kinds: Collection[str] | None = None,
        max_batch: int = 500,
        linger_ms: int = 0,
        **more: Any,
    ) -> None:
        """`more` are further arguments of Courier, `part` and `quarantine` at least."""
        super().__init__(name, deliver, **more)
        self._journal = journal
        self._kinds = kinds
        self._size = BatchSize(max_batch)
        self._attempt = 0  # failures since something was accepted
        self._linger_s = linger_ms / 1000
        self._cursor = self._saved = journal.cursor(self.cursor_name)

    def deliver_next(self) -> bool:
        """Deliver the next batch; returns whether there may be more behind it."""
        self._redeliver()
        newest = self._journal.last_seq()  # before reading: what is appended meanwhile must stay ahead of the cursor
        limit = self._size.largest if self._refuses_everything else self._size.now
        entries = self._journal.read_after(self._cursor, kinds=self._kinds, limit=limit)
        full = len(entries) == limit
        if self._refuses_everything and entries:
            self._probe(entries)
            return True
        try:
            whole = self._deliver_in_parts(entries)
        except _TooMany:
            return True
        if whole:
            self._skip_to(max(entries[-1].seq if entries else 0, 0 if full else newest))
        return full or not whole

    def _deliver_in_parts(self, entries: Sequence[Entry]) -> bool:
        """Whether the fate of all of them is known; else the plugin has begun to refuse everything."""
        parts: list[int] = []
        refused = False
        for settled, accepted in settle(entries, self._accepts):
            parts.append(len(settled))
            if not accepted:
                refused = True
                self._set_aside(settled[0].event)
            self._ack(settled[-1].seq)
            if self._refuses_everything:
                return settled[-1] is entries[-1]
        if len(parts) > 1 and not refused:
            self._size.at_most(max(parts))
        return True

    def _accepts(self, entries: Sequence[Entry]) -> bool:
        """Call the plugin until it has taken the events (True) or refused them (False, `_error` says why)."""
        events = [entry.event for entry in entries]
        patience = PATIENCE_WITH_BATCH if len(events) > 1 else PATIENCE_WITH_ONE
        while (error := self._call(events)) is not None:
            self._call_failed(error)
            patience -= not is_expected(error)
            if isinstance(error, Permanent) or patience < 0:
                self._refused(entries)
                self._attempt = 0
                return False
            self._try_later(retry_after_of(error))
            if is_expected(error) and len(events) > 1 and self._attempt >= FAILURES_OF_ONE_SIZE:
                self._size.at_most(len(events) // 2)
                raise _TooMany
        self._accepted()
        self._attempt = 0
        self._size.accepted(len(events))
        return True

    def _deliver_again(self, retries: Retries, retry: Retry, event: Event) -> None:
        if self._kinds is not None and event.kind not in self._kinds:
            retries.refused(retry, f"it takes no events of kind {event.kind}", self._clock_ms())
            return
        error = self._call([event])
        if error is None:
            self._accepted()
            retries.delivered(retry, self._clock_ms())
        elif isinstance(error, Permanent) or not is_expected(error):
            retries.refused(retry, text_of(error), self._clock_ms())
        else:
            retries.later(retry, self._steady_ms())

    def _probe(self, entries: Sequence[Entry]) -> None:
        """Offer one event, an older one each time: if one is accepted, it was the others that were bad.

        No checkpoint, which would say that everything before it is stored.
        """
        offered = [entry for entry in entries if not isinstance(entry.event, Checkpoint)] or entries
        error = self._call([offered[-1 - self._attempt % len(offered)].event])
        if error is None:
            self._accepted()
            self._attempt = 0
        else:
            self._call_failed(error)
            self._try_later(retry_after_of(error))

    def _try_later(self, retry_after: float | None) -> None:
        self._pause(self._attempt, retry_after)
        if self._over.is_set():
            raise GivenUp
        self._attempt += 1

    def _rest(self) -> None:
        """Until there is more to deliver and the time to linger is over."""
        if self._linger_s:
            self._wait(self._draining, self._linger_s)
        self._journal.wait_beyond(self._cursor, IDLE_S)

    def _ack(self, seq: int) -> None:
        self._cursor = seq
        self._save()

    def _skip_to(self, seq: int) -> None:
        """Pass over events that are not for this plugin; saved now and then only, since skipping again is cheap."""
        self._cursor = max(self._cursor, seq)
        if self._cursor - self._saved >= UNSAVED_SKIPS:
            self._save()

    def _save(self) -> None:
        if self._cursor != self._saved:
            self._journal.ack(self.cursor_name, self._cursor)
            self._saved = self._cursor

    def _lag(self) -> int:
        return max(self._journal.last_seq() - self._cursor, 0)
