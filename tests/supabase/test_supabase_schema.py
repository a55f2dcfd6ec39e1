"""The schema on PostgreSQL itself: what it makes, what it guards, and what it does with older tables."""

from __future__ import annotations

import json
import os
import threading
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from msgspec import structs

from hlmon.testing.builders import STORED_BUILDERS
from hlmon_supabase.schema import expected_lines, is_required, missing, schema_sql
from hlmon_supabase.tables import TABLES
from tests.servers import recorded

ROOT = Path(__file__).resolve().parents[2]
LINES = ROOT / "packages/hlmon-supabase/src/hlmon_supabase/schema.txt"
MIGRATIONS = ROOT / "packages/hlmon-supabase/supabase/migrations"

# HLMON_WRITE_SCHEMA=1 makes the two files anew instead of comparing them.
WRITE = bool(os.environ.get("HLMON_WRITE_SCHEMA"))

STATES = {
    "position": "positions",
    "order": "hl_orders",
    "cvd": "hl_cvd",
    "gap": "gaps",
    "checkpoint": "checkpoints",
    "account_info": "accounts",
}


@pytest.fixture
def empty_database(postgres):
    with postgres.project("schema_test") as connection:
        yield connection


@pytest.fixture
def database(empty_database):
    empty_database.execute(schema_sql())
    return empty_database


def lines_of(database):
    """What a project has, as the service key sees it."""
    with database.transaction():
        database.execute("SET LOCAL ROLE service_role")
        return database.execute("SELECT hlmon_schema()").fetchone()[0]


def everything_in(database):
    """Every definition: columns with defaults, constraints, indexes, triggers, functions, rights, policies."""
    queries = (
        "SELECT * FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, column_name",
        "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1, 2, 3",
        "SELECT * FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname",
        "SELECT tgrelid::regclass, tgname, pg_get_triggerdef(oid) FROM pg_trigger ORDER BY 1, 2",
        "SELECT proname, prosrc, proacl::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
        "SELECT oid::regclass, relacl::text, relrowsecurity FROM pg_class WHERE relnamespace = 'public'::regnamespace",
        "SELECT * FROM pg_publication_tables ORDER BY tablename",
    )
    return [database.execute(query).fetchall() for query in queries]


def upsert(database, event, **changes):
    """One row, as PostgREST writes it."""
    table = TABLES[event.kind]
    row = table.row_of(event) | changes
    row = {column: json.dumps(value) if isinstance(value, dict) else value for column, value in row.items()}
    names, marks = ", ".join(f'"{name}"' for name in row), ", ".join(["%s"] * len(row))
    sets = ", ".join(f'"{name}" = EXCLUDED."{name}"' for name in row)
    action = "NOTHING" if table.holds_facts else f"UPDATE SET {sets}"
    sql = f"INSERT INTO {table.name} ({names}) VALUES ({marks}) ON CONFLICT ({table.conflict}) DO {action}"
    return database.execute(sql, list(row.values())).rowcount


def test_the_list_of_what_should_be_there_is_what_the_schema_leads_to(database):
    if WRITE:
        LINES.write_text("\n".join(lines_of(database)) + "\n")
    assert lines_of(database) == list(expected_lines())


def test_the_newest_migration_is_the_schema():
    newest = max(MIGRATIONS.glob("*.sql"))
    if WRITE:
        newest.write_text(schema_sql())
    assert newest.read_text() == schema_sql()


def test_running_it_again_changes_nothing(database):
    before = everything_in(database)
    upsert(database, STORED_BUILDERS["position"]())
    for _ in range(2):
        database.execute(schema_sql())
    assert everything_in(database) == before
    assert database.execute("SELECT COUNT(*) FROM positions").fetchone() == (1,)


def test_views_of_the_user_on_the_tables_do_not_stand_in_the_way_of_running_it_again(database):
    database.execute("CREATE VIEW my_fills AS SELECT id, price, size, created_at_ms FROM fills")
    database.execute("CREATE VIEW my_closes AS SELECT * FROM closes")
    database.execute(schema_sql())


@pytest.mark.parametrize("without", ["the roles", "the publication", "anything"])
def test_it_runs_on_a_postgresql_that_lacks(postgres, without):
    platform = "CREATE PUBLICATION supabase_realtime FOR ALL TABLES" if without == "the roles" else "SELECT 1"
    with postgres.project("plain_postgres", platform=platform) as connection:
        connection.execute(schema_sql())
        lines = connection.execute("SELECT hlmon_schema()").fetchone()[0]
    assert [line for line in missing(lines) if is_required(line)] == []


def test_a_table_of_somebody_else_is_refused_and_nothing_is_touched(empty_database):
    empty_database.execute("CREATE TABLE accounts (id INT, email TEXT)")
    before = everything_in(empty_database)
    with pytest.raises(psycopg.errors.RaiseException, match='table "accounts" is not one of hlmon'):
        empty_database.execute(schema_sql())
    assert everything_in(empty_database) == before


def test_every_table_has_row_level_security_and_no_policy(database):
    unprotected = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND NOT rowsecurity"
    assert database.execute(unprotected).fetchall() == []
    assert database.execute("SELECT * FROM pg_policies").fetchall() == []


