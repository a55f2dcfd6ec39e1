"""Closes of fills that come late, in the wrong order, more than once, or never."""

from __future__ import annotations

import msgspec

from hlmon.derive.chain import MAX_WAITING
from hlmon.derive.closes import Closes
from hlmon.derive.history import PATIENCE_MS
from hlmon.testing.builders import START_MS, make_account_state
from tests.core.closing import LATER, D, closes_of, only, trades


def test_a_fill_that_goes_on_from_a_waiting_fill_waits_with_it():
    before, after, opening, closing, turning, ending = trades("1", "-1", "2", "-2", "-3", "3")
    closes = closes_of(before, after, closing, turning, opening, ending)
    assert [(close.side, close.fills, close.opened_ms, close.complete) for close in closes] == [
        ("long", 2, before.time_ms, True),
        ("long", 2, opening.time_ms, True),
        ("short", 2, turning.time_ms, True),
    ]


def test_a_whole_life_that_comes_late_in_the_wrong_order_is_told_and_then_told_right():
    opening, closing, late, reducing = trades("1", "-1", "2", "-2")
    late, reducing = (
        msgspec.structs.replace(fill, time_ms=opening.time_ms - 10 + n) for n, fill in enumerate((late, reducing))
    )
    first, second, third = closes_of(opening, closing, reducing, late)
    assert [close.complete for close in (first, second, third)] == [True, False, True]
    assert (third.completes, third.revision, third.previous_net_pnl) == (second.key, 1, second.net_pnl)


def test_a_position_first_seen_open_is_incomplete_and_its_entry_follows_from_the_pnl():
    fill = trades("-2", start="2", closed_pnl=D(20))[0]
    close = only(closes_of(fill, LATER))
    assert (close.complete, close.opened_ms, close.entry_price, close.exit_price) == (False, None, D(90), D(100))
    short = trades("2", start="-2", closed_pnl=D(20))[0]
    assert only(closes_of(short, LATER)).entry_price == D(110)


def test_a_position_first_seen_open_waits_for_its_late_opening_fill():
    opening, closing = trades("2", "-2")
    close = only(closes_of(closing, opening, LATER))
    assert (close.complete, close.opened_ms, close.fills) == (True, opening.time_ms, 2)


def test_the_opening_fills_of_an_incomplete_position_do_not_make_its_entry():
    adding, closing = trades("1", "-3", start="2")
    closing = msgspec.structs.replace(closing, closed_pnl=D(33))
    assert only(closes_of(adding, closing, LATER)).entry_price == D(90)


def test_rows_without_start_position_go_on_from_our_own_count_and_are_incomplete():
    fills = [msgspec.structs.replace(fill, start_position=None, trade_id=0) for fill in trades("1", "1", "-2")]
    close = only(closes_of(*fills))
    assert (close.size, close.complete, close.trigger) == (D(2), False, fills[2].key)


def test_a_closing_row_without_start_position_of_an_unknown_position_says_nothing():
    fill = msgspec.structs.replace(trades("-1")[0], start_position=None, direction="Close Long")
    assert closes_of(fill) == []


def test_fills_that_come_in_the_wrong_order_are_linked_by_their_start_positions():
    opening, adding, closing = trades("1", "1", "-2")
    base = closes_of(opening, adding, closing)
    opening_of_all = trades("1", "-1", time_ms=START_MS - 5000)
    assert closes_of(*opening_of_all, closing, adding, opening)[1:] == base


def test_a_missing_fill_is_waited_for_ten_seconds_of_the_accounts_time():
    deriver = Closes()
    fills = trades("1", "1", "-2")
    clock_ms = fills[2].time_ms
    assert closes_of(fills[0], fills[2], deriver=deriver) == []
    assert closes_of(make_account_state(time_ms=clock_ms + PATIENCE_MS - 1), deriver=deriver) == []
    close = only(closes_of(make_account_state(time_ms=clock_ms + PATIENCE_MS), deriver=deriver))
    assert (close.complete, close.trigger, close.size) == (False, fills[2].key, D(2))


