"""Rows of funding, ledger, orders and states to events."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal

from hlmon.events import (
    AccountState,
    Balance,
    DexState,
    Funding,
    Order,
    PositionReading,
    SpotState,
)
from hlmon.hyperliquid import wire
from hlmon.hyperliquid.decode_fills import SIDES

_STILL_OPEN = frozenset({"open", "filled", "triggered"})


def funding_from(account: str, time_ms: int, row: wire.FundingDelta) -> Funding:
    """A funding payment; the exchange's sign is ours: + is received."""
    return Funding(
        account=account, time_ms=time_ms, coin=row.coin, amount=row.usdc, size=row.szi, rate=row.funding_rate
    )


def orders_from(account: str, rows: Iterable[wire.OrderStatus], _extras: object = ()) -> list[Order]:
    """Orders and their children, oldest status first; in one millisecond what ended comes last."""
    orders = [
        _order(account, order, status, row.status_timestamp)
        for row in rows
        for order, status in _family(row.order, row.status)
    ]
    return sorted(orders, key=lambda order: order.version)


def account_state_from(
    account: str,
    dexes: Sequence[tuple[str, wire.MarginState]],
    clock_ms: int,
    latest_ms: int = wire.LATEST_MS,
    incomplete: Collection[str] = (),
) -> AccountState:
    """The states of the given dexes; one without a time, or later than `latest_ms`, is of `clock_ms`.

    `incomplete` are the dexes of which a position could not be read.
    """
    times = [state.time for _, state in dexes if state.time is not None and state.time <= latest_ms]
    return AccountState(
        account=account,
        time_ms=max(times, default=clock_ms),
        dexes=tuple(_dex_state(dex, state, dex not in incomplete) for dex, state in dexes),
    )


def sent_time(dexes: Sequence[tuple[str, wire.MarginState]]) -> int | None:
    """The time that the states of an account give themselves."""
    return max((state.time for _, state in dexes if state.time is not None), default=None)


def spot_state_from(account: str, row: wire.SpotBalances, clock_ms: int, *, complete: bool = True) -> SpotState:
    """All balances; the exchange gives them no time, so it is `clock_ms`."""
    balances = tuple(_balance(balance) for balance in row.balances)
    return SpotState(account=account, time_ms=clock_ms, balances=balances, complete=complete)


def _family(order: wire.Order, status: str) -> Iterator[tuple[wire.Order, str]]:
    """The order and its children: they end with their parent unless it was executed, then they have just begun."""
    yield order, status
    for child in order.children or ():
        yield from _family(child, "open" if status in _STILL_OPEN else status)


def _order(account: str, row: wire.Order, status: str, time_ms: int) -> Order:
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
        tif=row.tif,
        reduce_only=row.reduce_only or False,
        trigger_price=row.trigger_px if row.is_trigger else None,
        trigger_condition=(row.trigger_condition or "") if row.is_trigger else "",
        is_position_tpsl=row.is_position_tpsl,
        cloid=row.cloid,
    )


def _dex_state(dex: str, row: wire.MarginState, complete: bool) -> DexState:
    total = row.margin_summary
    return DexState(
        dex=dex,
        account_value=total.account_value,
        cross_account_value=(row.cross_margin_summary or total).account_value,
        notional=total.total_ntl_pos,
        margin_used=total.total_margin_used,
        cross_maintenance_margin=row.cross_maintenance_margin_used,
        withdrawable=row.withdrawable,
        positions=tuple(_position(wrapped.position) for wrapped in row.asset_positions),
        complete=complete,
    )


def _position(row: wire.Position) -> PositionReading:
    return PositionReading(
        coin=row.coin,
        size=row.szi,
        position_value=row.position_value,
        entry_price=row.entry_px,
        unrealized_pnl=row.unrealized_pnl,
        liquidation_price=row.liquidation_px,
        margin_used=row.margin_used,
        leverage=row.leverage.value,
        margin_mode="isolated" if row.leverage.type == "isolated" else "cross",
        max_leverage=row.max_leverage,
        funding=-row.cum_funding.since_open,  # the exchange counts what was paid
    )


def _balance(row: wire.SpotBalance) -> Balance:
    return Balance(
        coin=row.coin,
        total=row.total,
        hold=row.hold,
        entry_notional=row.entry_ntl,
        borrowed=Decimal(0) if row.borrowed is None else row.borrowed,
    )
