"""Which mode an account is in: what the exchange last answered, and the signs that the answer is out of date.

The exchange tells nobody that a user changed the mode. It shows in the account's two states: on the way to a unified
account the collateral leaves the perp dexes (`allDexsClearinghouseState`) and appears among the spot balances
(`spotState`). Deposits, transfers and large losses may look the same, so a sign decides nothing: it puts the mode in
doubt until `userAbstraction` has been asked.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from hlmon.derive.value import COLLATERAL, shares_collateral, unrealized_pnl
from hlmon.events import AccountMode, AccountState, DexState, Event, SpotState

ASK_SECONDS: Final = 10.0
"""Between two questions about one account: each costs 20 of the 1,200 weight that an IP address has per minute."""
WORD_SECONDS: Final = 300.0
"""A word that nobody knows is asked about soon, since it may be somebody else's answer, and then at this pace."""
PAIR_MS: Final = 15_000
"""The two states come each about 5 s, in no common order: so long both sides of one movement may be apart."""
SHARE: Final = Decimal("0.05")
FLOOR: Final = Decimal(10)
"""A movement of less than this share of the collateral, or of so few USDC, is none: figures err by as little."""
PROBLEM_SECONDS: Final = 60.0
"""Shorter troubles with REST are ordinary."""
ZERO: Final = Decimal(0)

NOT_ASKED: Final = "its account mode is not known yet"


class Move(NamedTuple):
    """A jump of the collateral on one side, + for more of it."""

    amount: Decimal
    time_ms: int

    def balances(self, other: Move, tolerance: Decimal) -> bool:
        """Whether the other one is the other side of it: the opposite amount, about the same time."""
        opposite = self.amount * other.amount < 0
        largest = max(abs(self.amount), abs(other.amount))
        difference = abs(self.amount + other.amount)
        return opposite and abs(self.time_ms - other.time_ms) <= PAIR_MS and difference <= tolerance * largest + 1


class CollateralMoves:
    """Compares each state of an account with the one before it."""

    def __init__(self) -> None:
        self._dexes: dict[str, DexState] = {}
        self._balances: dict[str, Decimal] | None = None
        self._perp: Move | None = None
        self._spot: Move | None = None
        self._portfolio_margin = False

    def sign(self, state: AccountState | SpotState, mode: AccountMode) -> str:
        """Why this state does not go with `mode`, else "".

        Of separate collateral a jump on either side is a sign, unless it is the other side of one that was a sign
        already. Of shared collateral only a movement back to the dexes is: the value of a dex jumps with every order.
        """
        if isinstance(state, SpotState):
            return self._spot_sign(state, mode)
        return self._perp_sign(state, mode)

    def appeared_since(self, time_ms: int) -> bool:
        """Whether collateral appeared among the spot balances then or later."""
        return self._spot is not None and self._spot.amount > 0 and self._spot.time_ms >= time_ms

    def _perp_sign(self, state: AccountState, mode: AccountMode) -> str:
        before, self._dexes = self._dexes, {dex.dex: dex for dex in state.dexes}
        pairs = [(before[name], dex) for name, dex in self._dexes.items() if name in before]
        if not pairs or not all(dex.complete and dex.exact for pair in pairs for dex in pair):
            return ""
        if not shares_collateral(mode) and any(_is_bare(old, new) for old, new in pairs):
            return "it has positions on a dex without any collateral"
        old_value, new_value = (sum((pair[i].account_value for pair in pairs), ZERO) for i in (0, 1))
        old_open, new_open = (unrealized_pnl(pair[i] for pair in pairs) for i in (0, 1))
        # A price moves the value alone, a fill at that price the cash alone; money that comes or goes moves both.
        value, cash = new_value - old_value, (new_value - new_open) - (old_value - old_open)
        jump = min(abs(value), abs(cash)).copy_sign(value) if value * cash > 0 else ZERO
        if abs(jump) <= _least(old_value, new_value):
            return ""
        self._perp = Move(jump, state.time_ms)
        return self._judge(self._perp, self._spot, "on the perp dexes", mode, back=jump > 0)

    def _spot_sign(self, state: SpotState, mode: AccountMode) -> str:
        enabled, self._portfolio_margin = self._portfolio_margin, state.portfolio_margin
        if state.portfolio_margin and not enabled and mode != "portfolio_margin":
            return "the spot balances say that portfolio margin is on"
        if not state.complete:
            return ""
        before, self._balances = self._balances, {balance.coin: balance.total for balance in state.balances}
        if before is None:
            return ""
        tokens = {coin for coin in before.keys() | self._balances.keys() if coin not in COLLATERAL}
        if any(before.get(coin, ZERO) != self._balances.get(coin, ZERO) for coin in tokens):
            return ""  # it was bought, sold or paid for
        old, new = (sum((held.get(coin, ZERO) for coin in COLLATERAL), ZERO) for held in (before, self._balances))
        on_dexes = sum((dex.account_value for dex in self._dexes.values()), ZERO)
        if abs(new - old) <= min(_least(old, new), _least(on_dexes)):  # a switch moves all of the smaller one
            return ""
        self._spot = Move(new - old, state.time_ms)
        return self._judge(self._spot, self._perp, "among the spot balances", mode, back=new < old)

    def _judge(self, move: Move, other: Move | None, where: str, mode: AccountMode, *, back: bool) -> str:
        """`back` is the direction from the spot balances to the perp dexes."""
        if shares_collateral(mode):
            is_sign = back and other is not None and move.balances(other, Decimal("0.5"))
        else:
            is_sign = other is None or not move.balances(other, SHARE)
        return f"its collateral {where} changed by {move.amount:+,.2f}" if is_sign else ""


