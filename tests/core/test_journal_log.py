"""What the compacted log keeps, and what a repetition does to it."""

from __future__ import annotations

from functools import partial

import pytest

from hlmon.errors import JournalError
from hlmon.events import encode
from hlmon.journal import Entry, Journal
from hlmon.testing import builders
from hlmon.testing.builders import ALICE, BOB, START_MS, make_alert, make_fill, make_gap, make_order
from tests.core.entries import events_in

make_position = partial(builders.make_position, coin="ETH")


def test_events_come_back_in_the_order_of_their_append(journal):
    events = [make_fill(), make_order(), make_fill(account=BOB), make_alert()]
    assert journal.append(events) == 4
    assert journal.read_after(0) == [Entry(seq, event) for seq, event in enumerate(events, 1)]


def test_the_body_of_a_row_is_the_encoded_event(journal):
    events = [make_fill(direction="Open\nLong “é”"), make_order(cloid="0x01")]
    journal.append(events)
    assert journal.query("SELECT body FROM events ORDER BY seq") == [(encode(event).decode(),) for event in events]


def test_a_fact_that_is_stored_changes_nothing(journal):
    fill = make_fill(fee=1)
    journal.append([fill])
    again = make_fill(time_ms=fill.time_ms, trade_id=fill.trade_id, order_id=fill.order_id, fee=2)
    assert again.name == fill.name
    assert journal.append([again]) == 0
    assert events_in(journal) == [fill]


def test_a_fact_given_twice_in_one_append_is_stored_once(journal):
    fill = make_fill()
    assert journal.append([fill, fill]) == 1
    assert events_in(journal) == [fill]


def test_a_newer_state_takes_the_next_number_and_the_old_row_goes(journal):
    old, new, fill = make_position(time_ms=10), make_position(time_ms=11), make_fill()
    journal.append([old, fill])
    assert journal.append([new]) == 1
    assert journal.read_after(0) == [Entry(2, fill), Entry(3, new)]


@pytest.mark.parametrize("time_ms", [9, 10])
def test_a_state_of_an_equal_or_smaller_version_changes_nothing(journal, time_ms):
    held = make_position(time_ms=10)
    journal.append([held])
    assert journal.append([make_position(time_ms=time_ms, size=5)]) == 0
    assert events_in(journal) == [held]


def test_of_several_versions_in_one_append_only_the_newest_is_written(journal):
    versions = [make_position(time_ms=time_ms) for time_ms in (10, 12, 11)]
    journal.append([make_position(time_ms=5)])
    assert journal.append(versions) == 1
    assert journal.read_after(0) == [Entry(2, versions[1])]


def test_the_version_of_a_state_decides_not_its_time(journal):
    opened = make_gap(time_ms=10, start_ms=1)
    healed = make_gap(time_ms=10, start_ms=1, end_ms=5, healed=True)
    journal.append([opened])
    assert journal.append([healed]) == 1
    assert journal.version(opened.name) == healed.version


def test_names_are_told_apart_by_kind_account_and_key(journal):
    events = [make_position(coin="1"), make_position(coin="1", account=BOB), make_order(order_id=1)]
    assert journal.append(events) == 3
    assert all(journal.contains(event.name) for event in events)
    assert not journal.contains(("order", BOB, "1"))
    assert journal.version(("order", BOB, "1")) is None


def test_states_are_listed_by_kind_and_account(journal):
    mine, other, fill = make_position(), make_position(account=BOB), make_fill()
    journal.append([mine, other, fill])
    assert journal.states("position") == [mine, other]
    assert journal.states("position", BOB) == [other]
    assert journal.states("fill", ALICE) == [fill]
    assert (journal.count("position"), journal.count("fill"), journal.count("order")) == (2, 1, 0)


def test_a_number_is_never_given_twice_even_after_the_newest_row_went(path):
    with Journal.open(path) as journal:
        journal.append([make_fill(time_ms=1), make_fill(time_ms=2)])
        assert journal.prune(10) == 2
        assert journal.last_seq() == 2
    with Journal.open(path) as journal:
        assert journal.last_seq() == 2
        journal.append([make_fill(time_ms=3)])
        assert [entry.seq for entry in journal.read_after(0)] == [3]


def test_numbers_of_rows_that_fell_out_do_not_make_readers_wait_for_them(journal):
    fill = make_fill()
    journal.append([fill])
    journal.append([fill])
    assert journal.last_seq() == 1
    journal.append([make_fill(), fill])
    assert journal.last_seq() == journal.read_after(0)[-1].seq


def test_a_reader_gets_only_the_kinds_it_wants_up_to_its_limit(journal):
    fills = [make_fill() for _ in range(3)]
    alert = make_alert()
    journal.append([*fills, alert])
    assert [entry.seq for entry in journal.read_after(1, limit=2)] == [2, 3]
    assert [entry.event for entry in journal.read_after(0, kinds={"alert"})] == [alert]
    assert journal.read_after(0, kinds=()) == []
    assert journal.read_after(4) == []


