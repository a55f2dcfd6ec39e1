"""One coin of one account: each fill starts where the one before it ended, and where it ends at 0 a position closed."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from hlmon.derive.episode import ZERO, Episode, begin, end_of, split
from hlmon.derive.history import PATIENCE_MS, History
from hlmon.derive.lives import Life, comes_before
from hlmon.events import Fill, PositionClosed, PositionSide

MAX_WAITING = 200


@dataclass(slots=True)
class Sighting:
    """An open position as the account state shows it."""

    side: PositionSide
    size: Decimal  # the largest one seen
    first_ms: int
    last_ms: int
    position: Decimal = ZERO  # signed, at `last_ms`
    since_ms: int = 0  # from when on it was shown like that


@dataclass(slots=True, kw_only=True)
class Chain(History):
    """Links new fills to the position, whatever the order in which they come."""

    waiting: list[Fill] = field(default_factory=list)  # not linked yet, by time
    deadline_ms: int = 0  # when the break before them is accepted
    sighting: Sighting | None = None

    def take(self, fill: Fill, clock_ms: int) -> Sequence[PositionClosed]:
        """The closes that follow from one more fill, seen when the account's newest event was of `clock_ms`."""
        self.clock_ms = clock_ms
        start = fill.start_position
        if start is None:
            return self._take_uncounted(fill)
        if self.waiting:
            return self._hold(fill, clock_ms)
        if fill.time_ms <= self.time_ms and self.is_late(fill, start):
            return self.take_late(fill, start)
        # A coin seen for the first time is taken to be flat: if it is not, its first fills may be late.
        if start == (self.position or ZERO):
            return self._apply(fill, start)
        return self._trust(fill, start) if self._is_witnessed(fill, start) else self._hold(fill, clock_ms)

    def expire(self, clock_ms: int) -> Sequence[PositionClosed]:
        """The closes that follow when fills have waited too long: the break is accepted, the newer fill trusted."""
        self.clock_ms = clock_ms
        closes = self._accept_break() if self.waiting and clock_ms >= self.deadline_ms else []
        return [*closes, *self.restate()] if self.restate_ms and clock_ms >= self.restate_ms else closes

    def settle(self, clock_ms: int) -> Sequence[PositionClosed]:
        """The closes that follow when nothing more will come."""
        self.clock_ms = clock_ms
        return [*self._accept_break(), *self.restate()]

    @property
    def is_settled(self) -> bool:
        """Whether nothing waits."""
        return not self.waiting and not self.restate_ms

    def agree(self, size: Decimal, time_ms: int) -> None:
        """The account state shows this signed size: fills of an unknown coin that end there need no others."""
        if self.position is None and self.waiting and self.waiting[-1].time_ms <= time_ms:
            last = self.waiting[-1]
            if end_of(last, last.start_position or ZERO) == size:
                self.deadline_ms = 0

    def close_unseen(self, account: str, coin: str, time_ms: int) -> Sequence[PositionClosed]:
        """The close of a position that is gone by `time_ms` without a known fill; nothing if there is none such."""
        known = self._unclosed()
        if known is None:
            return []
        # The fills may be ahead of the account state; a position never ends before its newest fill.
        life = Life(episode=known, closing=None, closed_ms=max(time_ms, known.last_ms), payments=self.fundings)
        close = life.statement(account, coin, self.clock_ms)
        self.provisional, self.provisional_ms = close.key, close.time_ms
        return [close]

    def learn(self, close: PositionClosed) -> None:
        """Take over what was stated, from the stored close."""
        newest = self.closed[-1] if self.closed and not self.waiting else None
        if newest is not None and newest.said is close:  # what was concluded a moment ago
            newest.told, newest.said, newest.due = close, None, False
            self.provisional = "" if close.completes == self.provisional else self.provisional
            return
        # When it was stated, these fills waited no more: for a clock that the stored events do not have.
        if any(fill.key == close.trigger or _proves(fill, close) for fill in self.waiting):
            self._accept_break()
        known = [life for life in self.closed if life.is_about(close)]
        if not known and close.cause == "state":
            known = [life for life in self.closed if life.may_be_about(close)][:1]
        for life in known:
            self.is_told(life, close)
        if close.cause == "state" and not known:
            self.provisional, self.provisional_ms = close.key, close.time_ms
        elif close.completes == self.provisional:
            self.provisional = ""

    def _unclosed(self) -> Episode | None:
        """The position that was open last and of which no end was stated yet, by its fills or else by its sighting."""
        episode, seen = self.episode, self.sighting
        if episode is not None:
            return None if self.provisional and episode.first_ms <= self.provisional_ms else episode
        if seen is None or seen.last_ms <= self.time_ms + PATIENCE_MS:
            return None
        peak = seen.size if seen.side == "long" else -seen.size
        return Episode(is_long=peak > 0, first_ms=seen.first_ms, last_ms=seen.last_ms, peak=peak, complete=False)

    def _apply(self, fill: Fill, start: Decimal, part: Fill | None = None) -> Sequence[PositionClosed]:
        """Count a fill that takes the position on from `start`."""
        if fill.time_ms > self.time_ms:  # noqa: PLR1730  # the hot path: a call of max costs five times as much
            self.time_ms = fill.time_ms
        self.position = end = end_of(fill, start)
        episode = self.episode
        if episode is None:
            if fill.self_trade and not start:
                return ()
            episode = self.episode = begin(fill, start)
            if start:
                episode.miss(ZERO, start)
        if end and end.is_signed() is episode.is_long:
            return self._flip(fill, episode, start, end)
        episode.count(fill, start, end, part)
        return () if end else self.close(fill, episode)

    def _flip(self, fill: Fill, episode: Episode, start: Decimal, end: Decimal) -> Sequence[PositionClosed]:
        closing, opening = split(fill, start)
        episode.count(closing, start, ZERO, fill)
        closes = self.close(fill, episode)
        self.episode = begin(opening, ZERO)
        self.episode.count(opening, ZERO, end)
        return closes

    def _take_uncounted(self, fill: Fill) -> Sequence[PositionClosed]:
        """Take a fill without start position: it goes on from our own count, or opens if it says so."""
        start = self.position
        if start is None:
            if not fill.direction.startswith("Open"):
                return ()
            start = ZERO
        if self.episode is not None:
            self.episode.complete = False
        before = self.episode or begin(fill, start)
        before.complete = False
        if self.episode is None and (start or not fill.self_trade):
            self.episode = before
            before.miss(ZERO, start)
        closes = self._apply(fill, start, msgspec.structs.replace(fill, start_position=start))
        if self.episode is not None:
            self.episode.complete = False
        return closes

    def _hold(self, fill: Fill, clock_ms: int) -> Sequence[PositionClosed]:
        """Keep a fill until the one before it comes, and with it all later ones: where they belong shows only then."""
        if not self.waiting:
            self.deadline_ms = max(clock_ms, fill.time_ms) + PATIENCE_MS
        insort(self.waiting, fill, key=_time_of)
        closes = self._link()
        return [*closes, *self._accept_break()] if len(self.waiting) > MAX_WAITING else closes

    def _link(self) -> list[PositionClosed]:
        """Take every waiting fill that links now."""
        closes: list[PositionClosed] = []
        while fill := self._next_link():
            self.waiting.remove(fill)
            closes += self._apply(fill, fill.start_position or ZERO)
        return closes

    def _next_link(self) -> Fill | None:
        """The first waiting fill that goes on from the position, and not from another waiting fill.

        It is one of the oldest, for what an older one goes on from is missing before it.
        """
        ends, oldest_ms = set(), 0
        for fill in self.waiting:
            start = fill.start_position or ZERO
            if not self.is_late(fill, start):
                oldest_ms = oldest_ms or fill.time_ms
                if fill.time_ms > oldest_ms:
                    return None
                if start == (self.position or ZERO) and start not in ends and not self._is_second(fill):
                    return fill
            ends.add(end_of(fill, start))
        return None

    def _is_second(self, fill: Fill) -> bool:
        """Whether another waiting fill comes before it."""
        return any(comes_before(other, fill) for other in self.waiting)

    def _accept_break(self) -> list[PositionClosed]:
        closes: list[PositionClosed] = []
        while self.waiting:
            fill = _head(self.waiting)
            self.waiting.remove(fill)
            start = fill.start_position or ZERO
            closes += self.take_late(fill, start) if self.is_late(fill, start) else self._trust(fill, start)
            closes += self._link()
        return closes

    def _is_witnessed(self, fill: Fill, start: Decimal) -> bool:
        """Whether the account state showed the position that this fill starts at, so that waiting would be in vain.

        Of a coin with known fills it must have shown it for so long that the fills before would be there.
        """
        seen = self.sighting
        if seen is None or not start or seen.position != start:
            return False
        return self.position is None or seen.since_ms + PATIENCE_MS <= fill.time_ms

    def _trust(self, fill: Fill, start: Decimal) -> Sequence[PositionClosed]:
        """Go on from a fill although fills before it are missing."""
        episode, position = self.episode, self.position or ZERO
        if episode is None:
            return self._apply(fill, start)
        if start and (start > 0) is episode.is_long:
            episode.miss(position, start)
            episode.peak = max(episode.peak, start, key=abs)
            return self._apply(fill, start)
        # The chain itself proves that the position ended before this fill.
        episode.miss(position, ZERO)
        life = Life(episode=episode, closing=None, closed_ms=max(episode.last_ms, fill.time_ms - 1))
        self.fundings = life.take_paid(self.fundings)
        life.names = self.completed(episode.first_ms)
        self.episode = None
        self.closed.append(life)
        closes = () if life.names else self.state(life, fill)
        return [*closes, *self._apply(fill, start)]


def _proves(fill: Fill, close: PositionClosed) -> bool:
    """Whether a close of cause `state` was stated because this fill starts anew."""
    return close.cause == "state" and fill.time_ms - 1 <= close.time_ms <= fill.time_ms


def _time_of(fill: Fill) -> int:
    return fill.time_ms


def _head(waiting: Sequence[Fill]) -> Fill:
    """Of the oldest waiting fills the one that follows none of the others."""
    ends = {end_of(fill, fill.start_position or ZERO) for fill in waiting if not fill.self_trade}
    oldest = [fill for fill in waiting if fill.time_ms == waiting[0].time_ms]
    return next((fill for fill in oldest if fill.start_position not in ends), oldest[0])
