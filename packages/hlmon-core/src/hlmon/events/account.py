"""What accounts do: fills, funding, ledger entries, orders, positions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, Final, Literal

import msgspec

from hlmon.events.base import Fact, State

Side = Literal["buy", "sell"]
PositionSide = Literal["long", "short"]

ZERO = Decimal(0)

RESTING: Final = frozenset({"open", "triggered", "waiting", "accepted", "waitingForFill", "waitingForTrigger"})
"""Statuses of orders that have not ended. `waiting` is hlmon's word for the child of an order that rests itself."""

UNKNOWN_END: Final = "unknown"
"""hlmon's status of an order that the exchange lists no more, while nothing tells how it ended."""

_KNOWN_END = 2**50
"""Above every version made from a time; both together stay below 2^53, which JSON numbers and stores keep exactly."""
_BEFORE_OPEN = frozenset({"waiting", "accepted", "waitingForFill", "waitingForTrigger"})


class Liquidation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The liquidation a fill was part of. It stands on the counterparty's fill too: compare `user` with the account."""

    user: str = ""
    mark_price: Decimal = ZERO
    method: str = ""


class Fill(Fact, frozen=True, kw_only=True, gc=False, tag="fill"):
    """One execution. `closed_pnl` is gross of fees; `fee` is positive when paid and includes `builder_fee`."""

    kind: ClassVar[str] = "fill"

    coin: str
    side: Side
    price: Decimal
    size: Decimal
    direction: str = ""  # the exchange's display text, e.g. "Close Long"; never used for arithmetic
    start_position: Decimal | None = None  # signed, before this fill; None only in payloads that lack it
    closed_pnl: Decimal = ZERO
    fee: Decimal = ZERO
    fee_token: str = "USDC"
    builder_fee: Decimal | None = None
    order_id: int = 0
    trade_id: int = 0  # shared with the counterparty; 0 for dust conversions and payloads of 2023
    tx_hash: str = ""
    crossed: bool = False
    cloid: str | None = None
    twap_id: int | None = None
    liquidation: Liquidation | None = None
    self_trade: bool = False  # both sides are this account: two rows, net change 0
    is_position_close: bool = False  # this fill ended or flipped a perp position
    ordinal: int = 0  # among the rows of one answer that would have the same name
    extra: dict[str, Any] | None = None  # what came with it and has no field, as it came; a dict each would cost a lot

    @property
    def key(self) -> str:
        """Time, trade, order and side; where there is no trade id, start position, price, size and ordinal as well."""
        short = f"{self.time_ms}:{self.trade_id}:{self.order_id}:{self.side}"
        if self.trade_id:
            return short
        long = f"{short}:{self.coin}:{self.start_position}:{self.price}:{self.size}"
        return f"{long}#{self.ordinal}" if self.ordinal else long

    @property
    def version(self) -> int:
        """1 with the id of its TWAP, which only the stream of slices tells; else 0."""
        return 0 if self.twap_id is None else 1

    def completing(self, known: Fill) -> Fill:
        """What was known, with the id of its TWAP."""
        return msgspec.structs.replace(known, twap_id=self.twap_id)

    @property
    def signed_size(self) -> Decimal:
        """Size with the sign of the position change: + for a buy."""
        return self.size if self.side == "buy" else -self.size

    @property
    def is_perp(self) -> bool:
        """Whether the coin is a perpetual (of any dex), not a spot pair or an outcome."""
        return is_perp(self.coin)


def is_perp(coin: str) -> bool:
    """Whether a coin name of the exchange is a perpetual: `BTC`, `xyz:SILVER`; not `@107`, `PURR/USDC`, `#14880`."""
    return not ("/" in coin or coin.startswith(("@", "#")))


