"""Reading a hole back: which page to ask for next, what of it is new, and what can never be read again. Pure.

The rules, all of them:

- Pages go forward. Each begins at the last millisecond of the one before, inclusive, so that a page that ends inside a
  millisecond loses nothing; what came already is told by its name.
- The first page begins `overlap_ms` before the checkpoint, since rows of one block may become visible late.
- No answer is believed to be the last because it is short. The end is an answer that adds nothing, or, for accounts
  that never rest, one that reaches beyond `until_ms` and is not full: what comes later comes live.
- The rows of a page's last millisecond are held back until they came again, so that both sides of a self-trade are
  handed out from one answer.
- No answer is longer than the exchange's limit, so one shorter than another (or than `SHORTEST_FULL_PAGE`) is not full.
- An answer that adds nothing may be a page full of one millisecond. Then the next question is 1 ms later; if it finds
  rows, or if the page was as long as a limit of the exchange, the millisecond may have had more of them than a page
  holds: a gap of this millisecond.
- Rows that could not be read fill a page like others. A full page without a readable row ends the reading: a gap.
- The page after such a step has no row held to bring back: there, too, the reach is judged by number.
- Every page but the first must bring back one of the rows held, and the first one must begin no later than `known_ms`.
  If not, rows left the exchange's reach: a gap from where the stream is complete to the page's first row.
- Without `known_ms` the reach of fills is judged by number: the exchange gives the newest `HORIZON`. If as many came
  and the oldest is later than the checkpoint, there is a gap between the two. Fewer rows are all that there are. The
  other streams reach back to their beginning.
- Without a checkpoint the whole history is read, and that it begins somewhere is no gap.
- Orders have no range of time: one answer with the newest ones; a gap if it is full and begins after the checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from hlmon.events import Event, Gap, Name
from hlmon.hyperliquid.requests import history

OVERLAP_MS: Final = 60_000
HORIZON: Final = 10_000
SHORTEST_FULL_PAGE: Final = 100
SHORTEST_LIMIT: Final = 500
"""The shortest answer that the exchange's docs name as the most for a range of time (fills: 2,000)."""
FULL_ORDER_HISTORY: Final = 2000
LIMITED_STREAMS: Final = frozenset({"userFills", "userTwapSliceFills"})

OUT_OF_REACH: Final = "out of the exchange's reach"
_CROWDED = "more rows in one millisecond than an answer may hold"
_time_ms = attrgetter("time_ms")


def covers(oldest_ms: int | None, checkpoint_ms: int | None, *, overlap_ms: int = OVERLAP_MS) -> bool:
    """Whether a snapshot whose oldest row is of `oldest_ms` already holds everything that a Resume would read.

    An empty snapshot covers nothing: it may as well be one that the exchange did not fill.
    """
    return oldest_ms is not None and checkpoint_ms is not None and oldest_ms < checkpoint_ms - overlap_ms


@dataclass
class _Start:
    """Where reading began, or went on past a crowded millisecond: nothing shows that the next row follows at once."""

    after_ms: int
    rows_before: int
    page_rows: int = 0  # of the crowded millisecond
    next_ms: int | None = None

    @property
    def hides_rows(self) -> bool:
        """Whether there may have been rows in between; how a whole history begins is no question."""
        return self.next_ms is not None and 0 < self.after_ms < self.next_ms


