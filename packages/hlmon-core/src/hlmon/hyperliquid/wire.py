"""Rows of frames and answers as the exchange sends them; its abbreviations live only here.

Of states and trades the fields that hlmon does not read are left out, since skipping them is free. Rows that become
facts or orders have every known field; one with further fields is not for the fast path, since they are kept. Required
is only what identifies a row and moves money; everything else has a neutral default, since real payloads were seen
without it. What does not fit these types exactly (null, "", numbers as text, new fields) is read by `wire_reader`, row
by row.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec

ZERO = Decimal(0)

EARLIEST_MS: Final = 1_640_995_200_000
"""The begin of 2022: the exchange is younger."""

LATEST_MS: Final = 4_102_444_800_000
"""The begin of 2100."""

Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""Ids: what a 64-bit column can hold."""

Time = Annotated[int, msgspec.Meta(ge=EARLIEST_MS, le=LATEST_MS)]
"""When something happened, in milliseconds."""

Word = Annotated[str, msgspec.Meta(min_length=1)]
"""A text that names something."""

Side = Literal["A", "B"]


class Row(msgspec.Struct, rename="camel", gc=False):
    """Something that comes in lists."""


class FillLiquidation(Row):
    """Stands on the counterparty's fill too."""

    liquidated_user: str | None = None
    mark_px: Decimal = ZERO
    method: str = ""


class Fill(Row, forbid_unknown_fields=True):
    """One execution of one account. Rows of 2023 have neither tid nor feeToken."""

    coin: Word
    px: Decimal
    sz: Decimal
    side: Side
    time: Time
    start_position: Decimal | None = None
    dir: str = ""
    closed_pnl: Decimal = ZERO
    hash: str = ""
    oid: Number = 0
    crossed: bool = False
    fee: Decimal = ZERO
    tid: Number = 0
    fee_token: str | None = None
    cloid: str | None = None
    builder_fee: Decimal | None = None
    liquidation: FillLiquidation | None = None
    twap_id: Number | None = None


class TwapSliceFill(Row):
    """A fill and the TWAP order that it belongs to."""

    fill: Fill
    twap_id: Number | None = None


class FundingDelta(Row, forbid_unknown_fields=True):
    """What a funding payment was; usdc is negative when paid. `nSamples` is null since 2023."""

    coin: Word
    usdc: Decimal
    szi: Decimal = ZERO
    funding_rate: Decimal = ZERO
    n_samples: None = None
    type: str = "funding"


class Funding(FundingDelta, kw_only=True, forbid_unknown_fields=True):
    """A funding payment in a frame."""

    time: Time


class FundingAnswer(Row, forbid_unknown_fields=True):
    """A funding payment in an answer. Its hash is 0 and no field of the event: the frames have none."""

    time: Time
    delta: FundingDelta
    hash: str = ""


class LedgerUpdate(Row):
    """A movement of money; the delta's shape depends on its type."""

    time: Time
    delta: dict[str, Any]
    hash: str = ""


class Order(Row, forbid_unknown_fields=True):
    """An order in any list of orders. `sz` is what remains, `origSz` what was asked for."""

    coin: Word
    side: Side
    limit_px: Decimal
    sz: Decimal
    oid: Number
    timestamp: Time = 0
    orig_sz: Decimal | None = None
    cloid: str | None = None
    reduce_only: bool = False
    trigger_condition: str | None = None
    is_trigger: bool = False
    trigger_px: Decimal | None = None
    children: list[Order] | None = None
    is_position_tpsl: bool = False
    order_type: str | None = None
    tif: str | None = None


class OrderStatus(Row, forbid_unknown_fields=True):
    """An order and what became of it."""

    order: Order
    status: Word
    status_timestamp: Time


class OrderAnswer(Row):
    """What is known of one order: `status` is `order`, or `unknownOid` without one."""

    status: Word
    order: OrderStatus | None = None


class Agent(Row):
    """An API wallet of an account."""

    address: Word
    valid_until: Number | None = None
    name: str = ""


class TwapState(Row):
    """A TWAP order; `executedSz` may be behind in histories."""

    coin: Word
    side: Side
    sz: Decimal
    executed_sz: Decimal = ZERO
    minutes: int = 0
    reduce_only: bool = False
    timestamp: Number = 0


class TwapStatus(Row):
    """What became of a TWAP; the description comes with errors."""

    status: Word
    description: str | None = None


class TwapChange(Row):
    """A row of a history of TWAPs. Its time is in seconds."""

    time: Number
    state: TwapState
    status: TwapStatus
    twap_id: Number | None = None


class Leverage(Row):
    """`isolated` or `cross`."""

    type: str = "cross"
    value: int = 0


class CumulativeFunding(Row):
    """Positive when paid: the opposite of a funding payment's sign."""

    since_open: Decimal = ZERO


class Position(Row):
    """One perp position; szi is signed."""

    coin: Word
    szi: Decimal
    position_value: Decimal | None = None
    entry_px: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    liquidation_px: Decimal | None = None
    margin_used: Decimal | None = None
    leverage: Leverage = msgspec.field(default_factory=Leverage)
    max_leverage: int = 0
    cum_funding: CumulativeFunding = msgspec.field(default_factory=CumulativeFunding)


class AssetPosition(Row):
    """The wrapper of a position."""

    position: Position


class MarginSummary(Row):
    """Totals of one dex."""

    account_value: Decimal
    total_ntl_pos: Decimal | None = None
    total_margin_used: Decimal = ZERO


class MarginState(Row):
    """An account on one dex."""

    margin_summary: MarginSummary
    asset_positions: list[AssetPosition]
    cross_margin_summary: MarginSummary | None = None
    cross_maintenance_margin_used: Decimal | None = None
    withdrawable: Decimal = ZERO
    time: Time | None = None


class SpotBalance(Row):
    """One token, or one outcome (which has no token)."""

    coin: Word
    total: Decimal
    hold: Decimal = ZERO
    entry_ntl: Decimal = ZERO
    borrowed: Decimal | None = None
    spot_hold: Decimal | None = None


class Escrow(Row):
    """A token that waits on the EVM side for the account to be activated."""

    coin: Word
    total: Decimal


class SpotBalances(Row):
    """All tokens of an account."""

    balances: list[SpotBalance]
    evm_escrows: list[Escrow] | None = None
    portfolio_margin_enabled: bool | None = None


class Trade(Row):
    """One market trade; the side is the aggressor's."""

    coin: Word
    side: Side
    px: Decimal
    sz: Decimal
    time: Time
    tid: Number = 0
