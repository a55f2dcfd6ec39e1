"""What is wrong with a config is named by `hlmon check` and by a refused `hlmon run`: all of it, each with its line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from hlmon.journal import Journal
from tests.core.invoking import run

ALICE, BOB, CAROL = ("0x" + digit * 40 for digit in "abc")
RIGHT = f'[[account]]\naddress = "{ALICE}"\nlabel = "main"\n[notifier.log]\ntype = "log"\n'


class Wrong(NamedTuple):
    """A part of a config; the mark stands in the line that is at fault."""

    text: str
    said: str


SETTINGS = {
    "a value out of bounds": Wrong("retention_days = 0 # HERE\n", "retention_days: must be at least 1"),
    "a folder that is missing": Wrong(
        'journal = "/nowhere/j.db" # HERE\n', "journal: the folder /nowhere does not exist"
    ),
    "a plugin's file that is missing": Wrong('plugins = [\n  "./mine.py", # HERE\n]\n', "plugins[0]: ./mine.py: "),
}
TABLES = {
    "an address that is none": Wrong(
        '[[account]]\naddress = "0x12" # HERE\n', "account[1].address: must be an address"
    ),
    "an address twice": Wrong(
        f'[[account]]\naddress = "{ALICE}" # HERE\n', "account[1].address: is the address of account[0] again"
    ),
    "a label twice": Wrong(
        f'[[account]]\naddress = "{BOB}"\nlabel = "main" # HERE\n', "account[1].label: is the label of account[0] again"
    ),
    "a field that is missing": Wrong('[[account]] # HERE\nlabel = "x"\n', "account[1].address: is required"),
    "an unknown field": Wrong(
        "[hyperliquid]\nsnapshot_second = 9 # HERE\n", "hyperliquid.snapshot_second: unknown field; did you mean"
    ),
    "an unknown type": Wrong('[sink.far]\ntype = "farr" # HERE\n', "sink.far.type: unknown sink 'farr'"),
    "a type that is missing": Wrong("[sink.bare] # HERE\n", "sink.bare.type: is required"),
    "an option of a plugin": Wrong(
        '[sink.old]\ntype = "jsonl"\npath = "x"\npathh = "y" # HERE\n', "sink.old.pathh: unknown field; did you mean"
    ),
    "a sink's folder that is missing": Wrong(
        '[sink.new]\ntype = "jsonl"\npath = "/nowhere/x" # HERE\n', "sink.new.path: cannot write /nowhere/x; choose"
    ),
    "a source's file that is missing": Wrong(
        '[source.old]\ntype = "replay"\nfiles = ["/nowhere/y"] # HERE\n', "source.old.files: /nowhere/y: cannot be read"
    ),
    "a secret that is not set": Wrong(
        '[watchdog]\nping_url = "env:NOBODY_SETS_THIS" # HERE\n',
        "watchdog.ping_url: the secret env:NOBODY_SETS_THIS is",
    ),
    "an option of a rule": Wrong(
        '[rule.loss]\ntype = "pnl"\nbelow = "x" # HERE\n', "rule.loss.below: must be a number"
    ),
    "a rule about a coin that is not counted": Wrong(
        '[rule.flow]\ntype = "cvd"\nabove = 1\ncoins = [ # HERE\n  "ETH"]\n', "rule.flow.coins: 'ETH' is not counted"
    ),
    "a route to nobody": Wrong('[[route]]\nto = ["lgo"] # HERE\n', "route[0].to: unknown notifier 'lgo'; did you mean"),
    "an inhibition by nothing": Wrong(
        '[[inhibit]]\nmutes = ["closes"]\nrules = ["flo"] # HERE\n', "inhibit[0].rules: unknown rule 'flo'"
    ),
}
WRONG = SETTINGS | TABLES
BOTH = pytest.mark.parametrize("command", ["check", "run"])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("HLMON_CONFIG_TOML", "ACCOUNT_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def told(command: str, text: str | bytes, *options: str) -> list[str]:
    """The lines of what is wrong, each without its beginning."""
    Path("hlmon.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    result = run(command, *options)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    lines = result.stderr.splitlines()
    assert all(line.startswith("error: ") for line in lines), result.stderr
    return [line.removeprefix("error: ") for line in lines]


def lines_with_mark(text: str) -> list[int]:
    return [number for number, line in enumerate(text.splitlines(), 1) if "# HERE" in line]


def unnumbered(line: str) -> str:
    return re.sub(r"account\[\d\]", "account[…]", line)


@BOTH
@pytest.mark.parametrize("kind", WRONG)
def test_each_kind_of_problem_is_named_with_its_line(command, kind):
    wrong = WRONG[kind]
    text = wrong.text + RIGHT if kind in SETTINGS else RIGHT + wrong.text
    (number,) = lines_with_mark(text)
    (line,) = told(command, text)
    assert line.startswith(f"hlmon.toml:{number}: {wrong.said}")


@BOTH
@pytest.mark.parametrize("form", ["\n", "\r\n", "BOM"])
def test_all_problems_of_all_stages_are_named_in_one_run_in_the_order_of_the_file(command, form):
    text = "".join(wrong.text for wrong in SETTINGS.values()) + RIGHT + "".join(each.text for each in TABLES.values())
    written = b"\xef\xbb\xbf" + text.encode() if form == "BOM" else text.replace("\n", form).encode()
    lines = told(command, written)
    expected = list(zip(lines_with_mark(text), WRONG.values(), strict=True))
    assert len(lines) == len(expected)
    for line, (number, wrong) in zip(lines, expected, strict=True):
        assert unnumbered(line).startswith(unnumbered(f"hlmon.toml:{number}: {wrong.said}"))


def test_a_config_that_is_right_is_called_so(here):
    (here / "hlmon.toml").write_text(RIGHT)
    result = run("check")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == "The config is right."
    assert list(here.iterdir()) == [here / "hlmon.toml"]


@BOTH
def test_a_text_that_is_no_toml_is_named_with_its_line_and_column(command):
    assert told(command, RIGHT + "[sink\n") == [
        "hlmon.toml:6: column 6: expected ']' at the end of a table declaration"
    ]


@BOTH
def test_a_config_without_an_account_has_nothing_to_watch(command):
    (line,) = told(command, "")
    assert line.startswith("hlmon.toml: nothing to watch: add an [[account]] with its address to the config")
    assert "--account" in line


@pytest.mark.parametrize("watched", ['[hyperliquid]\ncoins = ["BTC"]', '[source.old]\ntype = "replay"\nfiles = ["f"]'])
def test_coins_or_another_source_are_enough_to_watch(here, watched):
    (here / "f").write_text('{"channel":"pong"}\n')
    (here / "hlmon.toml").write_text(watched)
    assert run("check").exit_code == 0


def test_accounts_of_the_environment_are_enough_to_watch(here, monkeypatch):
    (here / "hlmon.toml").write_text("")
    monkeypatch.setenv("ACCOUNT_ADDRESS", ALICE)
    assert run("check").exit_code == 0


def test_check_without_a_config_says_that_there_is_none():
    result = run("check")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "there is no hlmon.toml in this folder" in result.stderr


@pytest.mark.parametrize("options", [(), ("--journal", "other.db")])
def test_a_run_without_a_config_and_an_account_says_what_to_do_and_leaves_nothing(here, options):
    for command in (("run",), ("record", "frames.jsonl")):
        result = run(*command, *options)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert result.stderr.startswith("error: nothing to watch: ")
    assert list(here.iterdir()) == []


@BOTH
def test_what_depends_on_something_wrong_is_not_judged(command):
    text = (
        '[[account]]\naddress = "0x12" # HERE\nlabel = "main"\n[hyperliquid]\ncoins = "ETH" # HERE\n'
        '[rule.flow]\ntype = "cvd"\nabove = 1\ncoins = ["ETH"]\n[rule.filled]\ntype = "fill"\naccounts = ["main"]\n'
        '[notifier.phone] # HERE\n[[route]]\nto = ["phone"]\naccounts = ["main"]\nrules = ["flow"]\n'
    )
    assert [int(line.split(":")[1]) for line in told(command, text)] == lines_with_mark(text)


@BOTH
def test_a_file_at_a_forbidden_place_is_not_run_whatever_else_is_wrong(command, here, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "evil.py").write_text(f"open({str(here / 'ran')!r}, 'w')\n")
    lines = told(command, f'retention_days = 0\nplugins = ["../{elsewhere.name}/evil.py"]\n{RIGHT}')
    assert ["retention_days" in lines[0], "must lie in the folder" in lines[1], len(lines)] == [True, True, 2]
    assert not (here / "ran").exists()


def test_what_the_command_line_says_is_named_as_such_beside_the_file():
    lines = told("run", "retention_days = 0\n" + RIGHT, "--account", "0x12", "--journal", "/nowhere/j", "--url", "x")
    places = ("--account[0]: ", "--url: ", "--journal: ", "hlmon.toml:1: retention_days: ")
    assert [line.startswith(place) for line, place in zip(lines, places, strict=True)] == [True] * 4


@pytest.mark.parametrize("wrong", ["no journal", "another exchange"])
def test_check_names_a_journal_that_a_run_could_not_use(here, wrong):
    if wrong == "no journal":
        (here / "j.db").write_text("something else")
    else:
        with Journal.open(here / "j.db") as journal:
            journal.belong_to("Hyperliquid testnet")
    before = (here / "j.db").read_bytes()
    (line,) = told("check", f'\njournal = "j.db"\n{RIGHT}')
    assert line.startswith("hlmon.toml:2: journal: ")
    assert {"no journal": "this is not a journal", "another exchange": "it belongs to"}[wrong] in line
    assert len(told("run", f'\njournal = "j.db"\n{RIGHT}[sink.a]\n')) == 2
    assert (here / "j.db").read_bytes() == before


def test_a_journal_in_use_or_of_an_older_hlmon_is_right(here):
    (here / "hlmon.toml").write_text(RIGHT)
    with Journal.open(here / "hlmon.db"):
        assert run("check").exit_code == 0
    (here / "hlmon.db").unlink()
    (here / "hlmon.db").touch()
    assert run("check").exit_code == 0
