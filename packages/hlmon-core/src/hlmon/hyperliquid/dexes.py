"""Perp dexes that an account had something on and that its states do not show any more.

A state without such a dex says nothing about it: seen live, a state may lack a dex that the next one has. One that
stays away is gone, closed or renamed (km became mkts), and its coins with it. Just after an upgrade of the exchange a
state may show all dexes, and nothing on any of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from hlmon.derive.account_view import EMPTY_MS, GONE_MS, has_something
from hlmon.events import AccountState, DexState

AWAY_MS = 15_000
"""Three states that lack a dex: what fills on it led to may never be shown."""

_ZERO = Decimal(0)


class Dexes:
    """The dexes of one account."""

    def __init__(self) -> None:
        self.ended: list[str] = []  # by the last state that was believed
        self.unshown: list[str] = []  # by that state: those that ended, and each of the others once while it is missing
        self._told: set[str] = set()  # of these
        self._held: dict[str, int | None] = {}  # since when it is missing, None: it is not
        self._newest: dict[str, DexState] = {}  # what was shown of each
        self._has_positions = False
        self._hollow_ms: int | None = None

    def expect(self, names: Iterable[str]) -> None:
        """Dexes on which the account had positions when its states were seen last."""
        self._held |= dict.fromkeys(names)

    def believe(self, state: AccountState, *, shared: bool) -> AccountState:
        """What to take of a state: as it is, but for two things.

        A dex that has been missing for five minutes, or has another name now, is in it once more, empty, so that it
        ends. And where collateral is not `shared`, positions cannot end together with all money: for a minute such a
        state says nothing.
        """
        self.ended, self.unshown = [], []
        if not shared and self._is_hollow(state):
            return msgspec.structs.replace(state, dexes=())
        self._has_positions = any(dex.positions for dex in state.dexes)
        return self._close(state)

    def _is_hollow(self, state: AccountState) -> bool:
        if not self._has_positions or not state.dexes or any(map(has_something, state.dexes)):
            self._hollow_ms = None
            return False
        self._hollow_ms = state.time_ms if self._hollow_ms is None else self._hollow_ms
        return state.time_ms - self._hollow_ms <= EMPTY_MS

    def _close(self, state: AccountState) -> AccountState:
        shown = {dex.dex for dex in state.dexes}
        new = [dex for dex in state.dexes if dex.dex not in self._newest]
        self._held |= {dex.dex: None for dex in state.dexes if has_something(dex)}
        self._told -= shown
        for name in shown & self._held.keys():
            self._held[name] = None
        ended = self.ended
        for name in sorted(self._held.keys() - shown):
            since_ms = self._held[name]
            if self._is_renamed(name, new) or (since_ms is not None and state.time_ms - since_ms > GONE_MS):
                del self._held[name]
                ended.append(name)
            elif since_ms is None:
                self._held[name] = state.time_ms
            elif state.time_ms - since_ms > AWAY_MS and name not in self._told:
                self._told.add(name)
                self.unshown.append(name)
        self.unshown += ended
        self._newest = {name: self._newest[name] for name in self._newest.keys() & self._held.keys()}
        self._newest |= {dex.dex: dex for dex in state.dexes}
        return msgspec.structs.replace(state, dexes=(*state.dexes, *map(_empty, ended))) if ended else state

    def _is_renamed(self, name: str, new: list[DexState]) -> bool:
        """Whether one that was not there before has exactly its positions."""
        old = self._newest.get(name)
        return old is not None and bool(old.positions) and any(_sizes(old) == _sizes(dex) for dex in new)


def _sizes(dex: DexState) -> dict[str, Decimal]:
    return {position.coin.rpartition(":")[2]: position.size for position in dex.positions}


def _empty(name: str) -> DexState:
    return DexState(
        dex=name,
        account_value=_ZERO,
        cross_account_value=_ZERO,
        notional=_ZERO,
        margin_used=_ZERO,
        cross_maintenance_margin=_ZERO,
        withdrawable=_ZERO,
        positions=(),
    )
