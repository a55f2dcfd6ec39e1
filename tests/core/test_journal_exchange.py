"""A journal belongs to one exchange."""

import json
from pathlib import Path

import msgspec
import pytest

from hlmon.cli import JOURNAL_TROUBLE
from hlmon.errors import JournalError
from hlmon.journal import Journal
from hlmon.journal.exchange import REPLAYED, exchange_at
from hlmon.status import Status
from tests.core.invoking import run

MAINNET, TESTNET = exchange_at("https://api.hyperliquid.xyz"), exchange_at("https://api.hyperliquid-testnet.xyz")
RELAY = "https://relay.example"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.hyperliquid.xyz", "Hyperliquid mainnet"),
        ("HTTPS://API.Hyperliquid.XYZ:443/", "Hyperliquid mainnet"),
        ("https://api.hyperliquid.xyz.", "Hyperliquid mainnet"),
        ("https://api.hyperliquid-testnet.xyz//", "Hyperliquid testnet"),
        ("http://127.0.0.1:3001/", "http://127.0.0.1:3001"),
        ("http://[::1]:80", "http://[::1]"),
        ("https://user:hush@relay.example/hl/?key=hush", "https://relay.example/hl"),
    ],
)
def test_one_exchange_has_one_name_whatever_the_spelling_of_its_url_and_no_secret_in_it(url, name):
    assert exchange_at(url) == name


def test_the_first_run_decides_and_another_exchange_is_refused_with_both_names(tmp_path):
    with Journal.open(tmp_path / "j.db") as journal:
        journal.belong_to(MAINNET)
        journal.belong_to(MAINNET)
        for other in (TESTNET, RELAY, REPLAYED):
            with pytest.raises(JournalError) as refused:
                journal.belong_to(other)
            assert MAINNET in str(refused.value)
            assert other in str(refused.value)
            assert "--journal" in str(refused.value)


def test_a_journal_of_before_belongs_to_the_exchange_of_its_last_run(tmp_path):
    status = Status(pid=1, version="0.1.0", started_ms=1, updated_ms=1, url="https://api.hyperliquid.xyz/")
    with Journal.open(tmp_path / "j.db") as journal:
        journal.put_status(msgspec.json.encode(status))
        with pytest.raises(JournalError, match="belongs to Hyperliquid mainnet, and this is Hyperliquid testnet"):
            journal.belong_to(TESTNET)
        journal.belong_to(MAINNET)


@pytest.mark.parametrize("status", [b"", b"no JSON", b"{}", b'{"url":"http://[::1"}', b'{"url":"https://x:port"}'])
def test_a_journal_that_says_nothing_belongs_to_who_comes_first(tmp_path, status):
    with Journal.open(tmp_path / "j.db") as journal:
        journal.put_status(status)
        journal.belong_to(TESTNET)


def test_a_new_url_of_the_same_exchange_is_taken_over_when_the_user_says_so_but_never_another_network(tmp_path):
    with Journal.open(tmp_path / "j.db") as journal:
        journal.belong_to(MAINNET)
        journal.belong_to(RELAY, moved=True)
        journal.belong_to(RELAY)
        journal.belong_to(MAINNET, moved=True)
        with pytest.raises(JournalError):
            journal.belong_to(TESTNET, moved=True)


@pytest.mark.parametrize("command", [("run",), ("record", "frames.jsonl")])
def test_a_run_on_the_journal_of_another_exchange_is_refused_before_anything_is_asked(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    with Journal.open(tmp_path / "hlmon.db") as journal:
        journal.belong_to(MAINNET)
    result = run(*command, "--testnet", "--account", "0x" + "a1" * 20)
    assert result.exit_code == JOURNAL_TROUBLE
    assert "Hyperliquid mainnet" in result.output
    assert "Hyperliquid testnet" in result.output


def test_frames_go_into_the_journal_of_an_exchange_only_if_it_is_said_that_they_are_from_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frames = Path("frames.jsonl")
    frames.write_text(json.dumps({"channel": "pong"}) + "\n")
    with Journal.open(tmp_path / "live.db") as journal:
        journal.belong_to(MAINNET)
    refused = run("replay", str(frames), "--journal", "live.db")
    assert refused.exit_code == JOURNAL_TROUBLE
    assert "--url" in refused.output
    assert run("replay", str(frames), "--journal", "live.db", "--url", "https://api.hyperliquid.xyz").exit_code == 0
    assert run("replay", str(frames), "--journal", "live.db", "--url", RELAY).exit_code == JOURNAL_TROUBLE


def test_a_journal_of_replayed_frames_is_no_journal_for_a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("frames.jsonl").write_text(json.dumps({"channel": "pong"}) + "\n")
    assert run("replay", "frames.jsonl", "--journal", "hlmon.db").exit_code == 0
    assert run("replay", "frames.jsonl", "--journal", "hlmon.db").exit_code == 0
    result = run("run", "--account", "0x" + "a1" * 20, "--same-exchange")
    assert result.exit_code == JOURNAL_TROUBLE
    assert REPLAYED in result.output
