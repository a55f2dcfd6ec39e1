"""Position closes: from fills, confirmed by the account state.

A position is closed by the fill that ends its chain at 0 or turns it around. One that vanishes from the account state
while its fills still leave it open is given ten seconds, then becomes a close of cause `state`, which a later close
with the fill's figures names in `completes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from hlmon.contract import DeriverFactory, NoConfig, Settings
from hlmon.derive.chain import PATIENCE_MS, Chain, Sighting
from hlmon.derive.figures import dex_of
from hlmon.events import AccountState, Event, Fill, Funding, Position, PositionClosed

KINDS: Final = frozenset({"fill", "funding", "position", "position_closed", "account_state"})


class AccountMemory(msgspec.Struct, omit_defaults=True):
    """One account. `clock_ms` moves with account states and, while fills wait, with fills."""

    clock_ms: int = 0
    chains: dict[str, Chain] = msgspec.field(default_factory=dict)
    waiting: set[str] = msgspec.field(default_factory=set)  # coins with waiting fills
    vanished: dict[str, int] = msgspec.field(default_factory=dict)  # coins gone from the account state, since when


class Memory(msgspec.Struct, omit_defaults=True):
    """All accounts by address."""

    accounts: dict[str, AccountMemory] = msgspec.field(default_factory=dict)


class Closes:
    """States a PositionClosed for every perp position that ends."""

    def __init__(self) -> None:
        self._accounts = Memory().accounts
        self._takers: dict[str, Callable[[Any], Sequence[Event]]] = {
            "funding": self._take_funding,
            "position": self._take_position,
            "position_closed": self._take_close,
            "account_state": self._take_state,
        }

    def __call__(self, event: Event, /) -> Sequence[Event]:
        """The closes that follow from this event, in order."""
        if type(event) is Fill:
            return self._take_fill(event)
        taker = self._takers.get(event.kind)
        return taker(event) if taker else ()

    def dump_memory(self) -> bytes:
        """The memory as JSON."""
        return msgspec.json.encode(Memory(self._accounts))

    def load_memory(self, memory: bytes, /) -> None:
        """Take over a dumped memory."""
        self._accounts = msgspec.json.decode(memory, type=Memory).accounts

    def _take_fill(self, fill: Fill) -> Sequence[Event]:
        if not fill.size:  # such rows come; they open nothing and close nothing
            return ()
        account = self._account(fill.account)
        chain = account.chains.get(fill.coin)
        if chain is None:
            if not fill.is_perp:
                return ()
            chain = account.chains[fill.coin] = Chain()
        closes = chain.take(fill, account.clock_ms)
        if chain.waiting or account.waiting:
            account.clock_ms = max(account.clock_ms, fill.time_ms)
            account.waiting.add(fill.coin)
            closes = [*closes, *_expire(account)]
        return closes

    def _take_funding(self, funding: Funding) -> Sequence[Event]:
        self._chain(funding.account, funding.coin).fund(funding)
        return ()

    def _take_position(self, position: Position) -> Sequence[Event]:
        """Note whether the account state shows the coin."""
        chain, vanished = self._chain(position.account, position.coin), self._accounts[position.account].vanished
        if not position.is_open:
            if chain.sighting or chain.episode:
                vanished.setdefault(position.coin, position.time_ms)
            return ()
        seen, was_gone = chain.sighting, vanished.pop(position.coin, None) is not None
        if seen is None or was_gone:
            chain.sighting = Sighting(position.side, position.size, position.time_ms, position.time_ms)
        else:
            seen.side, seen.size, seen.last_ms = position.side, max(seen.size, position.size), position.time_ms
        return ()

    def _take_close(self, close: PositionClosed) -> Sequence[Event]:
        """Learn from the stored closes which one of cause `state` still waits for its fill."""
        chain = self._chain(close.account, close.coin)
        if close.cause == "state":
            chain.provisional, chain.provisional_ms = close.key, close.time_ms
        elif close.completes == chain.provisional:
            chain.provisional = ""
        return ()

    def _take_state(self, state: AccountState) -> Sequence[Event]:
        account = self._account(state.account)
        account.clock_ms = max(account.clock_ms, state.time_ms)
        if not account.waiting and not account.vanished:
            return ()
        return [*_expire(account), *_confirm(account, state)]

    def _account(self, address: str) -> AccountMemory:
        account = self._accounts.get(address)
        if account is None:
            account = self._accounts[address] = AccountMemory()
        return account

    def _chain(self, address: str, coin: str) -> Chain:
        chains = self._account(address).chains
        chain = chains.get(coin)
        if chain is None:
            chain = chains[coin] = Chain()
        return chain


def _expire(account: AccountMemory) -> list[PositionClosed]:
    """The closes of fills that have waited too long."""
    closes: list[PositionClosed] = []
    for coin in sorted(account.waiting):
        chain = account.chains[coin]
        closes += chain.expire(account.clock_ms)
        if not chain.waiting:
            account.waiting.remove(coin)
    return closes


def _confirm(account: AccountMemory, state: AccountState) -> list[PositionClosed]:
    """The closes of positions that the account state has not shown for long enough."""
    closes: list[PositionClosed] = []
    dexes = {dex.dex for dex in state.dexes if dex.complete}
    shown = {position.coin for dex in state.dexes for position in dex.positions}
    for coin, since_ms in list(account.vanished.items()):
        if state.time_ms < since_ms + PATIENCE_MS or coin in shown or dex_of(coin) not in dexes:
            continue
        chain = account.chains[coin]
        closes += chain.close_unseen(state.account, coin, since_ms)
        chain.sighting = None
        del account.vanished[coin]
    return closes


@contextmanager
def _open(_config: NoConfig, _settings: Settings) -> Iterator[Closes]:
    yield Closes()


FACTORY: Final = DeriverFactory(name="closes", open=_open, config=NoConfig, kinds=KINDS, always=True)
