"""Rows of funding and states to events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal

from hlmon.events import (
    AccountState,
    Balance,
    DexState,
    Funding,
    PositionReading,
    SpotState,
)
from hlmon.hyperliquid import wire

_ZERO = Decimal(0)


def funding_from(account: str, time_ms: int, row: wire.FundingDelta) -> Funding:
    """A funding payment; the exchange's sign is ours: + is received."""
    return Funding(
        account=account, time_ms=time_ms, coin=row.coin, amount=row.usdc, size=row.szi, rate=row.funding_rate
    )


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
    waiting = row.evm_escrows or ()
    return SpotState(
        account=account,
        time_ms=clock_ms,
        balances=tuple(_balance(balance) for balance in row.balances),
        complete=complete,
        escrows=tuple(Balance(coin=each.coin, total=each.total, hold=each.total) for each in waiting),
        portfolio_margin=row.portfolio_margin_enabled is True,
    )


def _dex_state(dex: str, row: wire.MarginState, complete: bool) -> DexState:
    total = row.margin_summary
    held = [wrapped.position for wrapped in row.asset_positions if wrapped.position.szi]
    return DexState(
        dex=dex,
        account_value=total.account_value,
        cross_account_value=(row.cross_margin_summary or total).account_value,
        notional=total.total_ntl_pos or _ZERO,
        margin_used=total.total_margin_used,
        cross_maintenance_margin=row.cross_maintenance_margin_used or _ZERO,
        withdrawable=row.withdrawable,
        positions=tuple(_position(position) for position in held),
        complete=complete,
        exact=not held or _is_exact(row, held),
    )


def _is_exact(row: wire.MarginState, held: Sequence[wire.Position]) -> bool:
    """Whether all was told that margin, value and health are made of; what was not stands as 0."""
    isolated = [position for position in held if position.leverage.type == "isolated"]
    return (
        row.margin_summary.total_ntl_pos is not None
        and (row.cross_maintenance_margin_used is not None or len(isolated) == len(held))
        and all(position.position_value is not None and position.unrealized_pnl is not None for position in held)
        and all(position.margin_used is not None for position in isolated)
    )


def _position(row: wire.Position) -> PositionReading:
    return PositionReading(
        coin=row.coin,
        size=row.szi,
        position_value=row.position_value or _ZERO,
        entry_price=row.entry_px,
        unrealized_pnl=row.unrealized_pnl or _ZERO,
        liquidation_price=row.liquidation_px,
        margin_used=row.margin_used or _ZERO,
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
        spot_hold=row.spot_hold,
    )