def test_a_row_that_cannot_be_decoded_is_left_out_and_the_page_filled_up(path, caplog):
    fills = [make_fill() for _ in range(3)]
    with Journal.open(path) as journal:
        journal.append(fills)
        with journal._file.transaction() as connection:
            connection.execute("UPDATE events SET kind = 'gone' WHERE seq = 1")
        assert [entry.event for entry in journal.read_after(0, limit=2)] == fills[1:]
    assert "entry 1 cannot be read" in caplog.text


def test_an_append_that_fails_stores_nothing(journal):
    journal.append([make_fill()])
    with pytest.raises(OverflowError):
        journal.append([make_fill(), make_fill(time_ms=2**63)], {"closes": b"memory"})
    assert (journal.last_seq(), journal.count("fill"), journal.memory("closes")) == (1, 1, None)
    assert journal.append([make_fill()]) == 1


def test_no_stored_event_is_later_than_the_newest_time_also_after_a_restart(path):
    with Journal.open(path) as journal:
        assert journal.newest_ms() == 0
        journal.append([make_fill(time_ms=START_MS), make_fill(time_ms=5)])
        journal.append([make_fill(time_ms=START_MS + 10)])
        assert START_MS + 10 <= journal.newest_ms() <= START_MS + 60_010
    with Journal.open(path) as journal:
        journal.append([make_fill(time_ms=START_MS + 100_000)])
        assert journal.newest_ms() >= START_MS + 100_000


def test_a_cursor_is_kept_and_never_moves_back(path):
    with Journal.open(path) as journal:
        assert journal.cursor("sink") == 0
        journal.ack("sink", 7)
        journal.ack("sink", 5)
        journal.ack("other", 1)
    with Journal.open(path) as journal:
        assert journal.cursor("sink") == 7
        assert journal.cursors() == {"sink": 7, "other": 1}


def test_a_memory_is_kept_with_the_number_up_to_which_it_knows_the_events(path):
    with Journal.open(path) as journal:
        journal.append([make_fill(), make_fill()], {"closes": b"\x00one"})
        assert journal.memory("closes") == (2, b"\x00one")
        journal.append([], {"closes": b"two"})
    with Journal.open(path) as journal:
        assert journal.memory("closes") == (2, b"two")
        assert journal.memory("cvd") is None


def test_the_status_is_the_last_one_put(journal):
    assert journal.status() is None
    journal.put_status(b'{"pid":1}')
    journal.put_status(b'{"pid":2}')
    assert journal.status() == b'{"pid":2}'


def test_prune_deletes_only_what_is_old_and_over_and_was_acked_by_every_follower(journal):
    facts = [make_fill(time_ms=time_ms) for time_ms in (1, 2, 3, 100)]
    resting, ended, position = make_order(time_ms=1), make_order(time_ms=1, status="filled"), make_position(time_ms=1)
    journal.append([resting, *facts[:2]])
    journal.append([*facts[2:], ended, position])
    journal.ack("fast", 7)
    journal.ack("slow", 2)
    assert journal.prune(50, ["fast", "slow"]) == 1
    journal.ack("slow", 7)
    assert journal.prune(50, ["fast", "slow"]) == 3
    assert events_in(journal) == [resting, facts[3], position]


def test_prune_waits_for_a_follower_that_never_acked_and_not_for_one_that_is_gone(journal):
    journal.append([make_fill(time_ms=1)])
    journal.ack("gone", 0)
    assert journal.prune(50, ["new"]) == 0
    assert journal.prune(50) == 1


def test_prune_leaves_what_no_saved_memory_knows(journal):
    journal.append([make_fill(time_ms=1)], {"closes": b""})
    journal.append([make_fill(time_ms=2)])
    assert journal.prune(50) == 1


def test_prune_leaves_what_any_memory_in_use_does_not_know_and_waits_for_none_that_is_not(journal):
    journal.append([make_fill(time_ms=1)], {"closes": b"", "gone": b""})
    journal.append([make_fill(time_ms=2)], {"positions": b""})
    assert journal.prune(50, memories=["closes", "positions"]) == 1
    assert journal.prune(50, memories=["positions"]) == 1


def test_prune_works_through_many_small_transactions(journal, monkeypatch):
    monkeypatch.setattr("hlmon.journal.pruning.STEP_ROWS", 2)
    journal.append([make_fill(time_ms=time_ms) for time_ms in range(5)])
    assert journal.prune(50) == 5


def test_a_query_cannot_write(journal):
    with pytest.raises(JournalError):
        journal.query("DELETE FROM events")
