import json
import re
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from hlmon.cli import program
from hlmon.events import Cvd, Fill, PositionClosed
from hlmon.journal import Journal
from hlmon.testing.builders import ALICE, BOB, make_account_info

START_MS = 1_780_000_000_000
RECORDED = Path(__file__).resolve().parents[3] / "shared" / "hyperliquid" / "recorded"


def frame(channel: str, data: object) -> str:
    return json.dumps({"channel": channel, "data": data})


def fill(second: int, side: str, size: str, start: str, user: str = ALICE) -> str:
    row = {
        "coin": "BTC", "px": "100.0", "sz": size, "side": side, "time": START_MS + second * 1000,
        "startPosition": start,
        "dir": "", "closedPnl": "1.0" if side == "A" else "0.0", "hash": "0x0", "oid": second, "crossed": True,
        "fee": "0.1", "tid": second, "feeToken": "USDC", "twapId": None,
    }  # fmt: skip
    return frame("userFills", {"user": user, "fills": [row]})


def trade(second: int, side: str = "B") -> str:
    row = {"coin": "ETH", "side": side, "px": "2000.0", "sz": "3.0", "time": START_MS + second * 1000, "hash": "0x0"}
    return frame("trades", [row | {"tid": second}])


def account(second: int, *positions: str) -> str:
    held = [
        {
            "type": "oneWay",
            "position": {
                "coin": coin, "szi": "1.0", "entryPx": "100.0", "positionValue": "101.0", "unrealizedPnl": "1.0",
                "returnOnEquity": "0.1", "liquidationPx": None, "marginUsed": "10.0", "maxLeverage": 50,
                "leverage": {"type": "cross", "value": 10},
                "cumFunding": {"allTime": "0.0", "sinceOpen": "0.0", "sinceChange": "0.0"},
            },
        }
        for coin in positions
    ]  # fmt: skip
    sums = {"accountValue": "1000.0", "totalNtlPos": "101.0", "totalRawUsd": "900.0", "totalMarginUsed": "10.0"}
    state = {
        "marginSummary": sums, "crossMarginSummary": sums, "crossMaintenanceMarginUsed": "1.0", "withdrawable": "800.0",
        "assetPositions": held, "time": START_MS + second * 1000,
    }  # fmt: skip
    return frame("allDexsClearinghouseState", {"user": ALICE, "clearinghouseStates": [["", state]]})


RECORDING = [
    "Websocket connection established.",
    account(0),
    fill(1, "B", "1.0", "0.0"),
    trade(2),
    account(5, "BTC"),
    trade(61, "A"),
    "broken",
    account(65, "BTC"),
    fill(70, "A", "1.0", "1.0"),
    account(75),
    fill(80, "B", "5.0", "0.0", user=BOB),
    account(130),
    frame("candle", {}),
    trade(140),
]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    file = tmp_path / "frames.jsonl"
    file.write_text("\n".join(RECORDING))
    return file


def replay(*arguments: object):
    return CliRunner().invoke(program, ["replay", *map(str, arguments)], prog_name="hlmon")


def rows_of(path: Path) -> list[tuple]:
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT seq, kind, account, key, body FROM events ORDER BY seq").fetchall()
    connection.close()
    return found


def test_replay_fills_a_journal_with_events_and_what_follows_from_them(recording: Path, tmp_path: Path):
    result = replay(recording, "--journal", tmp_path / "j.db")
    assert result.exit_code == 0, result.output
    with Journal.open(tmp_path / "j.db", read_only=True) as journal:
        kinds = {kind for (kind,) in journal.query("SELECT DISTINCT kind FROM events")}
        (closed,) = journal.states("position_closed", ALICE)
        buckets = [bucket for bucket in journal.states("cvd") if isinstance(bucket, Cvd)]
    assert kinds == {"fill", "position", "position_closed", "cvd", "quarantine"}
    assert isinstance(closed, PositionClosed)
    assert (closed.coin, closed.gross_pnl) == ("BTC", Decimal("1.0"))
    assert [bucket.delta for bucket in buckets] == [3, -3, 3]


