"""The exchange's clock as the exchange tells it: by several of its words that agree, never by one."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median_low
from typing import Final

from hlmon.events.base import LATEST_TIME_MS
from hlmon.hyperliquid.clock import REAL_TIME, Clock

EARLIEST_MS: Final = 1_640_995_200_000  # 2022: the exchange is younger
FAR_MS: Final = LATEST_TIME_MS
AHEAD_MS: Final = 300_000  # how far a row may be ahead of this clock
AGREES_MS: Final = 5_000  # blocks take less than 0.1 s, a frame's way less than a second: the rest is patience
FIRST_MOMENTS: Final = 2
MOMENTS_TO_MOVE: Final = 3
APART_SECONDS: Final = 1.0  # the states of all accounts come together: their times are one word, not many
LATE_SECONDS: Final = 30.0  # frames may be late together, never early: moving back takes longer
REMEMBERED: Final = 9
MOST_RIVALS: Final = 5


@dataclass
class _Rival:
    """Another offset that was heard since the last sample that agreed: at how many moments, since when."""

    offset_ms: int
    since: float
    moments: int = 0
    last_moment: float = 0.0


class ExchangeClock:
    """What time it is at the exchange, worked out from the times that its frames and answers bear.

    It is kept as an offset to the monotonic clock, so that a step of this machine's wall clock does not move it. It is
    known once samples of two moments agree. Then it moves only if samples of three moments agree with each other and
    none with it, and backwards only if that lasts for half a minute, since frames that waited are late together.
    """

    def __init__(self, clock: Clock = REAL_TIME) -> None:
        self._clock = clock
        self._offset_ms: int | None = None  # the exchange's time less the monotonic clock
        self._agreed: deque[int] = deque(maxlen=REMEMBERED)
        self._rivals: deque[_Rival] = deque(maxlen=MOST_RIVALS)

    @property
    def known(self) -> bool:
        """Whether the exchange has told its time."""
        return self._offset_ms is not None

    def hear(self, sent_ms: int, *, is_answer: bool = False) -> None:
        """Take the time that a frame, or an answer, which came just now bears; what is no time is no sample."""
        if not EARLIEST_MS <= sent_ms < FAR_MS:
            return
        now = self._clock.now()
        offset_ms = sent_ms - round(now * 1000)
        if self._offset_ms is not None and abs(offset_ms - self._offset_ms) <= AGREES_MS:
            self._agreed.append(offset_ms)
            self._offset_ms = median_low(self._agreed)
            self._rivals.clear()
        elif self._is_convinced(self._rival(offset_ms, now, is_answer=is_answer), now):
            self._offset_ms = offset_ms
            self._agreed = deque([offset_ms], maxlen=REMEMBERED)
            self._rivals.clear()

    def now_ms(self) -> int:
        """The exchange's present time; 0 while it is not known."""
        return 0 if self._offset_ms is None else round(self._clock.now() * 1000) + self._offset_ms

    def bounds_ms(self) -> tuple[int, int]:
        """`now_ms` and `latest_ms` at one look at the clock, for what comes with every frame."""
        now_ms = self.now_ms()
        return now_ms, now_ms + AHEAD_MS if now_ms else FAR_MS

    def latest_ms(self) -> int:
        """What is later than this cannot be: 5 minutes from now, or the year 2100 while the time is not known."""
        return self.bounds_ms()[1]

    def skew_ms(self) -> int | None:
        """The exchange's time less this machine's wall clock; None while it is not known."""
        return None if self._offset_ms is None else self.now_ms() - self._clock.wall_ms()

    def _rival(self, offset_ms: int, now: float, *, is_answer: bool) -> _Rival:
        """The rival that this sample speaks for, with it; each answer was asked for, so it is a moment of its own."""
        found = next((each for each in self._rivals if abs(offset_ms - each.offset_ms) <= AGREES_MS), None)
        if found is None:
            found = _Rival(offset_ms, now)
            self._rivals.append(found)
        if is_answer or not found.moments or now - found.last_moment >= APART_SECONDS:
            found.moments, found.last_moment = found.moments + 1, now
        return found

    def _is_convinced(self, rival: _Rival, now: float) -> bool:
        if self._offset_ms is None:
            return rival.moments >= FIRST_MOMENTS
        is_ahead = rival.offset_ms > self._offset_ms
        return rival.moments >= MOMENTS_TO_MOVE and (is_ahead or now - rival.since >= LATE_SECONDS)
