"""What the states of an account say of its money: a balance that moved, an hour without funding. Pure.

Exact sums are not possible here: interest and air-drops are in no stream, and a state bears no time of its own. So a
balance must not move without any event that could move it, and an open position must not go through a full hour unpaid.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from hlmon.events import AccountState, Event, Fill, Funding, Ledger, SpotState

HOUR_MS: Final = 3_600_000
PAYMENT_MS: Final = 180_000
"""Funding is paid at the full hour; after so long its rows should have come."""
PATIENCE_SECONDS: Final = 30.0
EARLIER_SECONDS: Final = 30.0
"""How long before the state that shows it the event may have come."""
FIRST_PAUSE_SECONDS: Final = 60.0
LONGEST_PAUSE_SECONDS: Final = 3600.0
CASH: Final = "cash of dex "
ROUNDING: Final = Decimal("0.01")
"""How far the cash of a dex may seem to move because the exchange rounds the values of positions."""
COLLATERAL: Final = frozenset({"USDC", "USDH", "USDE", "USDT0"})
"""What perps pay and fees are taken in, where the account's mode keeps it among the spot balances."""


class FundingHours:
    """Whether every position that was open through a full hour was paid for."""

    def __init__(self) -> None:
        self._open: frozenset[str] = frozenset()
        self._state_ms = 0
        self._expected: frozenset[str] = frozenset()
        self._hour_ms = 0
        self._paid: set[tuple[int, str]] = set()

    def take(self, events: Iterable[Event]) -> None:
        """Payments as they come."""
        for event in events:
            if type(event) is Funding and event.time_ms >= self._hour_ms:
                self._paid.add((event.time_ms // HOUR_MS, event.coin))

    def compare(self, state: AccountState) -> None:
        """The positions that the exchange shows; of a dex that is missing nothing is expected."""
        open_now = frozenset(each.coin for dex in state.dexes for each in dex.positions if each.size)
        hour_ms = state.time_ms // HOUR_MS * HOUR_MS
        if self._state_ms < hour_ms <= state.time_ms and hour_ms - self._state_ms < PAYMENT_MS:
            self._expected, self._hour_ms = self._open & open_now, hour_ms
            self._paid = {paid for paid in self._paid if paid[0] >= hour_ms // HOUR_MS}
        if state.time_ms >= self._state_ms:
            self._open, self._state_ms = open_now, state.time_ms

    def doubt(self) -> int | None:
        """The hour from which fundings should be read again; each hour is asked about once."""
        if not self._expected or self._state_ms < self._hour_ms + PAYMENT_MS:
            return None
        expected, self._expected = self._expected, frozenset()
        hour = self._hour_ms // HOUR_MS
        return self._hour_ms if any((hour, coin) not in self._paid for coin in expected) else None


@dataclass(slots=True)
class _Token:
    """One token's balance, and since when it has differed from what was known without an event to explain it."""

    total: Decimal
    since: float | None = None
    since_ms: int = 0  # the time of the last state in which it was as it was known
    pause: float = FIRST_PAUSE_SECONDS
    not_before: float = 0.0


class Balances:
    """Whether every movement of a spot balance, or of the cash on a dex, comes with an event that could move it."""

    def __init__(self) -> None:
        self._tokens: dict[str, _Token] = {}
        self._perps: set[str] = set()  # coins that were traded
        self._state_ms = 0
        self._any = self._spot = -EARLIER_SECONDS - 1  # when the last event came, and the last that moves tokens

    def take(self, events: Iterable[Event], now: float) -> None:
        """Fills, fundings and entries of the ledger as they come."""
        perps = self._perps
        for event in events:
            if type(event) is Fill:
                self._any = now
                if event.coin not in perps:
                    if event.is_perp:
                        perps.add(event.coin)
                    else:
                        self._spot = now
            elif type(event) is Funding:
                self._any = now
            elif type(event) is Ledger:
                self._any = self._spot = now

    def compare(self, state: SpotState, now: float) -> None:
        """The balances that the exchange shows; what is not among them is 0 if all could be read."""
        shown = {balance.coin: balance.total for balance in state.balances}
        is_first = not self._state_ms
        for name in shown.keys() | (self._tokens.keys() if state.complete else set()):
            if not name.startswith(CASH):
                total = shown.get(name, Decimal(0))
                self._move(name, total, state.time_ms, now, before=total if is_first else Decimal(0))
        self._state_ms = state.time_ms

    def compare_cash(self, state: AccountState, now: float) -> None:
        """The cash on each dex: its account value less its positions, which marks do not move."""
        for dex in state.dexes:
            if dex.complete and dex.exact:
                cash = dex.account_value - sum(
                    (each.position_value.copy_sign(each.size) for each in dex.positions), Decimal(0)
                )
                self._move(f"{CASH}{dex.dex}", cash, state.time_ms, now, before=cash)

    def _move(self, name: str, total: Decimal, time_ms: int, now: float, *, before: Decimal) -> None:
        """A total as it is shown now; `before` is what it was if it was never shown."""
        token = self._tokens.setdefault(name, _Token(before))
        slack = ROUNDING if name.startswith(CASH) else Decimal(0)
        is_same = abs(total - token.total) <= slack
        if token.since is None and is_same:
            token.since_ms = time_ms
        elif token.since is None and now - self._explained_at(name) > EARLIER_SECONDS:
            token.since = now
        token.total = token.total if is_same else total

    def doubt(self, now: float) -> int | None:
        """The time from which everything should be read again, None if all is well; what is asked for is accepted."""
        found = []
        for name, token in self._tokens.items():
            if token.since is None:
                continue
            if self._explained_at(name) >= token.since - EARLIER_SECONDS:
                token.since, token.pause = None, FIRST_PAUSE_SECONDS
            elif now - token.since >= PATIENCE_SECONDS and now >= token.not_before:
                token.since = None  # interest, say: no stream tells of it, so it is asked about ever more rarely
                token.not_before = now + token.pause
                token.pause = min(2 * token.pause, LONGEST_PAUSE_SECONDS)
                found.append(token.since_ms)
        return min(found) if found else None

    def _explained_at(self, token: str) -> float:
        return self._any if token in COLLATERAL or token.startswith(CASH) else self._spot
