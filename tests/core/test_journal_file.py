"""Which files the journal refuses, in what words, and that it leaves them as they are."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from hlmon.errors import JournalError
from hlmon.journal import Journal
from hlmon.journal.schema import MIGRATIONS, newest_version
from hlmon.testing.builders import make_fill

NOBODY = 65534


@contextmanager
def as_ordinary_user():
    """Root may write anywhere, so where tests run as root they step down for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder():
    """A folder that other users can reach too."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def refusal(path, **options):
    with pytest.raises(JournalError) as caught, Journal.open(path, **options):
        pass
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_folder_is_no_journal(tmp_path):
    assert "this is a folder; name a file in it" in refusal(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    assert f"the folder {tmp_path / 'no'} does not exist; create it" in refusal(tmp_path / "no" / "hlmon.db")
    assert not (tmp_path / "no").exists()


def test_a_missing_file_is_created_for_writing_and_refused_for_reading(path):
    assert "there is no such file" in refusal(path, read_only=True)
    assert not path.exists()
    with Journal.open(path):
        assert path.exists()


def test_an_empty_file_becomes_a_journal(path):
    path.touch()
    with Journal.open(path) as journal:
        assert journal.append([make_fill()]) == 1


@pytest.mark.parametrize("content", [b"not a database", b"x" * 10_000, b"SQLite"])
def test_a_file_that_is_no_database_is_left_as_it_is(path, content):
    path.write_bytes(content)
    assert "nor a database at all; it was left as it is" in refusal(path)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_the_database_of_another_program_is_left_as_it_is(path, mode):
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE events (seq)")
    connection.close()
    before = path.read_bytes()
    for read_only in (False, True):
        assert "this is the database of another program; it was left" in refusal(path, read_only=read_only)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_damaged_journal_says_so_and_is_kept(path):
    with Journal.open(path) as journal:
        journal.append([make_fill() for _ in range(1000)])
    content = bytearray(path.read_bytes())
    content[200:] = b"\xff" * (len(content) - 200)
    path.write_bytes(content)
    assert "it is damaged; move it away" in refusal(path)
    assert path.read_bytes() == content


def test_a_second_monitor_is_refused_with_the_process_of_the_first(path):
    with Journal.open(path):
        assert f"another monitor is writing to it (process {os.getpid()})" in refusal(path)
    with Journal.open(path):
        pass


def test_the_lock_of_another_process_is_seen_and_ends_with_it(path):
    code = "import sys; from pathlib import Path; from hlmon.journal import Journal; "
    code += "Journal.open(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, stdin=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        assert f"(process {other.pid})" in refusal(path)
        other.kill()
    with Journal.open(path):
        pass


def test_a_read_only_file_is_refused_in_words(open_folder):
    path = open_folder / "hlmon.db"
    open_folder.chmod(0o777)
    with Journal.open(path):
        pass
    path.chmod(0o444)
    (open_folder / "hlmon.db.lock").chmod(0o666)
    with as_ordinary_user():
        assert "it cannot be written; make the file and its folder writable" in refusal(path)
        with Journal.open(path, read_only=True) as journal:
            assert journal.last_seq() == 0


def test_a_read_only_folder_is_refused_in_words(open_folder):
    open_folder.chmod(0o555)
    with as_ordinary_user():
        assert "make the folder writable for this user" in refusal(open_folder / "hlmon.db")
    assert list(open_folder.iterdir()) == []


def test_an_unreadable_file_is_refused_in_words(open_folder):
    path = open_folder / "hlmon.db"
    with Journal.open(path):
        pass
    path.chmod(0)
    with as_ordinary_user():
        assert "it cannot be read (Permission denied)" in refusal(path)


def test_a_file_that_another_program_keeps_locked_is_refused_in_words(path, monkeypatch):
    with Journal.open(path):
        pass
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, **options | {"timeout": 0}))
    other = connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "another program keeps it locked" in refusal(path)
    other.close()


def test_a_full_disk_is_said_in_words_and_loses_nothing(path):
    stored, more = make_fill(), [make_fill() for _ in range(2000)]
    with Journal.open(path) as journal:
        journal.append([stored])
        (pages,) = journal._file._writer.execute("PRAGMA page_count").fetchone()
        journal._file._writer.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalError, match="the disk is full; free some space"):
            journal.append(more)
        assert [entry.event for entry in journal.read_after(0)] == [stored]
        journal._file._writer.execute("PRAGMA max_page_count = 1000000")
        assert journal.append(more) == 2000
        assert [entry.seq for entry in journal.read_after(0, limit=5000)] == list(range(1, 2002))


def test_an_error_of_the_disk_is_said_in_words_and_loses_nothing(path):
    stored, more = make_fill(), [make_fill() for _ in range(2000)]
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal.open(path) as journal:
        journal.append([stored])
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, unlimited[1]))
        try:
            with pytest.raises(JournalError, match="the disk reports an error"):
                journal.append(more)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        assert [entry.event for entry in journal.read_after(0)] == [stored]
        assert journal.append(more) == 2000


def tables_version(path):
    with Journal.open(path, read_only=True) as journal:
        return journal.query("PRAGMA user_version")[0][0]


def test_an_older_journal_is_migrated_with_all_its_events(path, monkeypatch):
    fill = make_fill()
    with Journal.open(path) as journal:
        journal.append([fill])
    monkeypatch.setattr(
        "hlmon.journal.schema.MIGRATIONS",
        (
            *MIGRATIONS,
            "ALTER TABLE cursors ADD COLUMN note TEXT",
            "UPDATE cursors SET note = 'x'; INSERT INTO cursors VALUES ('b', 0, 'y')",
        ),
    )
    assert "start `hlmon run` on it once" in refusal(path, read_only=True)
    with Journal.open(path) as journal:
        assert journal.query("SELECT note FROM cursors") == [("y",)]
        assert [entry.event for entry in journal.read_after(0)] == [fill]
        assert journal.query("SELECT coin FROM fills") == [("BTC",)]
    assert tables_version(path) == newest_version() == len(MIGRATIONS) + 3


def test_a_journal_from_before_the_outbox_gets_one(path):
    with Journal.open(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.executescript("DROP TABLE notices; PRAGMA user_version = 1")
    connection.close()
    with Journal.open(path) as journal:
        assert journal.query("SELECT count(*) FROM notices") == [(0,)]


def test_a_migration_that_fails_leaves_the_journal_as_it_was(path, monkeypatch):
    with Journal.open(path) as journal:
        journal.append([make_fill()])
    with monkeypatch.context() as newer:
        newer.setattr(
            "hlmon.journal.schema.MIGRATIONS",
            (*MIGRATIONS, "DELETE FROM events; DROP TABLE cursors", "DROP TABLE nothing"),
        )
        refusal(path)
    assert tables_version(path) == newest_version()
    with Journal.open(path) as journal:
        assert (journal.cursors(), journal.count("fill")) == ({}, 1)


def test_a_journal_of_a_newer_hlmon_is_refused(path, monkeypatch):
    with monkeypatch.context() as newer:
        newer.setattr("hlmon.journal.schema.MIGRATIONS", (*MIGRATIONS, "", ""))
        with Journal.open(path):
            pass
    for read_only in (False, True):
        assert f"written by a newer hlmon (version {newest_version() + 2}" in refusal(path, read_only=read_only)
