"""What an account state says of positions, and what it does not say."""

from __future__ import annotations

from decimal import Decimal

from hlmon.derive.figures import dex_of
from hlmon.events import AccountState, is_perp

ZERO = Decimal(0)


class Shown:
    """What an account state says of positions: a coin that it leaves out says something only where it is complete."""

    def __init__(self, state: AccountState) -> None:
        self.account = state.account
        self.time_ms = state.time_ms
        self._sizes = {position.coin: position.size for dex in state.dexes for position in dex.positions}
        self._complete = {dex.dex for dex in state.dexes if dex.complete}

    def size(self, coin: str) -> Decimal | None:
        """The signed size of the coin's position, 0 if there is none; None if the state does not tell."""
        size = self._sizes.get(coin)
        if size is None and is_perp(coin) and dex_of(coin) in self._complete:
            return ZERO
        return size
