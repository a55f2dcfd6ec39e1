"""What ingest admits, what it makes of it, and when it writes it down."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hlmon.errors import JournalError
from hlmon.ingest import Ingest
from hlmon.journal import Journal
from hlmon.testing.builders import (
    ALICE,
    BOB,
    START_MS,
    make_account_state,
    make_fill,
    make_funding,
    make_order,
    make_position,
    make_quarantined,
)
from tests.core.entries import events_in, fill_at


def test_events_are_stored_in_their_order_by_the_next_flush(journal):
    ingest = Ingest(journal, [])
    events = [make_fill(), make_order(), make_fill(account=BOB)]
    assert ingest(events) == 3
    assert events_in(journal) == []
    ingest.flush()
    assert events_in(journal) == events


@pytest.mark.parametrize("flushed", [True, False])
@pytest.mark.parametrize("times", [(1, 2, 3), (3, 2, 1), (2, 2, 2), (1, 3, 2)])
def test_a_known_fact_falls_out_whether_it_is_stored_or_pending(journal, flushed, times):
    ingest = Ingest(journal, [])
    fills = [fill_at(time_ms, trade_id=number) for number, time_ms in enumerate(times, 1)]
    assert ingest(fills) == 3
    if flushed:
        ingest.flush()
    assert ingest(reversed(fills)) == 0
    ingest.flush()
    assert events_in(journal) == fills


@pytest.mark.parametrize("newest", [0, 1])
def test_known_facts_fall_out_after_a_restart(path, newest):
    fills = [fill_at(START_MS), fill_at(START_MS, trade_id=2), fill_at(START_MS + 5)]
    with Journal.open(path) as journal:
        journal.append(fills)
    with Journal.open(path) as journal:
        ingest = Ingest(journal, [])
        later = fill_at(START_MS + 100_000 * newest, trade_id=3)
        assert ingest([*fills, later, *fills]) == 1
        ingest.flush()
        assert events_in(journal) == [*fills, later]


def test_a_fact_later_than_all_known_ones_needs_no_look_up(journal, counted):
    ingest = Ingest(counted, [])
    fills = [fill_at(START_MS + step // 2, trade_id=step) for step in range(100)]
    assert ingest(fills) == 100
    assert ingest(fills[-1:]) == 0
    assert counted.lookups == 0


def test_a_repeated_fact_is_looked_up_once(journal, counted):
    journal.append([fill_at(1)])
    ingest = Ingest(counted, [])
    assert ingest([fill_at(1)] * 5) == 0
    assert counted.lookups == 1


def test_accounts_and_kinds_do_not_hide_each_others_older_facts(journal):
    ingest = Ingest(journal, [])
    events = [fill_at(9), fill_at(5, account=BOB), make_funding(time_ms=3), fill_at(4)]
    assert ingest(events) == 4
    ingest.flush()
    assert events_in(journal) == events


@pytest.mark.parametrize("flushed", [True, False])
def test_a_state_is_admitted_only_with_a_larger_version(journal, flushed):
    ingest = Ingest(journal, [])
    states = {time_ms: make_position(coin="BTC", time_ms=time_ms) for time_ms in (4, 5, 6)}
    assert ingest([states[5]]) == 1
    if flushed:
        ingest.flush()
    assert ingest([states[5], states[4]]) == 0
    assert ingest([states[6]]) == 1
    ingest.flush()
    assert events_in(journal) == [states[6]]


def test_the_version_of_a_state_is_known_after_a_restart(journal):
    journal.append([make_position(coin="BTC", time_ms=5)])
    ingest = Ingest(journal, [])
    assert ingest([make_position(coin="BTC", time_ms=5)]) == 0
    assert ingest([make_position(coin="BTC", time_ms=6)]) == 1


def test_a_newer_pending_state_takes_the_place_of_the_older_at_the_end(journal, counted):
    ingest = Ingest(counted, [])
    old, fill, new = make_position(coin="BTC", time_ms=1), make_fill(), make_position(coin="BTC", time_ms=2)
    ingest([old, fill, new])
    ingest.flush()
    assert counted.appended == [[fill, new]]


def test_a_forgotten_name_is_looked_up_again(journal, monkeypatch):
    monkeypatch.setattr("hlmon.ingest.admission.RECENT_NAMES", 2)
    ingest = Ingest(journal, [])
    fills = [fill_at(time_ms) for time_ms in range(20, 0, -1)]
    orders = [make_order(order_id=number, time_ms=1) for number in range(20)]
    for event in [*fills, *orders]:
        assert ingest([event]) == 1
        ingest.flush()
    assert ingest([*fills, *orders]) == 0


def test_a_flush_is_scheduled_once_until_it_ran(journal):
    scheduled = []
    ingest = Ingest(journal, [], schedule=scheduled.append)
    ingest([])
    ingest([make_account_state()])
    assert scheduled == []
    ingest([make_fill()])
    ingest([make_fill()])
    assert len(scheduled) == 1
    scheduled.pop()()
    assert journal.last_seq() == 2
    ingest([make_fill()])
    assert len(scheduled) == 1


def test_what_was_admitted_before_an_input_breaks_is_scheduled(journal):
    def source():
        yield make_fill()
        raise ValueError("broken input")

    scheduled = []
    ingest = Ingest(journal, [], schedule=scheduled.append)
    with pytest.raises(ValueError, match="broken input"):
        ingest(source())
    assert len(scheduled) == 1


def test_many_pending_events_are_written_at_once(journal):
    ingest = Ingest(journal, [], max_pending=10)
    ingest(make_fill() for _ in range(25))
    assert journal.last_seq() == 20


def test_what_could_not_be_written_stays_pending(journal, monkeypatch):
    ingest = Ingest(journal, [])
    fill = make_fill()
    ingest([fill])
    with monkeypatch.context() as full:
        full.setattr(Journal, "append", lambda *_: (_ for _ in ()).throw(JournalError("full")))
        with pytest.raises(JournalError, match="full"):
            ingest.flush()
    assert ingest([fill]) == 0
    ingest.flush()
    assert events_in(journal) == [fill]


def test_states_are_those_held_now_with_what_is_pending(journal):
    ingest = Ingest(journal, [])
    position = make_position()
    ingest([position, make_fill()])
    assert ingest.states("position") == [position]
    assert ingest.states("order") == []


def test_quarantine_is_stored_up_to_its_limit_and_then_counted(journal, monkeypatch):
    monkeypatch.setattr("hlmon.ingest.MAX_QUARANTINED", 3)
    journal.append([make_quarantined()])
    ingest = Ingest(journal, [])
    assert ingest(make_quarantined() for _ in range(5)) == 2
    ingest([make_fill()])
    ingest.flush()
    assert (journal.count("quarantine"), journal.count("fill"), ingest.quarantine_overflow) == (3, 1, 3)


def test_a_change_of_content_only_is_the_deriver_s_own_affair(journal):
    ingest = Ingest(journal, [])
    same = {"coin": "BTC", "size": Decimal(2), "account": ALICE}
    assert ingest([make_position(time_ms=1, **same), make_position(time_ms=2, **same)]) == 2
