"""Rows of orders, API wallets and TWAPs to events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hlmon.events import Agent, Agents, OpenOrders, Order, Twap
from hlmon.hyperliquid import wire
from hlmon.hyperliquid.decode_fills import SIDES

WAITING = "waiting"
_ENDED_BY_WORD = ("rejected", "canceled", "cancel")


def orders_from(account: str, rows: Iterable[wire.OrderStatus], extras: Sequence[dict[str, Any]] = ()) -> list[Order]:
    """Orders and their children, oldest status first; in one millisecond what ended comes last.

    A child that has a row of its own is what that row says. `extras` is what came with each row and has no field.
    """
    rows = list(rows)
    further = {id(row.order): extra for row, extra in zip(rows, extras, strict=False) if extra}
    own = {row.order.oid for row in rows}
    orders = [
        order_from(account, order, status, row.status_timestamp, further.get(id(order)))
        for row in rows
        for order, status in _family(row.order, row.status)
        if order is row.order or order.oid not in own
    ]
    return sorted(orders, key=lambda order: (order.time_ms, order.version))


def open_orders_from(
    account: str,
    dex: str,
    rows: Iterable[wire.Order],
    time_ms: int,
    extras: Sequence[dict[str, Any]] = (),
    *,
    complete: bool = True,
) -> OpenOrders:
    """What a list of open orders says. An order inside another one waits, even if the list has it a second time.

    The time of each order is that of its placement, the only one that the exchange gives.
    """
    rows = list(rows)
    waiting = {child.oid: child for row in rows for child in _descendants(row)}
    further = {id(row): extra for row, extra in zip(rows, extras, strict=False) if extra}
    found = [
        order_from(account, row, "open", row.timestamp or time_ms, further.get(id(row)))
        for row in rows
        if row.oid not in waiting
    ]
    found += [order_from(account, row, WAITING, row.timestamp or time_ms) for row in waiting.values()]
    return OpenOrders(account=account, time_ms=time_ms, dex=dex, orders=tuple(found), complete=complete)


def order_from(account: str, row: wire.Order, status: str, time_ms: int, extra: dict[str, Any] | None = None) -> Order:
    """An order with this status since then."""
    return Order(
        account=account,
        time_ms=time_ms,
        order_id=row.oid,
        coin=row.coin,
        side=SIDES[row.side],
        size=row.sz if row.orig_sz is None else row.orig_sz,
        remaining=row.sz,
        price=row.limit_px,
        status=status,
        created_ms=row.timestamp or time_ms,
        order_type=row.order_type or "",
        tif=row.tif or None,
        reduce_only=row.reduce_only or False,
        trigger_price=row.trigger_px if row.is_trigger else None,
        trigger_condition=(row.trigger_condition or "") if row.is_trigger else "",
        is_position_tpsl=row.is_position_tpsl or False,
        cloid=row.cloid or None,
        extra=extra,
    )


def agents_from(account: str, rows: Iterable[wire.Agent], time_ms: int, *, complete: bool = True) -> Agents:
    """All API wallets of an account."""
    agents = tuple(Agent(name=row.name, address=row.address.lower(), valid_until_ms=row.valid_until) for row in rows)
    return Agents(account=account, time_ms=time_ms, agents=agents, complete=complete)


def twaps_from(account: str, rows: Iterable[wire.TwapChange], _extras: object = ()) -> list[Twap]:
    """What became of TWAP orders, oldest first."""
    return sorted((_twap(account, row) for row in rows), key=lambda twap: twap.time_ms)


def _twap(account: str, row: wire.TwapChange) -> Twap:
    state = row.state
    return Twap(
        account=account,
        time_ms=row.time * 1000 if row.time < 10**11 else row.time,  # of today's clients some say ms, the frames s
        twap_id=row.twap_id or 0,
        coin=state.coin,
        side=SIDES[state.side],
        size=state.sz,
        executed_size=state.executed_sz,
        minutes=state.minutes,
        status=row.status.status,
        description=row.status.description or "",
        reduce_only=state.reduce_only or False,
    )


def _descendants(order: wire.Order) -> Iterator[wire.Order]:
    for child in order.children or ():
        yield child
        yield from _descendants(child)


def _family(order: wire.Order, status: str) -> Iterator[tuple[wire.Order, str]]:
    """The order with its status, and its children.

    They end with an order that is canceled, or ends otherwise without having been filled at all. Else they wait: once
    their parent is filled, the list of open orders tells whether they rest.
    """
    yield order, status
    is_untouched = order.orig_sz is None or order.sz == order.orig_sz
    has_ended = status == "canceled" or (is_untouched and status.lower().endswith(_ENDED_BY_WORD))
    for child in order.children or ():
        yield from _family(child, status if has_ended else WAITING)
