"""Positions as the account state shows them, stated when they change and not with every state.

A change is one of size, side, entry price, leverage, margin mode or being open. Marks and margins move with every
state; they are brought up to date once per snapshot interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Final

import msgspec

from hlmon.contract import DeriverFactory, NoConfig, Settings
from hlmon.derive.figures import ratio
from hlmon.derive.shown import Shown
from hlmon.events import AccountState, Event, Position, PositionClosed, PositionReading, is_perp

KINDS: Final = frozenset({"account_state", "position", "position_closed"})
SLACK_MS: Final = 10_000
"""How much older than the last sight of a position its close may be, since fills and states have no common order."""
_ZERO = Decimal(0)


class Close(msgspec.Struct, gc=False):
    """The newest close of a coin with a known result."""

    time_ms: int
    net_pnl: Decimal


class AccountMemory(msgspec.Struct, omit_defaults=True):
    """One account, by coin. `seen_ms` is the last account state that showed a position which is gone."""

    time_ms: int = 0  # of the newest account state
    positions: dict[str, Position] = msgspec.field(default_factory=dict)
    closes: dict[str, Close] = msgspec.field(default_factory=dict)
    seen_ms: dict[str, int] = msgspec.field(default_factory=dict)


class Memory(msgspec.Struct, omit_defaults=True):
    """All accounts by address."""

    accounts: dict[str, AccountMemory] = msgspec.field(default_factory=dict)


class Positions:
    """States a Position for every perp position that an account has or had."""

    def __init__(self, refresh_ms: int) -> None:
        self._refresh_ms = refresh_ms
        self._accounts = Memory().accounts

    def __call__(self, event: Event, /) -> Sequence[Event]:
        """The positions that this event changes."""
        memory = self._accounts.get(event.account)
        if memory is None:
            memory = self._accounts[event.account] = AccountMemory()
        match event:
            case AccountState():
                return self._compare(memory, event)
            case Position():
                memory.positions[event.coin] = event
            case PositionClosed(net_pnl=Decimal(), coin=coin) if is_perp(coin):
                return _note_close(memory, event)
        return ()

    def dump_memory(self) -> bytes:
        """The memory as JSON."""
        return msgspec.json.encode(Memory(self._accounts))

    def load_memory(self, memory: bytes, /) -> None:
        """Take over a dumped memory."""
        self._accounts = msgspec.json.decode(memory, type=Memory).accounts

    def _compare(self, memory: AccountMemory, state: AccountState) -> Sequence[Event]:
        """What differs from the last account state; an older or repeated state says nothing."""
        if state.time_ms <= memory.time_ms:
            return ()
        previous_ms, memory.time_ms = memory.time_ms, state.time_ms
        shown = Shown(state)
        open_ones = (reading for dex in state.dexes for reading in dex.positions if reading.size)
        changes = [
            position
            for reading in open_ones
            if self._is_news(position := _open_position(state, reading), memory.positions.get(reading.coin))
        ]
        for coin, held in memory.positions.items():
            if held.is_open and shown.size(coin) == 0:
                memory.seen_ms[coin] = max(previous_ms, held.time_ms)
                changes.append(_vanished(memory, held, state.time_ms))
        for position in changes:
            memory.positions[position.coin] = position
        return changes

    def _is_news(self, position: Position, held: Position | None) -> bool:
        if held is None or _shape(position) != _shape(held):
            return held is None or position.time_ms > held.time_ms
        is_due = position.time_ms // self._refresh_ms > held.time_ms // self._refresh_ms
        return is_due and msgspec.structs.replace(held, time_ms=position.time_ms) != position


def _shape(position: Position) -> tuple[object, ...]:
    """What must not change without being stated."""
    return (
        position.is_open,
        position.side,
        position.size,
        position.entry_price,
        position.leverage,
        position.margin_mode,
    )


def _open_position(state: AccountState, reading: PositionReading) -> Position:
    size = abs(reading.size)
    return Position(
        account=state.account,
        time_ms=state.time_ms,
        coin=reading.coin,
        side="long" if reading.size > 0 else "short",
        size=size,
        entry_price=reading.entry_price,
        mark_price=ratio(reading.position_value, size) if size else None,
        liquidation_price=reading.liquidation_price,
        unrealized_pnl=reading.unrealized_pnl,
        margin_used=reading.margin_used,
        leverage=reading.leverage,
        margin_mode=reading.margin_mode,
        funding=reading.funding,
    )


def _vanished(memory: AccountMemory, held: Position, time_ms: int) -> Position:
    close = memory.closes.get(held.coin)
    is_its_close = close is not None and close.time_ms >= memory.seen_ms[held.coin] - SLACK_MS
    return msgspec.structs.replace(
        held,
        time_ms=max(time_ms, held.time_ms + 1),
        size=_ZERO,
        liquidation_price=None,
        unrealized_pnl=_ZERO,
        margin_used=_ZERO,
        is_open=False,
        closed_ms=close.time_ms if close and is_its_close else time_ms,
        realized_pnl=close.net_pnl if close and is_its_close else None,
    )


def _note_close(memory: AccountMemory, closed: PositionClosed) -> Sequence[Event]:
    """Remember the result; if the position has vanished already, state it."""
    known = memory.closes.get(closed.coin)
    if closed.net_pnl is None or (known and known.time_ms > closed.time_ms):
        return ()
    memory.closes[closed.coin] = Close(closed.time_ms, closed.net_pnl)
    held = memory.positions.get(closed.coin)
    if held is None or held.is_open or closed.time_ms < memory.seen_ms.get(closed.coin, 0) - SLACK_MS:
        return ()
    if (held.realized_pnl, held.closed_ms) == (closed.net_pnl, closed.time_ms):
        return ()
    position = msgspec.structs.replace(
        held,
        time_ms=max(held.time_ms + 1, closed.time_ms),
        closed_ms=closed.time_ms,
        realized_pnl=closed.net_pnl,
    )
    memory.positions[closed.coin] = position
    return [position]


@contextmanager
def _open(_config: NoConfig, settings: Settings) -> Iterator[Positions]:
    yield Positions(settings.snapshot_ms)


FACTORY: Final = DeriverFactory(name="positions", open=_open, config=NoConfig, kinds=KINDS, always=True)
