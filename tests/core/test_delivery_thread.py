"""A follower with its thread: what comes later, stopping, and trouble with the journal."""

from __future__ import annotations

import threading

import pytest

from hlmon.delivery import Follower
from hlmon.errors import JournalError, Permanent, Transient
from hlmon.testing.builders import make_fill, make_order

LONG_S = 10.0


@pytest.fixture
def running(journal):
    """Start a follower; whatever happens, it ends with the test."""
    started = []

    def start(plugin, **options):
        quarantine = options.pop("quarantine", lambda record: journal.append([record]))
        follower = Follower("archive", journal, plugin, part="sink", quarantine=quarantine, **options)
        follower.start()
        started.append(follower)
        return follower

    yield start
    for follower in started:
        follower.stop(LONG_S)


def test_what_is_appended_later_is_delivered_as_it_comes(journal, running):
    kept, arrived = [], threading.Semaphore(0)

    def deliver(events):
        kept.extend(events)
        arrived.release()

    running(deliver)
    fills = [make_fill(), make_fill()]
    for fill in fills:
        journal.append([fill])
        assert arrived.acquire(timeout=LONG_S)
    assert kept == fills


def test_stopping_delivers_what_is_there_and_saves_the_cursor(journal, running):
    fills = [make_fill() for _ in range(50)]
    journal.append([*fills, make_order()])
    kept = []
    follower = running(kept.extend, max_batch=3, kinds={"fill"})
    assert follower.stop(LONG_S)
    assert kept == fills
    assert journal.cursor("sink.archive") == journal.last_seq()


def test_stopping_cuts_a_wait_short_and_tries_once_more(journal, running):
    journal.append([make_fill()])
    failed = threading.Event()

    def deliver(events):
        if not failed.is_set():
            failed.set()
            raise Transient("busy")

    follower = running(deliver, backoff=lambda attempt, retry_after: 3600.0)
    assert failed.wait(LONG_S)
    assert follower.stop(LONG_S)


def test_stopping_gives_up_in_an_outage_when_the_time_is_over(journal, running):
    journal.append([make_fill()])
    failed = threading.Event()

    def deliver(events):
        failed.set()
        raise Transient("busy")

    follower = running(deliver, backoff=lambda attempt, retry_after: 3600.0)
    assert failed.wait(LONG_S)
    assert not follower.stop(0.05)
    assert journal.cursor("sink.archive") == 0
    assert "follower sink.archive" not in {thread.name for thread in threading.enumerate()}


def test_a_plugin_that_hangs_is_left_to_itself_and_said(journal, running, caplog):
    journal.append([make_fill()])
    hanging, release = threading.Event(), threading.Event()

    def deliver(events):
        hanging.set()
        release.wait(LONG_S)

    follower = running(deliver)
    assert hanging.wait(LONG_S)
    assert not follower.stop(0.0)
    assert "sink archive did not return in time" in caplog.text
    release.set()


def test_trouble_with_the_journal_does_not_end_the_follower(journal, running):
    kept, refused, failed = [], threading.Event(), threading.Event()

    def deliver(events):
        if not refused.is_set():
            refused.set()
            raise Permanent("no")
        kept.extend(events)

    def quarantine(record):
        if not failed.is_set():
            failed.set()
            raise JournalError("the disk is full")

    journal.append([make_fill()])
    follower = running(deliver, quarantine=quarantine, backoff=lambda attempt, retry_after: 0.0)
    assert failed.wait(LONG_S)
    assert follower.stop(LONG_S)
    assert len(kept) == 1
    assert follower.status().error == ""


def test_a_cursor_that_could_not_be_saved_is_saved_later_and_forgotten_as_trouble(journal, running, monkeypatch):
    failed, ack = threading.Event(), journal.ack

    def full_disk(name, seq):
        failed.set()
        monkeypatch.setattr(journal, "ack", ack)
        raise JournalError("the disk is full")

    monkeypatch.setattr(journal, "ack", full_disk)
    journal.append([make_fill()])
    kept = []
    follower = running(kept.extend, backoff=lambda attempt, retry_after: 0.0)
    assert failed.wait(LONG_S)
    assert follower.stop(LONG_S)
    assert (len(kept), journal.cursor("sink.archive"), follower.status().error) == (1, 1, "")


def test_a_sink_that_lingers_gets_what_changed_meanwhile_once(journal, running):
    rested, go_on, arrived, kept = threading.Event(), threading.Event(), threading.Semaphore(0), []

    def wait(_draining, seconds):
        if seconds == 5.0:
            rested.set()
            go_on.wait(LONG_S)
        return False

    def deliver(events):
        kept.append(list(events))
        arrived.release()

    first, *changes = (make_order(order_id=7, time_ms=1_760_000_000_000 + step, remaining=step) for step in range(9))
    journal.append([first])
    running(deliver, linger_ms=5_000, wait=wait)
    assert arrived.acquire(timeout=LONG_S)
    assert rested.wait(LONG_S)
    for change in changes:
        journal.append([change])
    go_on.set()
    assert arrived.acquire(timeout=LONG_S)
    assert kept == [[first], [changes[-1]]]


def test_full_batches_follow_each_other_without_a_rest(journal, running):
    fills = [make_fill() for _ in range(6)]
    journal.append(fills)
    calls, rests = [], []

    def wait(draining, seconds):
        rests.append((seconds, len(calls)))
        return draining.wait(LONG_S)

    follower = running(calls.append, max_batch=2, linger_ms=5_000, wait=wait)
    assert follower.stop(LONG_S)
    assert [len(call) for call in calls] == [2, 2, 2]
    assert [after for _, after in rests] in ([], [3])


def test_stopping_ends_the_rest_of_a_sink_that_lingers(journal, running):
    kept, arrived = [], threading.Event()

    def deliver(events):
        kept.extend(events)
        arrived.set()

    journal.append([make_fill()])
    follower = running(deliver, linger_ms=3_600_000)
    assert arrived.wait(LONG_S)
    journal.append([make_fill()])
    assert follower.stop(LONG_S)
    assert len(kept) == 2
