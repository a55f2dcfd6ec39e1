"""Tables made with the founding specification's SQL are taken over with every row."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from psycopg.types.json import Jsonb

from hlmon.testing.builders import ALICE, BOB, make_account_snapshot, make_fill, make_order, make_position
from hlmon_supabase.schema import expected_lines, missing, schema_sql
from hlmon_supabase.tables import TABLES

FOUNDING = (Path(__file__).parent / "founding.sql").read_text()
CHECKSUMMED = "0x" + "A1" * 20  # ALICE, as wallets spell addresses

OLD_ROWS = f"""
INSERT INTO fills
    (account_address, coin, side, price, size, order_id, closed_pnl, is_position_close, tx_hash, metadata)
VALUES
    ('{CHECKSUMMED}', 'BTC', 'B', 100000.5, 1, '77', 0, FALSE, '0xaa', '{{"note": "first"}}'),
    ('{CHECKSUMMED}', 'BTC', 'B', 100000.5, 1, '77', 0, FALSE, '0xaa', NULL), -- again, after a reconnect
    ('{BOB}', 'ETH', 'A', 1800.12345678, 0.5, NULL, 12.5, TRUE, NULL, NULL);
INSERT INTO positions (account_address, coin, size, side, entry_price, updated_at) VALUES
    ('{CHECKSUMMED}', 'BTC', 1, 'long', 100000, '2026-01-01T00:00:00Z'),
    ('{ALICE}', 'BTC', 2, 'long', 100001, '2026-01-02T00:00:00Z'),
    ('{CHECKSUMMED}', 'ETH', 3, 'short', 1800, '2026-01-03T00:00:00Z');
INSERT INTO hl_dashboard (account_address, account_value, leverage, health_score) VALUES
    ('{ALICE}', 1000.5, 1.5, 90), ('{ALICE}', 1000.5, 1.5, 90);
INSERT INTO hl_orders (account_address, order_id, coin, side, size, price, status, updated_at) VALUES
    ('{CHECKSUMMED}', '77', 'BTC', 'B', 1, 100000, 'open', '2026-01-01T00:00:00Z');
