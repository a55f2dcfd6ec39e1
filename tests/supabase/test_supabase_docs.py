"""The page about Supabase is true: its SQL runs, its config is right, its number is the real one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from msgspec.structs import fields

from hlmon import Settings
from hlmon.journal import Journal
from hlmon.testing.builders import (
    START_MS,
    STORED_BUILDERS,
    make_account_snapshot,
    make_alert,
    make_cvd,
    make_fill,
    make_funding,
    make_gap,
    make_position,
    make_position_closed,
)
from hlmon_supabase.schema import expected_lines
from hlmon_supabase.sink import FACTORY, SupabaseConfig

PAGE = (Path(__file__).resolve().parents[2] / "docs/supabase.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
ACCOUNT = "0x" + "1" * 40


def statements(section):
    blocks = re.findall(r"^```sql\n(.*?)^```", SECTIONS[section], re.DOTALL | re.MULTILINE)
    return [statement.strip() for block in blocks for statement in block.split(";\n") if statement.strip()]


def events():
    close = make_position_closed(account=ACCOUNT)
    return [
        make_fill(account=ACCOUNT),
        make_position(account=ACCOUNT),
        make_account_snapshot(account=ACCOUNT),
        close,
        make_position_closed(account=ACCOUNT, time_ms=START_MS + 90_000_000),
        make_cvd(),
        make_funding(account=ACCOUNT),
        make_gap(account=ACCOUNT),
        make_alert(account=ACCOUNT, cause=close.name),
    ]


@pytest.fixture
def project(plain_project):
    plain_project.empty()
    return plain_project


@pytest.fixture
def filled(keys, project):
    with FACTORY.open(SupabaseConfig(), Settings(name="docs")) as sink:
        sink.write(events())
    return project.database


@pytest.mark.parametrize("section", ["Queries", "Queries that need PostgreSQL"])
def test_every_query_of_the_page_answers(filled, section):
    assert len(statements(section)) >= 2
    for statement in statements(section):
        assert filled.execute(statement).fetchall(), statement


def test_the_shared_queries_answer_the_same_on_the_journal(filled, tmp_path):
    given = events()
    filled.execute("TRUNCATE fills, positions, hl_dashboard, hl_closes, hl_cvd, fundings, gaps, alerts")
    with FACTORY.open(SupabaseConfig(), Settings(name="docs")) as sink, Journal.open(tmp_path / "hlmon.db") as journal:
        sink.write(given)
        journal.append(given)
        for statement in statements("Queries"):
            stored = filled.execute(statement).fetchall()
            local = journal.query(statement)
            assert [_plain(row) for row in stored] == [_plain(row) for row in local], statement


def _plain(row):
    """Times are texts in SQLite and numbers REAL; both say the same."""
    return [
        value.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        if hasattr(value, "strftime")
        else float(value)
        if not isinstance(value, str | None)
        else value
        for value in row
    ]


def test_the_statements_about_rights_and_realtime_run(postgres, project):
    for section in ("Who may read", "Realtime"):
        for statement in statements(section):
            project.database.execute(statement)
    project.database.execute('DROP POLICY "signed-in users read fills" ON fills')
    project.database.execute("REVOKE SELECT ON fills FROM authenticated")
    project.database.execute("ALTER PUBLICATION supabase_realtime ADD TABLE hl_dashboard")


def test_the_config_on_the_page_is_right():
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert tomllib.loads(block) == {"sink": {"supabase": {"type": FACTORY.name}}}
    rows = re.findall(r"^\| `(\w+)` \| .+? \| `\"(.+?)\"`", SECTIONS["Set-up"], re.MULTILINE)
    defaults = SupabaseConfig()
    assert rows == [(field.name, getattr(defaults, field.name).reference) for field in fields(SupabaseConfig)]


def test_the_number_of_things_is_the_real_one():
    assert f"The schema is whole: {len(expected_lines())} things" in PAGE


def test_every_table_is_named_on_the_page():
    from hlmon_supabase.tables import TABLES

    assert [table.name for table in TABLES.values() if not re.search(rf"\b{table.name}\b", PAGE)] == []
    assert STORED_BUILDERS.keys() == TABLES.keys()
