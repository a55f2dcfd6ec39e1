import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import hlmon.cli
from hlmon import plugins
from hlmon.cli import COMMANDS
from hlmon.errors import ConfigError, HlmonError, JournalError
from tests.core.invoking import run

HLMON = Path(sys.executable).with_name("hlmon")
WITHOUT_SIMULATOR = {"HLMON_DISABLE_PLUGINS": "sim"}


@pytest.fixture
def plugged(monkeypatch):
    """A function that makes one command as a plugin would, whose body is the given function."""

    def plug(body, name="extra"):
        monkeypatch.setattr(hlmon.cli, "_plugin_commands", lambda: {name: click.Command(name, callback=body)})

    return plug


def hlmon_process(*arguments: str, cwd: Path, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HLMON, *arguments], cwd=cwd, capture_output=True, text=True, check=False, **options)


def test_help_lists_every_built_in_command_with_a_line_about_it():
    result = run("--help")
    assert result.exit_code == 0
    for name, line in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(line)}$", result.output, re.MULTILINE)


def test_help_lists_commands_of_plugins_apart(plugged):
    plugged(lambda: None)
    assert re.search(r"^Commands of plugins:\n +extra", run("--help").output, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert re.search(rf"Example:\n    hlmon {name}", result.output)


def test_a_command_of_a_plugin_runs_like_a_built_in_one(plugged):
    plugged(lambda: click.echo("done"))
    assert run("extra").output == "done\n"


def test_a_built_in_command_needs_no_plugin(monkeypatch):
    monkeypatch.setattr(hlmon.cli, "_plugin_commands", lambda: pytest.fail("plugins were loaded"))
    assert run("health", "--help").exit_code == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigError("x"), 2), (JournalError("x"), 3), (HlmonError("x"), 4), (ValueError("x"), 4)],
)
def test_the_exit_code_says_what_kind_of_error_it_was(plugged, error: Exception, code: int):
    def fail():
        raise error

    plugged(fail)
    assert run("extra").exit_code == code


def test_an_error_is_one_line_without_a_traceback(plugged):
    def fail():
        raise HlmonError("the exchange is closed")

    plugged(fail)
    result = run("extra")
    assert (result.stdout, result.stderr) == ("", "error: the exchange is closed\n")


def test_a_config_with_several_faults_gives_a_line_for_each(plugged):
    def fail():
        raise ConfigError("a: wrong\nb: wrong too")

    plugged(fail)
    assert run("extra").stderr == "error: a: wrong\nerror: b: wrong too\n"


def test_a_fault_of_the_program_is_said_to_be_one(plugged):
    def fail():
        raise KeyError("hm")

    plugged(fail)
    assert "KeyError: 'hm' (this is a fault of the program; hlmon --debug" in run("extra").stderr


def test_debug_shows_the_traceback(plugged):
    def fail():
        raise HlmonError("x")

    plugged(fail)
    result = run("--debug", "extra")
    assert isinstance(result.exception, HlmonError)


def test_an_interrupted_command_ends_with_130(plugged):
    def interrupt():
        raise KeyboardInterrupt

    plugged(interrupt)
    assert run("extra").exit_code == 130


def test_wrong_use_ends_with_2_and_says_what_is_right():
    result = run("nonsense")
    assert result.exit_code == 2
    assert "No such command 'nonsense'" in result.stderr


def test_an_unknown_command_is_told_what_was_perhaps_meant():
    assert "Error: No such command 'plugin'; did you mean 'plugins'?" in run("plugin").stderr
    assert "Error: No such command 'jsonl'; it is a sink" in run("jsonl").stderr
    assert "No such option" in run("--nonsense").stderr


def test_a_command_of_a_package_of_hlmon_that_is_missing_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setattr(plugins, "installed_entry_points", lambda group: [])
    result = run("demo")
    assert result.exit_code == 2
    assert "Error: Command 'demo' needs: pip install hlmon-sim" in result.stderr


def test_a_reader_that_goes_away_ends_the_program_quietly(tmp_path: Path):
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [HLMON, "plugins", "--json"], stdout=writing, stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_the_real_program_ends_with_the_documented_codes(tmp_path: Path):
    assert hlmon_process("--version", cwd=tmp_path).returncode == 0
    wrong = hlmon_process("run", "--account", "0x12", cwd=tmp_path)
    assert wrong.returncode == 2
    assert re.fullmatch(r"error: .*must be an address.*\n", wrong.stderr)
    missing = hlmon_process("status", cwd=tmp_path)
    assert missing.returncode == 3
    assert re.fullmatch(r"error: journal hlmon.db: there is no such file.*\n", missing.stderr)


def test_help_of_the_program_itself_takes_little_time(tmp_path: Path):
    before = os.times()
    assert hlmon_process("--help", cwd=tmp_path, env=os.environ | WITHOUT_SIMULATOR).returncode == 0
    after = os.times()
    seconds = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    assert seconds < 1.0  # measured: 0.2


def test_help_of_the_program_itself_imports_nothing_heavy(tmp_path: Path):
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", HLMON, "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | WITHOUT_SIMULATOR,
    )
    for module in ("rich", "hyperliquid", "websockets", "sqlite3", "asyncio", "hlmon.journal"):
        assert not re.search(rf"\| +{re.escape(module)}$", ended.stderr, re.MULTILINE), module


def test_run_loads_no_library_that_it_may_not_need():
    heavy = {"rich", "cel", "hyperliquid", "boto3", "requests", "aiohttp"}
    code = f"import sys, hlmon.cli.run, hlmon.host; print(*({heavy} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
