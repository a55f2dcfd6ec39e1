"""A dispatcher with its thread: what comes later, stopping, hanging, and trouble with the journal."""

from __future__ import annotations

import threading
import time as clock
from types import SimpleNamespace

import pytest

from hlmon.delivery import dispatch
from hlmon.errors import JournalError, Transient
from hlmon.routing import NotifierPolicy, Route
from hlmon.testing.builders import make_alert

LONG_S = 10.0
AT_ONCE = Route(to=("chat",), wait_seconds=0, max_wait_seconds=0)


def fresh_alert(**changes):
    return make_alert(time_ms=clock.time_ns() // 1_000_000, **changes)


class Arrivals:
    """A notifier that says when something arrives."""

    def __init__(self, act=lambda: None):
        self.act = act
        self.alerts = []
        self.arrived = threading.Semaphore(0)

    def send(self, alerts):
        self.act()
        self.alerts += alerts
        self.arrived.release()


@pytest.fixture
def running(journal):
    """Start dispatchers; whatever happens, they end with the test."""
    started = []

    def start(routes=(AT_ONCE,), policies=None, backoff=lambda attempt, retry_after: 0.0, **notifiers):
        factory = SimpleNamespace(name="test", max_batch=100)
        dispatchers = dispatch(
            journal,
            {name: (notifier, factory) for name, notifier in notifiers.items()},
            policies or {},
            routes=routes,
            accounts={},
            max_age_ms=3_600_000,
            quarantine=lambda record: journal.append([record]),
            backoff=backoff,
        )
        for dispatcher in dispatchers:
            dispatcher.start()
            started.append(dispatcher)
        return dispatchers

    yield start
    for dispatcher in started:
        dispatcher.stop(LONG_S)


def test_an_alert_is_sent_as_it_comes(journal, running):
    chat = Arrivals()
    running(chat=chat)
    for _ in range(2):
        journal.append([fresh_alert()])
        assert chat.arrived.acquire(timeout=LONG_S)
    assert len(chat.alerts) == 2


def test_stopping_sends_what_waits_for_others_of_its_group(journal, running):
    chat = Arrivals()
    journal.append([fresh_alert()])
    (dispatcher,) = running(chat=chat, routes=[Route(to=("chat",), wait_seconds=3600, max_wait_seconds=3600)])
    assert dispatcher.stop(LONG_S)
    assert len(chat.alerts) == 1
    assert journal.cursor("notifier.chat") == journal.last_seq()


def test_stopping_gives_up_in_an_outage_and_the_alert_waits_for_the_next_start(journal, running):
    tried = threading.Event()

    def fail():
        tried.set()
        raise Transient("busy")

    journal.append([fresh_alert()])
    (dispatcher,) = running(chat=Arrivals(fail), backoff=lambda attempt, retry_after: 3600.0)
    assert tried.wait(LONG_S)
    assert not dispatcher.stop(0.05)
    assert journal.query("SELECT state FROM notices") == [("waiting",)]
    chat = Arrivals()
    running(chat=chat)
    assert chat.arrived.acquire(timeout=LONG_S)


def test_the_fallback_helps_out_for_a_notifier_that_hangs(journal, running, caplog):
    hanging, release = threading.Event(), threading.Event()

    def hang():
        hanging.set()
        release.wait(LONG_S)

    mail = Arrivals()
    policies = {"chat": NotifierPolicy(fallback=("mail",), fallback_after_minutes=0)}
    chat, _ = running(chat=Arrivals(hang), mail=mail, policies=policies)
    journal.append([fresh_alert()])
    assert hanging.wait(LONG_S)
    journal.append([fresh_alert(rule="while it hangs")])
    for _ in range(2):
        assert mail.arrived.acquire(timeout=LONG_S)
    assert [alert.rule for alert in mail.alerts] == ["position_closed", "while it hangs"]
    assert not chat.stop(0.0)
    assert "notifier chat did not return in time" in caplog.text
    release.set()


def test_trouble_with_the_journal_does_not_end_the_dispatcher(journal, running, monkeypatch):
    failures, put = [], journal.notices.put

    def full_disk(notices, cursor=None):
        if len(failures) < 3:
            failures.append(cursor)
            raise JournalError("the disk is full")
        put(notices, cursor)

    monkeypatch.setattr(journal.notices, "put", full_disk)
    chat = Arrivals()
    journal.append([fresh_alert()])
    (dispatcher,) = running(chat=chat, backoff=lambda attempt, retry_after: 0.001)
    assert chat.arrived.acquire(timeout=LONG_S)
    assert dispatcher.stop(LONG_S)
    assert len(failures) == 3
    assert dispatcher.status().error == ""
