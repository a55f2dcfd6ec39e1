"""Events to rows: one function for each kind, one entry for each column. Pure.

Decimals are text, so that no digit is lost on the way; times are ISO texts in UTC, exact to the millisecond.
"""

from __future__ import annotations

from typing import Any

from hlmon import (
    AccountInfo,
    AccountSnapshot,
    Alert,
    Checkpoint,
    Cvd,
    Fill,
    Funding,
    Gap,
    Ledger,
    Order,
    Position,
    PositionClosed,
    Quarantined,
)
from hlmon_supabase.values import clean, clean_json, iso, iso_or_none, text

Row = dict[str, Any]


def fill_row(fill: Fill) -> Row:
    """Into `fills`."""
    liquidation = fill.liquidation
    return {
        "account_address": fill.account,
        "event_key": fill.key,
        "created_at": iso(fill.time_ms),
        "coin": fill.coin,
        "side": fill.side,
        "price": str(fill.price),
        "size": str(fill.size),
        "order_id": str(fill.order_id),
        "closed_pnl": str(fill.closed_pnl),
        "is_position_close": fill.is_position_close,
        "tx_hash": fill.tx_hash,
        "direction": fill.direction,
        "start_position": text(fill.start_position),
        "fee": str(fill.fee),
        "fee_token": fill.fee_token,
        "builder_fee": text(fill.builder_fee),
        "trade_id": str(fill.trade_id),
        "crossed": fill.crossed,
        "cloid": fill.cloid,
        "twap_id": fill.twap_id,
        "liquidated_user": liquidation and liquidation.user,
        "liquidation_mark_price": liquidation and str(liquidation.mark_price),
        "liquidation_method": liquidation and liquidation.method,
        "self_trade": fill.self_trade,
        "ordinal": fill.ordinal,
        "extra": clean_json(fill.extra) if fill.extra else None,
    }


def position_row(position: Position) -> Row:
    """Into `positions`."""
    return {
        "account_address": position.account,
        "coin": position.coin,
        "version": position.version,
        "updated_at": iso(position.time_ms),
        "size": str(position.size),
        "side": position.side,
        "entry_price": text(position.entry_price),
        "mark_price": text(position.mark_price),
        "liquidation_price": text(position.liquidation_price),
        "unrealized_pnl": str(position.unrealized_pnl),
        "margin_used": str(position.margin_used),
        "is_open": position.is_open,
        "closed_at": iso_or_none(position.closed_ms),
        "realized_pnl": text(position.realized_pnl),
        "leverage": position.leverage,
        "margin_mode": position.margin_mode,
        "funding": str(position.funding),
    }


def snapshot_row(snapshot: AccountSnapshot) -> Row:
    """Into `hl_dashboard`."""
    return {
        "account_address": snapshot.account,
        "event_key": snapshot.key,
        "created_at": iso(snapshot.time_ms),
        "account_value": str(snapshot.account_value),
        "total_margin_used": str(snapshot.total_margin_used),
        "withdrawable": str(snapshot.withdrawable),
        "total_unrealized_pnl": str(snapshot.total_unrealized_pnl),
        "leverage": str(snapshot.leverage),
        "health_score": snapshot.health_score,
        "positions_count": snapshot.positions_count,
        "maintenance_margin": str(snapshot.maintenance_margin),
        "notional": str(snapshot.notional),
        "mode": snapshot.mode,
    }


def order_row(order: Order) -> Row:
    """Into `hl_orders`."""
    return {
        "account_address": order.account,
        "order_id": str(order.order_id),
        "version": order.version,
        "created_at": iso(order.created_ms),
        "updated_at": iso(order.time_ms),
        "coin": order.coin,
        "side": order.side,
        "size": str(order.size),
        "remaining": str(order.remaining),
        "price": str(order.price),
        "status": clean(order.status),
        "order_type": order.order_type,
        "tif": order.tif,
        "reduce_only": order.reduce_only,
        "trigger_price": text(order.trigger_price),
        "trigger_condition": clean(order.trigger_condition),
        "is_position_tpsl": order.is_position_tpsl,
        "cloid": order.cloid,
        "extra": clean_json(order.extra) if order.extra else None,
    }


