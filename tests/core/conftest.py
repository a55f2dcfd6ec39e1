"""A journal of its own for each test, and one that counts what is asked of it."""

from __future__ import annotations

import pytest

from hlmon.journal import Journal


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