"""

TABLE_NAMES = ("fills", "positions", "hl_dashboard", "hl_orders")


@pytest.fixture
def old(postgres):
    with postgres.project("old_project") as connection:
        connection.execute(FOUNDING)
        connection.execute(OLD_ROWS)
        yield connection


def rows_of(database, table, columns="*"):
    return database.execute(f"SELECT {columns} FROM {table} ORDER BY id").fetchall()


def columns_of(database, table):
    query = "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position"
    return ", ".join(name for (name,) in database.execute(query, [table]))


def insert(database, event):
    table = TABLES[event.kind]
    row = table.row_of(event)
    names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    sets = ", ".join(f"{name} = EXCLUDED.{name}" for name in row)
    action = "NOTHING" if table.holds_facts else f"UPDATE SET {sets}"
    sql = f"INSERT INTO {table.name} ({names}) VALUES ({marks}) ON CONFLICT ({table.conflict}) DO {action}"
    database.execute(sql, [Jsonb(value) if isinstance(value, dict) else value for value in row.values()])


@pytest.mark.parametrize("table", TABLE_NAMES)
def test_every_row_and_every_value_stays(old, table):
    columns = columns_of(old, table)
    before = rows_of(old, table, columns)
    for _ in range(2):
        old.execute(schema_sql())
    spelling = [[value.lower() if value == CHECKSUMMED else value for value in row] for row in before]
    after = [
        [value.lower() if value == CHECKSUMMED else value for value in row] for row in rows_of(old, table, columns)
    ]
    assert after == spelling


def test_the_result_is_the_schema_of_a_new_project(old):
    old.execute(schema_sql())
    old.execute("SET ROLE service_role")
    assert missing(old.execute("SELECT hlmon_schema()").fetchone()[0]) == []


def test_the_check_names_what_the_old_tables_lack(postgres):
    with postgres.project("other_old") as other:
        other.execute(schema_sql())
        other.execute("DROP INDEX fills_natural_key; ALTER TABLE positions DROP COLUMN funding; DROP TABLE gaps")
        other.execute("ALTER TABLE fills DISABLE ROW LEVEL SECURITY; DROP TRIGGER newest_wins ON hl_orders")
        other.execute("REVOKE INSERT ON alerts FROM service_role; SET ROLE service_role")
        lacking = missing(other.execute("SELECT hlmon_schema()").fetchone()[0])
    assert (
        {
            "unique fills (account_address, event_key)",
            "column positions.funding numeric",
            "column gaps.stream text",
            "row level security on fills",
            "trigger newest_wins on hl_orders",
            "right of the service key to write alerts",
        }
        <= set(lacking)
        <= set(expected_lines())
    )


def test_accounts_are_one_however_their_address_was_spelt(old):
    old.execute(schema_sql())
    assert {row[0] for row in rows_of(old, "fills", "account_address")} == {ALICE, BOB}
    # The row that would have clashed keeps its spelling, so that it is still there to look at.
    assert rows_of(old, "positions", "account_address, coin, size") == [
        (CHECKSUMMED, "BTC", Decimal(1)),
        (ALICE, "BTC", Decimal(2)),
        (ALICE, "ETH", Decimal(3)),
    ]


def test_states_of_before_are_replaced_by_the_first_news(old):
    old.execute(schema_sql())
    insert(old, make_position(coin="BTC", size=Decimal(5)))
    insert(old, make_order(order_id=77, status="filled"))
    assert rows_of(old, "positions", "size") == [(Decimal(1),), (Decimal(5),), (Decimal(3),)]
    assert rows_of(old, "hl_orders", "status, side") == [("filled", "buy")]


def test_two_accounts_may_have_an_order_of_one_id(old):
    old.execute(schema_sql())
    insert(old, make_order(order_id=77, account=BOB))
    assert len(rows_of(old, "hl_orders")) == 2


def test_a_fill_of_before_that_is_read_again_takes_over_its_row(old):
    old.execute(schema_sql())
    again = make_fill(order_id=77, price=Decimal("100000.5"), tx_hash="0xaa")
    for _ in range(3):
        insert(old, again)
    # The first row has become the exact one; what the old program had written twice is still there.
    assert rows_of(old, "fills", "id, side, event_key, metadata") == [
        (1, "buy", again.key, {"note": "first"}),
        (2, "B", None, None),
        (3, "A", None, None),
    ]


def test_every_real_fill_of_one_order_finds_a_row_of_its_own(old):
    old.execute(schema_sql())
    twins = [make_fill(order_id=77, price=Decimal("100000.5"), tx_hash="0xaa") for _ in range(3)]
    for fill in twins:
        insert(old, fill)
    assert [row[1] for row in rows_of(old, "fills", "id, event_key")] == [
        twins[0].key,
        twins[1].key,
        None,
        twins[2].key,
    ]


def test_another_fill_is_a_row_more(old):
    old.execute(schema_sql())
    for changes in (
        {"order_id": 78},
        {"price": Decimal("100000.6")},
        {"account": BOB},
        {"tx_hash": "0xbb"},
        {"coin": "ETH"},
    ):
        insert(old, make_fill(**{"order_id": 77, "price": Decimal("100000.5"), "tx_hash": "0xaa"} | changes))
    assert len(rows_of(old, "fills")) == 3 + 5
    assert len(rows_of(old, "fills WHERE event_key IS NULL")) == 3


def test_amounts_that_the_old_type_could_not_hold_fit(old):
    old.execute(schema_sql())
    amount = Decimal("12345678901234567890.123456789012345678")
    insert(old, make_fill(size=amount, price=amount))
    insert(old, make_account_snapshot(leverage=amount))
    assert rows_of(old, "fills", "size")[-1] == rows_of(old, "hl_dashboard", "leverage")[-1] == (amount,)


def test_ids_can_no_longer_run_out(old):
    old.execute(schema_sql())
    old.execute("SELECT setval('hl_orders_id_seq', 2147483647)")
    insert(old, make_order())
    assert rows_of(old, "hl_orders", "id")[-1] == (2147483648,)


def test_a_view_on_a_column_that_must_change_stops_it_before_anything_is_touched(old):
    old.execute("CREATE VIEW mine AS SELECT price FROM fills")
    with pytest.raises(Exception, match="used by a view"):
        old.execute(schema_sql())
    assert "event_key" not in columns_of(old, "fills")