class Funding(Fact, frozen=True, kw_only=True, gc=False, tag="funding"):
    """One hourly funding payment of a position. `amount` is + when received; `size` is the signed position."""

    kind: ClassVar[str] = "funding"

    coin: str
    amount: Decimal
    size: Decimal
    rate: Decimal
    variant: str = ""  # tells a further payment of this coin and time from the first one
    extra: dict[str, Any] | None = None  # what came with it and has no field, as it came

    @property
    def key(self) -> str:
        """Time and coin; of a further payment of both, its variant as well."""
        short = f"{self.time_ms}:{self.coin}"
        return f"{short}:{self.variant}" if self.variant else short

    @property
    def content(self) -> tuple[Decimal, Decimal, Decimal]:
        """What tells two payments of one coin and time apart."""
        return (self.amount, self.size, self.rate)

    def as_further(self, equal_before: int = 0) -> Funding:
        """The same payment under a name of its own, after so many that are equal to it in everything."""
        variant = f"{self.amount}:{self.size}:{self.rate}" + (f"#{equal_before}" if equal_before else "")
        return msgspec.structs.replace(self, variant=variant)


class Ledger(Fact, frozen=True, kw_only=True, gc=False, tag="ledger"):
    """A movement of money other than fills and funding. `amount` is + when the account received `token`.

    It is the effect on what the account owns: 0 between its own pockets (perp dexes, spot, staking, lending), None for
    an entry whose effect hlmon does not know. The fee is not part of it, and positive when paid. `entry_id` is the
    digest of the exchange's entry, since entries may share time and hash; `details` is that entry.
    """

    kind: ClassVar[str] = "ledger"

    type: str  # the exchange's name: deposit, withdraw, spotTransfer, liquidation, …
    entry_id: str
    amount: Decimal | None = None
    token: str = "USDC"
    fee: Decimal = ZERO
    fee_token: str = "USDC"
    counterparty: str = ""
    tx_hash: str = ""
    details: dict[str, Any] = msgspec.field(default_factory=dict)
    ordinal: int = 0  # among entries of one answer that are equal in everything

    @property
    def key(self) -> str:
        """Time, type and the digest of the entry; of entries that are equal in everything, the ordinal as well."""
        short = f"{self.time_ms}:{self.type}:{self.entry_id}"
        return f"{short}#{self.ordinal}" if self.ordinal else short


class Order(State, frozen=True, kw_only=True, gc=False, tag="order"):
    """An order's latest known status; `time_ms` is the time of that status. `size` is the original size.

    Two words for `status` are hlmon's: `waiting`, the child of an order that rests, and `unknown`, an order that is
    gone from the list of open orders while nothing tells how it ended.
    """

    kind: ClassVar[str] = "order"

    order_id: int
    coin: str
    side: Side
    size: Decimal
    remaining: Decimal
    price: Decimal
    status: str  # the exchange's word: open, filled, canceled, marginCanceled, …
    created_ms: int
    order_type: str = ""
    tif: str | None = None
    reduce_only: bool = False
    trigger_price: Decimal | None = None
    trigger_condition: str = ""
    is_position_tpsl: bool = False
    cloid: str | None = None
    extra: dict[str, Any] | None = None  # what came with it and has no field, as it came

    @property
    def key(self) -> str:
        """The order id."""
        return str(self.order_id)

    @property
    def has_ended(self) -> bool:
        """Whether the exchange said how it ended; a word that nobody knows is no end."""
        status = self.status.lower()
        return status in {"filled", "rejected", "canceled"} or status.endswith(("rejected", "canceled", "cancel"))

    @property
    def version(self) -> int:
        """A known end is newer than everything else; before that the status time, and in one millisecond what follows.

        An order waits, is open, is triggered, ends, in this order.
        """
        if self.has_ended:
            return _KNOWN_END + self.time_ms * 4 + 2
        rank = -1 if self.status in _BEFORE_OPEN else {"open": 0, "triggered": 1}.get(self.status, 2)
        return self.time_ms * 4 + rank


class Position(State, frozen=True, kw_only=True, gc=False, tag="position"):
    """A perp position as the account state shows it. `size` is unsigned, 0 when closed."""

    kind: ClassVar[str] = "position"

    coin: str
    side: PositionSide
    size: Decimal
    entry_price: Decimal | None = None
    mark_price: Decimal | None = None
    liquidation_price: Decimal | None = None
    unrealized_pnl: Decimal = ZERO
    margin_used: Decimal = ZERO
    leverage: int = 0
    margin_mode: Literal["cross", "isolated"] = "cross"
    funding: Decimal = ZERO  # since open; + is received
    is_open: bool = True
    closed_ms: int | None = None
    realized_pnl: Decimal | None = None  # net, of the last close

    @property
    def key(self) -> str:
        """The coin."""
        return self.coin