def cvd_row(bucket: Cvd) -> Row:
    """Into `hl_cvd`; the database works out `delta`."""
    return {
        "account_address": bucket.account,
        "coin": bucket.coin,
        "interval_ms": bucket.interval_ms,
        "start_ms": bucket.start_ms,
        "version": bucket.version,
        "created_at": iso(bucket.start_ms),
        "updated_at": iso(bucket.time_ms),
        "buy_volume": str(bucket.buy_volume),
        "sell_volume": str(bucket.sell_volume),
        "cumulative": str(bucket.cumulative),
        "trades": bucket.trades,
        "complete": bucket.complete,
    }


def close_row(close: PositionClosed) -> Row:
    """Into `hl_closes`; the database works out `held_ms`."""
    return {
        "account_address": close.account,
        "event_key": close.key,
        "closed_at": iso(close.time_ms),
        "coin": close.coin,
        "side": close.side,
        "size": str(close.size),
        "cause": close.cause,
        "entry_price": text(close.entry_price),
        "exit_price": text(close.exit_price),
        "opened_at": iso_or_none(close.opened_ms),
        "gross_pnl": text(close.gross_pnl),
        "fees": str(close.fees),
        "fee_token": close.fee_token,
        "funding": str(close.funding),
        "net_pnl": text(close.net_pnl),
        "fills": close.fills,
        "complete": close.complete,
        "trigger": close.trigger,
        "tx_hash": close.tx_hash,
        "completes": close.completes,
        "revision": close.revision,
        "previous_net_pnl": text(close.previous_net_pnl),
        "stated_at": iso_or_none(close.stated_ms),
    }


def funding_row(funding: Funding) -> Row:
    """Into `fundings`."""
    return {
        "account_address": funding.account,
        "event_key": funding.key,
        "created_at": iso(funding.time_ms),
        "coin": funding.coin,
        "amount": str(funding.amount),
        "size": str(funding.size),
        "rate": str(funding.rate),
        "variant": funding.variant,
        "extra": clean_json(funding.extra) if funding.extra else None,
    }


def ledger_row(entry: Ledger) -> Row:
    """Into `ledger`."""
    return {
        "account_address": entry.account,
        "event_key": entry.key,
        "created_at": iso(entry.time_ms),
        "type": entry.type,
        "amount": text(entry.amount),
        "token": entry.token,
        "fee": str(entry.fee),
        "fee_token": clean(entry.fee_token),
        "counterparty": clean(entry.counterparty),
        "tx_hash": entry.tx_hash,
        "entry_id": entry.entry_id,
        "details": clean_json(entry.details),
        "ordinal": entry.ordinal,
    }


def alert_row(alert: Alert) -> Row:
    """Into `alerts`."""
    cause_kind, cause_account, cause_key = alert.cause or (None, None, None)
    return {
        "account_address": alert.account,
        "event_key": clean(alert.key),
        "created_at": iso(alert.time_ms),
        "rule": alert.rule,
        "subject": clean(alert.subject),
        "severity": alert.severity,
        "state": alert.state,
        "title": clean(alert.title),
        "body": clean(alert.body),
        "details": clean_json(alert.details),
        "labels": clean_json(alert.labels),
        "cause_kind": cause_kind,
        "cause_account": cause_account,
        "cause_key": cause_key,
    }


def gap_row(gap: Gap) -> Row:
    """Into `gaps`."""
    return {
        "account_address": gap.account,
        "stream": gap.stream,
        "started_at": iso(gap.start_ms),
        "version": gap.version,
        "updated_at": iso(gap.time_ms),
        "ended_at": iso_or_none(gap.end_ms),
        "healed": gap.healed,
        "events_read": gap.events_read,
        "reason": clean(gap.reason),
    }


def checkpoint_row(checkpoint: Checkpoint) -> Row:
    """Into `checkpoints`."""
    return {
        "account_address": checkpoint.account,
        "stream": checkpoint.stream,
        "version": checkpoint.version,
        "complete_to": iso(checkpoint.time_ms),
    }


def account_row(info: AccountInfo) -> Row:
    """Into `accounts`."""
    return {
        "account_address": info.account,
        "version": info.version,
        "updated_at": iso(info.time_ms),
        "role": info.role,
        "mode": info.mode,
        "master": info.master,
        "status": info.status,
        "reason": clean(info.reason),
    }


def quarantine_row(record: Quarantined) -> Row:
    """Into `quarantine`."""
    return {
        "account_address": record.account,
        "event_key": record.key,
        "created_at": iso(record.time_ms),
        "origin": record.origin,
        "reason": clean(record.reason),
        "digest": record.digest,
        "payload": clean(record.payload),
        "stream": record.stream,
        "request": record.request,
        "unit": record.unit,
    }