def test_a_fill_that_comes_late_by_the_accounts_clock_is_still_given_its_ten_seconds():
    deriver = Closes()
    fills = trades("1", "1", "-2")
    clock_ms = fills[2].time_ms + 60_000
    assert closes_of(fills[0], make_account_state(time_ms=clock_ms), fills[2], deriver=deriver) == []
    assert only(closes_of(fills[1], deriver=deriver)).complete


def test_later_fills_are_a_clock_too():
    fills = trades("1", "1", "-2", "3")
    later = msgspec.structs.replace(fills[3], time_ms=fills[2].time_ms + PATIENCE_MS)
    assert not only(closes_of(fills[0], fills[2], later)).complete


def test_more_waiting_fills_than_the_limit_end_the_wait():
    fills = trades("1", "1", *["0.001"] * MAX_WAITING, "-1", time_ms=START_MS)
    deriver = Closes()
    assert closes_of(fills[0], *fills[2:], deriver=deriver) == []
    rest = trades(str(-1 - D("0.001") * MAX_WAITING), start=str(1 + D("0.001") * MAX_WAITING), time_ms=START_MS + 1)
    assert not only(closes_of(*rest, deriver=deriver)).complete


def test_when_a_break_is_accepted_the_newer_fill_is_trusted():
    fills = trades("1", "4", "-1", "-4")
    closes = closes_of(fills[0], *fills[2:], LATER)
    close = only(closes)
    assert (close.complete, close.size, close.fills) == (False, D(5), 3)


def test_the_oldest_waiting_fill_is_trusted_first():
    fills = trades("1", "1", "1", "-3")
    close = only(closes_of(fills[0], fills[3], fills[2], LATER))
    assert (close.fills, close.trigger) == (3, fills[3].key)


def test_of_one_millisecond_the_waiting_fill_that_follows_no_other_is_trusted_first():
    fills = trades("1", "1", "1", "1", "-4")
    second, third = (msgspec.structs.replace(fill, time_ms=fills[3].time_ms) for fill in fills[2:4])
    deriver = Closes()
    assert closes_of(fills[0], third, second, LATER, deriver=deriver) == []
    closing = msgspec.structs.replace(fills[4], time_ms=START_MS + 70_000)
    assert only(closes_of(closing, deriver=deriver)).fills == 4


def test_a_chain_that_starts_anew_proves_an_unseen_close():
    first, second = trades("1"), trades("2", "-2", time_ms=START_MS + 5000)
    unseen, close = closes_of(*first, *second, LATER)
    assert (unseen.cause, unseen.side, unseen.size, unseen.net_pnl) == ("state", "long", D(1), None)
    assert (close.cause, close.size, close.complete, close.completes) == ("order", D(2), True, "")


def test_a_late_closing_fill_of_an_older_position_completes_what_the_state_said():
    opening, closing = trades("1", "-1")
    again = trades("2", time_ms=START_MS + 5000)
    deriver = Closes()
    unseen = only(closes_of(opening, *again, LATER, deriver=deriver))
    late = only(closes_of(msgspec.structs.replace(closing, closed_pnl=D(1)), deriver=deriver))
    assert (late.complete, late.fees, late.entry_price, late.completes) == (True, D(2), D(100), unseen.key)
    last = trades("-2", start="2", time_ms=START_MS + 70_000)
    assert only(closes_of(*last, deriver=deriver)).complete


def test_a_late_fill_within_the_running_position_is_counted_but_moves_nothing():
    fills = trades("1", "1", "1", "-3")
    deriver = Closes()
    closes_of(fills[0], fills[2], LATER, deriver=deriver)
    close = only(closes_of(fills[1], fills[3], deriver=deriver))
    assert (close.size, close.fees, close.fills, close.complete) == (D(3), D(4), 4, True)


def test_a_repeated_older_fill_neither_moves_the_position_nor_closes_anything():
    fills = trades("1", "1", "-1", "-1")
    close = only(closes_of(fills[0], fills[1], fills[0], fills[2], fills[0], fills[1], fills[3]))
    assert (close.time_ms, close.size) == (fills[3].time_ms, D(2))


def test_waiting_fills_survive_a_restart():
    fills = trades("1", "1", "-2")
    before = Closes()
    closes_of(fills[0], fills[2], deriver=before)
    after = Closes()
    after.load_memory(before.dump_memory())
    assert closes_of(fills[1], deriver=after) == closes_of(*fills)
