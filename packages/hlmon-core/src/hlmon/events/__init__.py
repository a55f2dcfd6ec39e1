"""Events: everything hlmon knows is one of these immutable statements.

A `Fact` happened once. A `State` holds until a newer version of the same name replaces it. A `Reading` is an
observation that derivers see and nobody stores. The name of an event is (kind, account, key).

Prices, sizes and amounts are `Decimal` (text in JSON), times are the exchange's clock in UTC milliseconds, addresses
are lower case, and an account of "" means the event belongs to the market. Amounts of money are + when received.
"""

from __future__ import annotations

from typing import Final

import msgspec

from hlmon.errors import HlmonError
from hlmon.events.account import (
    Fill,
    Funding,
    Ledger,
    Liquidation,
    Order,
    Position,
    PositionSide,
    Side,
    is_perp,
)
from hlmon.events.base import Event, Fact, Name, Reading, State
from hlmon.events.derived import (
    AccountMode,
    AccountSnapshot,
    Alert,
    AlertState,
    CloseCause,
    Cvd,
    PositionClosed,
    Severity,
)
from hlmon.events.readings import (
    AccountState,
    Agent,
    Agents,
    Balance,
    DexState,
    ExchangeStatus,
    InputEnded,
    MarketTrades,
    OpenOrders,
    PositionReading,
    Prices,
    Pulse,
    Rebuilt,
    SpotState,
    Trade,
    Twap,
)
from hlmon.events.records import AccountInfo, Checkpoint, Gap, Quarantined, Role, WatchStatus

STORED: Final[dict[str, type[Event]]] = {
    cls.kind: cls
    for cls in (
        Fill,
        Order,
        Position,
        AccountSnapshot,
        Cvd,
        PositionClosed,
        Funding,
        Ledger,
        Alert,
        Gap,
        Checkpoint,
        AccountInfo,
        Quarantined,
    )
}
"""Every kind of event that the journal keeps, and its type."""

_ENCODER = msgspec.json.Encoder()
_DECODERS = {kind: msgspec.json.Decoder(cls) for kind, cls in STORED.items()}


def encode(event: Event) -> bytes:
    """One event as a JSON object on one line; fields at their default are left out, `kind` is the first."""
    return _ENCODER.encode(event)


def decode(kind: str, body: bytes | str) -> Event:
    """The event that `encode` wrote. Raises HlmonError for an unknown kind or a body of another shape."""
    try:
        return _DECODERS[kind].decode(body)
    except (KeyError, msgspec.MsgspecError) as error:
        raise HlmonError(f"not an event of kind {kind!r}: {error}") from error


__all__ = [
    "STORED",
    "AccountInfo",
    "AccountMode",
    "AccountSnapshot",
    "AccountState",
    "Agent",
    "Agents",
    "Alert",
    "AlertState",
    "Balance",
    "Checkpoint",
    "CloseCause",
    "Cvd",
    "DexState",
    "Event",
    "ExchangeStatus",
    "Fact",
    "Fill",
    "Funding",
    "Gap",
    "InputEnded",
    "Ledger",
    "Liquidation",
    "MarketTrades",
    "Name",
    "OpenOrders",
    "Order",
    "Position",
    "PositionClosed",
    "PositionReading",
    "PositionSide",
    "Prices",
    "Pulse",
    "Quarantined",
    "Reading",
    "Rebuilt",
    "Role",
    "Severity",
    "Side",
    "SpotState",
    "State",
    "Trade",
    "Twap",
    "WatchStatus",
    "decode",
    "encode",
    "is_perp",
]
