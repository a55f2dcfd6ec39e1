"""What derivers see and nobody stores: raw account states, prices, market trades, the monitor's own pulse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import ClassVar, Literal

import msgspec

from hlmon.events.account import ZERO, Order, Side
from hlmon.events.base import Reading
from hlmon.status import FollowerStatus, SourceStatus


class PositionReading(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One perp position inside an account state; `size` is signed."""

    coin: str
    size: Decimal
    position_value: Decimal
    entry_price: Decimal | None = None
    unrealized_pnl: Decimal = ZERO
    liquidation_price: Decimal | None = None
    margin_used: Decimal = ZERO
    leverage: int = 0
    margin_mode: Literal["cross", "isolated"] = "cross"
    max_leverage: int = 0
    funding: Decimal = ZERO  # since open; + is received


class DexState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An account's margin and positions on one perp dex ("" is the main one), in that dex's collateral token.

    Where `complete` is False a position could not be read: from a coin that is not here nothing follows. Where `exact`
    is False a figure was not told that margin, value or health are made of, and stands here as 0.
    """

    dex: str
    account_value: Decimal
    cross_account_value: Decimal
    notional: Decimal
    margin_used: Decimal
    cross_maintenance_margin: Decimal
    withdrawable: Decimal
    positions: tuple[PositionReading, ...]
    complete: bool = True
    exact: bool = True


class AccountState(Reading, frozen=True, kw_only=True, gc=False, tag="account_state"):
    """The whole perp state of an account over all dexes; comes about every 5 s."""

    kind: ClassVar[str] = "account_state"

    dexes: tuple[DexState, ...]


class Balance(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One spot token. `hold` is what orders (and unified margin) hold of `total`; `entry_notional` is its cost.

    `spot_hold` is what portfolio margin holds net of what could be borrowed; None in other modes.
    """

    coin: str
    total: Decimal
    hold: Decimal = ZERO
    entry_notional: Decimal = ZERO
    borrowed: Decimal = ZERO
    spot_hold: Decimal | None = None


class SpotState(Reading, frozen=True, kw_only=True, gc=False, tag="spot_state"):
    """All spot balances of an account; where `complete` is False one of them could not be read.

    `escrows` wait on the EVM side for the account to be activated. `portfolio_margin` is whether the exchange says here
    that the account is in that mode.
    """

    kind: ClassVar[str] = "spot_state"

    balances: tuple[Balance, ...]
    complete: bool = True
    escrows: tuple[Balance, ...] = ()
    portfolio_margin: bool = False


class OpenOrders(Reading, frozen=True, kw_only=True, gc=False, tag="open_orders"):
    """Every order that rests on one dex ("" is the main one, with spot), as the exchange lists them now.

    Children of resting orders are among them with the status `waiting`. Where `complete` is False an order could not be
    read: from one that is not here nothing follows.
    """

    kind: ClassVar[str] = "open_orders"

    dex: str
    orders: tuple[Order, ...]
    complete: bool = True


class Agent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An API wallet that may trade for the account until `valid_until_ms`; None is for ever."""

    name: str
    address: str
    valid_until_ms: int | None


class Agents(Reading, frozen=True, kw_only=True, gc=False, tag="agents"):
    """All API wallets of an account; where `complete` is False one of them could not be read."""

    kind: ClassVar[str] = "agents"

    agents: tuple[Agent, ...]
    complete: bool = True


class ExchangeStatus(Reading, frozen=True, kw_only=True, gc=False, tag="exchange_status"):
    """What the exchange says of itself: `notice` is its text about a halt or an upgrade, "" while all is normal."""

    kind: ClassVar[str] = "exchange_status"

    notice: str = ""


class Twap(Reading, frozen=True, kw_only=True, gc=False, tag="twap"):
    """What became of a TWAP order at `time_ms`, to the second; `status` is a word of the exchange, e.g. finished.

    `executed_size` may be behind what the fills of the order say.
    """

    kind: ClassVar[str] = "twap"

    twap_id: int
    coin: str
    side: Side
    size: Decimal
    executed_size: Decimal
    minutes: int
    status: str
    description: str = ""
    reduce_only: bool = False


class Prices(Reading, frozen=True, kw_only=True, gc=False, tag="prices"):
    """The value of spot tokens in USDC, by the token's name; a token without a market is missing."""

    kind: ClassVar[str] = "prices"

    prices: dict[str, Decimal]


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One market trade; `side` is the aggressor's."""

    time_ms: int
    side: Side
    price: Decimal
    size: Decimal
    trade_id: int


def trade_names(trades: Iterable[Trade]) -> list[int | tuple[object, ...]]:
    """What tells each trade of one frame and coin from the others of its time.

    Without a trade id: everything that is known of it, and which of its equals it is.
    """
    names: list[int | tuple[object, ...]] = []
    equals: Counter[Trade] = Counter()
    for trade in trades:
        if trade.trade_id:
            names.append(trade.trade_id)
        else:
            equals[trade] += 1
            names.append((trade.time_ms, trade.side, trade.price, trade.size, equals[trade]))
    return names


class MarketTrades(Reading, frozen=True, kw_only=True, gc=False, tag="trades"):
    """Trades of one coin, oldest first, without the replay after subscribing; `time_ms` is the last one's."""

    kind: ClassVar[str] = "trades"

    coin: str
    trades: tuple[Trade, ...]


class InputEnded(Reading, frozen=True, kw_only=True, gc=False, tag="input_ended"):
    """An input that has an end, such as a recording, has been read: what is still waited for will not come."""

    kind: ClassVar[str] = "input_ended"


class Rebuilt(Reading, frozen=True, kw_only=True, gc=False, tag="rebuilt"):
    """The derivers have their memories back, as far as the journal goes: from here on what they derive is heard."""

    kind: ClassVar[str] = "rebuilt"


class Pulse(Reading, frozen=True, kw_only=True, gc=False, tag="pulse"):
    """How the monitor itself is, every 5 s, whatever the exchange does; `time_ms` is this machine's clock.

    So that a rule can tell that a stream or a delivery stands still, and how long, without a clock of its own.
    """

    kind: ClassVar[str] = "pulse"

    sources: list[SourceStatus]
    followers: list[FollowerStatus]
