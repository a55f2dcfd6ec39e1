"""A known fact that now says more takes the place of what was said before, and is concluded from once."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from msgspec.structs import replace

from hlmon.contract import Settings
from hlmon.ingest import Ingest
from hlmon.journal import Journal
from hlmon.sinks.jsonl import FACTORY as JSONL
from hlmon.sinks.jsonl import JsonlConfig
from hlmon.testing.builders import make_fill, make_funding
from tests.core.entries import events_in

PLAIN = make_fill(twap_id=None, extra={"deployerFee": "0.8"})
SLICE = replace(PLAIN, twap_id=9001, extra=None)
WHOLE = replace(PLAIN, twap_id=9001)


class Counting:
    """A deriver that counts fills and remembers how many."""

    def __init__(self):
        self.fills = 0

    def __call__(self, _event):
        self.fills += 1
        return ()

    def dump_memory(self):
        return str(self.fills).encode()

    def load_memory(self, memory):
        self.fills = int(memory)


def ingest_of(journal):
    counting = Counting()
    return Ingest(journal, [("counting", frozenset({"fill"}), counting)]), counting


@pytest.mark.parametrize("flushed", [True, False])
@pytest.mark.parametrize("told", list(itertools.permutations([PLAIN, SLICE, SLICE, PLAIN])))
def test_the_id_of_a_twap_reaches_the_fill_whichever_stream_is_first(journal, told, flushed):
    ingest, counting = ingest_of(journal)
    news = 0
    for fill in told:
        news += ingest([fill])
        if flushed:
            ingest.flush()
    ingest.flush()
    (stored,) = events_in(journal)
    assert (news, counting.fills, stored.twap_id) == (1, 1, 9001)
    assert stored.extra == (PLAIN.extra if told[0] is PLAIN else None)


def test_a_fill_that_was_completed_is_a_new_entry_for_those_who_follow_and_the_old_one_is_gone(journal):
    ingest, _ = ingest_of(journal)
    ingest([PLAIN, make_fill()])
    ingest.flush()
    seen = journal.last_seq()
    ingest([SLICE])
    ingest.flush()
    assert [entry.event for entry in journal.read_after(seen)] == [WHOLE]
    assert len(events_in(journal)) == 2


@pytest.mark.parametrize("restarts_before", [True, False])
def test_a_completed_fill_is_not_concluded_from_again_after_a_restart(path, restarts_before):
    with Journal.open(path) as journal:
        ingest, _ = ingest_of(journal)
        ingest([PLAIN, make_fill()])
        ingest.flush(final=restarts_before)
        if not restarts_before:
            ingest([SLICE])
            ingest.flush()
    with Journal.open(path) as journal:
        ingest, counting = ingest_of(journal)
        ingest.rebuild()
        ingest([SLICE])
        ingest.flush()
        assert counting.fills == 2
    with Journal.open(path) as journal:
        ingest, counting = ingest_of(journal)
        ingest.rebuild()
        assert counting.fills == 2
        assert len(events_in(journal)) == 2


@pytest.mark.parametrize("batch", list(itertools.permutations([PLAIN, WHOLE])))
def test_the_journal_itself_keeps_the_one_that_says_more(journal, batch):
    journal.append(batch)
    assert events_in(journal) == [WHOLE]
    journal.append([PLAIN])
    assert events_in(journal) == [WHOLE]


def test_a_file_of_lines_takes_the_completion_as_a_further_line(tmp_path):
    file = tmp_path / "events.jsonl"
    with JSONL.open(JsonlConfig(path=str(file)), Settings(name="file")) as sink:
        for events in ([PLAIN], [WHOLE], [PLAIN], [WHOLE]):
            sink.write(events)
    assert len(file.read_text().splitlines()) == 2


ONE = make_funding(amount=Decimal(-1))
OTHER = replace(ONE, amount=Decimal(-2))


@pytest.mark.parametrize("flushed", [True, False])
@pytest.mark.parametrize("told", list(itertools.permutations([[ONE], [OTHER], [OTHER, ONE.as_further()], [ONE]])))
def test_two_payments_of_one_coin_and_time_are_two_however_they_are_told(journal, told, flushed):
    ingest = Ingest(journal, [])
    for payments in told:  # frames with one of them, and an answer with both, as they are decoded
        ingest(payments)
        if flushed:
            ingest.flush()
    ingest.flush()
    assert sorted(payment.amount for payment in events_in(journal)) == [-2, -1]
