"""What a user gets who installs the wheels, and nothing else, into a fresh environment."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from contextlib import closing

from tests.packaging.conftest import BIN, ROOT

USER_PROGRAM = '''
"""A small program of a user."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, assert_type

from hlmon import Alert, Event, Fill, Severity, SinkFactory, decode, hookimpl
from hlmon.testing.builders import make_fill
from hlmon_dynamodb.sink import FACTORY


@hookimpl
def hlmon_sinks() -> Iterable[SinkFactory[Any]]:
    """The sink of another package, once more."""
    return [FACTORY]


def worth(fill: Fill) -> Decimal:
    """What was paid."""
    return fill.price * fill.size


def severity_of(alert: Alert) -> Severity:
    """How severe it is."""
    return alert.severity


assert_type(make_fill().time_ms, int)
assert_type(make_fill().start_position, Decimal | None)
assert_type(decode("fill", b"{}"), Event)
'''


def test_nothing_of_the_tree_is_on_the_path(user):
    script = "import hlmon, hlmon_dynamodb, json, sys; print(json.dumps([*sys.path, hlmon.__file__]))"
    paths = json.loads(user.run("python", "-c", script))
    assert [path for path in paths if path.startswith(str(ROOT))] == []
    assert paths[-1].startswith(str(user.folder))


def test_plugins_lists_what_is_there_with_its_origin_and_stability(user):
    found = {plugin["name"]: plugin for plugin in json.loads(user.hlmon("plugins", "--json"))}
    assert found.keys() == {"builtin", "dynamodb"}
    assert found["dynamodb"] == {
        "name": "dynamodb",
        "distribution": "hlmon-dynamodb",
        "version": "0.1.0",
        "hooks": ["hlmon_commands", "hlmon_sinks"],
        "provides": {"sink": ["dynamodb"], "command": ["dynamodb"]},
        "broken": None,
        "stability": "beta",
    }
    listing = user.hlmon("plugins")
    assert "hlmon_sinks" in listing
    assert "beta" in listing


def test_run_watches_an_account_and_stores_its_fills(user, exchange, tmp_path, wait):
    world = exchange.server.world
    account = exchange.do(world.add_account)
    exchange.do(lambda: world.open(account, "BTC", "0.5"))
    options = ("--account", account.address, "--url", exchange.url, "--journal", tmp_path / "hlmon.db")
    process = user.start("hlmon", "run", *options, cwd=tmp_path)

    def coins():
        with closing(sqlite3.connect(f"file:{tmp_path / 'hlmon.db'}?mode=ro", uri=True)) as journal:
            has_tables = journal.execute("SELECT name FROM sqlite_master WHERE name = 'fills'").fetchall()
            return has_tables and journal.execute("SELECT coin FROM fills").fetchall()

    try:
        wait(lambda: (tmp_path / "hlmon.db").exists() and coins() == [("BTC",)], what="the fill")
        process.send_signal(signal.SIGTERM)
        assert process.wait(25) == 0, (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()
    assert "BTC" in user.hlmon("verify", "--journal", tmp_path / "hlmon.db", cwd=tmp_path)


def test_a_config_that_names_a_plugin_which_is_not_installed_is_told_what_to_install(user, tmp_path):
    (tmp_path / "hlmon.toml").write_text('[sink.store]\ntype = "supabase"\n')
    for command in ("check", "run"):
        said = user.hlmon(command, cwd=tmp_path, code=2)
        assert "sink.store.type" in said
        assert "type 'supabase' needs: pip install hlmon-supabase" in said


def test_the_schema_covers_the_tables_of_every_installed_plugin(user):
    schema = json.loads(user.hlmon("plugins", "--schema"))
    assert schema["properties"]["sink"]["additionalProperties"]["properties"]["type"]["enum"] == ["jsonl", "dynamodb"]
    assert "ttl_days" in schema["definitions"]["sink.dynamodb"]["properties"]


def test_a_plugin_is_disabled_by_the_environment(user):
    found = {
        each["name"]: each for each in json.loads(user.hlmon("plugins", "--json", HLMON_DISABLE_PLUGINS="dynamodb"))
    }
    assert found["dynamodb"]["broken"] == "disabled by HLMON_DISABLE_PLUGINS"
    assert found["dynamodb"]["provides"] == {}


def test_a_user_program_type_checks_strictly_against_the_installed_wheels(user, tmp_path):
    def check(program):
        (tmp_path / "program.py").write_text(program)
        command = [BIN / "mypy", "--strict", "--python-executable", user.python, "--cache-dir", user.folder / "mypy"]
        environ = os.environ | {"MYPYPATH": ""}
        return subprocess.run(
            [*command, "--config-file", os.devnull, "program.py"],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )

    right = check(USER_PROGRAM)
    assert right.returncode == 0, right.stdout
    wrong = check(USER_PROGRAM.replace("-> Decimal:", "-> float:"))
    assert 'Incompatible return value type (got "Decimal", expected "float")' in wrong.stdout


def test_install_and_uninstall_change_the_environment_of_the_program_by_its_pip(user, acme):
    assert "acme-tape" in user.hlmon("install", acme)
    try:
        assert "acme-hlmon" in user.run("python", "-m", "pip", "list")
    finally:
        left = user.hlmon("uninstall", "acme-hlmon")
    assert "acme-tape" not in left
    assert "dynamodb" in left


def test_a_failed_installation_is_one_error_with_the_command(user):
    said = user.hlmon("install", "--", "./no-such-folder", code=4)
    assert "error: nothing was changed, see above; the command was: " in said


def test_the_program_does_not_remove_itself(user):
    assert "hlmon-core is the program itself" in user.hlmon("uninstall", "hlmon_core", code=2)