class ModeWatch:
    """What is known of one account's mode. `mode` is "unknown" while it was not asked for, or is in doubt.

    `reason` says why it is unknown. `word` is what the exchange answered where hlmon does not know it.
    """

    def __init__(self) -> None:
        self.mode: AccountMode = "unknown"
        self.reason = NOT_ASKED
        self.word = ""
        self.asking = False
        self._since: float | None = None  # unknown, and asked about
        self._former: AccountMode = "unknown"
        self._doubted_ms: int | None = None  # by a jump on the perp dexes alone
        self._ask_at = 0.0
        self._moves = CollateralMoves()

    def take(self, event: Event, now: float) -> bool:
        """Whether this state puts the mode in doubt, or ends a doubt that nothing confirmed."""
        if not isinstance(event, AccountState | SpotState):
            return False
        known = self._former if self.mode == "unknown" else self.mode
        sign = self._moves.sign(event, known)
        if self.mode == "unknown":
            return self._confirm(event)
        if not sign:
            return False
        self._former, self.mode, self._since = self.mode, "unknown", now
        self.reason = f"its account mode may have changed: {sign}"
        self._doubted_ms = event.time_ms if isinstance(event, AccountState) else None
        return True

    def answered(self, mode: AccountMode, word: str, now: float) -> None:
        """The exchange said this word, which means that mode."""
        self.mode = self._former = mode
        pause = WORD_SECONDS if mode == "unknown" and word == self.word else ASK_SECONDS
        self.word = word if mode == "unknown" else ""
        self.reason = unknown_word(word) if mode == "unknown" else ""
        self._since, self._doubted_ms = None, None
        self._ask_at = now + pause

    def asked(self, now: float) -> None:
        """A question goes out."""
        self._ask_at = now + ASK_SECONDS
        if self.mode == "unknown" and self._since is None:
            self._since = now

    def is_due(self, now: float) -> bool:
        """Whether to ask."""
        return self.mode == "unknown" and not self.asking and now >= self._ask_at

    def problem(self, now: float) -> str:
        """What the user should know of it: a word that hlmon does not know, or that there is no answer for long."""
        waited = 0.0 if self._since is None else now - self._since
        return self.reason if self.word or waited > PROBLEM_SECONDS else ""

    def _confirm(self, event: AccountState | SpotState) -> bool:
        """In doubt: if only the perp dexes lost collateral and the spot balances did not get it, it was no switch.

        So an account that is being liquidated is not without its alerts for as long as REST does not answer.
        """
        if self._doubted_ms is not None and self._moves.appeared_since(self._doubted_ms - PAIR_MS):
            self._doubted_ms = None
        waited = self._doubted_ms is not None and event.time_ms - self._doubted_ms > PAIR_MS
        if not waited or self._former == "unknown":
            return False
        self.mode, self.reason, self._since, self._doubted_ms = self._former, "", None, None
        return True


def unknown_word(word: str) -> str:
    """What to tell the user of a mode that this version does not know."""
    shown = "".join(each if each.isprintable() else "?" for each in word[:40])
    return (
        f"the exchange says account mode '{shown}', which this hlmon does not know: value, margin and health of this "
        "account are not worked out; a newer hlmon may know it"
    )


def _least(*amounts: Decimal) -> Decimal:
    return max(FLOOR, SHARE * max(abs(amount) for amount in amounts))


def _is_bare(old: DexState, new: DexState) -> bool:
    """Whether a dex newly has positions without money: opened on nothing, or with a value of exactly nothing."""
    if not new.positions or (old.positions and not old.account_value):
        return False
    return not new.account_value or not (old.positions or old.account_value)
