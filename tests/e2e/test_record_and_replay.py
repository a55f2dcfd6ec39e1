"""What was recorded gives the same events again, as often as it is replayed."""

from __future__ import annotations

import sqlite3
from types import SimpleNamespace

import pytest

RECORDED_FILLS = 150
FROM_FRAMES = ("fill", "order", "ledger", "funding")


def tables_of(path) -> dict[str, list[tuple]]:
    """Every table of a journal, row for row."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables = {name: database.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in names}
    database.close()
    return tables


@pytest.fixture(scope="module")
def story(exchange_of, monitor_of, make_toml, hlmon, wait):
    """A recorded run, and its file replayed twice into a fresh journal."""
    exchange = exchange_of(accounts=3, rate=60.0, trades_rate=10.0, speed=60.0)
    server = exchange.server
    monitor = monitor_of(make_toml(exchange.url, server.addresses, exchange='coins = ["BTC"]'))
    frames, replayed = monitor.folder / "frames.jsonl", monitor.folder / "replayed.db"
    monitor.start("record", frames)
    wait(lambda: (monitor.query("SELECT count(*) FROM fills") or [(0,)])[0][0] >= RECORDED_FILLS, 30, "fills")

    def stop_trading():
        server.traffic.rate = server.traffic.trades_rate = 0.0
        server.world.set_speed(0.001)
        return sum(len(account.fills) + len(account.slices) for account in server.world.accounts.values())

    made = exchange.do(stop_trading)
    wait(lambda: monitor.query("SELECT count(*) FROM fills") == [(made,)], 30, "every fill")
    assert monitor.terminate() == 0

    def replay():
        result = hlmon("replay", frames, "--journal", replayed, cwd=monitor.folder)
        return result, tables_of(replayed)

    return SimpleNamespace(monitor=monitor, frames=frames, made=made, first=replay(), second=replay())


@pytest.mark.parametrize("kind", FROM_FRAMES)
def test_a_recorded_run_gives_the_same_events_again(kind, story):
    def bodies(tables) -> list[str]:
        return sorted(body for _, its_kind, *_, body in tables["events"] if its_kind == kind)

    result, replayed = story.first
    assert result.returncode == 0
    assert bodies(replayed) == bodies(tables_of(story.monitor.journal))
    assert kind != "fill" or len(bodies(replayed)) == story.made


def test_replaying_a_file_again_changes_no_row_of_any_table(story):
    result, again = story.second
    assert result.returncode == 0
    before = story.first[1]
    assert {name: set(rows) ^ set(before[name]) for name, rows in again.items() if rows != before[name]} == {}
    assert result.stdout.endswith("The journal had all of it already.\n")


def test_a_recording_is_not_overwritten(story):
    before = story.frames.read_bytes()
    result = story.monitor.hlmon("record", story.frames)
    assert result.returncode == 2
    assert str(story.frames) in result.stderr
    assert story.frames.read_bytes() == before
