"""The books of one account: whether the positions that its fills add up to are those that the exchange shows. Pure.

Each fill states the position before it, and the account state shows every position about every 5 s. The two come on
different streams and in no common order, so a difference counts only when it lasts. What is never shown cannot be
compared: a round trip between two states of which no fill came is found by reading over REST alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Final

from hlmon.derive.figures import dex_of
from hlmon.events import AccountState, Event, Fill, Name
from hlmon.linking import Step, steps

PATIENCE_SECONDS: Final = 30.0
"""How long fills and states may disagree: they are not ordered against each other."""
LAG_MS: Final = 5_000
"""How far the time of a state may be from the times of the fills that it counts in."""
FIRST_AGAIN_SECONDS: Final = 60.0
LONGEST_AGAIN_SECONDS: Final = 900.0
SETTLED_MS: Final = 30_000
"""Fills before this are in their order: none comes between them any more."""
MOST_FILLS: Final = 2_000  # of one coin: the whole exchange trades less in half a minute
MOST_IN_ORDER: Final = 100  # of one coin, if each follows on the one before it: of older ones the positions do
KEPT_FILLS: Final = 50  # when there are more
MOST_PASSED: Final = 2_000  # positions
MOST_AT_ONCE: Final = 16_000  # within one millisecond, which is kept whole: REST has no more than 10,000 fills
ZERO: Final = Decimal(0)


@dataclass(frozen=True)
class Doubt:
    """Fills of these coins may be missing since `since_ms`, the last moment of agreement."""

    coins: tuple[str, ...]
    since_ms: int


@dataclass(frozen=True)
class Difference:
    """What a second reading did not explain: the fills of `coin` end at `expected`, the exchange shows `shown`."""

    coin: str
    since_ms: int
    expected: Decimal | None
    shown: Decimal


_Path = Sequence[tuple[int, Decimal | None]]
"""Time and position after each fill; first where the fills begin."""
_Mark = tuple[int, Decimal | None, Decimal | None]
"""What names a difference while others come and go: a time, the position that is expected then, and another."""
_TORN: Final[_Mark] = (0, None, None)


@dataclass(slots=True)
class _Coin:
    """What is known of one coin since its fills and the account state agreed."""

    base: Decimal | None = None  # the position after all fills up to `base_ms`
    base_ms: int = 0
    born_ms: int = 0  # the base is what the state of this time showed, before any fill was known
    agreed_ms: int = 0
    fills: list[Fill] = field(default_factory=list)  # after that, as they came
    passed: list[tuple[int, Decimal | None]] = field(default_factory=list)  # time and position of some before the base
    is_new: bool = False  # fills came since the last look
    is_torn: bool = False  # fills that did not hang together had to be dropped
    shown: Decimal = ZERO
    shown_ms: int = 0
    differences: dict[_Mark, float] = field(default_factory=dict)  # since when
    stray: Decimal | None = None  # a position that was shown and that no fill leads to
    stray_since: float = 0.0
    was_read_again: bool = False  # the next state decides
    again_at: float = 0.0
    again_seconds: float = FIRST_AGAIN_SECONDS
    is_stated: bool = False  # as a difference that REST does not explain
    most: int = MOST_IN_ORDER  # fills before the oldest are let go

    def path(self) -> tuple[_Path, set[_Mark]]:
        """Time and position after each fill, first the base; and where a fill does not start where another ended."""
        if (plain := self._plain_path()) is not None:
            return plain, set()
        known: dict[Name, Fill] = {}
        for fill in self.fills:
            if fill.time_ms > self.base_ms:
                known.setdefault(fill.name, fill)
            elif self.stray is not None and fill.start_position is not None:
                self.explain(fill.start_position, fill.start_position + fill.signed_size)
        self.fills = [fill for fill in known.values() if fill.time_ms > self.born_ms - LAG_MS]
        found: list[tuple[int, Decimal | None]] = [(self.base_ms, self.base)]
        breaks, end = {_TORN} if self.is_torn else set[_Mark](), self.base
        for start, after, time_ms in _not_counted(list(steps(self.fills, end)), self.base, self.born_ms):
            if start is not None and end is not None and start != end:
                breaks.add((time_ms, end, start))
            found.append((time_ms, after))
            end = after
        self.explain(*(position for _, position in found))
        return found, breaks

    def _plain_path(self) -> _Path | None:
        """The path if the fills came in their order and each starts where the one before it ended, as most do."""
        fills, end = self.fills, self.base
        if self.is_torn or self.stray is not None or (fills and fills[0].time_ms <= max(self.base_ms, self.born_ms)):
            return None
        last_ms, found = self.base_ms, [(self.base_ms, end)]
        for fill in fills:
            start, time_ms = fill.start_position, fill.time_ms
            if start is None or time_ms < last_ms or fill.self_trade or (start != end and end is not None):
                return None
            last_ms, end = time_ms, start + fill.size if fill.side == "buy" else start - fill.size
            found.append((last_ms, end))
        return found

    def rest(self, path: _Path, until_ms: int) -> None:
        """Go on from the newest position of the path until then; later fills may still come before others."""
        for time_ms, position in reversed(path):
            if time_ms <= until_ms:
                if time_ms > self.base_ms:
                    self.base, self.base_ms = position, time_ms
                    self.fills = [fill for fill in self.fills if fill.time_ms > time_ms]
                return

    def differ(self, marks: set[_Mark], now: float) -> None:
        """These differences there are now."""
        self.differences = {mark: self.differences.get(mark, now) for mark in marks}
        if marks and self.stray is None and self.shown_ms:
            self.stray, self.stray_since = self.shown, now

    def agree(self, time_ms: int) -> None:
        """Fills and state agree at this time of the exchange; a position shown before may still be unexplained."""
        self.agreed_ms = time_ms
        self.differences.clear()
        self.is_stated = self.was_read_again = self.is_torn = False
        self.again_at, self.again_seconds = 0.0, FIRST_AGAIN_SECONDS

    def is_doubtful(self, now: float) -> bool:
        """Whether a difference has lasted too long to be one of arrival."""
        since = min(self.differences.values(), default=now)
        return now - (since if self.stray is None else min(since, self.stray_since)) >= PATIENCE_SECONDS

    def explain(self, *positions: Decimal | None) -> None:
        """These positions were passed: one that was shown and that no fill had led to may be among them."""
        if self.stray in positions:
            self.stray = None


class Books:
    """Takes what comes of one account in any order and with repetitions; `now` are seconds that never go back.

    Fills up to `after_ms` are not counted: some are missing, and what all of them led to is what is shown first.
    """

    def __init__(self, after_ms: int = 0) -> None:
        self._after_ms = after_ms
        self._coins: dict[str, _Coin] = {}
        self._state_ms = 0
        self._ended: set[str] = set()  # dexes that are gone, while states still say that nothing is on them
        self._whole: set[str] = set()  # dexes of which every position has been shown
        self._unexplained: list[Difference] = []

    def take(self, events: Iterable[Event]) -> None:
        """Fills as they come, live or read back; other events say nothing here. Many at once cost less each."""
        by_coin: defaultdict[str, list[Fill]] = defaultdict(list)
        for event in events:
            if type(event) is Fill:
                by_coin[event.coin].append(event)
        for name, fills in by_coin.items():
            coin = self._coins.get(name)
            if coin is None:
                if not fills[0].is_perp:
                    continue
                coin = self._new(name)
            coin.fills += fills
            coin.is_new = True
            if len(coin.fills) > coin.most:
                _shorten(coin)

    def begin(self) -> None:
        """All that was missed is read back, as far as it can be: from now on the fills must lead to what is shown."""
        for coin in self._coins.values():
            if coin.fills:
                path, breaks = coin.path()
                if breaks:
                    coin.rest(path, max(breaks)[0])
                coin.agreed_ms = max(coin.agreed_ms, path[-1][0])
            coin.stray = None
            coin.differences.clear()
            coin.was_read_again = coin.is_new = coin.is_torn = False

    def end(self, dex: str) -> None:
        """This dex is gone, and what it had is no difference any more."""
        self._ended.add(dex)
        self._whole.discard(dex)
        for name in [name for name in self._coins if dex_of(name) == dex]:
            del self._coins[name]

    def compare(self, state: AccountState, now: float) -> None:
        """The exchange shows its positions. From a dex that is missing or not wholly readable nothing follows."""
        if state.time_ms < self._state_ms:
            return
        shown = {position.coin: position.size for dex in state.dexes for position in dex.positions}
        self._ended = {dex.dex for dex in state.dexes if dex.dex in self._ended and not dex.positions}
        whole = {dex.dex for dex in state.dexes if dex.complete and dex.dex not in self._ended}
        for name in shown.keys() | self._coins.keys():
            if name in shown or dex_of(name) in whole:
                coin = self._coins.get(name) or self._new(name)
                coin.shown, coin.shown_ms = shown.get(name, ZERO), state.time_ms
                self._compare(name, coin, now)
        self._state_ms = state.time_ms
        self._whole |= whole

    def doubt(self, now: float) -> Doubt | None:
        """What should be read again now, None if all is well; asked for once, then again with growing pauses."""
        self._follow(now)
        found = {name: coin for name, coin in self._coins.items() if coin.is_doubtful(now) and now >= coin.again_at}
        return Doubt(tuple(sorted(found)), min(map(_agreed_ms, found.values()))) if found else None

    def read_again(self, doubt: Doubt, now: float) -> None:
        """What was in doubt has been read from REST, and `take` got it: the next state decides."""
        for coin in (self._coins[name] for name in doubt.coins):
            coin.was_read_again, coin.again_at = bool(coin.differences), now + coin.again_seconds
            coin.again_seconds = min(2 * coin.again_seconds, LONGEST_AGAIN_SECONDS)
            coin.stray = None

    def unexplained(self) -> Sequence[Difference]:
        """What still differed when a state came after it was read again; each is told once."""
        found, self._unexplained = self._unexplained, []
        return found

    @property
    def in_doubt(self) -> bool:
        """Whether anything differs at all, for however short a time."""
        return any(coin.differences or coin.stray is not None for coin in self._coins.values())

    def doubtful(self, now: float) -> list[str]:
        """The coins whose difference has lasted too long."""
        return sorted(name for name, coin in self._coins.items() if coin.is_doubtful(now))

    def _follow(self, now: float) -> None:
        """A fill that does not start where the one before it ended is a difference without any state."""
        for name, coin in self._coins.items():
            if coin.is_new:
                self._compare(name, coin, now, is_state=False)

    def _new(self, name: str) -> _Coin:
        """A coin that was never heard of: where every position of its dex has been shown, it had none."""
        known = dex_of(name) in self._whole
        born_ms = self._state_ms
        coin = self._coins[name] = (
            _Coin(ZERO, born_ms=born_ms, agreed_ms=born_ms) if known else _Coin(born_ms=self._after_ms)
        )
        return coin

    def _compare(self, name: str, coin: _Coin, now: float, *, is_state: bool = True) -> None:
        coin.is_new = False
        if not coin.fills and coin.base is None:  # the first that is known of it
            coin.base, coin.born_ms = coin.shown, coin.shown_ms
            coin.agree(coin.shown_ms)
            return
        path, marks = coin.path()
        end_ms, end = path[-1]
        if not coin.shown_ms:
            coin.differ(marks, now)
            return
        if end is None:  # a fill that does not say where it started: the state does
            coin.rest([(end_ms, coin.shown)], end_ms)
            coin.agree(coin.shown_ms)
            return
        path = [*coin.passed, *path] if coin.passed else path
        place = _place(path, coin.shown, coin.shown_ms)
        if place is not None and not marks:
            coin.agree(coin.shown_ms)
            coin.rest(path, coin.shown_ms - SETTLED_MS)
            return
        coin.differ(marks if place is not None else marks | {(end_ms, end, coin.shown)}, now)
        if coin.was_read_again and is_state:
            coin.was_read_again = False
            if not coin.is_stated:
                coin.is_stated = True
                self._unexplained.append(Difference(name, _agreed_ms(coin), end, coin.shown))
        if coin.is_stated and place == len(path) - 1:  # what came since goes on from what is shown
            coin.agree(coin.shown_ms)
            coin.rest(path, end_ms)
            coin.stray = None


def _not_counted(found: list[Step], base: Decimal | None, born_ms: int) -> list[Step]:
    """The steps without those that a base which a state of `born_ms` showed counts in.

    What is read again may go back beyond that state, whose time may be a little off.
    """
    early = [step for step in found if step[2] <= born_ms]
    if not early or (early[0][0] == base and all(one[1] == next_[0] for one, next_ in pairwise(early))):
        return found
    counted = [place for place, (_, after, _) in enumerate(early) if after == base]
    if counted:
        return found[counted[-1] + 1 :]
    return found if early[0][0] == base else found[len(early) :]


def _place(path: _Path, shown: Decimal, time_ms: int) -> int | None:
    """The last place in the path that is the shown position at about the time of the state."""
    until_ms = None
    for place in range(len(path) - 1, -1, -1):
        begin_ms, position = path[place]
        if until_ms is not None and until_ms < time_ms - LAG_MS:
            return None
        if position == shown and begin_ms <= time_ms + LAG_MS:
            return place
        until_ms = begin_ms
    return None


def _shorten(coin: _Coin) -> None:
    """So many fills within half a minute: the newest must do. A millisecond is kept whole: its order may be another."""
    if _shorten_in_order(coin):
        coin.most = MOST_IN_ORDER
        return
    if len(coin.fills) <= MOST_FILLS:
        coin.most = min(2 * len(coin.fills), MOST_FILLS)
        return
    path, breaks = coin.path()
    if len(coin.fills) > MOST_FILLS // 2:
        until_ms = path[-KEPT_FILLS][0]
        coin.rest(path, until_ms if len(coin.fills) > MOST_AT_ONCE else until_ms - 1)
        coin.is_torn = coin.is_torn or any(mark[0] <= coin.base_ms for mark in breaks)
    coin.most = max(MOST_FILLS, 2 * len(coin.fills))


def _shorten_in_order(coin: _Coin) -> bool:
    """The ordinary case, in a tenth of the time: each fill came in its order and starts where the one before ended."""
    fills, end, last_ms = coin.fills, coin.base, coin.base_ms
    kept = len(fills) - KEPT_FILLS
    while kept and fills[kept].time_ms == fills[kept - 1].time_ms:
        kept -= 1
    passed: list[tuple[int, Decimal | None]] = [(last_ms, end)]
    for fill in fills[:kept]:
        start, time_ms = fill.start_position, fill.time_ms
        if time_ms < last_ms or fill.self_trade or start is None or (end is not None and start != end):
            return False
        end = start + fill.size if fill.side == "buy" else start - fill.size
        last_ms = time_ms
        passed.append((time_ms, end))
    if not kept or fills[0].time_ms <= coin.born_ms:  # the base counts them in
        return False
    if coin.stray is not None:
        coin.explain(*(position for _, position in passed))
    coin.base, coin.base_ms, coin.fills = end, last_ms, fills[kept:]
    coin.passed = (coin.passed + passed[:-1])[-MOST_PASSED:]
    return True


def _agreed_ms(coin: _Coin) -> int:
    """Up to here nothing is missing; they may have agreed by chance later, two that were on their way being equal."""
    if not coin.agreed_ms:
        return coin.base_ms or min((fill.time_ms for fill in coin.fills), default=0)
    return coin.agreed_ms - SETTLED_MS
