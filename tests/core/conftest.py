"""A journal of its own for each test, and one that counts what is asked of it."""

from __future__ import annotations

import pytest

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

    def append(self, events, memories=None):
        self.appended.append(list(events))
        return self.journal.append(events, memories or {})

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
    """The clock of `make`."""
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
