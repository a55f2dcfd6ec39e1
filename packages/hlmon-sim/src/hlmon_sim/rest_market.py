"""Answers to info requests about markets, and the table of all requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hlmon_sim import listing, render
from hlmon_sim.market import CANDLES_KEPT
from hlmon_sim.numbers import text
from hlmon_sim.records import Json
from hlmon_sim.rest import ACCOUNT_ANSWERS, Answer, Ask, Unprocessable, newest_first, visible
from hlmon_sim.scenario import Limits
from hlmon_sim.world import HOUR_MS, World

RECENT_TRADES = 30


def _book(ask: Ask) -> Json | None:
    quote = ask.world.market.quotes.get(ask.text("coin"))
    return listing.book(quote.coin, quote.price, ask.world.now_ms) if quote else None


def _recent_trades(ask: Ask) -> list[Json] | None:
    rows = ask.world.trades.get(ask.text("coin"))
    if rows is None:
        return None
    return [render.trade(row) for row in newest_first(visible(ask.world, rows)[-RECENT_TRADES:])]


def _candles(ask: Ask) -> list[Json] | None:
    wanted = ask.get("req")
    if not isinstance(wanted, Mapping):
        raise Unprocessable
    inner = Ask(ask.world, ask.limits, wanted)
    coin, interval = inner.text("coin"), inner.text("interval")
    if interval not in render.INTERVALS:
        raise Unprocessable
    start_ms, end_ms = inner.number("startTime"), inner.number("endTime", 2**62)
    quote = ask.world.market.quotes.get(coin)
    if quote is None:
        return None
    length_ms = render.INTERVALS[interval]
    rows = render.candles(quote.candles, interval)
    found = [row for row in rows if row.start_ms + length_ms > start_ms and row.start_ms <= end_ms]
    return [render.candle(coin, interval, length_ms, row) for row in found[-CANDLES_KEPT:]]


def _funding_history(ask: Ask) -> list[Json] | None:
    quote = ask.world.market.quotes.get(ask.text("coin"))
    if quote is None:
        return None
    start_ms, end_ms = ask.number("startTime"), min(ask.number("endTime", ask.world.now_ms), ask.world.now_ms)
    first = -(-start_ms // HOUR_MS) * HOUR_MS
    times = range(first, end_ms + 1, HOUR_MS)[: ask.limits.short_page_rows]
    rate = text(quote.funding_rate)
    return [{"coin": quote.coin.name, "fundingRate": rate, "premium": "0.0", "time": time_ms} for time_ms in times]


def _fees(ask: Ask) -> Json:
    account = ask.account
    taker, maker = (account.taker_rate, account.maker_rate) if account else (0, 0)
    return {"dailyUserVlm": [], "userCrossRate": str(taker), "userAddRate": str(maker)}


MARKET_ANSWERS: dict[str, Answer] = {
    "meta": lambda ask: listing.meta(ask.world.market, ask.dex),
    "metaAndAssetCtxs": lambda ask: [
        listing.meta(ask.world.market, ask.dex),
        listing.contexts(ask.world.market, ask.dex),
    ],
    "allPerpMetas": lambda ask: [listing.meta(ask.world.market, dex) for dex in ask.world.market.dexes],
    "spotMeta": lambda ask: listing.spot_meta(ask.world.market),
    "spotMetaAndAssetCtxs": lambda ask: [
        listing.spot_meta(ask.world.market),
        listing.spot_contexts(ask.world.market),
    ],
    "perpDexs": lambda ask: listing.perp_dexs(ask.world.market),
    "outcomeMeta": lambda _: {"outcomes": [{"outcome": 100, "name": "Rain", "description": ""}], "questions": []},
    "allMids": lambda ask: listing.mids(ask.world.market, ask.dex),
    "l2Book": _book,
    "recentTrades": _recent_trades,
    "candleSnapshot": _candles,
    "fundingHistory": _funding_history,
    "exchangeStatus": lambda ask: {"time": ask.world.now_ms, "specialStatuses": ask.world.notice or None},
    "userFees": _fees,
    "vaultDetails": lambda _: None,
    "settledOutcome": lambda _: None,
}
ANSWERS: dict[str, Answer] = ACCOUNT_ANSWERS | MARKET_ANSWERS


def parse(body: bytes) -> tuple[str, Mapping[str, Any]]:
    """The type and the fields of a request; raises Unprocessable for what is no known request."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unprocessable from error
    return request_type(request), request


def request_type(request: Any) -> str:
    """The type of a request; raises Unprocessable for an unknown one."""
    kind = request.get("type") if isinstance(request, Mapping) else None
    if not isinstance(kind, str) or kind not in ANSWERS:
        raise Unprocessable
    return kind


def answer(world: World, limits: Limits, request: Mapping[str, Any]) -> Any:
    """The answer to a request as JSON-able data; raises Unprocessable."""
    return ANSWERS[request_type(request)](Ask(world, limits, request))
