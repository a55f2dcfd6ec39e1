"""How events lie in the tables, without any table."""

from __future__ import annotations

import itertools
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlmon import STORED, HlmonError, Liquidation, State
from hlmon.testing.builders import (
    ALICE,
    STORED_BUILDERS,
    make_account_info,
    make_account_snapshot,
    make_alert,
    make_checkpoint,
    make_cvd,
    make_fill,
    make_funding,
    make_gap,
    make_ledger,
    make_order,
    make_position,
    make_quarantined,
)
from hlmon_dynamodb.config import DynamodbConfig
from hlmon_dynamodb.items import event_of, item_of, key_of
from hlmon_dynamodb.needs import needs
from hlmon_dynamodb.tables import TABLE_NAMES, TABLE_OF, TABLES, actions, definition

DAY_S = 86_400


def size_of(item: dict) -> int:
    """What DynamoDB counts: names and texts in UTF-8, two digits a byte and one more per number, overheads."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(attribute: dict) -> int:
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            return len(value.encode())
        case "N":
            return len(value.strip("-0.")) // 2 + 3
        case "BOOL":
            return 1
        case "L":
            return 3 + sum(1 + _size(part) for part in value)
        case _:
            return 3 + sum(1 + len(name) + _size(part) for name, part in value.items())


@pytest.mark.parametrize("kind", STORED)
def test_every_kind_has_one_table_and_comes_back_from_its_item(kind):
    event = STORED_BUILDERS[kind]()
    assert [kind in table.kinds for table in TABLES].count(True) == 1
    assert event_of(item_of(event)) == event


def test_no_field_of_an_event_is_hidden_by_what_an_item_has_besides():
    besides = {"kind", "version", "expires_at", "key", "series"}
    assert {kind: besides & set(event_type.__struct_fields__) for kind, event_type in STORED.items()} == {
        kind: set() for kind in STORED
    }


@pytest.mark.parametrize(
    ("event", "key"),
    [
        (make_fill(account=ALICE, time_ms=7, trade_id=8, order_id=9), {"account": ALICE, "key": "7:8:9:buy"}),
        (make_position(coin="xyz:SILVER"), {"account": ALICE, "coin": "xyz:SILVER"}),
        (make_account_snapshot(time_ms=60_000), {"account": ALICE, "time_ms": "60000"}),
        (make_order(order_id=2**63 - 1), {"account": ALICE, "order_id": "9223372036854775807"}),
        (make_cvd(coin="xyz:A", start_ms=60_000), {"series": "xyz:A:60000", "start_ms": "60000"}),
        (make_cvd(coin="A", start_ms=1, account=ALICE), {"series": f"A:60000:{ALICE}", "start_ms": "1"}),
        (make_funding(time_ms=5, account=""), {"series": "funding:market", "key": "5:BTC"}),
        (make_checkpoint(stream="userFills"), {"series": "checkpoint", "key": f"{ALICE}:userFills"}),
        (make_checkpoint(stream="trades:BTC", account=""), {"series": "checkpoint", "key": "market:trades:BTC"}),
        (make_gap(start_ms=5, stream="userFills"), {"series": "gap", "key": f"{ALICE}:5:userFills"}),
        (make_account_info(), {"series": "account_info", "key": f"{ALICE}:info"}),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_an_item_is_named_by_what_people_ask_for(event, key):
    assert {name: next(iter(value.values())) for name, value in key_of(event).items()} == key
    assert key_of(event).items() <= item_of(event).items()


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_any_decimal_comes_back_with_its_value(value):
    fill = make_fill(price=value, closed_pnl=value)
    assert event_of(item_of(fill)) == fill


@given(st.integers(0, 10**38 - 1), st.integers(-60, 60), st.booleans())
def test_decimals_of_up_to_38_digits_are_numbers(digits, exponent, negative):
    value = Decimal((int(negative), tuple(map(int, str(digits))), exponent))
    attribute = item_of(make_funding(amount=value))["amount"]
    assert set(attribute) == {"N"}
    assert Decimal(attribute["N"]) == value


@pytest.mark.parametrize(
    "text", ["1" * 39, "0." + "3" * 39, "1E+126", "1E-131", "9.9E-140", "-" + "1" * 39, "Infinity", "1E+1000"]
)
def test_what_dynamodb_would_round_or_refuse_is_kept_as_text(text):
    value = Decimal(text)
    item = item_of(make_funding(amount=value))
    assert item["amount"] == {"S": str(value)}
    assert event_of(item).amount == value


@pytest.mark.parametrize("text", ["0E-200", "-0.00", "1" + "0" * 60, "9" * 38 + "00", "1E+125", "1E-130"])
def test_zeros_do_not_count_as_digits(text):
    assert set(item_of(make_funding(amount=Decimal(text)))["amount"]) == {"N"}


def test_flags_and_zeros_are_there_to_be_asked_for_and_nothing_is_left_out():
    item = item_of(make_position(is_open=True, unrealized_pnl=Decimal(0), liquidation_price=None))
    assert (item["is_open"], item["unrealized_pnl"]) == ({"BOOL": True}, {"N": "0"})
    assert "liquidation_price" not in item
    assert "closed_ms" not in item


def test_an_empty_text_that_is_no_default_is_kept():
    fill = make_fill(fee_token="")
    assert event_of(item_of(fill)) == fill


def test_what_is_nested_comes_back():
    liquidation = Liquidation(user=ALICE, mark_price=Decimal("1.50"), method="market")
    events = [
        make_fill(liquidation=liquidation),
        make_ledger(details={"a": [1, 1.5, None, {"": "x"}], "big": 2**63}),
        make_alert(labels={"": "empty name"}, cause=("fill", "", "1:2:3:buy")),
    ]
    assert [event_of(item_of(event)) for event in events] == events


@pytest.mark.parametrize("kind", STORED)
def test_only_states_have_a_version(kind):
    event = STORED_BUILDERS[kind]()
    wanted = {"N": str(event.version)} if isinstance(event, State) else None
    assert item_of(event).get("version") == wanted


@pytest.mark.parametrize("kind", sorted(set(STORED) - {"quarantine"}))
def test_an_ordinary_item_is_written_for_one_unit(kind):
    longest = {"coin": "xyz:LONGNAME", "direction": "Liquidated Isolated Short", "cloid": "0x" + "c" * 32}
    fields = {name: text for name, text in longest.items() if name in STORED[kind].__struct_fields__}
    if kind == "fill":
        fields["liquidation"] = Liquidation(user=ALICE, mark_price=Decimal("12345.678901"), method="backstop")
    assert size_of(item_of(STORED_BUILDERS[kind](**fields), ttl_days=90)) < 1024
    assert TABLE_OF[kind].kinds[kind].write == 1


def test_the_longest_quarantined_payload_is_written_for_the_units_that_are_stated():
    item = item_of(make_quarantined(payload="x" * 16_384))
    assert -(-size_of(item) // 1024) == TABLE_OF["quarantine"].kinds["quarantine"].write


@pytest.mark.parametrize(
    "event",
    [
        make_position(),
        make_order(status="open"),
        make_order(status="triggered"),
        make_gap(end_ms=None),
        make_checkpoint(),
        make_account_info(),
    ],
    ids=lambda event: event.kind,
)
def test_what_still_holds_never_expires(event):
    assert "expires_at" not in item_of(event, ttl_days=1)


@pytest.mark.parametrize(
    "event",
    [make_fill(), make_order(status="filled"), make_gap(), make_cvd(), make_alert()],
    ids=lambda event: event.kind,
)
def test_what_is_over_expires_so_many_days_after_its_time(event):
    assert item_of(event, ttl_days=2)["expires_at"] == {"N": str(event.time_ms // 1000 + 2 * DAY_S)}
    assert "expires_at" not in item_of(event)


@pytest.mark.parametrize(
    "item",
    [{}, {"kind": {"S": "nonsense"}}, {"kind": {"S": "fill"}}, {"kind": {"S": "fill"}, "time_ms": {"S": "x"}}],
)
def test_an_item_of_somebody_else_is_named_as_such(item):
    with pytest.raises(HlmonError, match="not an item of hlmon"):
        event_of(item)


def test_the_keys_of_different_events_differ():
    events = [STORED_BUILDERS[kind](account=who) for kind in STORED for who in (ALICE, "") for _ in range(3)]
    events = list({event.name: event for event in events}.values())
    keys = [(TABLE_OF[event.kind].name, *map(str, key_of(event).values())) for event in events]
    assert len(set(keys)) == len(events)


def test_the_tables_are_those_of_the_specification_and_need_no_secondary_index():
    definitions = [definition(table, "hl-") for table in TABLES]
    assert [one["TableName"] for one in definitions] == [
        "hl-fills", "hl-positions", "hl-dashboard", "hl-orders", "hl-cvd", "hl-events",
    ]  # fmt: skip
    assert {one["BillingMode"] for one in definitions} == {"PAY_PER_REQUEST"}
    assert [one for one in definitions if "Indexes" in str(one.keys())] == []
    assert tuple(table.name for table in TABLES) == TABLE_NAMES


def test_needs_name_each_table_with_its_keys_and_the_least_permissions():
    found = needs(DynamodbConfig(prefix="prod-"))
    tables = {need.name: need.details for need in found if need.kind == "table"}
    permissions = {need.name: need.details["actions"] for need in found if need.kind == "permission"}
    assert tables.keys() == permissions.keys() == {f"prod-{table.name}" for table in TABLES}
    assert tables["prod-orders"]["sort_key"] == {"name": "order_id", "type": "N"}
    assert permissions == {
        "prod-fills": ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"],
        "prod-positions": ["dynamodb:PutItem"],
        "prod-dashboard": ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"],
        "prod-orders": ["dynamodb:PutItem"],
        "prod-cvd": ["dynamodb:PutItem"],
        "prod-events": [
            "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:PutItem", "dynamodb:Query",
        ],
    }  # fmt: skip
    assert set(itertools.chain(*permissions.values())) == set(itertools.chain(*map(actions, TABLES)))


@pytest.mark.parametrize(
    "fields",
    [
        {"prefix": "has space"},
        {"prefix": "x" * 300},
        {"ttl_days": {"trades": 5}},
        {"endpoint_url": "localhost:8000"},
        {"ttl_days": {"fills": 0}},
        {"key": "AKIA"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_config_that_cannot_be_right_is_refused(fields):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields, DynamodbConfig)
