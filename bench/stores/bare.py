"""The least that writes the same rows: each store's own client as hlmon sets it, and rows made by hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from hlmon import Fill, Order

Write = Callable[[Sequence[Any]], None]


@contextmanager
def dynamodb(kind: str) -> Iterator[Write]:
    """Fills: which are there, then the others in batches. Orders: a conditional write each."""
    import boto3
    from botocore.config import Config

    settings = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=5,
        read_timeout=15,
        tcp_keepalive=True,
        parameter_validation=False,
    )
    client = boto3.client("dynamodb", config=settings)

    def write_fills(fills: Sequence[Fill]) -> None:
        keys = [{"account": {"S": fill.account}, "key": {"S": fill.key}} for fill in fills]
        wanted = {
            "Keys": keys,
            "ConsistentRead": True,
            "ProjectionExpression": "#account, #key",
            "ExpressionAttributeNames": {"#account": "account", "#key": "key"},
        }
        answer = client.batch_get_item(RequestItems={"hl-fills": wanted})
        assert not answer["UnprocessedKeys"]
        held = {(item["account"]["S"], item["key"]["S"]) for item in answer["Responses"]["hl-fills"]}
        items = [fill_item(fill) for fill in fills if (fill.account, fill.key) not in held]
        for start in range(0, len(items), 25):
            puts = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
            answer = client.batch_write_item(RequestItems={"hl-fills": puts})
            assert not answer["UnprocessedItems"]

    def write_orders(orders: Sequence[Order]) -> None:
        for order in orders:
            item = order_item(order)
            client.put_item(
                TableName="hl-orders",
                Item=item,
                ConditionExpression="attribute_not_exists(version) OR version < :version",
                ExpressionAttributeValues={":version": item["version"]},
            )

    client.list_tables()  # the connection is there before the clock runs, as hlmon's is
    yield {"fill": write_fills, "order": write_orders}[kind]
    client.close()


@contextmanager
def supabase(kind: str) -> Iterator[Write]:
    """An upsert a batch."""
    import httpx
    from postgrest.types import ReturnMethod
    from supabase import Client, ClientOptions

    name, conflict, row_of, is_fact = {
        "fill": ("fills", "event_key,account_address", fill_row, True),
        "order": ("hl_orders", "account_address,order_id", order_row, False),
    }[kind]
    with httpx.Client(timeout=30) as http:
        options = ClientOptions(
            auto_refresh_token=False, persist_session=False, postgrest_client_retry=False, httpx_client=http
        )
        client = Client(os.environ["SUPABASE_URL"], os.environ["SUPABASE_SERVICE_KEY"], options)

        def write(events: Sequence[Any]) -> None:
            rows: list[Any] = [row_of(event) for event in events]
            client.table(name).upsert(
                rows, on_conflict=conflict, ignore_duplicates=is_fact, returning=ReturnMethod.minimal
            ).execute()

        client.table(name).select("id").limit(1).execute()
        yield write


def fill_item(fill: Fill) -> dict[str, Any]:
    item: dict[str, Any] = {
        "kind": {"S": "fill"},
        "account": {"S": fill.account},
        "key": {"S": fill.key},
        "time_ms": {"N": str(fill.time_ms)},
        "coin": {"S": fill.coin},
        "side": {"S": fill.side},
        "price": {"N": str(fill.price)},
        "size": {"N": str(fill.size)},
        "closed_pnl": {"N": str(fill.closed_pnl)},
        "fee": {"N": str(fill.fee)},
        "fee_token": {"S": fill.fee_token},
        "order_id": {"N": str(fill.order_id)},
        "trade_id": {"N": str(fill.trade_id)},
        "crossed": {"BOOL": fill.crossed},
        "self_trade": {"BOOL": fill.self_trade},
        "is_position_close": {"BOOL": fill.is_position_close},
    }
    if fill.direction:
        item["direction"] = {"S": fill.direction}
    if fill.start_position is not None:
        item["start_position"] = {"N": str(fill.start_position)}
    if fill.builder_fee is not None:
        item["builder_fee"] = {"N": str(fill.builder_fee)}
    if fill.tx_hash:
        item["tx_hash"] = {"S": fill.tx_hash}
    if fill.cloid:
        item["cloid"] = {"S": fill.cloid}
    if fill.twap_id is not None:
        item["twap_id"] = {"N": str(fill.twap_id)}
    return item


def order_item(order: Order) -> dict[str, Any]:
    item: dict[str, Any] = {
        "kind": {"S": "order"},
        "account": {"S": order.account},
        "order_id": {"N": str(order.order_id)},
        "version": {"N": str(order.version)},
        "time_ms": {"N": str(order.time_ms)},
        "coin": {"S": order.coin},
        "side": {"S": order.side},
        "size": {"N": str(order.size)},
        "remaining": {"N": str(order.remaining)},
        "price": {"N": str(order.price)},
        "status": {"S": order.status},
        "created_ms": {"N": str(order.created_ms)},
        "reduce_only": {"BOOL": order.reduce_only},
        "is_position_tpsl": {"BOOL": order.is_position_tpsl},
    }
    if order.order_type:
        item["order_type"] = {"S": order.order_type}
    if order.tif:
        item["tif"] = {"S": order.tif}
    if order.trigger_price is not None:
        item["trigger_price"] = {"N": str(order.trigger_price)}
    if order.trigger_condition:
        item["trigger_condition"] = {"S": order.trigger_condition}
    if order.cloid:
        item["cloid"] = {"S": order.cloid}
    return item


def fill_row(fill: Fill) -> dict[str, Any]:
    return {
        "account_address": fill.account,
        "event_key": fill.key,
        "created_at": _utc(fill.time_ms),
        "coin": fill.coin,
        "side": fill.side,
        "price": str(fill.price),
        "size": str(fill.size),
        "order_id": str(fill.order_id),
        "closed_pnl": str(fill.closed_pnl),
        "is_position_close": fill.is_position_close,
        "tx_hash": fill.tx_hash,
        "direction": fill.direction,
        "start_position": None if fill.start_position is None else str(fill.start_position),
        "fee": str(fill.fee),
        "fee_token": fill.fee_token,
        "builder_fee": None if fill.builder_fee is None else str(fill.builder_fee),
        "trade_id": str(fill.trade_id),
        "crossed": fill.crossed,
        "cloid": fill.cloid,
        "twap_id": fill.twap_id,
        "liquidated_user": fill.liquidation.user if fill.liquidation else None,
        "liquidation_mark_price": str(fill.liquidation.mark_price) if fill.liquidation else None,
        "liquidation_method": fill.liquidation.method if fill.liquidation else None,
        "self_trade": fill.self_trade,
    }


def order_row(order: Order) -> dict[str, Any]:
    return {
        "account_address": order.account,
        "order_id": str(order.order_id),
        "version": order.version,
        "created_at": _utc(order.created_ms),
        "updated_at": _utc(order.time_ms),
        "coin": order.coin,
        "side": order.side,
        "size": str(order.size),
        "remaining": str(order.remaining),
        "price": str(order.price),
        "status": order.status,
        "order_type": order.order_type,
        "tif": order.tif,
        "reduce_only": order.reduce_only,
        "trigger_price": None if order.trigger_price is None else str(order.trigger_price),
        "trigger_condition": order.trigger_condition,
        "is_position_tpsl": order.is_position_tpsl,
        "cloid": order.cloid,
    }


def _utc(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat()


ROW_OF: dict[tuple[str, str], Callable[[Any], dict[str, Any]]] = {
    ("dynamodb", "fill"): fill_item,
    ("dynamodb", "order"): order_item,
    ("supabase", "fill"): fill_row,
    ("supabase", "order"): order_row,
}
