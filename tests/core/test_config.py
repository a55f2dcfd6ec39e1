"""Where the config comes from, and what replaces what."""

from __future__ import annotations

from pathlib import Path

import pytest

from hlmon.config import TESTNET_URL, disabled_plugins, load_config
from hlmon.errors import ConfigError
from hlmon.routing import Route
from hlmon.sections import MAINNET_URL, Account

ALICE = "0x" + "a1" * 20
BOB = "0x" + "b0" * 20

WHOLE = f"""
journal = "data/monitor.db"
retention_days = 30
alert_max_age_seconds = 600

[[account]]
address = "{ALICE.upper().replace("0X", "0x")}"
label = "main"

[[account]]
address = "{BOB}"

[hyperliquid]
url = "http://localhost:8000/"
coins = ["BTC", "xyz:SILVER"]
snapshot_seconds = 30
cvd_seconds = 10

[source.recorded]
type = "replay"

[sink.archive]
type = "jsonl"
path = "fills.jsonl"

[notifier.phone]
type = "telegram"

[rule.big]
type = "position_closed"
minimum = 100

[[route]]
severity = "warning"
rules = ["big"]
accounts = ["main", "{BOB}"]
to = ["phone"]
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str = "", path: Path | None = None, environ: dict[str, str] | None = None, **replaced):
    return load_config(path, environ={"HLMON_CONFIG_TOML": text, **(environ or {})}, **replaced)


def test_without_any_config_nothing_is_watched_and_the_defaults_hold():
    config = load_config(None, environ={})
    assert config.account == ()
    assert config.journal == Path("hlmon.db")
    assert config.hyperliquid.url == MAINNET_URL
    assert (config.hyperliquid.snapshot_seconds, config.hyperliquid.cvd_seconds) == (60, 60)
    assert (config.retention_days, config.alert_max_age_seconds, config.route) == (None, 3600, ())
    assert config.parts("sink") == ()


def test_every_table_of_a_whole_config_is_read():
    config = load(WHOLE)
    assert config.account == (Account(ALICE, "main"), Account(BOB))
    assert config.labels == {ALICE: "main", BOB: ""}
    assert config.hyperliquid.coins == ("BTC", "xyz:SILVER")
    assert (config.hyperliquid.snapshot_seconds, config.hyperliquid.cvd_seconds) == (30, 10)
    assert (config.journal, config.retention_days, config.alert_max_age_seconds) == (Path("data/monitor.db"), 30, 600)
    assert config.route == (Route(severity="warning", rules=("big",), accounts=("main", BOB), to=("phone",)),)
    assert [(part.path, part.type) for part in config.parts("source")] == [("source.recorded", "replay")]
    assert [(part.path, part.type) for part in config.parts("notifier")] == [("notifier.phone", "telegram")]
    (rule,) = config.parts("rule")
    assert (rule.name, rule.type, rule.fields) == ("big", "position_closed", {"minimum": 100})


def test_addresses_are_lower_case_and_the_url_has_no_slash_at_its_end():
    config = load(WHOLE)
    assert config.account[0].address == ALICE
    assert config.hyperliquid.url == "http://localhost:8000"


def test_the_path_that_is_given_comes_before_the_variable_and_that_before_the_file_here(elsewhere):
    (elsewhere / "given.toml").write_text('journal = "given"')
    (elsewhere / "hlmon.toml").write_text('journal = "here"')
    environ = {"HLMON_CONFIG_TOML": 'journal = "variable"'}
    assert load_config(Path("given.toml"), environ=environ).journal == Path("given")
    assert load_config(None, environ=environ).journal == Path("variable")
    assert load_config(None, environ={}).journal == Path("here")


def test_an_empty_variable_is_as_good_as_none(elsewhere):
    (elsewhere / "hlmon.toml").write_text('journal = "here"')
    assert load(" \n").journal == Path("here")


def test_a_config_knows_where_it_came_from(elsewhere):
    (elsewhere / "hlmon.toml").write_text('sink.archive.type = "jsonl"')
    assert load_config(None, environ={}).origin == "hlmon.toml"
    assert load('journal = "x"').origin == "HLMON_CONFIG_TOML"
    assert load_config(None, environ={}).parts("sink")[0].document.origin == "hlmon.toml"


@pytest.mark.parametrize("separator", [",", " ", ", ", "\n"])
def test_account_address_gives_the_accounts_of_a_config_without_any(separator):
    config = load('journal = "x"', environ={"ACCOUNT_ADDRESS": f"{ALICE}{separator}{BOB}{separator}"})
    assert config.account == (Account(ALICE), Account(BOB))


def test_account_address_changes_nothing_where_the_config_has_accounts():
    config = load(f'[[account]]\naddress = "{ALICE}"', environ={"ACCOUNT_ADDRESS": BOB})
    assert config.account == (Account(ALICE),)


def test_accounts_of_the_command_line_replace_all_others_and_keep_their_labels():
    config = load(WHOLE, environ={"ACCOUNT_ADDRESS": BOB}, accounts=[ALICE, ALICE.upper().replace("0X", "0x")])
    assert config.account == (Account(ALICE, "main"),)


def test_the_journal_and_the_url_of_the_command_line_replace_those_of_the_config():
    config = load(WHOLE, journal=Path("other.db"), url="https://example.org/")
    assert config.journal == Path("other.db")
    assert config.hyperliquid.url == "https://example.org"
    assert config.hyperliquid.coins == ("BTC", "xyz:SILVER")


def test_testnet_is_another_url():
    assert load("hyperliquid.testnet = true").hyperliquid.url == TESTNET_URL
    assert load(WHOLE, testnet=True).hyperliquid.url == TESTNET_URL
    exchange = load("hyperliquid.testnet = true", url="http://localhost:1").hyperliquid
    assert (exchange.url, exchange.testnet) == ("http://localhost:1", False)


def test_a_home_directory_in_the_journal_path_is_expanded():
    assert load('journal = "~/hlmon.db"').journal == Path.home() / "hlmon.db"


def test_disabled_plugins_are_separated_by_commas():
    assert disabled_plugins({"HLMON_DISABLE_PLUGINS": "dynamodb, sim,"}) == {"dynamodb", "sim"}
    assert disabled_plugins({}) == frozenset()


def test_a_config_can_be_printed_without_showing_what_its_parts_hold():
    config = load('[sink.db]\ntype = "supabase"\nkey = "sbp_literal"')
    assert "sbp_literal" not in f"{config!r} {config} {config.parts('sink')!r}"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.toml", None, "absent.toml: no such file; `hlmon init` writes one"),
        (".", None, ".: cannot be read: Is a directory"),
        ("latin.toml", b'journal = "\xe9"', "latin.toml: is not UTF-8 text"),
        (
            "bad.toml",
            b"journal = 1\n\nsink [",
            "bad.toml:3: column 6: expected '=' after a key in a key/value pair",
        ),
        ("bad.toml", b"journal =", "bad.toml:1: end of document: invalid value"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(elsewhere, name, content, message):
    if content is not None:
        (elsewhere / name).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_config(Path(name), environ={})
    assert str(caught.value).replace("(at ", "") == message
