"""Calls of the main thread into plugins are cut off when they hang, and only these."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from hlmon import deadline
from hlmon.deadline import LIMIT, Overdue, is_interrupt, limited

SHORT_S = 0.1


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The thread that watches has begun and ticks fast."""
    with limited():
        pass
    monkeypatch.setattr(deadline, "TICK_SECONDS", 0.02)
    time.sleep(0)
    yield
    LIMIT.relax()


@pytest.mark.parametrize(
    "hang",
    [lambda: threading.Event().wait(), lambda: time.sleep(3600), lambda: [None for _ in iter(int, 1)]],
    ids=["waits", "sleeps", "computes"],
)
def test_a_call_that_hangs_is_interrupted(hang):
    with pytest.raises(Overdue, match="did not return within 0 s"), limited(SHORT_S):
        hang()


def test_one_that_swallows_the_interruption_is_interrupted_again():
    def swallow_once() -> None:
        try:
            threading.Event().wait()
        except Overdue as error:
            swallowed.append(error)
        threading.Event().wait()

    swallowed: list[Overdue] = []
    with pytest.raises(Overdue), limited(SHORT_S):
        swallow_once()
    assert len(swallowed) == 1


def test_many_short_calls_are_not_taken_for_a_long_one():
    ends = time.monotonic() + 5 * SHORT_S
    calls = 0
    while time.monotonic() < ends:
        with limited(SHORT_S):
            calls += 1
    assert calls > 5


def test_a_call_gets_little_time_once_the_monitor_is_about_to_stop(monkeypatch):
    monkeypatch.setattr(deadline, "HURRIED_SECONDS", SHORT_S)
    begun, never = threading.Event(), threading.Event()
    threading.Thread(target=lambda: begun.wait() and LIMIT.hurry()).start()
    with pytest.raises(Overdue), limited(3600):
        begun.set() or never.wait()


def test_calls_of_other_threads_are_not_limited():
    seen = []

    def call() -> None:
        with limited(SHORT_S):
            seen.append(LIMIT.seconds)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert seen == [0.0]


def test_only_a_ctrl_c_that_nobody_else_handles_is_the_users():
    assert is_interrupt(KeyboardInterrupt())
    assert not is_interrupt(SystemExit())
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        assert not is_interrupt(KeyboardInterrupt())  # a plugin raised it: the monitor has its own handler
    finally:
        signal.signal(signal.SIGINT, before)
