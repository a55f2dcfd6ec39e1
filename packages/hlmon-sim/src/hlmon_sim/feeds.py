"""What subscriptions are sent: the first message, the state that repeats, and what happens in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from hlmon_sim import listing, render, state
from hlmon_sim.numbers import text
from hlmon_sim.orders import brief
from hlmon_sim.records import (
    AccountEvent,
    Fill,
    FundingPayment,
    Json,
    LedgerEntry,
    Notification,
    OrderChange,
    Record,
    Trade,
    TwapChange,
)
from hlmon_sim.rest import newest_first, visible
from hlmon_sim.scenario import Limits
from hlmon_sim.subscriptions import Subscription
from hlmon_sim.world import World

REPLAYED_TRADES = 30
Subject = tuple[str, str]

# type of the stream -> name of its rows, and how one is rendered
HISTORIES: dict[str, tuple[str, str, Callable[[Any], Json]]] = {
    "userFills": ("fills", "fills", render.fill),
    "userFundings": ("fundings", "fundings", render.funding),
    "userNonFundingLedgerUpdates": ("nonFundingLedgerUpdates", "ledger", render.ledger),
    "userTwapSliceFills": ("twapSliceFills", "slices", render.slice_fill),
    "userTwapHistory": ("history", "twap_changes", render.twap_change),
    "userHistoricalOrders": ("orderHistory", "order_changes", render.order_change),
}


def frame(channel: str, data: object) -> Json:
    """A message."""
    return {"channel": channel, "data": data}


def greet(world: World, limits: Limits, subscription: Subscription) -> Json | None:
    """The first message after an ack: a history with isSnapshot, unflagged trades, whole state, or nothing."""
    kind = subscription.type
    if kind in HISTORIES:
        return frame(kind, _snapshot(world, limits, subscription))
    if kind == "trades":
        rows = visible(world, world.trades[subscription.coin])[-REPLAYED_TRADES:]
        return frame("trades", [render.trade(row) for row in rows]) if rows else None
    return current(world, subscription)


def _snapshot(world: World, limits: Limits, subscription: Subscription) -> Json:
    name, attribute, draw = HISTORIES[subscription.type]
    account = world.account(subscription.user)
    rows = visible(world, getattr(account, attribute) if account else ())[-limits.snapshot_rows :]
    if subscription.type == "userHistoricalOrders":
        rows = newest_first(rows)
    drawn = [draw(row) for row in rows]
    if subscription.form.get("aggregateByTime"):
        drawn = render.merged_rows(drawn)
    return {"isSnapshot": True, "user": subscription.user, name: drawn}


def current(world: World, subscription: Subscription) -> Json | None:
    """The whole state that the subscription shows now; None if it shows none, or nothing changed (bbo)."""
    kind = subscription.type
    if subscription.coin and subscription.coin not in world.market.quotes:
        return None  # its dex was renamed
    if kind in _ACCOUNT_STATES:
        account = world.account(subscription.user)
        return frame(kind, _ACCOUNT_STATES[kind](world, subscription, account))
    if kind in _MARKET_STATES:
        return _MARKET_STATES[kind](world, subscription)
    return None


_ACCOUNT_STATES: dict[str, Callable[[World, Subscription, Any], Json]] = {
    "clearinghouseState": lambda world, sub, account: {
        "dex": sub.dex,
        "user": sub.user,
        "clearinghouseState": state.clearinghouse(account, sub.dex, world.market, world.now_ms),
    },
    "allDexsClearinghouseState": lambda world, sub, account: {
        "user": sub.user,
        "clearinghouseStates": state.all_dexes(account, world.market, world.now_ms),
    },
    "spotState": lambda world, sub, account: {"user": sub.user, "spotState": state.spot(account, world.market)},
    "openOrders": lambda world, sub, account: {
        "dex": sub.dex,
        "user": sub.user,
        "orders": [order.render() for order in state.open_orders(account, sub.dex, world.market)],
    },
    "twapStates": lambda world, sub, account: {
        "dex": sub.dex,
        "user": sub.user,
        "states": state.running_twaps(account, sub.dex, world.market),
    },
    "webData3": lambda world, sub, account: state.web_data(account, sub.user, world.market, world.now_ms),
    "activeAssetData": lambda world, sub, account: state.asset_data(account, sub.user, sub.coin, world.market),
}


def _book(world: World, subscription: Subscription) -> Json:
    quote, fast = world.market.quotes[subscription.coin], subscription.form.get("fast") is True
    levels = listing.FAST_LEVELS if fast else listing.BOOK_LEVELS
    answer = listing.book(quote.coin, quote.price, world.now_ms, levels=levels, fast=fast)
    if subscription.form.get("nSigFigs"):
        answer["spread"] = text(quote.price * Decimal("0.0001"))
    return frame("l2Book", answer)


def _best(world: World, subscription: Subscription) -> Json | None:
    quote = world.market.quotes[subscription.coin]
    if subscription.last == quote.price:
        return None
    subscription.last = quote.price
    book = listing.book(quote.coin, quote.price, world.now_ms, levels=1)
    best = [side[0] if side else None for side in book["levels"]]
    return frame("bbo", {"coin": subscription.coin, "time": world.now_ms, "bbo": best})


def _context(world: World, subscription: Subscription) -> Json:
    quote = world.market.quotes[subscription.coin]
    if quote.coin.kind == "perp":
        return frame("activeAssetCtx", {"coin": subscription.coin, "ctx": listing.context(quote)})
    return frame("activeSpotAssetCtx", {"coin": subscription.coin, "ctx": listing.spot_context(quote)})


def _mids(world: World, subscription: Subscription) -> Json:
    data: Json = {"mids": listing.mids(world.market, subscription.dex)}
    return frame("allMids", data | {"dex": subscription.dex} if subscription.dex else data)


def _candle(world: World, subscription: Subscription) -> Json | None:
    interval = subscription.form["interval"]
    rows = world.market.quotes[subscription.coin].candles
    length_ms = render.INTERVALS[interval]
    recent = [row for row in rows if row.start_ms >= world.now_ms - world.now_ms % length_ms]
    joined = render.candles(recent, interval)
    return frame("candle", render.candle(subscription.coin, interval, length_ms, joined[-1])) if joined else None


_MARKET_STATES: dict[str, Callable[[World, Subscription], Json | None]] = {
    "l2Book": _book,
    "bbo": _best,
    "activeAssetCtx": _context,
    "allMids": _mids,
    "candle": _candle,
    "allDexsAssetCtxs": lambda world, _: frame("allDexsAssetCtxs", {"ctxs": listing.all_contexts(world.market)}),
    "assetCtxs": lambda world, sub: frame("assetCtxs", {"ctxs": listing.contexts(world.market, sub.dex)}),
    "spotAssetCtxs": lambda world, _: frame("spotAssetCtxs", {"ctxs": listing.spot_contexts(world.market)}),
}


def happenings(records: Iterable[Record], wanted: Callable[[Subject], bool]) -> list[tuple[Subject, Json]]:
    """The messages that a block causes, by subject; rows of one stream and account share a message.

    Only subjects that somebody wants are rendered. openOrders, twapStates and candle have no data: their state is due.
    """
    rows: dict[Subject, list[Any]] = {}
    events: list[tuple[Subject, Json]] = []
    for record in records:
        for subject, row in _rows(record):
            if wanted(subject):
                if callable(row):
                    events.append((subject, row()))
                else:
                    rows.setdefault(subject, []).append(row)
    messages = [(subject, _message(subject, found)) for subject, found in rows.items()]
    for subject, data in _joined(events):
        messages.append((subject, frame("user" if subject[0] == "userEvents" else subject[0], data)))
    return messages


def merged(message: Json) -> Json:
    """A userFills message with the partial fills of one order joined (aggregateByTime)."""
    data = message["data"]
    return frame(message["channel"], data | {"fills": render.merged_rows(data["fills"])})


def _message(subject: Subject, rows: list[Any]) -> Json:
    kind, user = subject
    if kind in HISTORIES:
        name, _, draw = HISTORIES[kind]
        return frame(kind, {"user": user, name: [draw(row) for row in rows]})
    if kind == "trades":
        return frame(kind, [render.trade(row) for row in rows])
    if kind == "orderUpdates":
        data = [{"order": brief(r.order), "status": r.status, "statusTimestamp": r.time_ms} for r in rows]
        return frame(kind, data)
    return {}


def _joined(events: list[tuple[Subject, Json]]) -> list[tuple[Subject, Json]]:
    """Neighbouring fills (or slices) of one account become one message."""
    joined: list[tuple[Subject, Json]] = []
    for subject, data in events:
        name = next(iter(data))
        if joined and name.lower().endswith("fills") and joined[-1][0] == subject and name in joined[-1][1]:
            joined[-1][1][name].extend(data[name])
        else:
            joined.append((subject, data))
    return joined


def _rows(record: Record) -> list[tuple[Subject, Any]]:
    """What a record is to whom: a row of a stream, or a function that draws a message of its own."""
    draw = _ROWS.get(type(record))
    return draw(record) if draw else []


def _trade_rows(record: Trade) -> list[tuple[Subject, Any]]:
    return [(("trades", record.coin), record), (("candle", record.coin), record)]


def _event_rows(record: AccountEvent) -> list[tuple[Subject, Any]]:
    return [(("userEvents", record.account), lambda: record.event)]


def _notification_rows(record: Notification) -> list[tuple[Subject, Any]]:
    return [(("notification", record.account), lambda: {"notification": record.text})]


def _funding_rows(record: FundingPayment) -> list[tuple[Subject, Any]]:
    user = record.account
    return [(("userFundings", user), record), (("userEvents", user), lambda: {"funding": render.funding(record)})]


def _ledger_rows(record: LedgerEntry) -> list[tuple[Subject, Any]]:
    return [(("userNonFundingLedgerUpdates", record.account), record)]


def _twap_rows(record: TwapChange) -> list[tuple[Subject, Any]]:
    user = record.account
    event = lambda: {"twapHistory": [render.twap_change(record)]}  # noqa: E731
    return [(("userTwapHistory", user), record), (("userEvents", user), event), (("twapStates", user), record)]


def _order_rows(record: OrderChange) -> list[tuple[Subject, Any]]:
    """An order that no history shows is gone from the lists without a word."""
    streams = () if record.is_hidden else ("userHistoricalOrders", "orderUpdates", "openOrders")
    return [((stream, record.account), record) for stream in streams]


def _fill_rows(record: Fill) -> list[tuple[Subject, Any]]:
    if record.twap_id is not None:
        stream, name, draw = "userTwapSliceFills", "twapSliceFills", render.slice_fill
    else:
        stream, name, draw = "userFills", "fills", render.fill
    user = record.account
    return [((stream, user), record), (("userEvents", user), lambda: {name: [draw(record)]})]


_ROWS: dict[type[Record], Callable[[Any], list[tuple[Subject, Any]]]] = {
    Trade: _trade_rows,
    Fill: _fill_rows,
    AccountEvent: _event_rows,
    Notification: _notification_rows,
    FundingPayment: _funding_rows,
    LedgerEntry: _ledger_rows,
    OrderChange: _order_rows,
    TwapChange: _twap_rows,
}
