"""What is older than the retention goes in small steps beside the writing, and the disk gets its space back."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from hlmon.journal import Journal, schema
from hlmon.journal.upkeep import Upkeep
from hlmon.testing.builders import make_fill
from tests.core.entries import fill_at
from tests.servers.waiting import wait_for

FILLS = 20_000


@pytest.fixture
def full(journal):
    """A journal with many old fills and a new one."""
    for start in range(0, FILLS, 2_000):
        journal.append([fill_at(time_ms, trade_id=time_ms) for time_ms in range(start + 1, start + 2_001)])
    journal.append([fill_at(1_000_000)])
    return journal


def pragma(path, name: str) -> int:
    connection = sqlite3.connect(path)
    ((value,),) = connection.execute(f"PRAGMA {name}").fetchall()
    connection.close()
    return value


def test_appends_go_on_between_the_steps_of_a_pruning(full):
    steps = []

    def pause(seconds: float) -> bool:
        steps.append(seconds)
        return full.append([make_fill(time_ms=2_000_000 + len(steps))]) != 1

    assert full.prune(1_000_000, pause=pause) == FILLS
    assert full.count("fill") == 1 + len(steps)
    assert len(steps) > FILLS / 1_000


def test_a_pruning_that_is_told_to_end_ends_after_its_step(full):
    assert full.prune(1_000_000, pause=lambda _: True) < 1_000
    assert full.prune(1_000_000) > FILLS - 1_000


def test_the_space_of_what_went_is_given_back_to_the_disk(full, path):
    before = pragma(path, "page_count")
    full.prune(1_000_000)
    after, free = pragma(path, "page_count"), pragma(path, "freelist_count")
    assert after < before / 10
    assert free <= after / 10
    full.close()
    assert path.stat().st_size == after * schema.PAGE_BYTES
    with Journal.open(path) as again:
        assert again.count("fill") == 1


def test_a_small_journal_of_an_older_hlmon_is_made_to_shrink_too_and_a_large_one_stays_as_it_is(path, monkeypatch):
    monkeypatch.setattr(schema, "_allow_giving_back", lambda _: None)
    with Journal.open(path) as journal:
        journal.append([make_fill() for _ in range(2_000)])
        held = journal.query("SELECT * FROM fills")
    monkeypatch.undo()
    assert pragma(path, "auto_vacuum") == 0
    monkeypatch.setattr(schema, "CHEAP_BYTES", 100_000)
    with Journal.open(path) as journal:
        assert journal.prune(1) == 0
    assert pragma(path, "auto_vacuum") == 0
    monkeypatch.undo()
    with Journal.open(path) as journal:
        assert journal.query("SELECT * FROM fills") == held
    assert (pragma(path, "auto_vacuum"), pragma(path, "page_size")) == (schema.INCREMENTAL, schema.PAGE_BYTES)


def test_upkeep_prunes_on_a_thread_of_its_own_and_ends_it_when_it_is_stopped(full, caplog):
    caplog.set_level("INFO")
    upkeep = Upkeep(full)
    upkeep.prune(1_000_000, [], [], 30)
    upkeep.prune(1_000_000, [], [], 30)
    assert [thread.name for thread in threading.enumerate()].count("journal pruning") == 1
    wait_for(lambda: f"removed {FILLS} events older than 30 days" in caplog.text)
    full.append([fill_at(time_ms) for time_ms in range(1, 5_001)])
    upkeep.stop(10)
    upkeep.prune(1_000_000, [], [], 30)
    upkeep.stop(10)
    assert full.count("fill") > 4_000
    assert "journal pruning" not in [thread.name for thread in threading.enumerate()]
