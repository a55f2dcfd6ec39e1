"""Frames of the WebSocket as the exchange sends them, told apart by their channel."""

from __future__ import annotations

from typing import Any

import msgspec

from hlmon.hyperliquid.wire import (
    Fill,
    Funding,
    LedgerUpdate,
    MarginState,
    Order,
    OrderStatus,
    SpotBalances,
    Trade,
    TwapChange,
    TwapSliceFill,
)


class Data(msgspec.Struct, rename="camel", kw_only=True):
    """The data of a frame that names its account."""

    user: str
    is_snapshot: bool | None = None


class FillsData(Data):
    """Fills, oldest first."""

    fills: list[Fill]


class TwapSliceFillsData(Data):
    """Fills of TWAP orders."""

    twap_slice_fills: list[TwapSliceFill]


class FundingsData(Data):
    """Funding payments."""

    fundings: list[Funding]


class LedgerUpdatesData(Data):
    """Movements of money."""

    non_funding_ledger_updates: list[LedgerUpdate]


class OrderHistoryData(Data):
    """Orders and what became of them."""

    order_history: list[OrderStatus]


class OpenOrdersData(Data):
    """Every order that rests on one dex, newest first; children are inside of their parents."""

    orders: list[Order]
    dex: str | None = None


class TwapHistoryData(Data):
    """TWAP orders and what became of them."""

    history: list[TwapChange]


class AllDexsStateData(Data):
    """Every dex's state; "" is the main dex."""

    clearinghouse_states: list[tuple[str, MarginState]]


class DexStateData(Data):
    """One dex's state."""

    clearinghouse_state: MarginState
    dex: str | None = None


class SpotStateData(Data):
    """All balances."""

    spot_state: SpotBalances


class AckData(msgspec.Struct):
    """What was accepted, normalised by the exchange."""

    method: str
    subscription: dict[str, Any]


class WireFrame(msgspec.Struct, tag_field="channel"):
    """Every frame but the greeting."""


class FillsFrame(WireFrame, tag="userFills"):
    """Fills of an account."""

    data: FillsData


class TwapSliceFillsFrame(WireFrame, tag="userTwapSliceFills"):
    """TWAP slices of an account."""

    data: TwapSliceFillsData


class FundingsFrame(WireFrame, tag="userFundings"):
    """Funding of an account."""

    data: FundingsData


class LedgerUpdatesFrame(WireFrame, tag="userNonFundingLedgerUpdates"):
    """Money of an account."""

    data: LedgerUpdatesData


class OrderHistoryFrame(WireFrame, tag="userHistoricalOrders"):
    """Orders of an account."""

    data: OrderHistoryData


class OpenOrdersFrame(WireFrame, tag="openOrders"):
    """Open orders of an account on one dex."""

    data: OpenOrdersData


class TwapHistoryFrame(WireFrame, tag="userTwapHistory"):
    """TWAP orders of an account."""

    data: TwapHistoryData


class AllDexsStateFrame(WireFrame, tag="allDexsClearinghouseState"):
    """Perp state of an account."""

    data: AllDexsStateData


class DexStateFrame(WireFrame, tag="clearinghouseState"):
    """Perp state of an account on one dex."""

    data: DexStateData


class SpotStateFrame(WireFrame, tag="spotState"):
    """Spot state of an account."""

    data: SpotStateData


class TradesFrame(WireFrame, tag="trades"):
    """Trades of a coin, oldest first."""

    data: list[Trade]


class AckFrame(WireFrame, tag="subscriptionResponse"):
    """A subscription was accepted."""

    data: AckData


class ErrorFrame(WireFrame, tag="error"):
    """Something was refused."""

    data: str


class PongFrame(WireFrame, tag="pong"):
    """The answer to a ping."""


AnyFrame = (
    FillsFrame
    | TwapSliceFillsFrame
    | FundingsFrame
    | LedgerUpdatesFrame
    | OrderHistoryFrame
    | OpenOrdersFrame
    | TwapHistoryFrame
    | AllDexsStateFrame
    | DexStateFrame
    | SpotStateFrame
    | TradesFrame
    | AckFrame
    | ErrorFrame
    | PongFrame
)


class Envelope(msgspec.Struct):
    """What every frame but the greeting has."""

    channel: str
    data: msgspec.Raw = msgspec.Raw(b"null")
