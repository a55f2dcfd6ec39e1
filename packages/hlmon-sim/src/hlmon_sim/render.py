"""Records in the exchange's JSON shapes: numbers as text, keys in its order, optional keys left out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from hlmon_sim.market import MINUTE_MS, Candle
from hlmon_sim.numbers import ZERO, cut, text
from hlmon_sim.oddities import with_odd
from hlmon_sim.records import NO_HASH, Fill, FundingPayment, Json, LedgerEntry, OrderChange, Trade, TwapChange

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def fill(row: Fill) -> Any:
    """A Fill of userFills, userEvents and REST: an object, unless something is odd about it."""
    rendered: Json = {
        "coin": row.coin,
        "px": text(row.price),
        "sz": text(row.size),
        "side": row.side,
        "time": row.time_ms,
        "startPosition": text(row.start_position),
        "dir": row.direction,
        "closedPnl": text(row.closed_pnl),
        "hash": row.hash,
        "oid": row.order_id,
        "crossed": row.crossed,
        "fee": text(row.fee),
        "tid": row.trade_id,
    }
    if row.cloid is not None:
        rendered["cloid"] = row.cloid
    if row.builder_fee:
        rendered["builderFee"] = text(row.builder_fee)
    if row.liquidation is not None:
        rendered["liquidation"] = {
            "liquidatedUser": row.liquidation.user,
            "markPx": text(row.liquidation.mark_price),
            "method": row.liquidation.method,
        }
    rendered["feeToken"] = row.fee_token
    rendered["twapId"] = None
    return with_odd(rendered, row.odd)


def slice_fill(row: Fill) -> Json:
    """A row of userTwapSliceFills."""
    return {"fill": fill(row), "twapId": row.twap_id}


def merged_rows(rows: Iterable[Json]) -> list[Json]:
    """aggregateByTime: the partial fills of one crossing order in one block become one row, with one part's tid."""
    merged: list[Json] = []
    for row in rows:
        last = merged[-1] if merged else None
        if not _can_merge(row) or (last and not _can_merge(last)):
            merged.append(row)
        elif last and row["crossed"] and (last["oid"], last["time"]) == (row["oid"], row["time"]):
            sizes = Decimal(last["sz"]), Decimal(row["sz"])
            worth = Decimal(last["px"]) * sizes[0] + Decimal(row["px"]) * sizes[1]
            last["px"], last["sz"] = text(cut(worth / sum(sizes), 8)), text(sum(sizes, ZERO))
            for name in ("closedPnl", "fee"):
                last[name] = text(Decimal(last[name]) + Decimal(row[name]))
        else:
            merged.append(dict(row))
    return merged


def _can_merge(row: Any) -> bool:
    """Whether nothing that merging needs is odd about it."""
    if not isinstance(row, dict) or not {"oid", "time", "crossed"} <= row.keys():
        return False
    numbers = (row.get(name) for name in ("px", "sz", "closedPnl", "fee"))
    return all(isinstance(number, str) and _NUMBER.fullmatch(number) for number in numbers)


def trade(row: Trade) -> Any:
    """A public trade; users are buyer, seller."""
    rendered = {
        "coin": row.coin,
        "side": row.side,
        "px": text(row.price),
        "sz": text(row.size),
        "time": row.time_ms,
        "hash": row.hash,
        "tid": row.trade_id,
        "users": [row.buyer, row.seller],
    }
    return with_odd(rendered, row.odd)


def funding(row: FundingPayment) -> Any:
    """A row of the userFundings stream."""
    rendered = {
        "time": row.time_ms,
        "coin": row.coin,
        "usdc": text(row.usdc),
        "szi": text(row.size),
        "fundingRate": text(row.rate),
        "nSamples": None,
    }
    return with_odd(rendered, row.odd)


def funding_delta(row: FundingPayment) -> Any:
    """A row of the userFunding request: the same, nested, with an all-zero hash."""
    flat = funding(row)
    if not isinstance(flat, dict):
        return flat
    delta = {"type": "funding", **{key: value for key, value in flat.items() if key != "time"}}
    return {**({"time": flat["time"]} if "time" in flat else {}), "hash": NO_HASH, "delta": delta}


def ledger(row: LedgerEntry) -> Any:
    """A row of userNonFundingLedgerUpdates."""
    return with_odd({"time": row.time_ms, "hash": row.hash, "delta": row.delta}, row.odd)


def order_change(row: OrderChange) -> Any:
    """A row of historicalOrders and userHistoricalOrders."""
    return with_odd({"order": row.order, "status": row.status, "statusTimestamp": row.time_ms}, row.odd)


def twap_change(row: TwapChange) -> Any:
    """A row of userTwapHistory: its time is in seconds."""
    rendered = {
        "time": row.time_ms // 1000,
        "state": row.state,
        "status": {"status": row.status},
        "twapId": row.twap_id,
    }
    return with_odd(rendered, row.odd)


def candle(coin: str, interval: str, length_ms: int, row: Candle) -> Json:
    """A candle."""
    return {
        "t": row.start_ms,
        "T": row.start_ms + length_ms - 1,
        "s": coin,
        "i": interval,
        "o": text(row.open),
        "c": text(row.close),
        "h": text(row.high),
        "l": text(row.low),
        "v": text(row.volume),
        "n": row.trades,
    }


_DAY_MS = 1_440 * MINUTE_MS
INTERVALS = {
    **{f"{n}m": n * MINUTE_MS for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * 60 * MINUTE_MS for n in (1, 2, 4, 8, 12)},
    "1d": _DAY_MS,
    "3d": 3 * _DAY_MS,
    "1w": 7 * _DAY_MS,
    "1M": 30 * _DAY_MS,
}


def candles(rows: Iterable[Candle], interval: str) -> list[Candle]:
    """Minute candles joined to candles of this interval, oldest first."""
    length_ms = INTERVALS[interval]
    joined: list[Candle] = []
    for row in rows:
        start_ms = row.start_ms - row.start_ms % length_ms
        if not joined or joined[-1].start_ms != start_ms:
            joined.append(Candle(start_ms, row.open, row.high, row.low, row.close, row.volume, row.trades))
            continue
        last = joined[-1]
        last.high, last.low, last.close = max(last.high, row.high), min(last.low, row.low), row.close
        last.volume += row.volume
        last.trades += row.trades
    return joined
