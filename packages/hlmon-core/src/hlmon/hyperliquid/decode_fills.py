"""Rows of fills and trades to events: the hot path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

import msgspec

from hlmon.errors import WireError
from hlmon.events import Fill, Liquidation, MarketTrades, Side, Trade, is_perp
from hlmon.hyperliquid import wire
from hlmon.hyperliquid.decode_json import MOST_DIGITS, fits
from hlmon.hyperliquid.wire_reader import with_extras

SIDES: Final[dict[wire.Side, Side]] = {"B": "buy", "A": "sell"}

_ALL_DISTINCT: Final[Collection[int]] = ()

_time_ms = attrgetter("time_ms")


def fills_from(account: str, rows: Sequence[wire.Fill], extras: Sequence[dict[str, Any]] = ()) -> list[Fill]:
    """The fills of one account, oldest first; rows of one millisecond keep their order.

    `extras` is what came with each row and has no field.
    """
    twins = _self_trades(rows)
    fills = [_fill(account, row, row.twap_id, index in twins) for index, row in enumerate(rows)]
    return _finished(fills, extras, equal_ids=twins is not _ALL_DISTINCT)


def twap_fills_from(
    account: str, slices: Sequence[wire.TwapSliceFill], extras: Sequence[dict[str, Any]] = ()
) -> list[Fill]:
    """The fills of TWAP orders, oldest first; rows of one millisecond keep their order."""
    twins = _self_trades([row.fill for row in slices])
    fills = [_fill(account, row.fill, row.twap_id, index in twins) for index, row in enumerate(slices)]
    return _finished(fills, extras, equal_ids=twins is not _ALL_DISTINCT)


def _finished(fills: list[Fill], extras: Sequence[dict[str, Any]], *, equal_ids: bool) -> list[Fill]:
    fills = with_extras(fills, extras)
    fills.sort(key=_time_ms)
    if equal_ids:
        _number_equals(fills)
    return fills


def _number_equals(fills: list[Fill]) -> None:
    """Give those without a trade id that would have one name an ordinal each, by what else tells them apart."""
    equals: defaultdict[str, list[int]] = defaultdict(list)
    for index, fill in enumerate(fills):
        if not fill.trade_id:
            equals[fill.key].append(index)
    for places in equals.values():
        places.sort(key=lambda index: str((fills[index].tx_hash, fills[index].fee, fills[index].direction)))
        for ordinal, index in enumerate(places[1:], 1):
            fills[index] = msgspec.structs.replace(fills[index], ordinal=ordinal)


def trades_from(rows: Sequence[wire.Trade]) -> list[MarketTrades]:
    """One reading per coin (a frame has one), its trades oldest first."""
    by_coin: dict[str, list[Trade]] = {}
    for row in rows:
        price, size = row.px, row.sz
        if not (fits(price) and fits(size)):
            raise WireError(f"a trade with a number that is none: {row}")
        trade = Trade(row.time, SIDES[row.side], price, size, row.tid)
        if (trades := by_coin.get(row.coin)) is None:
            by_coin[row.coin] = [trade]
        else:
            trades.append(trade)
    return [_market_trades(coin, trades) for coin, trades in by_coin.items()]


def _market_trades(coin: str, trades: list[Trade]) -> MarketTrades:
    trades.sort(key=_time_ms)
    return MarketTrades(time_ms=trades[-1].time_ms, coin=coin, trades=tuple(trades))


def _fill(account: str, row: wire.Fill, twap_id: int | None, self_trade: bool) -> Fill:
    coin, side = row.coin, SIDES[row.side]
    price, size, pnl, fee = row.px, row.sz, row.closed_pnl, row.fee
    start, builder_fee = row.start_position, row.builder_fee
    if not (
        price.is_finite()
        and size.is_finite()
        and pnl.is_finite()
        and fee.is_finite()
        and price.adjusted() <= MOST_DIGITS
        and size.adjusted() <= MOST_DIGITS
        and pnl.adjusted() <= MOST_DIGITS
        and fee.adjusted() <= MOST_DIGITS
        and (start is None or (start.is_finite() and start.adjusted() <= MOST_DIGITS))
        and (builder_fee is None or fits(builder_fee))
    ):
        raise WireError(f"a fill with a number that is none: {row}")
    # CPython passes more than 15 keywords through a dict: what most fills lack is put in afterwards.
    fill = Fill(
        account=account,
        time_ms=row.time,
        coin=coin,
        side=side,
        price=price,
        size=size,
        direction=row.dir,
        start_position=start,
        closed_pnl=pnl,
        fee=fee,
        order_id=row.oid,
        trade_id=row.tid,
        tx_hash=row.hash,
        crossed=row.crossed,
        is_position_close=bool(start) and not self_trade and _ends_position(side, size, start) and is_perp(coin),
    )
    is_plain = row.cloid is None and row.liquidation is None and row.fee_token == "USDC" and not self_trade
    return fill if is_plain and builder_fee is None and twap_id is None else _completed(fill, row, twap_id, self_trade)


def _completed(fill: Fill, row: wire.Fill, twap_id: int | None, self_trade: bool) -> Fill:
    return msgspec.structs.replace(
        fill,
        fee_token=row.fee_token or "USDC",
        builder_fee=row.builder_fee,
        cloid=row.cloid or None,
        twap_id=twap_id,
        liquidation=None if row.liquidation is None else _liquidation(row.liquidation),
        self_trade=self_trade,
    )


def _ends_position(side: Side, size: Decimal, start: Decimal | None) -> bool:
    """Whether nothing, or the opposite, is left of the position."""
    if start is None:
        return False
    return start < 0 and size >= -start if side == "buy" else start > 0 and size >= start


def _liquidation(row: wire.FillLiquidation) -> Liquidation:
    if not fits(row.mark_px):
        raise WireError(f"a liquidation with a mark price that is none: {row}")
    return Liquidation(user=(row.liquidated_user or "").lower(), mark_price=row.mark_px, method=row.method)


def _self_trades(rows: Sequence[wire.Fill]) -> Collection[int]:
    """Indexes of the rows whose other side is among the rows too.

    Both sides share the trade id. Rows of 2023 have none: there the two sides agree in all but the side.
    """
    if len({row.tid for row in rows}) == len(rows):
        return _ALL_DISTINCT
    sides: defaultdict[Any, dict[wire.Side, list[int]]] = defaultdict(lambda: {"A": [], "B": []})
    for index, row in enumerate(rows):
        trade = row.tid or (row.hash, row.px, row.sz, row.start_position)
        sides[row.time, row.coin, trade][row.side].append(index)
    return {
        index
        for both in sides.values()
        for pair in zip(both["A"], both["B"], strict=False)  # what has no other side is left alone
        for index in pair
    }
