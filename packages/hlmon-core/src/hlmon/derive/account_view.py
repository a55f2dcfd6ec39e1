"""Whether the figures of an account can be told from its states: one memory for snapshots and for margin alerts.

They cannot while the account's mode is not known, while a part of a state is missing or could not be read, and while a
funded account shows nothing at all without a movement of money that explains it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from hlmon.derive.value import COLLATERAL, shares_collateral
from hlmon.events import AccountInfo, AccountMode, AccountState, Balance, DexState, Event, Ledger, SpotState

GONE_MS: Final = 300_000
"""A dex that had something of the account's and is missing for so long is gone: dexes are closed and renamed."""
EMPTY_MS: Final = 60_000
"""Nothing at all, as shown just after an upgrade of the exchange, is believed after so long or with a ledger entry."""


class AccountView(msgspec.Struct, omit_defaults=True):
    """What was seen of one account.

    `missing` are the dexes that had something and are not in the newest state, each with the time since when.
    `filled` are the pockets that had something when the figures were told last, `empty_ms` since when one is empty.
    """

    mode: AccountMode | None = None
    balances: tuple[Balance, ...] | None = None
    dexes: set[str] = msgspec.field(default_factory=set)
    missing: dict[str, int] = msgspec.field(default_factory=dict)
    filled: set[str] = msgspec.field(default_factory=set)
    filled_ms: int = 0
    empty_ms: int | None = None
    moved_ms: int = 0  # the newest entry of the ledger

    def note(self, event: Event) -> None:
        """Anything but an account state."""
        match event:
            case AccountInfo():
                self.mode = event.mode
            case Ledger():
                self.moved_ms = max(self.moved_ms, event.time_ms)
            case SpotState():
                self._note_balances(event)

    def doubt(self, state: AccountState) -> str:
        """Why nothing can be told from this state, else ""; to be asked once about each state, in their order."""
        missing = self._missing(state)
        if self.mode is None or self.mode == "unknown":
            return "the account's mode is not known"
        if missing:
            return f"dex {missing} is missing"
        if not all(dex.complete for dex in state.dexes):
            return "a position could not be read"
        if not all(dex.exact for dex in state.dexes):
            return "a figure of a position or of a dex could not be read"
        return self._emptied(state, self.mode)

    def is_priced(self, prices: Mapping[str, Decimal]) -> bool:
        """Whether the balances are known, and the prices of the tokens among them."""
        return self.balances is not None and (bool(prices) or not holds_tokens(self.balances))

    def _note_balances(self, state: SpotState) -> None:
        """Of a state that could not be read whole, what is missing stays as it was."""
        seen = {balance.coin for balance in state.balances}
        kept: Sequence[Balance] = ()
        if not state.complete:
            if self.balances is None:
                return
            kept = [balance for balance in self.balances if balance.coin not in seen]
        self.balances = (*state.balances, *state.escrows, *kept)

    def _missing(self, state: AccountState) -> str:
        """A dex that had something before and is not in this state, though it is not gone for good."""
        shown = {dex.dex for dex in state.dexes}
        for name in self.missing.keys() & shown:
            del self.missing[name]
        for name in self.dexes - shown:
            self.missing.setdefault(name, state.time_ms)
        for name, since_ms in list(self.missing.items()):
            if state.time_ms - since_ms > GONE_MS:
                del self.missing[name]
                self.dexes.discard(name)
        self.dexes = (self.dexes - shown) | {dex.dex for dex in state.dexes if has_something(dex)}
        return next((name or "main" for name in self.missing), "")

    def _emptied(self, state: AccountState, mode: AccountMode) -> str:
        """A pocket that held something and is quite empty now."""
        filled = set()
        if self.balances is not None and any(balance.total or balance.borrowed for balance in self.balances):
            filled.add("spot")
        if any(map(has_something, state.dexes)):
            filled.add("perp")
        emptied = self.filled - filled - ({"perp"} if shares_collateral(mode) else set())
        if emptied and self.moved_ms < self.filled_ms - EMPTY_MS:
            self.empty_ms = state.time_ms if self.empty_ms is None else self.empty_ms
            if state.time_ms - self.empty_ms <= EMPTY_MS:
                return f"nothing is shown {'among the spot balances' if 'spot' in emptied else 'on the perp dexes'}"
        self.filled, self.filled_ms, self.empty_ms = filled, state.time_ms, None
        return ""


def holds_tokens(balances: Sequence[Balance]) -> bool:
    """Whether what they are worth depends on prices."""
    return any(balance.total and balance.coin not in COLLATERAL for balance in balances)


def has_something(dex: DexState) -> bool:
    """Whether the account has money or positions there."""
    return bool(dex.account_value or dex.positions)