class Resume:
    """Reads one stream of one account from a checkpoint (None: from the beginning) to now.

    Ask `request()`, give `feed()` the decoded answer, until `request()` is None. A question that failed is simply asked
    again. `known_ms` is the time of the newest row of this stream that is stored, if that is known. `until_ms` may be
    set at any time: the exchange's time from which on every row comes live; without it an account that trades faster
    than it is read never ends.
    """

    def __init__(
        self,
        stream: str,
        account: str,
        checkpoint_ms: int | None,
        *,
        known_ms: int | None = None,
        until_ms: int | None = None,
        overlap_ms: int = OVERLAP_MS,
        horizon: int = HORIZON,
        shortest_full_page: int = SHORTEST_FULL_PAGE,
        shortest_limit: int = SHORTEST_LIMIT,
    ) -> None:
        self._stream = stream
        self._account = account
        self._checkpoint_ms = checkpoint_ms
        self.until_ms = until_ms
        self._horizon = horizon if stream in LIMITED_STREAMS else None
        start_ms = 0 if checkpoint_ms is None else max(0, checkpoint_ms - overlap_ms)
        self._start_ms = start_ms if known_ms is None else min(start_ms, known_ms)
        self._known_ms = known_ms  # until the first answer came
        self._held: dict[Name, Event] = {}  # all of one millisecond, and no other row can come again
        self._longest = shortest_full_page
        self._shortest_limit = shortest_limit
        self._rows = 0
        self._starts = [_Start(checkpoint_ms or 0, 0)] if known_ms is None else []
        self._newest_ms = 0
        self._gaps: list[Gap] = []
        self._done = False

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What cannot be read back; complete when done."""
        return tuple(self._gaps)

    @property
    def done(self) -> bool:
        """Whether nothing is left to ask for."""
        return self._done

    @property
    def complete_until_ms(self) -> int:
        """All that the exchange has up to here was handed out: when done, up to the newest row.

        Never before the checkpoint; 0 without a checkpoint and a row.
        """
        return max(self._checkpoint_ms or 0, self.read_until_ms)

    @property
    def read_until_ms(self) -> int:
        """All that the exchange has from the first page on up to here was handed out; 0 before a row was."""
        held_ms = next((event.time_ms for event in self._held.values()), None)
        return self._newest_ms if held_ms is None else held_ms - 1

    @property
    def checkpoint_ms(self) -> int:
        """From where another Resume would miss nothing and state every gap, if this one is broken off now.

        Behind `complete_until_ms` as long as only the end tells whether rows are missing before it.
        """
        doubtful = [s.after_ms for s in self._starts if s.hides_rows and (self._horizon is not None or s.page_rows)]
        return self.complete_until_ms if self._done or not doubtful else doubtful[0]

    def request(self) -> dict[str, Any] | None:
        """The next question to /info, None when done; the same one until `feed` got its answer."""
        return None if self._done else history(self._stream, self._account, self._start_ms)

    def feed(self, events: Iterable[Event], unread: int = 0) -> list[Event]:
        """Take the decoded answer to `request()`; returns what to ingest now, oldest first.

        `unread` rows of it could not be read.
        """
        page = sorted(events, key=_time_ms)
        if self._stream == "userHistoricalOrders":
            return self._take_orders(page, unread)
        self._longest = max(self._longest, len(page) + unread)
        page = [event for event in page if event.time_ms >= self._start_ms]
        fresh = {event.name: event for event in page}
        if page and self._is_torn(page[0].time_ms, fresh):
            self._lost(self.complete_until_ms, page[0].time_ms)
        self._known_ms = None
        may_be_full = len(page) + unread >= self._longest
        self._rows += unread
        if fresh.keys() <= self._held.keys():
            if may_be_full and page:
                return self._step(len(page) + unread)
            if may_be_full:
                self._state_gap(self.complete_until_ms, self.until_ms, "none of the rows of an answer could be read")
            self._finish()
            return self._release()
        given = self._take(fresh)
        if self.until_ms is not None and self._newest_ms > self.until_ms and not may_be_full:
            self._finish()
        return given

    def join(self, rows_behind: int) -> bool:
        """End here, since the caller has all rows behind `read_until_ms`, which are at most so many.

        False if reading must go on, since only their exact number tells whether rows left the exchange's reach.
        """
        if self._done:
            return True
        hidden = any(start.hides_rows for start in self._starts)
        if hidden and self._horizon is not None and self._rows + rows_behind >= self._horizon:
            return False
        self._finish()
        return True

    def _is_torn(self, oldest_ms: int, fresh: dict[Name, Event]) -> bool:
        """Whether an answer does not join what is known."""
        if self._held:
            return self._held.keys().isdisjoint(fresh)
        return self._known_ms is not None and oldest_ms > self._known_ms

    def _take(self, fresh: dict[Name, Event]) -> list[Event]:
        """Hand out everything before the last millisecond and ask from there."""
        missing = {name: event for name, event in self._held.items() if name not in fresh}
        rows = sorted((missing | fresh).values(), key=_time_ms)
        self._rows += len(rows) - len(self._held)
        if self._starts and self._starts[-1].next_ms is None:
            self._starts[-1].next_ms = rows[0].time_ms
        last_ms = rows[-1].time_ms
        self._newest_ms = max(self._newest_ms, last_ms)
        self._held = {event.name: event for event in rows if event.time_ms == last_ms}
        self._start_ms = last_ms
        return rows[: len(rows) - len(self._held)]

    def _step(self, rows: int) -> list[Event]:
        """Nothing but one millisecond fits into a page: go past it."""
        self._starts.append(_Start(self._start_ms, self._rows, page_rows=rows))
        self._start_ms += 1
        return self._release()

    def _finish(self) -> None:
        self._done = True
        for start in self._starts:
            if start.next_ms is None:
                if start.page_rows >= max(self._longest, self._shortest_limit):
                    self._state_gap(start.after_ms, start.after_ms, _CROWDED)
                continue
            if self._horizon is not None and self._rows - start.rows_before >= self._horizon:
                self._lost(start.after_ms, start.next_ms)
            elif start.page_rows >= self._longest:
                self._state_gap(start.after_ms, start.after_ms, _CROWDED)

    def _release(self) -> list[Event]:
        held, self._held = list(self._held.values()), {}
        return held

    def _take_orders(self, page: list[Event], unread: int) -> list[Event]:
        self._done = True
        if page:
            self._newest_ms = max(self._newest_ms, page[-1].time_ms)
        if len(page) + unread >= FULL_ORDER_HISTORY:
            oldest_ms = page[0].time_ms if page else self.until_ms or 0
            self._lost(self._checkpoint_ms or 0, oldest_ms)
        return page

    def _lost(self, complete_until_ms: int, oldest_ms: int) -> None:
        """A gap between the two, if they do not touch; how a whole history begins is none."""
        if 0 < complete_until_ms < oldest_ms:
            self._state_gap(complete_until_ms, oldest_ms, OUT_OF_REACH)

    def _state_gap(self, start_ms: int, end_ms: int | None, reason: str) -> None:
        time_ms = max(self._newest_ms, end_ms or start_ms)
        self._gaps.append(
            Gap(
                account=self._account,
                time_ms=time_ms,
                stream=self._stream,
                start_ms=start_ms,
                end_ms=end_ms,
                reason=reason,
            )
        )
