"""Events to rows, purely."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlmon import STORED, Checkpoint, State
from hlmon.testing.builders import STORED_BUILDERS, make_checkpoint, make_fill, make_order
from hlmon_supabase.schema import expected_lines
from hlmon_supabase.tables import TABLES, rows_by_table
from hlmon_supabase.values import iso

COLUMNS = {tuple(line.split()[1].split(".")) for line in expected_lines() if line.startswith("column ")}


def test_every_kind_that_is_stored_has_a_table():
    assert TABLES.keys() == STORED.keys()
    assert len({table.name for table in TABLES.values()}) == len(TABLES)


@pytest.mark.parametrize("kind", TABLES)
def test_a_row_has_columns_of_its_table_and_its_natural_key_is_unique_there(kind):
    table = TABLES[kind]
    row = table.row_of(STORED_BUILDERS[kind]())
    assert {(table.name, column) for column in row} <= COLUMNS
    assert f"unique {table.name} ({', '.join(sorted(table.key))})" in expected_lines()
    assert table.holds_facts == (not issubclass(STORED[kind], State))
    assert ("version" in row) == (not table.holds_facts)


@pytest.mark.parametrize("kind", TABLES)
def test_rows_of_one_table_have_the_same_columns_whatever_is_unknown(kind):
    build = STORED_BUILDERS[kind]
    required = {"account", "time_ms"}
    bare = STORED[kind](**{name: getattr(build(), name) for name in required | set(_required(STORED[kind]))})
    assert TABLES[kind].row_of(bare).keys() == TABLES[kind].row_of(build()).keys()


def _required(cls):
    from msgspec import NODEFAULT
    from msgspec.structs import fields

    return [field.name for field in fields(cls) if field.default is NODEFAULT and field.default_factory is NODEFAULT]


@pytest.mark.parametrize("kind", TABLES)
def test_no_number_of_money_is_a_float(kind):
    row = TABLES[kind].row_of(STORED_BUILDERS[kind]())
    assert [column for column, value in row.items() if isinstance(value, float | Decimal)] == []
    json.dumps(row)


@given(st.integers(0, 4_000_000_000_000))
def test_a_time_keeps_its_millisecond(time_ms):
    text = iso(time_ms)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1) == time_ms


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_keeps_every_digit(price):
    assert Decimal(TABLES["fill"].row_of(make_fill(price=price))["price"]) == price


def test_checkpoints_are_written_last_and_rows_in_the_order_of_their_key():
    orders = [make_order(order_id=number) for number in (30, 10, 20)]
    parts = rows_by_table([make_checkpoint(), *orders, make_fill()])
    assert [table.name for table, _ in parts] == ["fills", "hl_orders", "checkpoints"]
    assert [row["order_id"] for row in parts[1][1]] == ["10", "20", "30"]
    assert list(TABLES)[-1] == Checkpoint.kind


def test_supabase_is_not_imported_before_a_sink_opens():
    code = (
        "import sys, hlmon_supabase.plugin; print([m for m in ('supabase', 'httpx', 'postgrest') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout == "[]\n"
