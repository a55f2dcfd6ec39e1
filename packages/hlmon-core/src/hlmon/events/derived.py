"""What hlmon works out: snapshots, closes, CVD, alerts."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar, Literal

import msgspec

from hlmon.events.account import ZERO, PositionSide
from hlmon.events.base import Fact, Name, State

AccountMode = Literal["classic", "unified", "portfolio_margin", "dex_abstraction", "unknown"]
CloseCause = Literal["order", "liquidation", "adl", "settlement", "netting", "flip", "state"]
Severity = Literal["info", "warning", "critical"]
AlertState = Literal["event", "firing", "resolved"]


class AccountSnapshot(Fact, frozen=True, kw_only=True, gc=False, tag="account"):
    """An account's value and health at one moment; `time_ms` is the start of the snapshot interval it stands for."""

    kind: ClassVar[str] = "account"

    account_value: Decimal
    total_margin_used: Decimal
    withdrawable: Decimal
    total_unrealized_pnl: Decimal
    maintenance_margin: Decimal
    notional: Decimal
    leverage: Decimal  # notional / account value
    health_score: int  # 0 (liquidation) to 100
    positions_count: int
    mode: AccountMode = "classic"

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

    coin: str
    side: PositionSide
    size: Decimal  # the largest size that the position had
    cause: CloseCause
    entry_price: Decimal | None = None  # averages over all opening and all closing fills
    exit_price: Decimal | None = None
    opened_ms: int | None = None
    gross_pnl: Decimal | None = None
    fees: Decimal = ZERO
    fee_token: str = "USDC"
    funding: Decimal = ZERO
    net_pnl: Decimal | None = None
    fills: int = 0
    complete: bool = True  # every fill since the opening one was seen
    trigger: str = ""  # key of the closing fill, or "state"
    tx_hash: str = ""  # of the closing fill
    completes: str = ""  # key of the PositionClosed that this one takes the place of
    revision: int = 0  # how often the figures of this closing fill were stated before
    previous_net_pnl: Decimal | None = None  # what the PositionClosed named in `completes` said
    stated_ms: int | None = None  # when a revision was made

    @property
    def key(self) -> str:
        """Time, coin and what closed it, and the revision if it is one."""
        first = f"{self.time_ms}:{self.coin}:{self.trigger}"
        return f"{first}:{self.revision}" if self.revision else first


class Cvd(State, frozen=True, kw_only=True, gc=False, tag="cvd"):
    """One bucket of cumulative volume delta, in units of the coin; `time_ms` is the last trade's time."""

    kind: ClassVar[str] = "cvd"

    coin: str
    interval_ms: int
    start_ms: int
    buy_volume: Decimal
    sell_volume: Decimal
    cumulative: Decimal  # running delta up to and with this bucket
    trades: int
    complete: bool = True  # it has ended, and the stream was seen without a break from its start to its end

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

    rule: str
    subject: str  # what it is about, so that a rule may speak of several things at one time
    severity: Severity
    title: str
    state: AlertState = "event"
    body: str = ""
    details: dict[str, str] = msgspec.field(default_factory=dict)
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    cause: Name | None = None

    @property
    def key(self) -> str:
        """Time, rule and subject."""
        return f"{self.time_ms}:{self.rule}:{self.subject}"
