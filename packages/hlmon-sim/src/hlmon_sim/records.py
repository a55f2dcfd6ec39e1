"""What happens on the simulated exchange: immutable statements, published block by block."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import msgspec

from hlmon_sim.numbers import ZERO

Side = Literal["B", "A"]
Json = dict[str, Any]
NO_HASH = "0x" + "0" * 64


Oddity = tuple[tuple[str, Any], ...]
"""Fields of a row that are sent otherwise than documented: dotted path ("" is the whole row) and what stands there."""


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that happened at `time_ms`; the API shows it from `visible_ms` on.

    Its row is sent with `odd` fields everywhere alike. If that leaves nothing to read, it `is_readable` no more.
    """

    time_ms: int
    visible_ms: int
    odd: Oddity = ()
    is_readable: bool = True


class Liquidation(msgspec.Struct, frozen=True, gc=False):
    """The mark that both parties' fills carry when somebody is liquidated."""

    user: str
    mark_price: Decimal
    method: Literal["market", "backstop"]


class Fill(Record, frozen=True, kw_only=True, gc=False):
    """One fill of one account; `twap_id` is set for slices of the account's own TWAP."""

    account: str
    coin: str
    price: Decimal
    size: Decimal
    side: Side
    start_position: Decimal
    direction: str
    closed_pnl: Decimal
    hash: str
    order_id: int
    crossed: bool
    fee: Decimal
    trade_id: int
    fee_token: str = "USDC"
    cloid: str | None = None
    builder_fee: Decimal = ZERO
    liquidation: Liquidation | None = None
    twap_id: int | None = None


class Trade(Record, frozen=True, kw_only=True, gc=False):
    """One public trade; `side` is the aggressor's."""

    coin: str
    side: Side
    price: Decimal
    size: Decimal
    hash: str
    trade_id: int
    buyer: str
    seller: str


class FundingPayment(Record, frozen=True, kw_only=True, gc=False):
    """Positive `usdc` was received."""

    account: str
    coin: str
    usdc: Decimal
    size: Decimal
    rate: Decimal


class LedgerEntry(Record, frozen=True, kw_only=True, gc=False):
    """A change of balance that is neither trade nor funding, with its delta as on the wire."""

    account: str
    hash: str
    delta: Json


class OrderChange(Record, frozen=True, kw_only=True, gc=False):
    """An order took this status; `order` is its full form on the wire at that moment.

    `is_hidden`: no history shows it, as if 2,000 newer rows had pushed it out.
    """

    account: str
    order: Json
    status: str
    is_hidden: bool = False


class TwapChange(Record, frozen=True, kw_only=True, gc=False):
    """A TWAP began or ended; `state` is its form on the wire."""

    account: str
    twap_id: int
    state: Json
    status: str


class AccountEvent(Record, frozen=True, kw_only=True, gc=False):
    """What only userEvents shows: liquidation or nonUserCancel, as on the wire."""

    account: str
    event: Json


class Notification(Record, frozen=True, kw_only=True, gc=False):
    """A text for people."""

    account: str
    text: str


class DexRenamed(Record, frozen=True, kw_only=True, gc=False):
    """A dex, and so all of its coins, has a new name; never sent."""

    old: str
    new: str


class FaultBegun(Record, frozen=True, kw_only=True, gc=False):
    """Harm was done to the clients; never sent."""

    kind: str


class PositionEnd(Record, frozen=True, kw_only=True, gc=False):
    """A perp position ended; never sent, only told to the ground truth. `cause` is named as hlmon names it."""

    account: str
    coin: str
    side: Literal["long", "short"]
    size: Decimal  # the largest that it was
    opened_ms: int
    cause: str
    gross: Decimal
    fees: Decimal
    funding: Decimal
    fills: int
    trade_id: int
