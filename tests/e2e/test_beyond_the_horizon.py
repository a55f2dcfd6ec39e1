"""What the exchange can no longer give back is stated as a gap, and verify tells it from a fill that is missing."""

from __future__ import annotations

import json
import shutil
import sqlite3
from decimal import Decimal
from types import SimpleNamespace

import pytest

BEFORE = 300
BEYOND = 250
REACH = 10_000  # the newest fills that the exchange gives


@pytest.fixture(scope="module")
def story(exchange, monitor_of, make_toml, wait):
    """More fills than the exchange remembers were made while the monitor was stopped."""
    world = exchange.server.world
    account = exchange.do(world.add_account)
    monitor = monitor_of(make_toml(exchange.url, [account.address]))

    def count():
        return monitor.query("SELECT count(*) FROM fills")

    exchange.do(lambda: world.burst(account, BEFORE))
    monitor.start()
    wait(lambda: count() == [(BEFORE,)], 20, "the first fills")
    wait(lambda: monitor.query("SELECT 1 FROM positions WHERE is_open"), 20, "the position")
    assert monitor.terminate() == 0
    whole = monitor.hlmon("verify", "--json")
    copy = monitor.folder / "whole.db"
    shutil.copy(monitor.journal, copy)

    made = exchange.do(lambda: world.burst(account, REACH + BEYOND))
    monitor.start()
    wait(lambda: count() == [(BEFORE + REACH,)], 30, "what can be reached")
    wait(lambda: monitor.query("SELECT 1 FROM gaps WHERE stream = 'userFills'"), 20, "the gap")
    assert monitor.terminate() == 0
    return SimpleNamespace(monitor=monitor, account=account, whole=whole, copy=copy, made=made)


def test_a_gap_is_listed_from_the_last_fill_known_to_the_first_within_reach(story):
    (gap,) = json.loads(story.monitor.hlmon("gaps", "--json").stdout)
    assert (gap["stream"], gap["account"]) == ("userFills", story.account.address)
    assert not gap.get("healed", False)
    assert gap["start_ms"] <= story.made[0].time_ms
    assert gap["end_ms"] == story.made[BEYOND].time_ms


def test_a_gap_is_listed_for_people_too(story):
    (line,) = [line for line in story.monitor.hlmon("gaps").stdout.splitlines() if "userFills" in line]
    assert "missing" in line


def test_everything_within_reach_is_stored(story):
    stored = {int(trade) for (trade,) in story.monitor.query("SELECT trade_id FROM fills")}
    assert {fill.trade_id for fill in story.made[BEYOND:]} <= stored
    assert stored.isdisjoint(fill.trade_id for fill in story.made[:BEYOND])


def test_verify_proves_a_whole_chain(story):
    assert story.whole.returncode == 0
    report = json.loads(story.whole.stdout)
    assert report["proven"]
    assert [(chain["coin"], chain["fills"], chain["breaks"]) for chain in report["chains"]] == [("BTC", BEFORE, [])]


def test_verify_tells_a_hole_that_a_gap_admits_from_one_that_nobody_knows_of(story):
    result = story.monitor.hlmon("verify", "--json")
    (chain,) = json.loads(result.stdout)["chains"]
    assert [(one["coin"], one["covered"]) for one in chain["breaks"]] == [("BTC", True)]
    assert result.returncode == 1
    assert "all of them in known gaps" in story.monitor.hlmon("verify").stdout


def test_verify_names_the_break_where_a_fill_is_missing(story, hlmon):
    with sqlite3.connect(story.copy) as database:
        (seq, body) = database.execute(
            "SELECT seq, body FROM events WHERE kind = 'fill' ORDER BY seq LIMIT 1 OFFSET ?", [BEFORE // 2]
        ).fetchone()
        database.execute("DELETE FROM events WHERE seq = ?", [seq])
    database.close()
    missing = json.loads(body)
    result = hlmon("verify", "--json", "--journal", story.copy, cwd=story.monitor.folder)
    (chain,) = json.loads(result.stdout)["chains"]
    (one,) = chain["breaks"]
    assert result.returncode == 1
    assert (one["coin"], one["covered"]) == ("BTC", False)
    assert Decimal(one["expected"]) == Decimal(missing["start_position"])
    assert "NOT PROVEN" in hlmon("verify", "--journal", story.copy, cwd=story.monitor.folder).stdout
