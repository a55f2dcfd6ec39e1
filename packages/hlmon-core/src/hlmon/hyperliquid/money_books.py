"""What must come although no sum of money tells of it: an hour's funding, the entry of a liquidation. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hlmon.events import AccountState, Event, Fill, Funding, Ledger

HOUR_MS: Final = 3_600_000
PAYMENT_MS: Final = 180_000
"""Funding is paid at the full hour; after so long its rows should have come."""
ENTRY_SECONDS: Final = 15.0
"""How long the ledger may take to tell of a liquidation of which fills came."""
ONE_LIQUIDATION_MS: Final = 60_000
"""One liquidation is many fills; within so much time they are one."""


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


class Liquidations:
    """Whether each liquidation of the account, of which its fills tell, has its entry in the ledger.

    The entry moves no money: the fills do.
    """

    def __init__(self) -> None:
        self._entry_ms = 0  # of the newest entry
        self._fill_ms = 0  # of the newest fill of a liquidation
        self._asked_ms = 0
        self._since: float | None = None

    def take(self, events: Iterable[Event], now: float) -> None:
        """Fills and entries as they come."""
        for event in events:
            if type(event) is Fill:
                liquidation = event.liquidation
                if liquidation is None or liquidation.user != event.account:
                    continue
                if event.time_ms > self._asked_ms + ONE_LIQUIDATION_MS and self._since is None:
                    self._since = now
                self._fill_ms = max(self._fill_ms, event.time_ms)
            elif type(event) is Ledger and event.type == "liquidation":
                self._entry_ms = max(self._entry_ms, event.time_ms)

    def doubt(self, now: float) -> int | None:
        """The time from which the ledger should be read again; each liquidation is asked about once."""
        if self._since is not None and self._entry_ms >= self._fill_ms - ONE_LIQUIDATION_MS // 2:
            self._since = None
        if self._since is None or now - self._since < ENTRY_SECONDS:
            return None
        self._since, self._asked_ms = None, self._fill_ms
        return self._fill_ms - ONE_LIQUIDATION_MS
