"""Position closes: from fills, confirmed by the account state.

A position is closed by the fill that ends its chain at 0 or turns it around. One that vanishes from the account state
while its fills still leave it open is given ten seconds, then becomes a close of cause `state`. What becomes known
later (the closing fill, fills that were read back, funding) makes a further close, which names the one before it in
`completes`. The holding of an outcome is followed in the same way, and its settlement is a close.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from hlmon.contract import DeriverFactory, NoConfig, Settings
from hlmon.derive.chain import Chain, Sighting
from hlmon.derive.history import PATIENCE_MS
from hlmon.derive.shown import Shown
from hlmon.events import AccountState, Event, Fill, Funding, InputEnded, Position, PositionClosed, Rebuilt

KINDS: Final = frozenset({"fill", "funding", "position", "position_closed", "account_state", "input_ended", "rebuilt"})
KEPT_FILLS: Final = 1_000
"""How many fills of an account are kept whole, so that a late one among them can divide the life that it falls into."""


FORGOTTEN_AT_ONCE: Final = 256  # one by one it would cost as much as the fills themselves


class AccountMemory(msgspec.Struct, omit_defaults=True):
    """One account. `clock_ms` moves with account states and, while something waits, with fills."""

    clock_ms: int = 0
    chains: dict[str, Chain] = msgspec.field(default_factory=dict)
    waiting: set[str] = msgspec.field(default_factory=set)  # coins with waiting fills, or with a close to state anew
    vanished: dict[str, int] = msgspec.field(default_factory=dict)  # coins gone from the account state, since when


class Memory(msgspec.Struct, omit_defaults=True):
    """All accounts by address."""

    accounts: dict[str, AccountMemory] = msgspec.field(default_factory=dict)


class Closes:
    """States a PositionClosed for every perp position that ends."""

    def __init__(self) -> None:
        self._accounts = Memory().accounts
        self._kept: dict[str, list[str]] = {}  # by account the coins of the fills that are kept, by arrival
        self._takers: dict[str, Callable[[Any], Sequence[Event]]] = {
            "funding": self._take_funding,
            "position": self._take_position,
            "position_closed": self._take_close,
            "account_state": self._take_state,
            "input_ended": self._take_end,
            "rebuilt": self._take_rebuilt,
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
        self._kept = {address: _kept_coins(account) for address, account in self._accounts.items()}

    def _take_fill(self, fill: Fill) -> Sequence[Event]:
        account, coin = self._accounts.get(fill.account) or self._account(fill.account), fill.coin
        chain = account.chains.get(coin)
        if not fill.size:
            return ()  # it opens and closes nothing
        if chain is None:
            if not fill.is_perp and not is_outcome(coin):
                return ()
            chain = account.chains[coin] = Chain()
        closes = chain.take(fill, account.clock_ms)
        kept = self._kept[fill.account]
        kept.append(coin)
        if len(kept) >= KEPT_FILLS + FORGOTTEN_AT_ONCE:
            for oldest, number in Counter(kept[:FORGOTTEN_AT_ONCE]).items():
                _forget(account, oldest, number)
            del kept[:FORGOTTEN_AT_ONCE]
        if account.waiting or chain.waiting or chain.restate_ms:
            account.clock_ms = max(account.clock_ms, fill.time_ms)
            account.waiting.add(coin)
            closes = [*closes, *_expire(account)]
        return closes

    def _take_funding(self, funding: Funding) -> Sequence[Event]:
        chain = self._chain(funding.account, funding.coin)
        chain.fund(funding)
        if chain.restate_ms:
            self._accounts[funding.account].waiting.add(funding.coin)
        return ()

    def _take_position(self, position: Position) -> Sequence[Event]:
        """Note whether the account state shows the coin."""
        chain, vanished = self._chain(position.account, position.coin), self._accounts[position.account].vanished
        if not position.is_open:
            if chain.sighting or chain.episode:
                vanished.setdefault(position.coin, position.time_ms)
            return ()
        seen, was_gone = chain.sighting, vanished.pop(position.coin, None) is not None
        signed = position.size if position.side == "long" else -position.size
        if seen is None or was_gone:
            seen = chain.sighting = Sighting(position.side, position.size, position.time_ms, position.time_ms)
        else:
            seen.side, seen.size, seen.last_ms = position.side, max(seen.size, position.size), position.time_ms
        if seen.position != signed:
            seen.position, seen.since_ms = signed, position.time_ms
        return ()

    def _take_close(self, close: PositionClosed) -> Sequence[Event]:
        """Learn from the stored closes what was stated."""
        chain, account = self._chain(close.account, close.coin), self._accounts[close.account]
        chain.learn(close)
        if chain.restate_ms:
            account.waiting.add(close.coin)
        return ()

    def _take_state(self, state: AccountState) -> Sequence[Event]:
        account = self._account(state.account)
        account.clock_ms = max(account.clock_ms, state.time_ms)
        if not account.waiting and not account.vanished:
            return ()
        shown = Shown(state)
        for coin in account.waiting:
            if (size := shown.size(coin)) is not None:
                account.chains[coin].agree(size, state.time_ms)
        return [*_expire(account), *_confirm(account, shown)]

    def _take_end(self, _end: InputEnded) -> Sequence[Event]:
        """Wait for nothing any more."""
        closes: list[PositionClosed] = []
        for address, account in self._accounts.items():
            for coin in sorted(account.waiting):
                closes += account.chains[coin].settle(account.clock_ms)
            account.waiting.clear()
            for coin, since_ms in sorted(account.vanished.items()):
                closes += _close_vanished(account, address, coin, since_ms)
        return closes

    def _take_rebuilt(self, _rebuilt: Rebuilt) -> Sequence[Event]:
        """State what was stated in vain."""
        chains = (chain for account in self._accounts.values() for chain in account.chains.values())
        return [close for chain in chains for close in chain.rebuilt()]

    def _account(self, address: str) -> AccountMemory:
        account = self._accounts.get(address)
        if account is None:
            account = self._accounts[address] = AccountMemory()
            self._kept[address] = []
        return account

    def _chain(self, address: str, coin: str) -> Chain:
        chains = self._account(address).chains
        chain = chains.get(coin)
        if chain is None:
            chain = chains[coin] = Chain()
        return chain


def is_outcome(coin: str) -> bool:
    """Whether a coin is one side of an outcome market, as `#14880`."""
    return coin.startswith("#")


def _forget(account: AccountMemory, coin: str, number: int) -> None:
    """Keep the oldest fills of a coin no longer; of an outcome that is over keep nothing."""
    chain = account.chains.get(coin)
    if chain is not None:
        chain.forget_oldest(number)
        if is_outcome(coin) and not chain.position and chain.is_settled and not chain.closed:
            del account.chains[coin]


def _kept_coins(account: AccountMemory) -> list[str]:
    kept = [(part.time_ms, coin) for coin, chain in account.chains.items() for part in chain.kept()]
    return [coin for _, coin in sorted(kept)]


def _expire(account: AccountMemory) -> list[PositionClosed]:
    """The closes of fills that have waited too long."""
    closes: list[PositionClosed] = []
    for coin in sorted(account.waiting):
        chain = account.chains[coin]
        closes += chain.expire(account.clock_ms)
        if chain.is_settled:
            account.waiting.remove(coin)
    return closes


def _confirm(account: AccountMemory, shown: Shown) -> list[PositionClosed]:
    """The closes of positions that the account state has not shown for long enough."""
    closes: list[PositionClosed] = []
    for coin, since_ms in list(account.vanished.items()):
        # A fill may be ahead of the account state: it is given its time as well.
        episode = account.chains[coin].episode
        newest_ms = max(since_ms, episode.last_ms) if episode else since_ms
        if shown.time_ms >= newest_ms + PATIENCE_MS and shown.size(coin) == 0:
            closes += _close_vanished(account, shown.account, coin, since_ms)
    return closes


def _close_vanished(account: AccountMemory, address: str, coin: str, since_ms: int) -> Sequence[PositionClosed]:
    chain = account.chains[coin]
    closes = chain.close_unseen(address, coin, since_ms)
    chain.sighting = None
    del account.vanished[coin]
    return closes


@contextmanager
def _open(_config: NoConfig, _settings: Settings) -> Iterator[Closes]:
    yield Closes()


FACTORY: Final = DeriverFactory(name="closes", open=_open, config=NoConfig, kinds=KINDS, always=True)
