"""What others do to a journal that is being written: lock it, read it for ever, remove it. Nothing is lost unsaid."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from hlmon.errors import JournalBusy, JournalError
from hlmon.events import Position
from hlmon.ingest import Ingest
from hlmon.journal import Journal, checkpointer
from hlmon.journal import file as journal_file
from hlmon.journal.upkeep import Upkeep
from hlmon.testing.builders import make_fill, make_position
from tests.core.entries import events_in, fill_at
from tests.servers.waiting import wait_for

SHELL = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE" if sys.argv[2] == "write" else "BEGIN")
connection.execute("SELECT count(*) FROM events").fetchall()
print("begun", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
print("ended", flush=True)
sys.stdin.readline()
"""


class Shell:
    """Somebody's SQL shell, inside a transaction until `end`."""

    def __init__(self, path, way: str) -> None:
        command = [sys.executable, "-c", SHELL, str(path), way]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "begun\n"

    def end(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ended\n"


@contextmanager
def shell(path, way: str):
    opened = Shell(path, way)
    try:
        yield opened
    finally:
        opened.process.kill()
        opened.process.communicate()


class Schedule:
    """Runs a flush when the test says so; one that finds the journal locked stays due, as in `IdleSchedule`."""

    def __init__(self) -> None:
        self.due = []

    def __call__(self, flush) -> None:
        self.due.append(flush)

    def run(self) -> bool:
        due, self.due = self.due, []
        for flush in due:
            try:
                flush()
            except JournalBusy:
                self.due.append(flush)
        return not self.due


def test_a_write_lock_of_somebody_else_is_named_and_waited_for(journal, path):
    with shell(path, "write") as other:
        with pytest.raises(JournalBusy, match="another program keeps it locked"):
            journal.append([make_fill()], patience_s=0.0)
        (problem,) = journal.problems()
        assert f"process {other.process.pid} (" in problem
        assert "kept the journal locked for 0 s" in problem
        written = []
        thread = threading.Thread(target=lambda: written.append(journal.append([make_fill()])))
        thread.start()
        other.end()
        thread.join(30)
    assert (written, journal.problems()) == ([1], [])


def test_whoever_waits_for_the_lock_keeps_nobody_else_waiting(journal, path):
    with shell(path, "write") as other:
        patient = threading.Thread(target=journal.ack, args=("slow", 1))
        patient.start()
        wait_for(journal.problems)
        with pytest.raises(JournalBusy):
            journal.append([make_fill()], patience_s=0.0)
        other.end()
        patient.join(30)
    assert journal.cursor("slow") == 1


def test_events_wait_in_memory_while_the_journal_is_locked_and_are_stored_after_it(journal, path):
    schedule = Schedule()
    ingest = Ingest(journal, [], schedule=schedule, max_pending=10)
    ingest([make_position(coin="BTC", time_ms=1), make_position(coin="ETH", time_ms=1)])
    assert schedule.run()
    fills = [fill_at(time_ms) for time_ms in range(1, 41)]
    with shell(path, "write") as other:
        for fill in fills:
            ingest([fill])
        ingest([make_position(coin="BTC", time_ms=2), fills[0]])
        assert not schedule.run()
        assert ingest.waiting_since is not None
        held = [event for event in ingest.states("position") if isinstance(event, Position)]
        assert [(each.coin, each.time_ms) for each in held] == [("ETH", 1), ("BTC", 2)]
        other.end()
    assert schedule.run()
    assert events_in(journal, ["fill"]) == fills
    assert ingest.waiting_since is None
    with shell(path, "write"):
        ingest([fill_at(100)])
        assert not schedule.run()
    ingest([fill_at(101)])
    assert schedule.run()
    assert journal.count("fill") == 42


def test_as_many_wait_as_may_and_then_it_is_an_error_that_says_so(journal, path):
    ingest = Ingest(journal, [], schedule=Schedule(), max_pending=2, max_held=5)
    with shell(path, "write"), pytest.raises(JournalError, match="5 events wait, and no more can") as caught:
        ingest([fill_at(time_ms) for time_ms in range(1, 9)])
    assert not isinstance(caught.value, JournalBusy)


def test_a_last_flush_that_finds_the_journal_locked_says_so(journal, path, monkeypatch):
    monkeypatch.setattr("hlmon.ingest.FINAL_PATIENCE_S", 0.0)
    ingest = Ingest(journal, [], schedule=Schedule())
    ingest([make_fill()])
    with shell(path, "write"), pytest.raises(JournalBusy):
        ingest.flush(final=True)


def test_a_start_waits_for_a_lock_and_says_for_whose(path, caplog, monkeypatch):
    monkeypatch.setattr(journal_file, "_FIRST_PATIENCE_S", 0.05)
    with Journal.open(path):
        pass
    with shell(path, "write") as other:
        opened = []
        thread = threading.Thread(target=lambda: opened.append(Journal.open(path)))
        thread.start()
        wait_for(lambda: f"process {other.process.pid} (" in caplog.text)
        other.end()
        thread.join(30)
    with opened[0] as journal:
        assert journal.append([make_fill()]) == 1


@pytest.mark.parametrize("suffix", ["", "-wal"])
@pytest.mark.parametrize("happened", ["removed", "replaced by another file"])
def test_a_file_that_is_no_longer_there_is_noticed_and_said_once(journal, path, suffix, happened, caplog):
    journal.append([make_fill()])
    upkeep = Upkeep(journal)
    upkeep.look()
    name = f"{path}{suffix}"
    os.rename(name, f"{name}.away")  # noqa: PTH104
    if happened != "removed":
        shutil.copy(f"{name}.away", name)
    for _ in range(2):
        upkeep.look()
    assert (
        f"hlmon.db{suffix} was {happened} while the monitor writes it, so what comes in is kept nowhere" in caplog.text
    )
    assert journal.problems() == [journal.lost()]
    assert len(caplog.records) == 1
    os.rename(f"{name}.away", name)  # noqa: PTH104
    upkeep.look()
    assert journal.lost() == ""
    assert caplog.records[-1].message.endswith("the file is there again")


def test_no_new_connection_is_made_to_a_file_that_took_the_journals_name(journal, path):
    journal.append([make_fill()])
    path.rename(path.with_name("away.db"))
    sqlite3.connect(path).close()
    found = []

    def read() -> None:
        try:
            journal.count("fill")
        except JournalError as error:
            found.append(str(error))

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert found == [journal.lost()]


def test_a_reader_that_keeps_the_log_growing_is_named_and_the_file_shrinks_after_it(path, monkeypatch):
    monkeypatch.setattr(checkpointer, "LOOK_SECONDS", 0.05)
    for module in (checkpointer, journal_file):
        monkeypatch.setattr(module, "LOG_BYTES", 1_000_000)
    log = path.with_name("hlmon.db-wal")
    with Journal.open(path) as journal:
        journal.append([make_fill()])
        with shell(path, "read") as other:
            while log.stat().st_size < 4_000_000:
                journal.append([make_fill() for _ in range(500)])
            (problem,) = wait_for(journal.problems)
            assert f"process {other.process.pid} (" in problem
            assert f"has {log.stat().st_size // 1_000_000} MB: end that read" in problem
            other.end()

            def shrunk() -> bool:
                journal.append([make_fill()])
                return log.stat().st_size <= 1_000_000

            wait_for(shrunk)
        wait_for(lambda: not journal.problems())


def test_a_log_of_much_writing_is_bounded_with_no_reader_at_all(path, monkeypatch):
    monkeypatch.setattr(checkpointer, "LOOK_SECONDS", 0.01)
    for module in (checkpointer, journal_file):
        monkeypatch.setattr(module, "LOG_BYTES", 1_000_000)
    with Journal.open(path) as journal:
        sizes = []
        for _ in range(200):
            journal.append([make_fill() for _ in range(100)])
            sizes.append(path.with_name("hlmon.db-wal").stat().st_size)
        assert max(sizes) < 15_000_000  # without it, 43 MB
        assert journal.problems() == []
