"""Closes that only the account state shows, and the fills that complete them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from hlmon.derive.closes import Closes
from hlmon.derive.history import PATIENCE_MS
from hlmon.events import PositionClosed
from hlmon.testing.builders import (
    ALICE,
    START_MS,
    make_account_state,
    make_dex_state,
    make_funding,
    make_input_ended,
    make_position,
    make_position_reading,
)
from tests.core.closing import D, closes_of, only, trades


def vanished(coin: str = "BTC", *, time_ms: int):
    return make_position(coin=coin, is_open=False, size=D(0), time_ms=time_ms)


def test_a_position_missing_from_the_account_state_for_ten_seconds_is_closed_by_state():
    opening = trades("1")[0]
    gone_ms = opening.time_ms + 5000
    deriver = Closes()
    paid = make_funding(amount=D("-0.25"), time_ms=opening.time_ms + 1)
    early = make_account_state(time_ms=gone_ms + PATIENCE_MS - 1)
    assert closes_of(opening, paid, vanished(time_ms=gone_ms), early, deriver=deriver) == []
    close = only(closes_of(make_account_state(time_ms=gone_ms + PATIENCE_MS), deriver=deriver))
    assert close == PositionClosed(
        account=ALICE,
        time_ms=gone_ms,
        coin="BTC",
        side="long",
        size=D(1),
        cause="state",
        opened_ms=opening.time_ms,
        fees=D(1),
        funding=D("-0.25"),
        fills=1,
        complete=False,
        trigger="state",
    )
    assert closes_of(close, make_account_state(time_ms=gone_ms + 60_000), deriver=deriver) == []


def test_the_closing_fill_completes_the_close_by_state_with_the_whole_life():
    opening, closing = trades("1", "-1")
    deriver = Closes()
    gone_ms = closing.time_ms + 2000
    state = make_account_state(time_ms=gone_ms + PATIENCE_MS)
    provisional = only(closes_of(opening, vanished(time_ms=gone_ms), state, deriver=deriver))
    close = only(closes_of(provisional, closing, deriver=deriver))
    assert (close.completes, close.cause, close.complete, close.fees) == (provisional.key, "order", True, D(2))
    again = trades("1", "-1", time_ms=gone_ms + 30_000)
    assert only(closes_of(close, *again, deriver=deriver)).completes == ""


def test_a_closing_fill_in_time_leaves_nothing_to_the_state():
    opening, closing = trades("1", "-1")
    shown = make_position(coin="BTC", time_ms=opening.time_ms + 500)
    gone_ms = closing.time_ms + 1000
    state = make_account_state(time_ms=gone_ms + PATIENCE_MS)
    assert only(closes_of(opening, shown, vanished(time_ms=gone_ms), closing, state)).cause == "order"


def test_a_position_that_the_account_state_shows_again_is_not_closed():
    opening = trades("1")[0]
    gone_ms = opening.time_ms + 1000
    shown = make_account_state(make_position_reading(), time_ms=gone_ms + PATIENCE_MS)
    back = make_position(coin="BTC", time_ms=shown.time_ms)
    later = make_account_state(time_ms=gone_ms + 2 * PATIENCE_MS)
    assert closes_of(opening, vanished(time_ms=gone_ms), shown, back, later) == []


@pytest.mark.parametrize("flat_before", [False, True])
def test_a_close_that_the_account_state_has_witnessed_is_told_at_once(flat_before):
    before = trades("1", "-1") if flat_before else []
    shown = make_position(coin="BTC", size=D(2), time_ms=START_MS + 10_000)
    closing = trades("-2", start="2", time_ms=START_MS + 10_000 + PATIENCE_MS, closed_pnl=D(20))[0]
    *_, close = closes_of(*before, shown, closing)
    assert (close.complete, close.size, close.entry_price) == (False, D(2), D(90))


def test_a_position_shown_a_moment_ago_of_a_known_coin_does_not_hurry_its_fills():
    opening, closing, again, end = trades("1", "-1", "2", "-2")
    shown = make_position(coin="BTC", size=D(2), time_ms=again.time_ms + 1)
    first, second = closes_of(opening, closing, shown, end, again)
    assert (first.complete, second.complete) == (True, True)


def test_the_end_of_an_input_ends_all_waiting():
    opening, closing = trades("1", "-1")
    deriver = Closes()
    assert closes_of(closing, deriver=deriver) == []
    assert only(closes_of(make_input_ended(), deriver=deriver)).complete is False
    assert only(closes_of(opening, vanished(time_ms=opening.time_ms + 1), make_input_ended())).cause == "state"


def test_a_close_by_state_is_never_older_than_its_fills():
    opening = trades("1", time_ms=START_MS + 3_000)[0]
    gone = vanished(time_ms=START_MS)
    shown = make_position(coin="BTC", time_ms=START_MS - 5_000)
    states = [make_account_state(time_ms=START_MS + wait_ms) for wait_ms in (10_000, 13_000)]
    close = only(closes_of(shown, gone, opening, *states))
    assert close.time_ms >= opening.time_ms


def test_funding_that_comes_after_the_close_is_stated_once():
    opening, closing = trades("1", "-1")
    paid = [make_funding(amount=D("-0.5"), time_ms=opening.time_ms + offset) for offset in (1, 2)]
    first, second = closes_of(opening, closing, *paid, make_account_state(time_ms=START_MS + 60_000))
    assert (first.funding, second.funding, second.completes) == (D(0), D(-1), first.key)
    assert (second.revision, second.previous_net_pnl, second.complete) == (1, first.net_pnl, True)


def test_a_state_without_the_coins_dex_says_nothing_about_it():
    opening = trades("1", coin="xyz:SILVER")[0]
    gone_ms = opening.time_ms + 1000
    deriver = Closes()
    main_only = make_account_state(time_ms=gone_ms + PATIENCE_MS)
    assert closes_of(opening, vanished("xyz:SILVER", time_ms=gone_ms), main_only, deriver=deriver) == []
    both = (make_dex_state(), make_dex_state(dex="xyz"))
    assert only(closes_of(make_account_state(dexes=both, time_ms=gone_ms + 2 * PATIENCE_MS), deriver=deriver))


def test_a_position_known_only_by_state_gives_a_close_when_it_vanishes():
    opened = make_position(coin="ETH", side="short", size=D(2), time_ms=START_MS)
    more = make_position(coin="ETH", side="short", size=D(3), time_ms=START_MS + 5000)
    gone_ms = START_MS + 10_000
    state = make_account_state(time_ms=gone_ms + PATIENCE_MS)
    again = vanished("ETH", time_ms=gone_ms + 60_000), make_account_state(time_ms=gone_ms + 90_000)
    close = only(closes_of(opened, more, vanished("ETH", time_ms=gone_ms), state, *again))
    assert (close.cause, close.side, close.size, close.opened_ms) == ("state", "short", D(3), None)


def test_a_restart_between_vanishing_and_confirmation_loses_nothing():
    opening, closing = trades("1", "-1")
    gone_ms = closing.time_ms + 1000
    before = Closes()
    closes_of(opening, vanished(time_ms=gone_ms), deriver=before)
    after = Closes()
    after.load_memory(before.dump_memory())
    provisional = only(closes_of(make_account_state(time_ms=gone_ms + PATIENCE_MS), deriver=after))
    rebuilt = Closes()
    closes_of(opening, vanished(time_ms=gone_ms), provisional, deriver=rebuilt)
    assert only(closes_of(closing, deriver=rebuilt)).completes == provisional.key


def test_a_position_that_could_not_be_read_is_not_closed():
    opening = trades("1")[0]
    gone_ms = opening.time_ms + 5000
    deriver = Closes()
    unreadable = make_dex_state(dex="", complete=False)
    late = make_account_state(dexes=(unreadable,), time_ms=gone_ms + PATIENCE_MS)
    assert closes_of(opening, vanished(time_ms=gone_ms), late, deriver=deriver) == []
    assert closes_of(make_account_state(time_ms=gone_ms + PATIENCE_MS + 1), deriver=deriver)


def test_a_fill_of_nothing_opens_and_closes_nothing():
    nothing, opening, closing = trades("1", "1", "-1")
    nothing = replace(nothing, size=D(0), start_position=D(0))
    opening, closing = replace(opening, start_position=D(0)), replace(closing, start_position=D(1))
    close = only(closes_of(nothing, opening, closing))
    assert (close.fills, close.size, close.complete) == (2, 1, True)
    assert closes_of(nothing, replace(nothing, trade_id=99)) == []
