"""`hlmon supabase`."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from hlmon import ConfigError, Need, Secret
from hlmon.cli import program
from hlmon_supabase.schema import schema_sql
from hlmon_supabase.sink import FACTORY, SupabaseConfig
from tests.servers.supabase import SERVICE_KEY


@pytest.fixture
def project(live_project):
    live_project.empty()
    return live_project


def run(*arguments):
    return CliRunner().invoke(program, ["supabase", *arguments])


def test_sql_prints_the_schema_and_nothing_else():
    result = run("sql")
    assert result.exit_code == 0
    assert result.stdout == schema_sql()


def test_check_says_that_the_schema_is_whole(keys):
    result = run("check")
    assert result.exit_code == 0, result.output
    assert "The schema is whole" in result.stdout


def test_check_names_what_is_missing_and_what_to_do(keys, project):
    project.database.execute("DROP INDEX idx_fills_coin; ALTER TABLE ledger DISABLE ROW LEVEL SECURITY")
    result = run("check")
    project.database.execute(schema_sql())
    assert result.exit_code == 2
    assert result.stdout.splitlines() == [
        "missing: index idx_fills_coin on fills",
        "missing: row level security on ledger",
    ]
    assert "hlmon supabase sql" in result.stderr
    assert run("check").exit_code == 0


def test_check_mentions_realtime_without_complaint(keys, project):
    project.database.execute("ALTER PUBLICATION supabase_realtime DROP TABLE alerts")
    result = run("check")
    project.database.execute(schema_sql())
    assert result.exit_code == 0
    assert "missing: realtime of alerts" in result.stdout


def test_check_takes_references_and_never_the_key_itself(keys, tmp_path, monkeypatch):
    monkeypatch.delenv("SUPABASE_SERVICE_KEY")
    (tmp_path / "key").write_text(SERVICE_KEY)
    assert run("check", "--key", f"file:{tmp_path}/key").exit_code == 0
    result = run("check", "--key", SERVICE_KEY)
    assert result.exit_code == 2
    assert SERVICE_KEY not in result.output
    result = run("check")
    assert result.exit_code == 2
    assert "env:SUPABASE_SERVICE_KEY is not set" in result.stderr


def test_check_of_a_project_that_does_not_answer_says_so(keys):
    with keys.outage():
        result = run("check")
    assert result.exit_code != 0
    assert "cannot be reached" in result.stderr


def test_a_deployment_is_told_of_both_secrets():
    assert FACTORY.needs(SupabaseConfig()) == [
        Need(kind="secret", name="SUPABASE_URL", why="the project's API URL"),
        Need(kind="secret", name="SUPABASE_SERVICE_KEY", why="to write to the project's tables"),
    ]
    other = SupabaseConfig(url=Secret("env:OTHER"), service_key=Secret("file:/run/secrets/key"))
    assert [need.name for need in FACTORY.needs(other)] == ["OTHER"]


def test_a_secret_that_is_not_there_is_named(keys, monkeypatch):
    monkeypatch.delenv("SUPABASE_URL")
    with pytest.raises(ConfigError, match="env:SUPABASE_URL is not set"), FACTORY.open(SupabaseConfig(), None):
        pass
