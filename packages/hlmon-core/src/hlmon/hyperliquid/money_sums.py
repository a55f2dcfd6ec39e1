"""Whether an account's money is what its fills, payments and ledger add up to, to the last digit. Pure.

The exchange shows, about every 5 s, the account value of each dex and the total of each token. The account value less
the positions is the cash, which marks do not move: it changes by fills, fundings and entries of the ledger alone, and
so does every token (`money_changes`). Here the changes since the last agreement are kept by their time, and what is
shown must be on their path at about the time of the state. What is not, for longer than an order of arrival explains,
is a reason to read again; what that does not explain (interest, an entry of unknown effect) is accepted as shown.

The sums are exact where each dex has its own cash (classic), and for the tokens where collateral is shared (unified).
Under portfolio margin interest moves tokens all the time, under dex abstraction USDC moves between dexes without a
word: there the sums are asked about ever more rarely, or not at all, and `is_sure` says that they prove nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate
from operator import itemgetter
from typing import Final

from hlmon.derive.value import shares_collateral
from hlmon.events import AccountMode, AccountState, Event, Fill, Funding, Ledger, SpotState
from hlmon.hyperliquid.money_changes import CASH, Pairs, changes_of

PATIENCE_SECONDS: Final = 12.0
"""How long states and events may disagree: they have no common order, and rows may become visible some seconds late."""
LAG_MS: Final = 5_000
"""How much older than its time a state may be: the time of balances is when they came."""
AHEAD_MS: Final = 500
"""How much newer: a payment may equal the one before it, so little more than what it counts in may explain a state."""
SINCE_MS: Final = 10_000
"""From how long before the last agreement to read again."""
FIRST_PAUSE_SECONDS: Final = 15.0
LONGEST_PAUSE_SECONDS: Final = 3600.0
PAUSES_OF_PEACE: Final = 4
"""After so many pauses without a difference that nothing explains the next one is asked about at once again."""
FRESH_SECONDS: Final = 45.0
MOST_CHANGES: Final = 4_000
"""Of one pocket between two agreements: beyond that the next state is taken as it is."""
MOST_EVENTS: Final = 1_000
"""Of all between two looks, which are about 5 s apart: the same."""
DIGITS: Final = 8
TOLERANCE: Final = 500
ROUNDING: Final = 100
"""Of a state and of each change, in units of 1e-8: the exchange rounds values to 6 digits."""
BLIND_SECONDS: Final = 60.0
MONEY: Final = frozenset({Fill, Funding, Ledger})

_time = itemgetter(0)


class _Pocket:
    """One pocket. Amounts are whole numbers of 1e-8, which add up exactly and fast."""

    __slots__ = (
        "agreed",
        "agreed_ms",
        "asked",
        "changes",
        "first",
        "from_ms",
        "is_new",
        "not_before",
        "pause",
        "peace_at",
        "shown",
        "since",
        "until_ms",
    )

    def __init__(self) -> None:
        self.is_new = True  # nothing was shown yet
        self.agreed = 0  # what was shown when it agreed last
        self.agreed_ms = 0
        self.from_ms = self.until_ms = (
            0  # the newest change that it counts in is not before the one, nor after the other
        )
        self.changes: dict[object, tuple[int, int]] = {}  # by event: time and amount, those after `from_ms`
        self.shown: tuple[int, int] | None = None  # time and amount of the last state
        self.first: tuple[int, int] | None = None  # the same of the first state that differed
        self.since = 0.0  # when that came
        self.asked = False  # about that
        self.pause = self.not_before = self.peace_at = 0.0

    def rest(self, shown: tuple[int, int], from_ms: int, until_ms: int) -> None:
        """Go on from what this state shows."""
        self.is_new = False
        self.agreed_ms, self.agreed = shown
        self.from_ms = max(from_ms, self.agreed_ms - LAG_MS)
        self.until_ms = max(until_ms, self.from_ms)
        if self.changes:
            self.changes = {event: change for event, change in self.changes.items() if change[0] > self.from_ms}
        self.first, self.asked = None, False

    def accept(self, shown: tuple[int, int]) -> None:
        """Go on from a state of which nobody knows which changes it counts in."""
        self.rest(shown, shown[0] - LAG_MS, shown[0] + AHEAD_MS)

    def look(self, now: float) -> None:
        """Compare what was shown with the changes as far as they are known."""
        if self.shown is None:
            return
        if self.is_new:
            self.accept(self.shown)
            return
        if self.first is not None:
            self._match(self.first)
        if not self._match(self.shown) and self.first is None:
            self.first, self.since = self.shown, now
        if self.first is not None and now < self.not_before and now - self.since >= PATIENCE_SECONDS:
            self.accept(self.first)
        if self.first is None and now >= self.peace_at:
            self.pause = 0.0

    def read_again(self, now: float) -> bool:
        """What REST has is known: what it does not explain is how it is; whether there was such a thing."""
        self.look(now)
        is_left = self.first is not None and self.asked
        if self.first is not None and is_left:
            self.accept(self.first)
            self.pause = min(2 * self.pause or FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
            self.not_before = now + self.pause
            self.peace_at = self.not_before + PAUSES_OF_PEACE * self.pause
            self.look(now)
        return is_left

    def is_standing(self, now: float) -> bool:
        """Whether it differs for longer than any order of arrival explains, and may be asked about."""
        return self.first is not None and now - self.since >= PATIENCE_SECONDS and now >= self.not_before

    def _match(self, shown: tuple[int, int]) -> bool:
        """Whether what is shown is on the path; if so, go on from there."""
        time_ms, total = shown
        moved = total - self.agreed
        if not self.changes:
            if abs(moved) > TOLERANCE:
                return False
            self.rest(shown, self.from_ms, self.until_ms)
            return True
        path = sorted(self.changes.values(), key=_time)
        times = [change[0] for change in path]
        sums = list(accumulate((change[1] for change in path), initial=0))
        slack = TOLERANCE + ROUNDING * len(path)
        begins = {(each + moved) // slack for each in sums[: bisect_right(times, self.until_ms) + 1]}
        first = bisect_right(times, time_ms - LAG_MS)
        ends = [
            place
            for place in range(first, bisect_right(times, time_ms + AHEAD_MS) + 1)
            if any(sums[place] // slack + near in begins for near in (0, -1, 1))
        ]
        if not ends:
            return False
        self.rest(shown, _counted_from(times, ends[0], self.from_ms), times[ends[-1] - 1] if ends[-1] else 0)
        return True


def _counted_from(times: Sequence[int], place: int, from_ms: int) -> int:
    """Up to when all changes are counted in at a place of the path, which may be inside a millisecond."""
    if not place:
        return from_ms
    is_inside = place < len(times) and times[place] == times[place - 1]
    return times[place - 1] - is_inside


class Sums:
    """The money of one account; `now` are seconds that never go back. `pairs` may become known later."""

    def __init__(self) -> None:
        self.pairs: Pairs = {}
        self._mode: AccountMode = "unknown"  # as it was known last
        self._is_known = False
        self._shared = False
        self._pockets: dict[str, _Pocket] = {}
        self._new: list[Event] = []
        self._listed: frozenset[str] = frozenset()  # tokens of the last state of balances
        self._spot_ms = 0  # its time, if it was whole
        self._now = self._blind_until = 0.0
        self._cash_at = self._spot_at = float("-inf")  # when the last states came

    def take(self, events: Sequence[Event]) -> None:
        """Events of one stream as they come, live or read back, known or not."""
        if events and type(events[0]) in MONEY:
            self._new += events
            if len(self._new) > MOST_EVENTS:
                self._skip()

    def use(self, mode: AccountMode) -> None:
        """The account's mode. With another one everything lies elsewhere; while it is in doubt, nothing is compared."""
        self._is_known = mode != "unknown"
        if self._is_known and mode != self._mode:
            self._mode, self._shared = mode, shares_collateral(mode)
            self.forget()

    def forget(self) -> None:
        """What the exchange shows next is where it goes on."""
        self._pockets.clear()
        self._listed, self._spot_ms = frozenset(), 0

    def end(self, dex: str) -> None:
        """This dex is gone."""
        self._pockets.pop(CASH + dex, None)

    def compare(self, state: AccountState | SpotState, now: float) -> None:
        """What the exchange shows; from what could not be read nothing follows."""
        self._now = now
        if not self._is_known:
            return
        self._count()
        if isinstance(state, SpotState):
            self._compare_tokens(state, now)
            self._spot_at = now
            return
        self._cash_at = now
        if self._shared or self._mode == "dex_abstraction":
            return
        for dex in state.dexes:
            if dex.complete and dex.exact:
                held = sum((each.position_value.copy_sign(each.size) for each in dex.positions), Decimal(0))
                self._show(CASH + dex.dex, dex.account_value - held, state.time_ms, now)

    def _compare_tokens(self, state: SpotState, now: float) -> None:
        shown = {balance.coin: balance.total for balance in state.balances}
        known = [name for name in self._pockets if not name.startswith(CASH)] if state.complete else []
        for name in (*shown, *(name for name in known if name not in shown)):
            if self._spot_ms and name not in self._listed and (pocket := self._pocket(name)).is_new:
                pocket.accept((self._spot_ms, 0))  # it was not on the list before
            self._show(name, shown.get(name, Decimal(0)), state.time_ms, now)
        self._listed, self._spot_ms = frozenset(shown), state.time_ms if state.complete else 0

    def doubt(self, now: float) -> int | None:
        """The time from which everything should be read again, None if all is well."""
        self._now = now
        self._count()
        found = []
        for pocket in self._pockets.values():
            if pocket.first is not None:
                pocket.look(now)
            if pocket.is_standing(now):
                pocket.asked = True
                found.append(pocket.agreed_ms)
        return min(found) - SINCE_MS if found else None

    def read_again(self, now: float) -> list[str]:
        """What was in doubt has been read from REST, and `take` got it; returns what that does not explain, as words.

        That is accepted as it is shown.
        """
        self._count()
        return sorted(_words(name) for name, pocket in self._pockets.items() if pocket.read_again(now))

    def standing(self, now: float) -> list[str]:
        """The pockets that differ for too long, as words."""
        return sorted(_words(name) for name, pocket in self._pockets.items() if pocket.is_standing(now))

    def is_sure(self, now: float) -> bool:
        """Whether no lost event that moves money could hide: everything is shown, and adds up."""
        return (
            self._is_known
            and now >= self._blind_until
            and self._mode in {"classic", "unified"}
            and now - min(self._cash_at, self._spot_at) <= FRESH_SECONDS
            and all(now >= pocket.not_before for pocket in self._pockets.values())
        )

    def _pocket(self, name: str) -> _Pocket:
        pocket = self._pockets.get(name)
        if pocket is None:
            pocket = self._pockets[name] = _Pocket()
        return pocket

    def _show(self, name: str, total: Decimal, time_ms: int, now: float) -> None:
        pocket = self._pocket(name)
        pocket.shown = (time_ms, _units(total))
        pocket.look(now)

    def _count(self) -> None:
        """Put what came into its pockets, once each."""
        new, self._new = self._new, []
        if not self._is_known:
            self._new = new
            return
        shared, pairs = self._shared, self.pairs
        for event in new:
            changes = changes_of(event, shared=shared, pairs=pairs)
            if len(changes) == 1:  # nearly always
                name, amount = changes[0]
                self._put(_name_of(event), event.time_ms, name, _units(amount))
                continue
            sums: dict[str, int] = {}
            for name, amount in changes:
                sums[name] = sums.get(name, 0) + _units(amount)
            for name, total in sums.items():
                self._put(_name_of(event), event.time_ms, name, total)

    def _skip(self) -> None:
        """More came between two looks than is compared: the next states are taken as they are."""
        self._new = self._new[-MOST_EVENTS // 2 :]
        self.forget()
        self._blind_until = self._now + BLIND_SECONDS

    def _put(self, event: object, time_ms: int, name: str, total: int) -> None:
        pocket = self._pockets.get(name) or self._pocket(name)
        if total and time_ms > pocket.from_ms:
            pocket.changes[event] = (time_ms, total)
            if len(pocket.changes) > MOST_CHANGES:
                self._pockets[name] = renewed = _Pocket()
                renewed.not_before = self._now + BLIND_SECONDS
                renewed.changes = dict(list(pocket.changes.items())[-MOST_CHANGES // 2 :])


def _name_of(event: Event) -> object:
    """What tells an event from others; a further payment of one coin and time may not have its own name yet."""
    if type(event) is Fill and event.trade_id:
        return (event.time_ms, event.trade_id, event.order_id, event.side)
    if type(event) is Funding:
        return (event.name, event.content)
    return event.name


def _units(amount: Decimal) -> int:
    return int(amount.scaleb(DIGITS))


def _words(pocket: str) -> str:
    if not pocket.startswith(CASH):
        return f"its {pocket}"
    return f"its cash on dex {pocket.removeprefix(CASH)}" if pocket != CASH else "its cash on the main dex"
