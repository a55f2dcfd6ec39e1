"""One coin of one account: each fill starts where the one before it ended, and where it ends at 0 a position closed."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from hlmon.derive.episode import ZERO, Episode, begin, cause_of, end_of, split
from hlmon.events import CloseCause, Fill, Funding, PositionClosed, PositionSide

PATIENCE_MS = 10_000
"""How long a fill may wait for the one before it, and a vanished position for its closing fill."""
MAX_WAITING = 200
MAX_FUNDINGS = 256


@dataclass(slots=True)
class Sighting:
    """An open position as the account state shows it."""

    side: PositionSide
    size: Decimal  # the largest one seen
    first_ms: int
    last_ms: int


@dataclass(slots=True, kw_only=True)
class Chain:
    """What the fills of one coin add up to. There is an episode exactly while the position is known and not 0."""

    position: Decimal | None = None  # None: no fill was seen yet
    time_ms: int = 0  # of the newest fill in the chain
    episode: Episode | None = None
    waiting: list[Fill] = field(default_factory=list)  # not linked yet, by time
    deadline_ms: int = 0  # when the break before them is accepted
    fundings: list[tuple[int, Decimal]] = field(default_factory=list)  # of no closed episode, by arrival
    sighting: Sighting | None = None
    provisional: str = ""  # key of the close of cause `state` that waits for its fill
    provisional_ms: int = 0

    def take(self, fill: Fill, clock_ms: int) -> Sequence[PositionClosed]:
        """The closes that follow from one more fill, seen when the account's newest event was of `clock_ms`."""
        start = fill.start_position
        if start is None:
            return self._take_uncounted(fill)
        if self.waiting:
            return self._hold(fill, clock_ms)
        if fill.time_ms < self.time_ms:
            return self._fold(fill, start)
        # A coin seen for the first time is taken to be flat: if it is not, its first fills may be late.
        return self._apply(fill, start) if start == (self.position or ZERO) else self._hold(fill, clock_ms)

    def expire(self, clock_ms: int) -> Sequence[PositionClosed]:
        """The closes that follow when fills have waited too long: the break is accepted, the newer fill trusted."""
        return self._accept_break() if self.waiting and clock_ms >= self.deadline_ms else ()

    def fund(self, funding: Funding) -> None:
        """Keep a funding payment for the episode that spans its time when that closes; the oldest is counted now."""
        self.fundings.append((funding.time_ms, funding.amount))
        if len(self.fundings) > MAX_FUNDINGS:
            time_ms, amount = self.fundings.pop(0)
            if self.episode is not None and time_ms >= self.episode.first_ms:
                self.episode.funding += amount

    def close_unseen(self, account: str, coin: str, time_ms: int) -> Sequence[PositionClosed]:
        """The close of a position that is gone by `time_ms` without a known fill; nothing if there is none such."""
        known = self._unclosed()
        if known is None:
            return ()
        close = PositionClosed(
            account=account,
            time_ms=time_ms,
            coin=coin,
            side="long" if known.is_long else "short",
            size=abs(known.peak),
            cause="state",
            opened_ms=known.opened_ms,
            fees=known.fees,
            fee_token=known.fee_token,
            funding=known.funding + self._funding_between(known.first_ms, time_ms),
            fills=known.fills,
            complete=False,
            trigger="state",
        )
        self.provisional, self.provisional_ms = close.key, time_ms
        return [close]

    def _unclosed(self) -> Episode | None:
        """The position that was open last and of which no end was stated yet, by its fills or else by its sighting."""
        episode, seen = self.episode, self.sighting
        if episode is not None:
            return None if self.provisional and episode.first_ms <= self.provisional_ms else episode
        if seen is None or seen.last_ms <= self.time_ms + PATIENCE_MS:
            return None
        peak = seen.size if seen.side == "long" else -seen.size
        return Episode(is_long=peak > 0, first_ms=seen.first_ms, peak=peak, complete=False)

    def _apply(self, fill: Fill, start: Decimal) -> Sequence[PositionClosed]:
        """Count a fill that takes the position on from `start`."""
        self.time_ms = max(self.time_ms, fill.time_ms)
        episode = self.episode
        if fill.self_trade:
            return self._apply_self_trade(fill, start)
        is_buy = fill.side == "buy"
        self.position = end = start + fill.size if is_buy else start - fill.size
        if episode is None:
            episode = self.episode = begin(fill, start)
        if is_buy is episode.is_long:
            episode.increase(fill, end)
            return ()
        if end and end.is_signed() is episode.is_long:
            return [self._flip(fill, episode, start, end)]
        episode.reduce(fill)
        return () if end else [self._close(fill, episode, cause_of(fill))]

    def _apply_self_trade(self, fill: Fill, start: Decimal) -> Sequence[PositionClosed]:
        self.position = start
        if self.episode is None and start:
            self.episode = begin(fill, start)
        if self.episode is not None:
            self.episode.trade_with_itself(fill)
        return ()

    def _flip(self, fill: Fill, episode: Episode, start: Decimal, end: Decimal) -> PositionClosed:
        closing, opening = split(fill, start)
        episode.reduce(closing)
        close = self._close(fill, episode, "flip")
        self.episode = begin(opening, ZERO)
        self.episode.increase(opening, end)
        return close

    def _close(self, fill: Fill, episode: Episode, cause: CloseCause) -> PositionClosed:
        self.episode = None
        episode.funding += self._funding_between(episode.first_ms, fill.time_ms)
        self.fundings = [item for item in self.fundings if item[0] > fill.time_ms]
        return episode.closed(fill, cause=cause, completes=self._completed(episode.first_ms))

    def _completed(self, begin_ms: int) -> str:
        """The key of the close of cause `state` that a life which began at `begin_ms` completes."""
        if not self.provisional or begin_ms > self.provisional_ms:
            return ""
        key, self.provisional = self.provisional, ""
        return key

    def _take_uncounted(self, fill: Fill) -> Sequence[PositionClosed]:
        """Take a fill without start position: it goes on from our own count, or opens if it says so."""
        start = self.position
        if start is None:
            if not fill.direction.startswith("Open"):
                return ()
            start = ZERO
        if self.episode is not None:
            self.episode.complete = False
        closes = self._apply(fill, start)
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
        """The first waiting fill that goes on from the position, and not from another waiting fill."""
        ends = set()
        for fill in self.waiting:
            start = fill.start_position or ZERO
            if start == (self.position or ZERO) and start not in ends:
                return fill
            ends.add(end_of(fill, start))
        return None

    def _accept_break(self) -> list[PositionClosed]:
        closes: list[PositionClosed] = []
        while self.waiting:
            fill = _head(self.waiting)
            self.waiting.remove(fill)
            start = fill.start_position or ZERO
            closes += self._fold(fill, start) if fill.time_ms < self.time_ms else self._trust(fill, start)
            closes += self._link()
        return closes

    def _trust(self, fill: Fill, start: Decimal) -> Sequence[PositionClosed]:
        """Go on from a fill although fills before it are missing."""
        closes: Sequence[PositionClosed] = ()
        episode = self.episode
        if episode is not None and start and (start > 0) is episode.is_long:
            episode.complete = False
            episode.peak = max(episode.peak, start, key=abs)
        elif episode is not None:
            # The chain itself proves that the position ended before this fill.
            closes = self.close_unseen(fill.account, fill.coin, max(episode.first_ms, fill.time_ms - 1))
            self.episode = None
        return [*closes, *self._apply(fill, start)]

    def _fold(self, fill: Fill, start: Decimal) -> Sequence[PositionClosed]:
        """Count a fill older than the chain: for the running episode if it spans it; a close of its own if it ends one.

        The position stays as the newer fills say.
        """
        end = end_of(fill, start)
        if start and (not end or (end > 0) is not (start > 0)):
            return [self._close_alone(fill, start, end)]
        episode = self.episode
        if episode is not None and fill.time_ms >= episode.first_ms:
            episode.complete = False
            if fill.self_trade:
                episode.trade_with_itself(fill)
            elif (fill.side == "buy") is episode.is_long:
                episode.increase(fill, end)
            else:
                episode.reduce(fill)
        return ()

    def _close_alone(self, fill: Fill, start: Decimal, end: Decimal) -> PositionClosed:
        """The close of a position of which only the closing fill is known."""
        episode = begin(fill, start)
        episode.reduce(split(fill, start)[0] if end else fill)
        return episode.closed(fill, cause="flip" if end else cause_of(fill), completes=self._completed(fill.time_ms))

    def _funding_between(self, first_ms: int, last_ms: int) -> Decimal:
        return sum((amount for time_ms, amount in self.fundings if first_ms <= time_ms <= last_ms), ZERO)


def _time_of(fill: Fill) -> int:
    return fill.time_ms


def _head(waiting: Sequence[Fill]) -> Fill:
    """Of the oldest waiting fills the one that follows none of the others."""
    ends = {end_of(fill, fill.start_position or ZERO) for fill in waiting if not fill.self_trade}
    oldest = [fill for fill in waiting if fill.time_ms == waiting[0].time_ms]
    return next((fill for fill in oldest if fill.start_position not in ends), oldest[0])
