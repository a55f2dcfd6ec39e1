"""What derivers see and nobody stores: raw account states, prices, market trades, the monitor's own pulse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, ClassVar

import msgspec

from hlmon.events.account import ZERO, MarginMode, Order, Side
from hlmon.events.base import Reading
from hlmon.status import FollowerStatus, SourceStatus
from hlmon.units import (
    Address,
    Coin,
    Coins,
    Dex,
    Id,
    Minutes,
    Price,
    SignedCoins,
    SignedUsd,
    Text,
    TimeMs,
    Token,
    Tokens,
    Usd,
    WholeMultiple,
    Word,
    says,
)


class PositionReading(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One perp position inside an account state; `size` is signed."""

    coin: Coin
    size: Annotated[SignedCoins, says("+ is long")]
    position_value: Annotated[Usd, says("size at the mark price, unsigned")]
    entry_price: Annotated[Price | None, says("average entry price")] = None
    unrealized_pnl: Annotated[SignedUsd, says("at the mark price")] = ZERO
    liquidation_price: Annotated[Price | None, says("mark price at which it would be liquidated")] = None
    margin_used: Annotated[Usd, says("margin that it holds")] = ZERO
    leverage: Annotated[WholeMultiple, says("as the account set it for this coin")] = 0
    margin_mode: Annotated[MarginMode, says("what stands for its losses: the whole dex, or this position alone")] = (
        "cross"
    )
    max_leverage: Annotated[WholeMultiple, says("the most that the exchange allows for this coin")] = 0
    funding: Annotated[SignedUsd, says("since it was opened, + when received")] = ZERO


class DexState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An account's margin and positions on one perp dex ("" is the main one), in that dex's collateral token.

    Where `complete` is False a position could not be read: from a coin that is not here nothing follows. Where `exact`
    is False a figure was not told that margin, value or health are made of, and stands here as 0.
    """

    dex: Dex
    account_value: Annotated[SignedUsd, says("value on this dex, unrealised PnL included")]
    cross_account_value: Annotated[SignedUsd, says("the same without isolated positions")]
    notional: Annotated[Usd, says("value of all positions, unsigned")]
    margin_used: Annotated[Usd, says("margin that positions hold")]
    cross_maintenance_margin: Annotated[Usd, says("below this value cross positions are liquidated")]
    withdrawable: Annotated[Usd, says("what is free")]
    positions: Annotated[tuple[PositionReading, ...], says("all that are open")]
    complete: Annotated[bool, says("every position could be read")] = True
    exact: Annotated[bool, says("every figure was told; one that was not stands here as 0")] = True


class AccountState(Reading, frozen=True, kw_only=True, gc=False, tag="account_state"):
    """The whole perp state of an account over all dexes; comes about every 5 s."""

    kind: ClassVar[str] = "account_state"

    dexes: Annotated[tuple[DexState, ...], says("every dex on which the account may have something")]


class Balance(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One spot token. `hold` is what orders (and unified margin) hold of `total`; `entry_notional` is its cost.

    `spot_hold` is what portfolio margin holds net of what could be borrowed; None in other modes.
    """

    coin: Token
    total: Annotated[Tokens, says("all of it")]
    hold: Annotated[Tokens, says("what orders (and unified margin) hold of `total`")] = ZERO
    entry_notional: Annotated[Usd, says("its cost")] = ZERO
    borrowed: Annotated[Tokens, says("what is owed")] = ZERO
    spot_hold: Annotated[Tokens | None, says("held net of what could be borrowed; None if no portfolio margin")] = None


class SpotState(Reading, frozen=True, kw_only=True, gc=False, tag="spot_state"):
    """All spot balances of an account; where `complete` is False one of them could not be read.

    `escrows` wait on the EVM side for the account to be activated. `portfolio_margin` is whether the exchange says here
    that the account is in that mode.
    """

    kind: ClassVar[str] = "spot_state"

    balances: Annotated[tuple[Balance, ...], says("every token")]
    complete: Annotated[bool, says("every balance could be read")] = True
    escrows: Annotated[tuple[Balance, ...], says("wait on the EVM side for the account to be activated")] = ()
    portfolio_margin: Annotated[bool, says("the exchange says here that the account is in that mode")] = False


class OpenOrders(Reading, frozen=True, kw_only=True, gc=False, tag="open_orders"):
    """Every order that rests on one dex ("" is the main one, with spot), as the exchange lists them now.

    Children of resting orders are among them with the status `waiting`. Where `complete` is False an order could not be
    read: from one that is not here nothing follows.
    """

    kind: ClassVar[str] = "open_orders"

    dex: Annotated[Dex, says('its name; "" is the main one, with spot')]
    orders: Annotated[tuple[Order, ...], says("every order that rests, and its children")]
    complete: Annotated[bool, says("every order could be read")] = True


class Agent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An API wallet that may trade for the account until `valid_until_ms`; None is for ever."""

    name: Annotated[Text, says("as the account named it")]
    address: Annotated[Address, says("the API wallet")]
    valid_until_ms: Annotated[TimeMs | None, says("when it ends; None is never")]


class Agents(Reading, frozen=True, kw_only=True, gc=False, tag="agents"):
    """All API wallets of an account; where `complete` is False one of them could not be read."""

    kind: ClassVar[str] = "agents"

    agents: Annotated[tuple[Agent, ...], says("all API wallets")]
    complete: Annotated[bool, says("every one could be read")] = True


class ExchangeStatus(Reading, frozen=True, kw_only=True, gc=False, tag="exchange_status"):
    """What the exchange says of itself: `notice` is its text about a halt or an upgrade, "" while all is normal."""

    kind: ClassVar[str] = "exchange_status"

    notice: Annotated[Text, says('about a halt or an upgrade; "" while all is normal')] = ""


class Twap(Reading, frozen=True, kw_only=True, gc=False, tag="twap"):
    """What became of a TWAP order at `time_ms`, to the second; `status` is a word of the exchange, e.g. finished.

    `executed_size` may be behind what the fills of the order say.
    """

    kind: ClassVar[str] = "twap"

    twap_id: Annotated[Id, says("the TWAP order")]
    coin: Coin
    side: Annotated[Side, says("what it does")]
    size: Annotated[Coins, says("whole size")]
    executed_size: Annotated[Coins, says("what is executed; may be behind what its fills say")]
    minutes: Annotated[Minutes, says("how long it was to take")]
    status: Annotated[Word, says("the exchange's: activated, finished, terminated, error")]
    description: Annotated[Text, says("the exchange's, of an error")] = ""
    reduce_only: Annotated[bool, says("whether it may only make a position smaller")] = False


class Prices(Reading, frozen=True, kw_only=True, gc=False, tag="prices"):
    """The value of spot tokens in USDC, by the token's name; a token without a market is missing."""

    kind: ClassVar[str] = "prices"

    prices: Annotated[dict[str, Price], says("value in USDC by the token's name; one without a market is missing")]


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One market trade; `side` is the aggressor's."""

    time_ms: Annotated[TimeMs, says("when it happened")]
    side: Annotated[Side, says("the aggressor's")]
    price: Annotated[Price, says("price of the trade")]
    size: Annotated[Coins, says("never negative")]
    trade_id: Annotated[Id, says("shared by both sides")]


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

    coin: Coin
    trades: Annotated[tuple[Trade, ...], says("oldest first")]


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

    sources: Annotated[list[SourceStatus], says("how each source is")]
    followers: Annotated[list[FollowerStatus], says("how each sink and notifier is")]
