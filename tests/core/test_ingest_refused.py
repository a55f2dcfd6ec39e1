"""Events that the journal cannot take: each costs itself, is kept as text and counted; nothing else is lost."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import ClassVar

import pytest

from hlmon.errors import JournalError
from hlmon.events import Fill, Position
from hlmon.ingest import Ingest
from hlmon.journal import Journal
from hlmon.testing.builders import ALICE, BOB, START_MS, make_fill, make_funding, make_position
from tests.core.entries import events_in, fill_at


class Keyless(Fill, frozen=True, kw_only=True, gc=False):
    """A fill of a plugin whose key is a fault."""

    kind: ClassVar[str] = "fill"

    @property
    def key(self) -> str:
        raise LookupError("no key")


class Listed(Fill, frozen=True, kw_only=True, gc=False):
    """A fill whose key is no text."""

    kind: ClassVar[str] = "fill"

    @property
    def key(self):
        return [1]


class Versionless(Position, frozen=True, kw_only=True, gc=False):
    """A position whose version is a fault."""

    kind: ClassVar[str] = "position"

    @property
    def version(self) -> int:
        raise ArithmeticError("no version")


def like(cls, event, **changes):
    """The event as one of another class."""
    return cls(**{name: getattr(event, name) for name in event.__struct_fields__} | changes)


WRONG = {
    "a time beyond SQLite's integers": lambda: make_fill(time_ms=2**63),
    "the largest time of SQLite": lambda: make_fill(time_ms=2**63 - 1),
    "a state's time beyond SQLite's integers": lambda: make_position(time_ms=2**63),
    "a time before all times": lambda: make_fill(time_ms=-5),
    "a time that is no number": lambda: make_fill(time_ms="now"),
    "a field that is nothing": lambda: make_fill(fee=object()),
    "a number that is none": lambda: make_fill(price=Decimal("NaN")),
    "a number without end": lambda: make_fill(fee=Decimal("-Infinity")),
    "half a character in a text": lambda: make_fill(direction="\ud83d"),
    "half a character in the account": lambda: make_fill(account="\ud83d"),
    "no account": lambda: make_fill(account=None),
    "a key that raises": lambda: like(Keyless, make_fill()),
    "a key that is no text": lambda: like(Listed, make_fill()),
    "a version that raises": lambda: like(Versionless, make_position()),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_an_event_that_cannot_be_stored_costs_itself_and_is_kept_in_quarantine(journal, wrong):
    ingest = Ingest(journal, [])
    odd = wrong()
    before, after, older = make_fill(account=BOB), make_fill(account=BOB), fill_at(START_MS - 5)
    ingest([before, odd, after, older])
    ingest.flush()
    ingest([make_funding()])
    ingest.flush()
    stored = [event for event in events_in(journal) if event.kind != "quarantine"]
    assert [event.name for event in stored[:3]] == [before.name, after.name, older.name]
    assert len(stored) == 4
    (record,) = journal.states("quarantine")
    assert (record.origin, record.unit) == ("journal", "event")
    assert record.payload
    assert "cannot be stored" in record.reason
    assert ingest.failures == {f"kind {odd.kind}": 1}


def test_an_absurd_size_costs_its_event_only(journal):
    limit = 1_000_000
    journal._file._writer.setlimit(0, limit)  # SQLITE_LIMIT_LENGTH
    ingest = Ingest(journal, [])
    fill = make_fill()
    ingest([make_fill(direction="x" * (limit + 1)), fill])
    ingest.flush()
    assert journal.states("fill") == [fill]
    (record,) = journal.states("quarantine")
    assert len(record.payload) == 65_536


@pytest.mark.parametrize("seed", [1, 2, 3, random.SystemRandom().randrange(10**9)])
def test_whatever_is_wrong_in_whatever_place_the_rest_is_stored_in_its_order(journal, seed):
    chance = random.Random(seed)
    ingest = Ingest(journal, [], max_pending=chance.choice([10, 100, 2_000]))
    good, every = [], []
    for number in range(300):
        if chance.random() < 0.05:
            every.append(chance.choice(list(WRONG.values()))())
        else:
            good.append(fill_at(START_MS + number, trade_id=number + 1, account=chance.choice([ALICE, BOB])))
            every.append(good[-1])
    ingest(every)
    ingest.flush()
    assert journal.states("fill") == good


def test_a_record_that_cannot_be_written_either_ends_storing_with_an_error(journal, monkeypatch):
    def refuse(self, events, memories=None):
        raise RuntimeError("a fault of the program")

    ingest = Ingest(journal, [])
    ingest([make_fill()])
    monkeypatch.setattr(Journal, "append", refuse)
    with pytest.raises(JournalError, match=r"RuntimeError: a fault of the program"):
        ingest.flush()


def test_since_when_events_wait_and_when_they_were_committed_is_known(journal):
    now = 100.0
    ingest = Ingest(journal, [], now=lambda: now)
    assert (ingest.waiting_since, ingest.committed_at) == (None, None)
    ingest([make_fill()])
    now = 107.0
    ingest([make_fill()])
    assert ingest.waiting_since == 100.0
    ingest.flush()
    assert (ingest.waiting_since, ingest.committed_at) == (None, 107.0)
