"""Account snapshots: value, margin and health, once per snapshot interval.

A snapshot is taken from the first account state in an interval and carries the interval's start as its time, so two
monitors of one account name it alike. None is taken while figures cannot be told (see `account_view`), and none before
the spot balances were seen, since an account that shares its collateral would show zeros; any other waits for its
balances for one interval at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Final

import msgspec

from hlmon.contract import DeriverFactory, NoConfig, Settings
from hlmon.derive.account_view import AccountView
from hlmon.derive.figures import ratio
from hlmon.derive.health import distances_of, health_score, margins_of
from hlmon.derive.value import account_value, shares_collateral, unrealized_pnl, withdrawable
from hlmon.events import (
    AccountMode,
    AccountSnapshot,
    AccountState,
    Balance,
    Event,
    Prices,
)

KINDS: Final = frozenset({"account_state", "spot_state", "prices", "account_info", "account", "ledger"})
_ZERO = Decimal(0)
_LEVERAGE_STEP = Decimal("0.0001")


class AccountMemory(msgspec.Struct, omit_defaults=True):
    """One account. `snapshot_ms` is the last snapshot, `first_ms` the first account state."""

    view: AccountView = msgspec.field(default_factory=AccountView)
    snapshot_ms: int = -1
    first_ms: int | None = None


class Memory(msgspec.Struct, omit_defaults=True):
    """All accounts by address, and the prices of spot tokens."""

    accounts: dict[str, AccountMemory] = msgspec.field(default_factory=dict)
    prices: dict[str, Decimal] = msgspec.field(default_factory=dict)


class Snapshots:
    """States an AccountSnapshot of every account once per interval."""

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._memory = Memory()

    def __call__(self, event: Event, /) -> Sequence[Event]:
        """The snapshot, if this event is the first account state of its interval."""
        if isinstance(event, Prices):
            self._memory.prices |= event.prices
            return ()
        account = self._memory.accounts.setdefault(event.account, AccountMemory())
        match event:
            case AccountState():
                return self._take(account, event)
            case AccountSnapshot():
                account.snapshot_ms = max(account.snapshot_ms, event.time_ms)
            case _:
                account.view.note(event)
        return ()

    def dump_memory(self) -> bytes:
        """The memory as JSON."""
        return msgspec.json.encode(self._memory)

    def load_memory(self, memory: bytes, /) -> None:
        """Take over a dumped memory."""
        self._memory = msgspec.json.decode(memory, type=Memory)

    def _take(self, account: AccountMemory, state: AccountState) -> Sequence[Event]:
        view, prices = account.view, self._memory.prices
        if account.first_ms is None:
            account.first_ms = state.time_ms
        doubt = view.doubt(state)
        time_ms = state.time_ms - state.time_ms % self._interval_ms
        if doubt or view.mode is None or time_ms <= account.snapshot_ms:
            return ()
        if not view.is_priced(prices):
            has_waited = state.time_ms >= account.first_ms + self._interval_ms
            if shares_collateral(view.mode) or not has_waited:
                return ()
        account.snapshot_ms = time_ms
        return [snapshot(state, view.mode, view.balances or (), prices, time_ms=time_ms)]


def snapshot(
    state: AccountState,
    mode: AccountMode,
    balances: Sequence[Balance],
    prices: dict[str, Decimal],
    *,
    time_ms: int,
) -> AccountSnapshot:
    """The account's figures, stated for `time_ms`."""
    dexes = state.dexes
    value = account_value(mode, dexes, balances, prices)
    margins = margins_of(dexes, mode, value)
    notional = sum((dex.notional for dex in dexes), _ZERO)
    return AccountSnapshot(
        account=state.account,
        time_ms=time_ms,
        account_value=value,
        total_margin_used=sum((dex.margin_used for dex in dexes), _ZERO),
        withdrawable=withdrawable(mode, dexes, balances, prices),
        total_unrealized_pnl=unrealized_pnl(dexes),
        maintenance_margin=sum((margin.maintenance for margin in margins), _ZERO),
        notional=notional,
        leverage=ratio(notional, value).quantize(_LEVERAGE_STEP) if value > 0 else _ZERO,
        health_score=health_score(margins, distances_of(dexes)),
        positions_count=sum(len(dex.positions) for dex in dexes),
        mode=mode,
    )


@contextmanager
def _open(_config: NoConfig, settings: Settings) -> Iterator[Snapshots]:
    yield Snapshots(settings.snapshot_ms)


FACTORY: Final = DeriverFactory(name="snapshots", open=_open, config=NoConfig, kinds=KINDS, always=True)
