"""What accounts do: fills, funding, ledger entries, orders, positions."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal

import msgspec

from hlmon.events.base import Fact, State
from hlmon.units import (
    Address,
    ClientId,
    Coin,
    Coins,
    FeeTokens,
    Hash,
    Id,
    Ordinal,
    Price,
    Ratio,
    Raw,
    SignedCoins,
    SignedTokens,
    SignedUsd,
    Text,
    TimeMs,
    Token,
    Usd,
    WholeMultiple,
    Word,
    says,
)

Side = Literal["buy", "sell"]
PositionSide = Literal["long", "short"]
MarginMode = Literal["cross", "isolated"]

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

    user: Annotated[Address, says("who was liquidated")] = ""
    mark_price: Annotated[Price, says("the mark price at that moment")] = ZERO
    method: Annotated[Word, says("`market` or `backstop`")] = ""


class Fill(Fact, frozen=True, kw_only=True, gc=False, tag="fill"):
    """One execution. `closed_pnl` is gross of fees; `fee` is positive when paid and includes `builder_fee`."""

    kind: ClassVar[str] = "fill"

    coin: Coin
    side: Annotated[Side, says("what this account did")]
    price: Annotated[Price, says("price of the execution")]
    size: Annotated[Coins, says("executed size; never negative")]
    direction: Annotated[Text, says("the exchange's display text, e.g. `Close Long`; never used for arithmetic")] = ""
    start_position: Annotated[
        SignedCoins | None, says("before this fill, + is long; None only in payloads that lack it")
    ] = None
    closed_pnl: Annotated[SignedUsd, says("realised by this fill, gross of fees")] = ZERO
    fee: Annotated[FeeTokens, says("positive when paid, negative for a rebate; includes `builder_fee`")] = ZERO
    fee_token: Token = "USDC"
    builder_fee: Annotated[FeeTokens | None, says("the builder's part of the fee")] = None
    order_id: Annotated[Id, says("the order that was executed")] = 0
    trade_id: Annotated[Id, says("shared with the counterparty; 0 for dust conversions and payloads of 2023")] = 0
    tx_hash: Annotated[Hash, says("the transaction")] = ""
    crossed: Annotated[bool, says("whether this side was the taker")] = False
    cloid: ClientId | None = None
    twap_id: Annotated[Id | None, says("the TWAP order that this fill is a slice of")] = None
    liquidation: Annotated[Liquidation | None, says("the liquidation that it was part of, on either side")] = None
    self_trade: Annotated[bool, says("both sides are this account: two rows, net change 0")] = False
    is_position_close: Annotated[bool, says("this fill ended or flipped a perp position")] = False
    ordinal: Annotated[Ordinal, says("among the rows of one answer that would have the same name")] = 0
    extra: Annotated[Raw | None, says("what came with it and has no field")] = None  # a dict each would cost a lot

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

    coin: Coin
    amount: Annotated[SignedUsd, says("+ when received")]
    size: Annotated[SignedCoins, says("position that it was paid for, + is long")]
    rate: Annotated[Ratio, says("for one hour, of the position's value; + when longs pay")]
    variant: Annotated[Text, says("tells a further payment of this coin and time from the first one")] = ""
    extra: Annotated[Raw | None, says("what came with it and has no field")] = None

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

    type: Annotated[Word, says("the exchange's name: deposit, withdraw, spotTransfer, liquidation, …")]
    entry_id: Annotated[Hash, says("digest of the exchange's entry, since entries may share time and hash")]
    amount: Annotated[
        SignedTokens | None, says("effect on what the account owns, + when received; None if unknown")
    ] = None
    token: Token = "USDC"
    fee: Annotated[FeeTokens, says("positive when paid, and no part of `amount`")] = ZERO
    fee_token: Token = "USDC"
    counterparty: Annotated[Address, says("the other side, if there is one")] = ""
    tx_hash: Annotated[Hash, says("the transaction")] = ""
    details: Annotated[Raw, says("the exchange's entry")] = msgspec.field(default_factory=dict)
    ordinal: Annotated[Ordinal, says("among entries of one answer that are equal in everything")] = 0

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

    order_id: Annotated[Id, says("the order")]
    coin: Coin
    side: Annotated[Side, says("what it does when it is executed")]
    size: Annotated[Coins, says("original size")]
    remaining: Annotated[Coins, says("what is not executed yet")]
    price: Annotated[Price, says("limit price")]
    status: Annotated[Word, says("open, filled, canceled, …; `waiting` and `unknown` are hlmon's")]
    created_ms: Annotated[TimeMs, says("when it was placed")]
    order_type: Annotated[Word, says("the exchange's: Limit, Market, Stop Market, Take Profit Limit, …")] = ""
    tif: Annotated[Word | None, says("time in force: Gtc, Ioc, Alo, FrontendMarket, LiquidationMarket")] = None
    reduce_only: Annotated[bool, says("whether it may only make a position smaller")] = False
    trigger_price: Annotated[Price | None, says("mark price that triggers it")] = None
    trigger_condition: Annotated[Text, says("the exchange's display text")] = ""
    is_position_tpsl: Annotated[bool, says("whether it is the take-profit or stop of the whole position")] = False
    cloid: ClientId | None = None
    extra: Annotated[Raw | None, says("what came with it and has no field")] = None

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

    coin: Coin
    side: Annotated[PositionSide, says("of a closed one that which it had")]
    size: Annotated[Coins, says("unsigned, 0 when closed")]
    entry_price: Annotated[Price | None, says("average entry price")] = None
    mark_price: Annotated[Price | None, says("mark price at that moment")] = None
    liquidation_price: Annotated[Price | None, says("mark price at which it would be liquidated")] = None
    unrealized_pnl: Annotated[SignedUsd, says("at the mark price")] = ZERO
    margin_used: Annotated[Usd, says("margin that it holds")] = ZERO
    leverage: Annotated[WholeMultiple, says("as the account set it for this coin")] = 0
    margin_mode: Annotated[MarginMode, says("what stands for its losses: the whole dex, or this position alone")] = (
        "cross"
    )
    funding: Annotated[SignedUsd, says("since it was opened, + when received")] = ZERO
    is_open: Annotated[bool, says("whether it exists still")] = True
    closed_ms: Annotated[TimeMs | None, says("when it ended")] = None
    realized_pnl: Annotated[SignedUsd | None, says("net, of the last close")] = None

    @property
    def key(self) -> str:
        """The coin."""
        return self.coin
