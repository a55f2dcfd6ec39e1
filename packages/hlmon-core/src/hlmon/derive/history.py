"""One coin of one account up to now: the running position, the ones that ended, and what comes late for them."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from hlmon.derive.episode import ZERO, Episode, begin, end_of, portion, split
from hlmon.derive.lives import Life, Payment, comes_before, cut, parts_of, says_the_same
from hlmon.events import Fill, Funding, PositionClosed, is_perp

PATIENCE_MS = 10_000
"""How long a fill may wait for the one before it, a vanished position for its fill, and a late fill for the next."""
MAX_FUNDINGS = 256
MAX_LIVES: Final = 100
KEEP_MS: Final = 6 * 3_600_000
"""How long before the newest fill of its coin a position may have ended for late fills still to correct its close."""


@dataclass(slots=True, kw_only=True)
class History:
    """What the fills of one coin add up to. There is an episode exactly while the position is known and not 0."""

    position: Decimal | None = None  # None: no fill was seen yet
    time_ms: int = 0  # of the newest fill in the chain
    episode: Episode | None = None
    fundings: list[Payment] = field(default_factory=list)  # of no closed episode, by arrival
    provisional: str = ""  # key of the close of cause `state` that waits for its fill
    provisional_ms: int = 0
    closed: list[Life] = field(default_factory=list)  # the newest ones, oldest first
    restate_ms: int = 0  # when what came late is stated although more may be missing; 0: nothing came
    dropped_ms: int = 0  # lives up to here are forgotten
    clock_ms: int = 0  # the newest time that was known of the account at the last call

    def fund(self, funding: Funding) -> None:
        """Keep a funding payment for the episode that spans its time when that closes; the oldest is counted now."""
        time_ms, payment = funding.time_ms, (funding.time_ms, funding.amount)
        life = next((life for life in self.closed if life.may_be_paid(funding)), None)
        if life is not None:
            is_its = life.episode.first_ms <= time_ms
            if len(life.payments) < MAX_FUNDINGS:
                life.payments.append(payment)
            elif is_its:
                life.episode.funding += funding.amount
            if is_its:
                self.mark(life)
            return
        if self.episode is not None and funding.size and (funding.size > 0) is not self.episode.is_long:
            payment = (time_ms + 1, funding.amount)  # of what the flip of this millisecond opens, which is to come
        self.fundings.append(payment)
        if len(self.fundings) > MAX_FUNDINGS:
            time_ms, amount = self.fundings.pop(0)
            if self.episode is not None and time_ms >= self.episode.first_ms:
                self.episode.funding += amount

    def is_told(self, life: Life, close: PositionClosed) -> None:
        """Take over that this was stated about a life; what is known beyond it is stated soon."""
        life.told, life.said, life.due = close, None, False
        if life.closing is not None and not says_the_same(life.statement(close.account, close.coin, 0), close):
            self.mark(life)

    def rebuilt(self) -> list[PositionClosed]:
        """The closes that were stated while the memory was rebuilt and are not stored: nobody heard them."""
        for life in self.closed:
            if life.said is not None:
                life.said, life.due = None, True
        return self.restate() if any(life.due for life in self.closed) and not self.restate_ms else []

    def forget_oldest(self, number: int = 1) -> None:
        """Keep so many of the oldest fills that are kept whole in the sums only."""
        flip: Fill | None = None  # it is kept in two lives
        for episode in list(self._with_parts()):
            if flip is not None and episode.parts[0].key == flip.key:
                episode.forget_oldest(1)
            flip = None
            if not number:
                break
            if forgotten := min(number, len(episode.parts)):
                number -= forgotten
                part = episode.forget_oldest(forgotten)
                start = part.start_position or ZERO
                flip = split(part, start)[1] if start * end_of(part, start) < 0 else None
        self._drop()

    def _with_parts(self) -> Iterator[Episode]:
        for life in self.closed:
            if life.episode.parts:
                yield life.episode
        if self.episode is not None and self.episode.parts:
            yield self.episode

    def kept(self) -> Iterator[Fill]:
        """The fills that are kept whole."""
        for episode in (*(life.episode for life in self.closed), *((self.episode,) if self.episode else ())):
            yield from episode.parts

    def close(self, fill: Fill, episode: Episode) -> Sequence[PositionClosed]:
        """End the running position by a fill that was counted."""
        life = Life(episode=episode, closing=fill, closed_ms=fill.time_ms, names=self.completed(episode.first_ms))
        self.episode = None
        if self.fundings:
            life.payments = [payment for payment in self.fundings if payment[0] <= fill.time_ms]
            self.fundings = [payment for payment in self.fundings if payment[0] > fill.time_ms]
        self.closed.append(life)
        self._drop()
        return self.state(life, fill)

    def completed(self, begin_ms: int) -> str:
        """The key of the close of cause `state` that a life which began at `begin_ms` completes."""
        if not self.provisional or begin_ms > self.provisional_ms:
            return ""
        key, self.provisional = self.provisional, ""
        return key

    def is_late(self, fill: Fill, start: Decimal) -> bool:
        """Whether the fill is older than the chain; at the same time, whether it is one that was missed."""
        if fill.time_ms != self.time_ms:
            return fill.time_ms < self.time_ms
        if start == (self.position or ZERO):
            return False
        end = portion(fill)[2]
        touching = [life.episode for life in self.closed if life.closing is None or life.closed_ms >= fill.time_ms]
        for episode in [*touching, self.episode] if self.episode else touching:
            # Each life starts and ends at 0, so only another position tells where the fill belongs.
            if (start and episode.missing.get(start, 0) > 0) or (end and episode.missing.get(end, 0) < 0):
                return True
            if any(comes_before(fill, part) for part in episode.parts):
                return True
        return False

    def take_late(self, fill: Fill, start: Decimal) -> Sequence[PositionClosed]:
        """Count a fill older than the chain in the life that it belongs to; the position stays as newer fills say."""
        if self._is_known(fill):
            return ()
        time_ms = fill.time_ms
        within = self._life_within(time_ms)
        episode = within.episode if within else self.episode
        is_inside = episode is not None and episode.first_ms < time_ms and (within or self._closed_before(time_ms))
        end = end_of(fill, start)
        if episode is not None and is_inside and start * end > 0 and (start > 0) is episode.is_long:
            was_complete = episode.is_complete
            _insert(episode, fill, start, end)
            return self._came_late(within, was_complete, fill) if within else ()
        return self._sort_in(fill, start)

    def _life_within(self, time_ms: int) -> Life | None:
        """The ended life that is the only one at this time."""
        for life in self.closed:
            if life.closed_ms > time_ms:
                return life if life.closing is not None and life.episode.first_ms < time_ms else None
            if life.closed_ms == time_ms:
                return None
        return None

    def _closed_before(self, time_ms: int) -> bool:
        return not self.closed or self.closed[-1].closed_ms < time_ms

    def _is_known(self, fill: Fill) -> bool:
        """Whether this fill is among those that are kept; an event may come again after a restart."""
        episodes = [*(life.episode for life in self.closed), *([self.episode] if self.episode else [])]
        return any(
            part.time_ms == fill.time_ms and part.trade_id == fill.trade_id and part.key == fill.key
            for episode in episodes
            for part in episode.parts
        )

    def _sort_in(self, fill: Fill, start: Decimal) -> Sequence[PositionClosed]:
        """Take the lives around a late fill apart and put them together anew."""
        low, high, takes_running = self._around(fill.time_ms)
        old = self.closed[low:high]
        running = self.episode if takes_running else None
        episodes = [life.episode for life in old] + ([running] if running else [])
        if any(each.fills > len(each.parts) and fill.time_ms <= _kept_from(each) for each in episodes) or (
            not old and fill.time_ms <= self.dropped_ms
        ):
            return self._close_alone(fill, start, old)
        if running is not None:
            running.miss(self.position or ZERO, ZERO)
        bases = [base for each in episodes if (base := each.forgotten())]
        lives, last = cut(bases, parts_of(fill, start) + [part for each in episodes for part in each.parts])
        if last is not None and (running is None or last.is_long is not running.is_long):
            lives.append(Life(episode=last, closing=None, closed_ms=last.last_ms))
            last = None
        if running is not None:
            position = self.position or ZERO
            self.episode = last or Episode(
                is_long=running.is_long, first_ms=self.time_ms, last_ms=self.time_ms, peak=position
            )
            self.episode.miss(ZERO, position)
        after = None if takes_running or high == len(self.closed) else self.closed[high]
        self._hand_on(old, lives, after)
        self.closed[low:high] = lives
        complete = {life.closing.key for life in old if life.closing and life.episode.is_complete}
        closes: list[PositionClosed] = []
        for life in lives:
            closes += self._came_late(life, life.closing is not None and life.closing.key in complete, fill)
        return closes

    def _around(self, time_ms: int) -> tuple[int, int, bool]:
        """The lives that a fill of this time may belong to, as a range of `closed`, and whether the running one may."""
        closed = self.closed
        low = next((i for i, life in enumerate(closed) if life.closing and life.closed_ms >= time_ms), len(closed))
        high = low
        while low and (closed[low - 1].closing is None or closed[low - 1].closed_ms >= time_ms):
            low -= 1
        while high < len(closed) and _may_hold(closed[high].episode, time_ms):
            high += 1
            if closed[high - 1].closing and closed[high - 1].closed_ms > time_ms:
                return low, high, False
        takes_running = high == len(closed) and self.episode is not None and _may_hold(self.episode, time_ms)
        return low, high, takes_running

    def _hand_on(self, old: Sequence[Life], lives: Sequence[Life], after: Life | None) -> None:
        """Give the lives put together anew what was stated of the old ones, and the funding of their times.

        `after` is the ended life that follows; None: the running one.
        """
        ended = {_leg(life.closing): life for life in old if life.closing}
        for life in lives:
            if life.closing and (before := ended.get(_leg(life.closing))):
                life.closing, life.due, life.names = before.closing, before.due, before.names
                life.told, life.said = before.told, before.said
        for before in old:
            if before.closing is None and before.is_stated:
                free = [life for life in lives if not life.is_stated]
                match = next((life for life in free if life.closed_ms >= before.episode.first_ms), None)
                if match:
                    match.told, match.said, match.names = before.told, before.said, before.names
        payments = [payment for life in [*old, *([after] if after else [])] for payment in life.payments]
        payments += [] if after else self.fundings
        for life in lives:
            life.payments = [payment for payment in payments if payment[0] <= life.closed_ms]
            payments = [payment for payment in payments if payment[0] > life.closed_ms]
        if after:
            after.payments = payments
        else:
            self.fundings = payments

    def _came_late(self, life: Life, was_complete: bool, fill: Fill) -> Sequence[PositionClosed]:
        """State a life that a late fill closed or completed; if more may come, only after a while."""
        told = life.said or life.told
        is_news = life.closing is not None and (told is None or told.trigger != life.closing.key)
        if is_news or (told and life.episode.is_complete and not was_complete):
            return self.state(life, fill)
        self.mark(life, fill.time_ms)
        return ()

    def mark(self, life: Life, time_ms: int = 0) -> None:
        """State a life anew when nothing came late for a while."""
        life.due = True
        self.restate_ms = max(self.clock_ms, time_ms, self.time_ms) + PATIENCE_MS

    def restate(self) -> list[PositionClosed]:
        """State what came late, whether or not more is missing."""
        self.restate_ms = 0
        closes: list[PositionClosed] = []
        for life in self.closed:
            if life.due and (fill := life.closing or next(iter(life.episode.parts), None)):
                closes += self.state(life, fill)
        return closes

    def state(self, life: Life, fill: Fill) -> Sequence[PositionClosed]:
        """The statement about a life of the fill's coin, if it says anything new."""
        life.due = False
        if not is_perp(fill.coin) and life.cause != "settlement":
            return ()
        if not life.is_stated:
            life.names = self.completed(life.episode.first_ms)
        if life.closing is None and life.is_stated:
            return ()  # nothing is known of its end yet, and that was said
        close = life.statement(fill.account, fill.coin, max(self.clock_ms, self.time_ms))
        told = life.said or life.told
        if told is not None and says_the_same(close, told):
            return ()
        life.said = close
        return [close]

    def _close_alone(self, fill: Fill, start: Decimal, around: Sequence[Life]) -> Sequence[PositionClosed]:
        """Of lives that cannot be taken apart: the close of a position of which only the closing fill is known."""
        for life in around:
            if life.episode.is_complete and life.closing:
                life.episode.complete = False
                self.mark(life, fill.time_ms)
        end = end_of(fill, start)
        if not start or start * end > 0 or fill.self_trade:
            return ()
        episode = begin(fill, start)
        episode.complete = False
        episode.count(portion(fill)[0], start, ZERO, fill)
        return self.state(Life(episode=episode, closing=fill, closed_ms=fill.time_ms), fill)

    def _drop(self) -> None:
        """Forget the oldest lives that nothing can or need correct any more."""
        while self.closed and (len(self.closed) > MAX_LIVES or self._is_over(self.closed[0])):
            self.dropped_ms = max(self.dropped_ms, self.closed.pop(0).closed_ms)

    def _is_over(self, life: Life) -> bool:
        if life.due:
            return False
        return (life.episode.is_complete and not life.episode.parts) or life.closed_ms < self.time_ms - KEEP_MS


def _leg(fill: Fill) -> tuple[object, ...]:
    return (fill.time_ms, fill.trade_id, fill.order_id, fill.side, fill.price, fill.size)


def _time_of(fill: Fill) -> int:
    return fill.time_ms


def _insert(episode: Episode, fill: Fill, start: Decimal, end: Decimal) -> None:
    """Count a late fill, among the others by its time."""
    last_ms = episode.last_ms
    kept_from_ms = _kept_from(episode) if episode.fills > len(episode.parts) else 0
    episode.count(fill, start, end)
    episode.miss(end, start)
    episode.peak = max(episode.peak, start, end, key=abs)
    episode.last_ms = max(last_ms, episode.last_ms)
    part = episode.parts.pop()
    if fill.time_ms > kept_from_ms:
        insort(episode.parts, part, key=_time_of)
    else:
        episode.forgotten_peak = max(episode.forgotten_peak, start, end, key=abs)


def _kept_from(episode: Episode) -> int:
    return episode.parts[0].time_ms if episode.parts else episode.last_ms


def _may_hold(episode: Episode, time_ms: int) -> bool:
    return episode.first_ms <= time_ms or episode.opened_ms is None