def test_account_values_need_a_journal_that_knows_the_mode_of_the_account(recording: Path, tmp_path: Path):
    with Journal.open(tmp_path / "j.db") as journal:
        journal.append([make_account_info(time_ms=START_MS)])
    replay(recording, "--journal", tmp_path / "j.db")
    with Journal.open(tmp_path / "j.db", read_only=True) as journal:
        assert journal.count("account") > 0


def test_replay_says_what_was_in_the_files(recording: Path, tmp_path: Path):
    output = replay(recording, "--journal", tmp_path / "j.db").output
    for line in (r"lines +14", r"events of kind fill +3", r"frames ignored: candle +1", r"not understood.* 1"):
        assert re.search(line, output), line
    assert "events are new in the journal." in output


def test_replaying_a_file_again_changes_nothing(recording: Path, tmp_path: Path):
    replay(recording, "--journal", tmp_path / "j.db")
    before = rows_of(tmp_path / "j.db")
    result = replay(recording, "--journal", tmp_path / "j.db")
    assert result.exit_code == 0, result.output
    assert rows_of(tmp_path / "j.db") == before
    assert result.output.endswith("The journal had all of it already.\n")


def test_replaying_a_file_in_two_halves_gives_what_the_whole_gives(recording: Path, tmp_path: Path):
    whole, halves = tmp_path / "whole.db", tmp_path / "halves.db"
    replay(recording, "--journal", whole)
    parts = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    parts[0].write_text("\n".join(RECORDING[:7]))
    parts[1].write_text("\n".join(RECORDING[7:]))
    replay(*parts, "--journal", halves)
    assert [row[1:] for row in rows_of(halves)] == [row[1:] for row in rows_of(whole)]


def test_replay_takes_only_the_accounts_asked_for(recording: Path, tmp_path: Path):
    output = replay(recording, "--journal", tmp_path / "j.db", "--account", BOB).output
    with Journal.open(tmp_path / "j.db", read_only=True) as journal:
        fills = [event for event in journal.states("fill") if isinstance(event, Fill)]
    assert [fill.account for fill in fills] == [BOB]
    assert "frames of other accounts" in output


def test_replay_needs_files_that_exist_and_a_journal(tmp_path: Path, recording: Path):
    assert replay(tmp_path / "none", "--journal", tmp_path / "j.db").exit_code == 2
    assert replay(recording).exit_code == 2
    assert replay("--journal", tmp_path / "j.db").exit_code == 2


@pytest.mark.parametrize("content", ["", "time,coin,side\n1,BTC,B\n" * 300, '{"a": 1}\n[]\n', "\x00\xff" * 500])
def test_a_file_without_a_single_frame_is_an_error_and_nothing_is_taken_of_any_file(
    content: str, recording: Path, tmp_path: Path
):
    (tmp_path / "other").write_text(content)
    result = replay(recording, tmp_path / "other", "--journal", tmp_path / "j.db")
    assert result.exit_code == 2
    assert f"{tmp_path / 'other'}: holds no frame of the exchange; name a file that `hlmon record`" in result.stderr
    assert not (tmp_path / "j.db").exists()


def test_replay_into_a_journal_that_a_monitor_writes_is_refused(recording: Path, tmp_path: Path):
    with Journal.open(tmp_path / "j.db"):
        result = replay(recording, "--journal", tmp_path / "j.db")
    assert result.exit_code == 3


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded payloads are not beside this checkout")
def test_every_recorded_frame_can_be_replayed_and_again_without_a_change(tmp_path: Path):
    payloads = [
        json.loads(line)["payload"]
        for file in sorted(RECORDED.glob("ws_*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    file = tmp_path / "recorded.jsonl"
    file.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in payloads))
    first = replay(file, "--journal", tmp_path / "j.db")
    before = rows_of(tmp_path / "j.db")
    replay(file, "--journal", tmp_path / "j.db")
    assert first.exit_code == 0, first.output
    assert rows_of(tmp_path / "j.db") == before
    assert any(row[1] == "fill" for row in before)
    assert not any(row[1] == "quarantine" for row in before)
