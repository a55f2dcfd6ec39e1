"""docs/dynamodb.md is true: its queries answer, its permissions are the sink's."""

from __future__ import annotations

import json
import re
import tomllib
from decimal import Decimal
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from hlmon import Settings
from hlmon.testing.builders import (
    make_account_snapshot,
    make_cvd,
    make_fill,
    make_gap,
    make_order,
    make_position,
    make_position_closed,
)
from hlmon_dynamodb.config import DynamodbConfig
from hlmon_dynamodb.create import create_tables
from hlmon_dynamodb.sink import FACTORY
from hlmon_dynamodb.tables import TABLES, actions

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "dynamodb.md").read_text(encoding="utf-8")
ACCOUNT = "0x00000000000000000000000000000000000000a1"
DAY_MS = 1_760_000_000_000


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def examples() -> list:
    return [
        make_fill(account=ACCOUNT, time_ms=DAY_MS, fee=Decimal("0.25")),
        make_fill(account=ACCOUNT, time_ms=DAY_MS + 86_400_000, fee=Decimal("0.5")),
        make_fill(account=ACCOUNT, time_ms=DAY_MS - 1),
        make_fill(account=ACCOUNT, time_ms=DAY_MS + 86_400_001),
        make_position(account=ACCOUNT, coin="BTC"),
        make_position(account=ACCOUNT, coin="ETH", is_open=False, size=Decimal(0)),
        *(make_account_snapshot(account=ACCOUNT, time_ms=DAY_MS + minute * 60_000) for minute in range(3)),
        make_order(account=ACCOUNT, order_id=9),
        make_order(account=ACCOUNT, order_id=10, status="filled"),
        make_cvd(start_ms=DAY_MS, buy_volume=Decimal("2.5"), sell_volume=Decimal(1)),
        make_position_closed(account=ACCOUNT, time_ms=DAY_MS + 5),
        make_gap(account=ACCOUNT),
        make_gap(account=ACCOUNT, healed=True),
    ]


def make_old_table() -> None:
    table = boto3.resource("dynamodb").create_table(
        TableName="old-fills",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    row = {"account_address": ACCOUNT.upper().replace("X", "x"), "coin": "BTC", "side": "buy", "order_id": "7"}
    row |= {"price": Decimal("1.5"), "size": Decimal(2), "tx_hash": "0x1"}
    table.put_item(Item=row | {"id": "old", "created_at": "2020-01-01T00:00:00+00:00"})
    table.put_item(Item=row | {"id": "known", "created_at": "2030-01-01T00:00:00+00:00"})


@pytest.fixture
def scope():
    """What the snippets of the page leave, run in order on tables with examples in them."""
    with mock_aws():
        list(create_tables(DynamodbConfig()))
        make_old_table()
        with FACTORY.open(DynamodbConfig(), Settings(name="docs")) as sink:
            sink.write(examples())
        scope: dict = {}
        for number, snippet in enumerate(blocks("py"), 1):
            exec(compile(snippet, f"dynamodb.md, snippet {number}", "exec"), scope)
        yield scope


def test_every_question_of_the_page_is_answered(scope):
    assert scope["fees"] == Decimal("0.75")
    assert [position["coin"] for position in scope["positions"]] == ["BTC"]
    assert [snapshot["time_ms"] for snapshot in scope["last"]] == [DAY_MS + 120_000]
    assert len(scope["day"]) == 3
    assert [order["order_id"] for order in scope["newest"]] == [10, 9]
    assert [order["order_id"] for order in scope["still_open"]] == [9]
    assert (scope["delta"], len(scope["closes"]), len(scope["gaps"])) == (Decimal("1.5"), 1, 1)


def test_rows_of_an_older_table_are_moved_over_once(scope):
    stored = boto3.resource("dynamodb").Table("hl-fills").scan()["Items"]
    moved = [fill for fill in stored if fill["tx_hash"] == "0x1"]
    assert [(fill["account"], fill["time_ms"], fill["price"]) for fill in moved] == [
        (ACCOUNT, 1_577_836_800_000, Decimal("1.5"))
    ]


def test_the_policy_of_the_page_is_what_the_sink_needs():
    (policy,) = map(json.loads, blocks("json"))
    granted = {
        resource.rpartition("/")[2]: sorted(statement["Action"])
        for statement in policy["Statement"]
        for resource in statement["Resource"]
    }
    assert granted == {f"hl-{table.name}": list(actions(table)) for table in TABLES}


def test_the_tables_of_the_page_have_the_keys_of_the_code():
    for table in TABLES:
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `hl-{table.name}` |"))
        for part in (table.partition, table.sort):
            assert f"`{part.name}` ({part.type})" in row


def test_the_config_of_the_page_is_one():
    (table,) = (tomllib.loads(block)["sink"]["aws"] for block in blocks("toml"))
    assert DynamodbConfig(**{name: value for name, value in table.items() if name != "type"}).ttl_days["cvd"] == 30


def test_every_field_of_the_config_is_on_the_page():
    assert [name for name in DynamodbConfig.__struct_fields__ if f"| `{name}` |" not in PAGE] == []
