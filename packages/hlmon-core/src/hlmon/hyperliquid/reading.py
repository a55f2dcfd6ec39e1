"""One stream's past, read page by page over REST: with patience for answers that cannot be used."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import msgspec

from hlmon.contract import Ingest
from hlmon.errors import Permanent, WireError
from hlmon.events import Event
from hlmon.events.base import LATEST_TIME_MS
from hlmon.hyperliquid.clock import Clock
from hlmon.hyperliquid.decode import decode_answer
from hlmon.hyperliquid.decode_rows import Answer
from hlmon.hyperliquid.info import Info
from hlmon.hyperliquid.resume import OVERLAP_MS, Resume

FIRST_PAUSE_SECONDS = 1.0  # after an answer that cannot be used: overload and proxies give such ones
LONGEST_PAUSE_SECONDS = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Surroundings:
    """What reading back needs of the feed.

    `exchange_ms` is the exchange's present time, `latest_ms` what no row can be later than; `quarantine` keeps an
    answer, why it was not understood, of whom.
    """

    info: Info
    ingest: Ingest
    clock: Clock
    exchange_ms: Callable[[], int]
    quarantine: Callable[[bytes, str, str], None]
    latest_ms: Callable[[], int] = lambda: LATEST_TIME_MS


class Reading:
    """Reads one stream of one account from `start_ms` (None: from the beginning) to now.

    `not_before` is the moment before which it should not ask again, `odd` the digests of rows that came over the socket
    and could not be read, `read_at` the moment at which the last answer that was understood was asked for.
    """

    def __init__(
        self, stream: str, account: str, start_ms: int | None, around: Surroundings, odd: Set[str] = frozenset()
    ) -> None:
        self.stream = stream
        self.resume = Resume(stream, account, start_ms)
        self.not_before = 0.0
        self.pages = 0
        self.read_at = 0.0
        self._account = account
        self._around = around
        self._odd = odd
        self._asked_ms = 0  # the exchange's time when the answer that ended the reading was asked for
        self._failures = 0
        self._unreadable = 0  # the last answer that was not understood, hashed

    @property
    def done(self) -> bool:
        """Whether nothing is left to ask for."""
        return self.resume.done

    @property
    def proven_ms(self) -> int:
        """Up to here the stream is complete, or a gap says what is missing.

        The answer that ended the reading held all that there was when it was asked for, less what may become visible
        late.
        """
        if not self.done:
            return self.resume.checkpoint_ms
        return max(self.resume.checkpoint_ms, self._asked_ms - OVERLAP_MS)

    async def next_page(self) -> Sequence[Event]:
        """What one more answer brings, oldest first; if it cannot be used, nothing until `not_before`."""
        request = self.resume.request()
        if request is None:
            return ()
        asked_at, asked_ms = self._around.clock.now(), self._around.exchange_ms()
        try:
            answer = await self._around.info.ask(request)
            found = self._decode(request["type"], answer)
        except (Permanent, WireError) as error:
            pause = min(FIRST_PAUSE_SECONDS * 2.0**self._failures, LONGEST_PAUSE_SECONDS)
            self._failures += 1
            self.not_before = self._around.clock.now() + pause
            _log.warning("%s of %s cannot be read back, again in %.0f s: %s", self.stream, self._account, pause, error)
            return ()
        self._failures, self.not_before, self.read_at = 0, 0.0, asked_at
        self.pages += 1
        self._around.ingest(found.unread)
        read = self.resume.feed(found.events, len(found.unread))
        if self.done:
            self._asked_ms = asked_ms
        return read

    def _decode(self, request: str, answer: Any) -> Answer:
        try:
            return decode_answer(
                request,
                self._account,
                answer,
                clock_ms=self._around.exchange_ms(),
                latest_ms=self._around.latest_ms(),
                known=self._odd,
            )
        except WireError as error:
            raw = msgspec.json.encode(answer)
            if self._unreadable != hash(raw):  # once, if the next try gives the same
                self._unreadable = hash(raw)
                self._around.quarantine(raw, f"{self.stream}: {error}", self._account)
            raise