@pytest.mark.parametrize("role", ["anon", "authenticated"])
@pytest.mark.parametrize("granted", [False, True], ids=["as made", "with the rights of older projects"])
def test_the_public_key_reads_and_writes_nothing(database, role, granted):
    tables = [table.name for table in TABLES.values()]
    for build in STORED_BUILDERS.values():
        upsert(database, build())
    if granted:
        database.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        database.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}")
    database.execute(f"SET ROLE {role}")
    for table in [*tables, "closes"]:
        if granted:
            assert database.execute(f"SELECT * FROM {table}").fetchall() == []
            assert database.execute(f"DELETE FROM {table}").rowcount == 0 if table != "closes" else True
        else:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                database.execute(f"SELECT * FROM {table}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.execute("SELECT hlmon_schema()")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        upsert(database, STORED_BUILDERS["fill"]())


def test_the_service_key_writes_every_table_in_a_project_that_grants_nothing_by_itself(database):
    database.execute("SET ROLE service_role")
    for build in STORED_BUILDERS.values():
        assert upsert(database, build()) == 1


def test_rights_and_policies_that_the_user_gave_stay(database):
    database.execute("GRANT SELECT ON fills TO anon")
    database.execute("CREATE POLICY mine ON fills FOR SELECT TO anon USING (TRUE)")
    upsert(database, STORED_BUILDERS["fill"]())
    database.execute(schema_sql())
    database.execute("SET ROLE anon")
    assert len(database.execute("SELECT * FROM fills").fetchall()) == 1


@pytest.mark.parametrize("kind", STATES)
def test_the_database_itself_keeps_the_newer_version(database, kind):
    event = STORED_BUILDERS[kind]()
    for version, changed in ((5, 1), (4, 0), (5, 0), (6, 1)):
        assert upsert(database, event, version=version) == changed
    assert database.execute(f"SELECT version FROM {STATES[kind]}").fetchone() == (6,)


def test_an_update_of_the_user_passes_and_is_stamped(database):
    position = STORED_BUILDERS["position"]()
    upsert(database, position)
    database.execute('UPDATE positions SET metadata = \'{"note": "mine"}\'')
    fresh = "SELECT metadata ->> 'note', updated_at > NOW() - INTERVAL '1 minute' FROM positions"
    assert database.execute(fresh).fetchone() == ("mine", True)
    upsert(database, position, version=position.version + 1)
    assert database.execute("SELECT metadata ->> 'note', updated_at_ms FROM positions").fetchone() == (
        "mine",
        position.time_ms,
    )


@pytest.mark.parametrize("kind", ["position", "order"])
def test_two_writers_at_once_end_with_the_newest(postgres, database, kind):
    event = STORED_BUILDERS[kind]()

    def write(versions):
        with closing(postgres.connect("schema_test")) as connection:
            for version in versions:
                upsert(connection, event, version=version)

    writers = [threading.Thread(target=write, args=(range(first, 200, 2),)) for first in (0, 1)]
    writers.append(threading.Thread(target=write, args=(range(199, -1, -1),)))
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert database.execute(f"SELECT version FROM {STATES[kind]}").fetchall() == [(199,)]


def test_a_close_seen_only_in_the_state_gives_way_in_the_view(database):
    build = STORED_BUILDERS["position_closed"]
    guess = build(cause="state", gross_pnl=None, net_pnl=None, trigger="state")
    other = build(account="0x" + "b0" * 20, completes=guess.key)
    for close in (guess, other):
        upsert(database, close)
    assert database.execute("SELECT COUNT(*) FROM closes").fetchone() == (2,)
    upsert(database, build(completes=guess.key))
    assert database.execute("SELECT cause FROM closes").fetchall() == [("order",), ("order",)]
    assert database.execute("SELECT COUNT(*) FROM hl_closes").fetchone() == (3,)


def test_of_a_close_that_was_stated_anew_only_the_newest_statement_is_in_the_view(database):
    first = STORED_BUILDERS["position_closed"](complete=False)
    second = structs.replace(first, revision=1, completes=first.key, stated_ms=first.time_ms + 60_000)
    third = structs.replace(first, revision=2, completes=second.key, net_pnl=Decimal("12.5"))
    for close in (third, first, second):
        upsert(database, close)
    assert database.execute("SELECT revision, net_pnl FROM closes").fetchall() == [(2, Decimal("12.5"))]
    stated = database.execute("SELECT revision, stated_at_ms - closed_at_ms FROM hl_closes ORDER BY 1").fetchall()
    assert stated == [(0, None), (1, 60_000), (2, None)]


def test_times_are_utc_and_exact_to_the_millisecond_whatever_the_session_says(database):
    database.execute("SET TIME ZONE 'Asia/Kolkata'")
    fill = STORED_BUILDERS["fill"](time_ms=1_760_000_000_123)
    upsert(database, fill)
    query = "SELECT created_at_ms, created_at AT TIME ZONE 'UTC' = '2025-10-09 08:53:20.123' FROM fills"
    assert database.execute(query).fetchone() == (1_760_000_000_123, True)


def test_the_columns_that_are_worked_out_are_right(database):
    upsert(database, STORED_BUILDERS["cvd"](buy_volume=Decimal("12.5"), sell_volume=Decimal("10.250")))
    upsert(database, STORED_BUILDERS["position_closed"](time_ms=5_001, opened_ms=1))
    assert database.execute("SELECT delta FROM hl_cvd").fetchone() == (Decimal("2.250"),)
    assert database.execute("SELECT held_ms FROM closes").fetchone() == (5_000,)


@pytest.mark.skipif(not recorded.RECORDED.is_dir(), reason=recorded.NOT_HERE)
def test_every_amount_that_was_recorded_comes_back_as_it_was(database):
    database.execute("CREATE TEMP TABLE amounts (text TEXT, amount NUMERIC)")
    database.execute(
        "INSERT INTO amounts SELECT text, text::NUMERIC FROM unnest(%s::TEXT[]) AS text", [list(recorded.amounts())]
    )
    stored = database.execute("SELECT text, amount FROM amounts").fetchall()
    assert [text for text, amount in stored if Decimal(text) != amount] == []
    scales = [-amount.as_tuple().exponent for _, amount in stored]
    assert max(scales) > 8, "DECIMAL(20, 8) would have done"
