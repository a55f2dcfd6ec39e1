"""A journal of its own for each test, one that counts what is asked of it, and what delivers from it."""

from __future__ import annotations

import logging

import pytest

from hlmon import redaction
from hlmon.delivery import Follower
from hlmon.journal import Journal
from tests.servers.dispatching import Chat, Time, dispatchers_of


@pytest.fixture
def path(tmp_path):
    return tmp_path / "hlmon.db"


@pytest.fixture
def journal(path):
    with Journal.open(path) as journal:
        yield journal


class Appends:
    """Stands before a journal and counts what is asked of it."""

    def __init__(self, journal):
        self.journal = journal
        self.appended = []
        self.lookups = 0

    def __getattr__(self, name):
        return getattr(self.journal, name)

    def append(self, events, memories=None, **more):
        self.appended.append(list(events))
        return self.journal.append(events, memories or {}, **more)

    def contains(self, name):
        self.lookups += 1
        return self.journal.contains(name)

    def version(self, name):
        self.lookups += 1
        return self.journal.version(name)


@pytest.fixture
def counted(journal):
    return Appends(journal)


@pytest.fixture
def time():
    """The clock of `make` and `follow`."""
    return Time()


@pytest.fixture
def chat():
    """A notifier that accepts everything."""
    return Chat()


@pytest.fixture
def make(journal, time):
    """A function that makes the dispatchers of these notifiers; called again it makes what a restart has."""

    def make(**notifiers_and_options):
        notifiers = {name: each for name, each in notifiers_and_options.items() if hasattr(each, "send")}
        options = {name: each for name, each in notifiers_and_options.items() if name not in notifiers}
        return dispatchers_of(journal, time, notifiers, **options)

    return make


@pytest.fixture
def follow(journal, time):
    """A function that makes a follower of this plugin."""

    def make(plugin, **changes):
        options = {
            "part": "sink",
            "quarantine": lambda record: journal.append([record]),
            "backoff": lambda attempt, retry_after: retry_after or float(attempt + 1),
            "clock_ms": time.clock_ms,
            "wait": time.wait,
            "max_batch": 4,
        }
        return Follower("archive", journal, plugin, **options | changes)

    return make


@pytest.fixture
def logging_as_it_was(monkeypatch):
    """Whatever a test configures of the log ends with it."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger(), "level", logging.WARNING)


@pytest.fixture
def nothing_revealed_before(monkeypatch, logging_as_it_was):
    """No secret of another test is known, and what is logged goes only where this test sends it."""
    monkeypatch.setattr(redaction, "_revealed", {})
