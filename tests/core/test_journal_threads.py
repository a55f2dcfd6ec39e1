"""Threads and processes that use one journal at the same time."""

from __future__ import annotations

import contextlib
import threading
from functools import partial

import pytest

from hlmon.errors import JournalError
from hlmon.journal import Journal
from hlmon.testing import builders
from hlmon.testing.builders import make_fill

make_position = partial(builders.make_position, coin="ETH")


def test_a_waiting_follower_wakes_when_something_is_appended(journal):
    woken = []
    waiter = threading.Thread(target=lambda: woken.append(journal.wait_beyond(0, timeout=60)))
    waiter.start()
    journal.append([make_fill()])
    waiter.join(10)
    assert woken == [True]
    assert journal.wait_beyond(0, timeout=60)
    assert not journal.wait_beyond(1, timeout=0)


def test_waits_can_be_ended_for_good_while_the_journal_stays_open(journal):
    woken = []
    waiter = threading.Thread(target=lambda: woken.append(journal.wait_beyond(0, timeout=60)))
    waiter.start()
    journal.end_waits()
    waiter.join(10)
    assert woken == [False]
    assert not journal.wait_beyond(0, timeout=60)
    journal.append([make_fill()])
    assert journal.wait_beyond(0, timeout=60)


def test_closing_wakes_the_waiting_and_is_harmless_twice(path):
    journal = Journal.open(path)
    woken = []
    waiter = threading.Thread(target=lambda: woken.append(journal.wait_beyond(0, timeout=60)))
    waiter.start()
    journal.close()
    waiter.join(10)
    journal.close()
    assert woken == [False]
    with pytest.raises(JournalError, match="closed"):
        journal.append([make_fill()])
    with pytest.raises(JournalError, match="closed"):
        journal.read_after(0)


def test_a_follower_thread_reads_and_acks_while_events_are_appended(journal):
    seen = []

    def follow():
        while len(seen) < 200 and journal.wait_beyond(len(seen), timeout=60):
            seen.extend(journal.read_after(len(seen), limit=7))
            journal.ack("sink", len(seen))

    follower = threading.Thread(target=follow)
    follower.start()
    fills = [make_fill() for _ in range(200)]
    for fill in fills:
        journal.append([fill])
    follower.join(20)
    assert [entry.event for entry in seen] == fills
    assert journal.cursor("sink") == 200


def test_an_append_waits_for_the_numbers_of_the_one_before_it(journal):
    appends = [threading.Thread(target=journal.append, args=([make_fill()],)) for _ in range(2)]
    with journal._grown:  # the first stops between its commit and the news of it
        appends[0].start()
        while journal.count("fill") == 0:
            pass
        appends[1].start()
        appends[1].join(0.1)
    for append in appends:
        append.join(10)
    assert journal.count("fill") == 2


def test_several_threads_may_append_at_once(journal):
    bursts = [[[make_fill(), make_position(coin=f"C{n}")] for n in range(100)] for _ in range(4)]

    def append_all(mine):
        for events in mine:
            journal.append(events)

    threads = [threading.Thread(target=append_all, args=(mine,)) for mine in bursts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (journal.count("fill"), journal.count("position")) == (400, 100)
    assert journal.last_seq() >= 500


def test_a_reader_can_open_the_journal_while_it_is_written(path, journal):
    journal.append([make_fill()])
    with Journal.open(path, read_only=True) as reader:
        assert reader.last_seq() == 1
        journal.append([make_fill()])
        assert (reader.last_seq(), len(reader.read_after(0))) == (2, 2)
        assert reader.wait_beyond(1, timeout=0)
        with pytest.raises(JournalError, match="reading only"):
            reader.append([make_fill()])


def test_closing_ends_what_other_threads_read_and_leaves_them_an_error(path):
    journal = Journal.open(path)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    errors, begun = [], threading.Barrier(9)

    def read(sql):
        try:
            journal.last_seq()
            begun.wait()
            while True:
                journal.query(sql)
        except JournalError as error:
            errors.append(str(error))

    readers = [
        threading.Thread(target=read, args=(sql,)) for sql in [endless] * 2 + ["SELECT count(*) FROM events"] * 6
    ]
    for reader in readers:
        reader.start()
    begun.wait()
    journal.close()
    for reader in readers:
        reader.join(20)
    assert len(errors) == 8
    assert all("closed" in error or "interrupted" in error for error in errors)


def test_closing_while_other_threads_read_row_after_row_never_crashes(tmp_path):
    def read(journal):
        with contextlib.suppress(JournalError):
            while True:
                journal.read_after(0, limit=300)
                journal.cursor("archive")

    for number in range(20):
        journal = Journal.open(tmp_path / f"{number % 3}.db")
        journal.append([make_fill() for _ in range(300)])
        readers = [threading.Thread(target=read, args=(journal,)) for _ in range(6)]
        for reader in readers:
            reader.start()
        journal.wait_beyond(10**9, timeout=0.01)
        journal.close()
        for reader in readers:
            reader.join(20)
            assert not reader.is_alive()
