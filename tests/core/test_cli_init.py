import re
from pathlib import Path

import pytest

from hlmon.cli.init import config_text
from hlmon.config import load_config
from tests.core.invoking import run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_init_writes_a_config_that_is_right_but_for_the_accounts(here: Path):
    assert run("init").exit_code == 0
    result = run("check")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: hlmon.toml: nothing to watch: add an [[account]]")
    assert result.stderr.count("\n") == 1


def test_init_with_an_account_writes_a_config_that_is_right_by_itself(here: Path):
    assert run("init", "--account", "0x" + "1" * 40).exit_code == 0
    result = run("check")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.output.endswith("The config is right.\n")


def test_every_example_in_it_is_right_too(here: Path, monkeypatch):
    monkeypatch.setenv("HEALTHCHECKS_URL", "https://hc-ping.example/1")
    (here / "hlmon.toml").write_text(re.sub(r"^#(?=\S)", "", config_text(), flags=re.MULTILINE))
    config = load_config(None, environ={})
    assert (len(config.account), config.retention_days, config.hyperliquid.testnet) == (1, 90, True)
    assert run("check").exit_code == 0


def test_init_leaves_an_existing_file_as_it_is(here: Path):
    (here / "mine.toml").write_text("# mine")
    result = run("init", "mine.toml")
    assert result.exit_code == 2
    assert result.stderr == "error: mine.toml exists already; it was left as it is\n"
    assert (here / "mine.toml").read_text() == "# mine"


def test_init_writes_the_accounts_and_notifiers_that_it_is_told(here: Path):
    addresses = ["0x" + "1" * 40, "0x" + "2" * 40]
    told = [
        "--account",
        addresses[0],
        "--label",
        "main",
        "--account",
        addresses[1],
        "--discord",
        "--telegram",
        "--chat",
        "-100123",
    ]
    result = run("init", *told)
    assert result.exit_code == 0
    assert "hlmon-notify" in result.output
    config = load_config(None, environ={})
    assert [(account.address, account.label) for account in config.account] == [
        (addresses[0], "main"),
        (addresses[1], ""),
    ]
    assert {table.name: table.type for table in config.parts("notifier")} == {
        "log": "log", "discord": "discord", "telegram": "telegram"
    }  # fmt: skip
    assert 'chat_id = "-100123"' in (here / "hlmon.toml").read_text()


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        (["--account", "0x12"], "must be an address"),
        (["--label", "main"], "more labels than accounts"),
        (["--account", "0x" + "1" * 40, "--account", "0x" + "1" * 40], "again"),
    ],
)
def test_init_writes_nothing_when_what_it_is_told_is_wrong(told, problem, here: Path):
    result = run("init", *told)
    assert (result.exit_code, problem in result.stderr) == (2, True), result.stderr
    assert not (here / "hlmon.toml").exists()


def test_init_says_why_a_file_cannot_be_written():
    result = run("init", "nowhere/hlmon.toml")
    assert (result.exit_code, "cannot be written" in result.stderr) == (2, True)


def test_record_leaves_an_existing_file_as_it_is(here: Path):
    (here / "frames.jsonl").write_text("old\n")
    result = run("record", "frames.jsonl")
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert (here / "frames.jsonl").read_text() == "old\n"


def test_check_names_what_is_wrong_and_where(here: Path):
    (here / "bad.toml").write_text('[hyperliquid]\nsnapshot_second = 3\n[sink.x]\ntype = "nothing"\n')
    result = run("check", "-c", "bad.toml")
    assert result.exit_code == 2
    assert "snapshot_seconds" in result.stderr
