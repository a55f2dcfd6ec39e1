"""What hlmon works out: snapshots, closes, CVD, alerts."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Literal

import msgspec

from hlmon.events.account import ZERO, PositionSide
from hlmon.events.base import Fact, Name, State
from hlmon.units import (
    Coin,
    Coins,
    Count,
    DurationMs,
    FeeTokens,
    Hash,
    Key,
    Multiple,
    Ordinal,
    Points,
    Price,
    SignedCoins,
    SignedUsd,
    Text,
    TimeMs,
    Token,
    Usd,
    Word,
    says,
)

AccountMode = Literal["classic", "unified", "portfolio_margin", "dex_abstraction", "unknown"]
CloseCause = Literal["order", "liquidation", "adl", "settlement", "netting", "flip", "state"]
Severity = Literal["info", "warning", "critical"]
AlertState = Literal["event", "firing", "resolved"]


class AccountSnapshot(Fact, frozen=True, kw_only=True, gc=False, tag="account"):
    """An account's value and health at one moment; `time_ms` is the start of the snapshot interval it stands for."""

    kind: ClassVar[str] = "account"

    account_value: Annotated[SignedUsd, says("what the account is worth, unrealised PnL included")]
    total_margin_used: Annotated[Usd, says("margin that positions hold, on all dexes")]
    withdrawable: Annotated[Usd, says("what perp margin leaves free")]
    total_unrealized_pnl: Annotated[SignedUsd, says("of all positions, at their mark prices")]
    maintenance_margin: Annotated[Usd, says("below this value positions are liquidated")]
    notional: Annotated[Usd, says("value of all positions, unsigned")]
    leverage: Annotated[Multiple, says("notional / account value; 0 without a value")]
    health_score: Annotated[Points, says("0 is liquidation")]
    positions_count: Annotated[Count, says("open positions")]
    mode: Annotated[AccountMode, says("where the collateral lies, which decides how the figures are made")] = "classic"

    @property
    def key(self) -> str:
        """The snapshot's time."""
        return str(self.time_ms)


class PositionClosed(Fact, frozen=True, kw_only=True, gc=False, tag="position_closed"):
    """A perp position ended, or the exchange settled an outcome that was held.

    PnL spans the whole life: net = gross - fees (+ paid) + funding (+ received). Cause `state`: the position vanished
    from the account state and no closing fill is known; prices and PnL are then unknown. What becomes known later makes
    a further PositionClosed, which names the one before it in `completes` and takes its place.
    """

    kind: ClassVar[str] = "position_closed"

    coin: Coin
    side: Annotated[PositionSide, says("what it was")]
    size: Annotated[Coins, says("the largest size that the position had")]
    cause: Annotated[CloseCause, says("what ended it")]
    entry_price: Annotated[Price | None, says("average over all opening fills")] = None
    exit_price: Annotated[Price | None, says("average over all closing fills")] = None
    opened_ms: Annotated[TimeMs | None, says("when it was opened")] = None
    gross_pnl: Annotated[SignedUsd | None, says("of the whole life, before fees and funding")] = None
    fees: Annotated[FeeTokens, says("of the whole life, positive when paid")] = ZERO
    fee_token: Token = "USDC"
    funding: Annotated[SignedUsd, says("of the whole life, + when received")] = ZERO
    net_pnl: Annotated[SignedUsd | None, says("gross less fees, and funding")] = None
    fills: Annotated[Count, says("fills of the whole life")] = 0
    complete: Annotated[bool, says("every fill since the opening one was seen")] = True
    trigger: Annotated[Key, says("that of the closing fill, or `state`")] = ""
    tx_hash: Annotated[Hash, says("the transaction of the closing fill")] = ""
    completes: Annotated[Key, says("that of the PositionClosed that this one takes the place of")] = ""
    revision: Annotated[Ordinal, says("how often the figures of this closing fill were stated before")] = 0
    previous_net_pnl: Annotated[SignedUsd | None, says("what the PositionClosed named in `completes` said")] = None
    stated_ms: Annotated[TimeMs | None, says("when a revision was made")] = None

    @property
    def key(self) -> str:
        """Time, coin and what closed it, and the revision if it is one."""
        first = f"{self.time_ms}:{self.coin}:{self.trigger}"
        return f"{first}:{self.revision}" if self.revision else first


class Cvd(State, frozen=True, kw_only=True, gc=False, tag="cvd"):
    """One bucket of cumulative volume delta, in units of the coin; `time_ms` is the last trade's time."""

    kind: ClassVar[str] = "cvd"

    coin: Coin
    interval_ms: Annotated[DurationMs, says("length of the bucket")]
    start_ms: Annotated[TimeMs, says("its beginning")]
    buy_volume: Annotated[Coins, says("bought by aggressors")]
    sell_volume: Annotated[Coins, says("sold by aggressors")]
    cumulative: Annotated[SignedCoins, says("running delta up to and with this bucket")]
    trades: Annotated[Count, says("trades in it")]
    complete: Annotated[bool, says("it has ended, and its trades were seen without a break")] = True

    @property
    def key(self) -> str:
        """Bucket start, coin and interval."""
        return f"{self.start_ms}:{self.coin}:{self.interval_ms}"

    @property
    def version(self) -> int:
        """The number of trades counted; at the same number that the bucket is complete is the newer statement."""
        return self.trades * 2 + self.complete

    @property
    def delta(self) -> Decimal:
        """Bought minus sold by the aggressors."""
        return self.buy_volume - self.sell_volume


class Alert(Fact, frozen=True, kw_only=True, gc=False, tag="alert"):
    """A fact addressed to a person. `cause` is the name of the event it is about.

    `state` tells a happening (`event`) from a condition that began (`firing`) or ended (`resolved`); all alerts of one
    condition have the same rule, account and subject. `details` are the figures, name -> text, in reading order.
    """

    kind: ClassVar[str] = "alert"

    rule: Annotated[Word, says("the NAME of its [rule.NAME]")]
    subject: Annotated[Text, says("what it is about, so that a rule may speak of several things at one time")]
    severity: Annotated[Severity, says("how urgent it is")]
    title: Annotated[Text, says("one line for people")]
    state: Annotated[AlertState, says("a happening, or a condition that began or ended")] = "event"
    body: Annotated[Text, says("more lines")] = ""
    details: Annotated[dict[str, Text], says("the figures, name -> text, in reading order")] = msgspec.field(
        default_factory=dict
    )
    labels: Annotated[dict[str, Text], says("what routes may ask for, name -> text")] = msgspec.field(
        default_factory=dict
    )
    cause: Annotated[Name | None, says("the event it is about")] = None

    @property
    def key(self) -> str:
        """Time, rule and subject."""
        return f"{self.time_ms}:{self.rule}:{self.subject}"
