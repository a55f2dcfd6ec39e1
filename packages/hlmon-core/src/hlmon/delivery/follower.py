"""The courier of a sink: brings a journal's events to it, in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from hlmon.delivery.courier import IDLE_S, Courier
from hlmon.delivery.policy import settle
from hlmon.journal import Journal

UNSAVED_SKIPS: Final = 500


class Follower(Courier):
    """Delivers a journal's events, in order, to one plugin.

    `deliver` gets at most `max_batch` events of `kinds` (None: all); its return is the ack. What is refused is halved
    until the refused event stands alone; that one is recorded, and the follower goes on.

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
        self._max_batch = max_batch
        self._linger_s = linger_ms / 1000
        self._cursor = self._saved = journal.cursor(self.cursor_name)

    def deliver_next(self) -> bool:
        """Deliver the next batch; returns whether there may be more behind it."""
        newest = self._journal.last_seq()  # before reading: what is appended meanwhile must stay ahead of the cursor
        entries = self._journal.read_after(self._cursor, kinds=self._kinds, limit=self._max_batch)
        for settled, accepted in settle(entries, self._accepts):
            if not accepted:
                self._set_aside(settled[0].event)
            self._ack(settled[-1].seq)
        full = len(entries) == self._max_batch
        self._skip_to(max(entries[-1].seq if entries else 0, 0 if full else newest))
        return full

    def _rest(self) -> None:
        """Until there is more to deliver and the time to linger is over."""
        if self._linger_s:
            self._wait(self._draining, self._linger_s)
        self._journal.wait_beyond(self._cursor, IDLE_S)

    def _ack(self, seq: int) -> None:
        self._cursor = seq
        self._save()
        self._last_ack_ms = self._steady_ms()

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
