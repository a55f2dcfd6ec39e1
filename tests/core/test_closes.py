"""What counts as the close of a position, and what it says."""

from __future__ import annotations

from decimal import Decimal
from itertools import count

import msgspec
import pytest

from hlmon.derive.chain import MAX_FUNDINGS, MAX_WAITING, PATIENCE_MS
from hlmon.derive.closes import FACTORY, KINDS, Closes
from hlmon.events import Fill, Liquidation, PositionClosed
from hlmon.testing.builders import (
    ALICE,
    BOB,
    START_MS,
    make_account_state,
    make_dex_state,
    make_fill,
    make_funding,
    make_position,
    make_position_reading,
)

D = Decimal
_ids = count(1)


def trades(*signed_sizes: str, coin: str = "BTC", start: str = "0", **changes) -> list[Fill]:
    """Linked fills of these signed sizes, one a second; prices 100, 101, 102, …; fee 1 each."""
    position, fills = D(start), []
    for number, text in enumerate(signed_sizes):
        signed = D(text)
        fields = {
            "coin": coin,
            "side": "buy" if signed > 0 else "sell",
            "size": abs(signed),
            "price": D(100 + number),
            "start_position": position,
            "fee": D(1),
            "time_ms": START_MS + number * 1000,
            "trade_id": next(_ids),
        }
        fills.append(make_fill(**fields | changes))
        position += signed
    return fills


LATER = make_account_state(time_ms=START_MS + 60_000)


def closes_of(*events, deriver: Closes | None = None) -> list[PositionClosed]:
    deriver = deriver or Closes()
    return [close for event in events for close in deriver(event)]


def only(closes: list[PositionClosed]) -> PositionClosed:
    assert len(closes) == 1, closes
    return closes[0]


def test_a_position_that_ends_at_zero_is_closed_by_the_last_fill_only():
    fills = trades("1", "2", "-2", "-1")
    fills[2] = msgspec.structs.replace(fills[2], closed_pnl=D("4"))
    fills[3] = msgspec.structs.replace(fills[3], closed_pnl=D("3.5"))
    close = only(closes_of(*fills))
    assert close == PositionClosed(
        account=ALICE,
        time_ms=fills[3].time_ms,
        coin="BTC",
        side="long",
        size=D(3),
        cause="order",
        entry_price=D("100.666666666667"),
        exit_price=D("102.333333333333"),
        opened_ms=fills[0].time_ms,
        gross_pnl=D("7.5"),
        fees=D(4),
        net_pnl=D("3.5"),
        fills=4,
        trigger=fills[3].key,
        tx_hash=fills[3].tx_hash,
    )


def test_a_short_position_is_closed_by_buying():
    close = only(closes_of(*trades("-1", "-1", "2.0")))
    assert (close.side, close.size, close.entry_price, close.exit_price) == ("short", D(2), D("100.5"), D(102))


def test_sizes_that_differ_only_in_trailing_zeros_are_equal():
    fills = trades("1.0", "-1.00")
    assert only(closes_of(fills[0], msgspec.structs.replace(fills[1], start_position=D("1.000")))).complete


def test_reducing_a_position_closes_nothing():
    assert closes_of(*trades("2", "-1", "-0.5")) == []


def test_every_coin_and_every_account_has_a_chain_of_its_own():
    mine, others = trades("1", "-1"), trades("1", "-1", account=BOB)
    silver = trades("1", "-1", coin="xyz:SILVER")
    closes = closes_of(mine[0], others[0], silver[0], mine[1], others[1], silver[1])
    assert [(close.account, close.coin) for close in closes] == [(ALICE, "BTC"), (BOB, "BTC"), (ALICE, "xyz:SILVER")]


@pytest.mark.parametrize("coin", ["@107", "PURR/USDC", "#14880"])
def test_spot_and_outcome_coins_never_close(coin):
    assert closes_of(*trades("1", "-1", coin=coin)) == []


def test_a_flip_closes_the_old_position_and_opens_the_rest():
    fills = trades("1", "-3", "2")
    fills[1] = msgspec.structs.replace(fills[1], closed_pnl=D("1"), fee=D("0.3"), direction="Long > Short")
    flipped, closed = closes_of(*fills)
    assert (flipped.cause, flipped.side, flipped.size, flipped.exit_price) == ("flip", "long", D(1), D(101))
    assert (flipped.fees, flipped.gross_pnl, flipped.trigger) == (D("1.1"), D(1), fills[1].key)
    assert (closed.cause, closed.side, closed.size, closed.entry_price) == ("order", "short", D(2), D(101))
    assert (closed.fees, closed.gross_pnl, closed.opened_ms) == (D("1.2"), D(0), fills[1].time_ms)


def test_the_fee_parts_of_a_flip_are_short_and_add_up_exactly():
    flipped, closed = closes_of(*trades("1", "-3", "2"))
    assert (flipped.fees, closed.fees) == (D("1.33333333"), D("1.66666667"))


def test_a_fill_that_goes_on_from_a_waiting_fill_waits_with_it():
    before, after, opening, closing, turning, ending = trades("1", "-1", "2", "-2", "-3", "3")
    closes = closes_of(before, after, closing, turning, opening, ending)
    assert [(close.side, close.fills, close.opened_ms, close.complete) for close in closes] == [
        ("long", 2, before.time_ms, True),
        ("long", 2, opening.time_ms, True),
        ("short", 2, turning.time_ms, True),
    ]


def test_a_late_fill_links_although_newer_ones_that_link_as_well_were_seen():
    opening, closing, late, reducing = trades("1", "-1", "2", "-2")
    late, reducing = (
        msgspec.structs.replace(fill, time_ms=closing.time_ms - 10 + n) for n, fill in enumerate((late, reducing))
    )
    assert [close.complete for close in closes_of(opening, closing, reducing, late)] == [True, False]


def test_both_legs_of_a_self_trade_count_their_fees_and_pnl_and_move_nothing():
    opening, closing = trades("1", "-1")
    legs = [
        msgspec.structs.replace(leg, start_position=D(1), self_trade=True, closed_pnl=D(3), time_ms=opening.time_ms + 1)
        for leg in trades("-1", "1")
    ]
    close = only(closes_of(opening, *legs, closing))
    assert (close.fees, close.fills, close.complete) == (D(4), 4, True)
    assert close.gross_pnl == closing.closed_pnl + 2 * D(3)


def test_a_self_trade_shown_after_the_close_changes_nothing():
    opening, closing = trades("1", "-1")
    leg = msgspec.structs.replace(trades("1")[0], start_position=D(1), self_trade=True, time_ms=closing.time_ms - 1)
    assert closes_of(opening, closing, leg) == closes_of(opening, closing)


def test_one_leg_of_a_self_trade_is_never_a_close():
    opening, leg = trades("1", "-1")
    assert closes_of(opening, msgspec.structs.replace(leg, self_trade=True)) == []


@pytest.mark.parametrize(
    ("direction", "liquidation", "cause"),
    [
        ("Close Long", None, "order"),
        ("Close Long", Liquidation(user=ALICE, method="market"), "liquidation"),
        ("Close Long", Liquidation(user=BOB, method="market"), "order"),
        ("Close Long", Liquidation(method="market"), "order"),
        ("Liquidated Cross Long", None, "liquidation"),
        ("Liquidated Isolated Long", Liquidation(method="backstop"), "liquidation"),
        ("Liquidated Cross Long", Liquidation(user=BOB, method="backstop"), "order"),
        ("Auto-Deleveraging", Liquidation(user=BOB, method="backstop"), "adl"),
        ("Settlement", None, "settlement"),
        ("Net Child Vaults", None, "netting"),
        ("Something New", None, "order"),
    ],
)
def test_the_cause_is_a_liquidation_only_if_this_account_was_liquidated(direction, liquidation, cause):
    opening, closing = trades("1", "-1")
    closing = msgspec.structs.replace(closing, direction=direction, liquidation=liquidation)
    assert only(closes_of(opening, closing)).cause == cause


def test_net_pnl_takes_off_fees_and_adds_the_funding_received_while_open():
    opening, closing = trades("1", "-1", closed_pnl=D(10))
    opening = msgspec.structs.replace(opening, closed_pnl=D(0))
    before, within, after = (
        make_funding(amount=D(amount), time_ms=opening.time_ms + offset)
        for amount, offset in ((-100, -1), ("-0.5", 1), (-100, 1001))
    )
    close = only(closes_of(before, opening, within, after, closing))
    assert (close.gross_pnl, close.fees, close.funding, close.net_pnl) == (D(10), D(2), D("-0.5"), D("7.5"))


def test_funding_counts_for_its_own_position_whether_it_comes_before_or_after_the_fills_around_it():
    fills = trades("1", "-0.5", "-0.5", "-1", "1")
    early = make_funding(amount=D(3), time_ms=fills[3].time_ms + 1)
    late = make_funding(amount=D(2), time_ms=fills[0].time_ms + 1)
    first, second = closes_of(early, fills[0], fills[1], late, *fills[2:])
    assert (first.funding, second.funding) == (D(2), D(3))


def test_funding_after_the_last_fill_is_kept_within_bounds_and_none_of_it_is_lost():
    opening, closing = trades("1", "-1")
    deriver, payments = Closes(), MAX_FUNDINGS + 50
    closing = msgspec.structs.replace(closing, time_ms=opening.time_ms + payments + 1)
    hourly = [make_funding(amount=D(1), time_ms=opening.time_ms + 1 + number) for number in range(payments)]
    assert closes_of(opening, *hourly, deriver=deriver) == []
    assert len(deriver._accounts[ALICE].chains["BTC"].fundings) == MAX_FUNDINGS
    assert only(closes_of(closing, deriver=deriver)).funding == payments


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


def test_funding_in_the_millisecond_of_a_flip_counts_once():
    fills = trades("1", "-3", "2")
    closes = closes_of(fills[0], make_funding(amount=D(5), time_ms=fills[1].time_ms), *fills[1:])
    assert [close.funding for close in closes] == [D(5), D(0)]


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


def test_a_late_closing_fill_of_an_older_position_is_a_close_of_its_own():
    opening, closing = trades("1", "-1")
    again = trades("2", time_ms=START_MS + 5000)
    deriver = Closes()
    unseen = only(closes_of(opening, *again, LATER, deriver=deriver))
    late = only(closes_of(msgspec.structs.replace(closing, closed_pnl=D(1)), deriver=deriver))
    assert (late.complete, late.entry_price, late.completes) == (False, D(100), unseen.key)
    last = trades("-2", start="2", time_ms=START_MS + 70_000)
    assert only(closes_of(*last, deriver=deriver)).complete


def test_a_late_fill_within_the_running_position_is_counted_but_moves_nothing():
    fills = trades("1", "1", "1", "-3")
    deriver = Closes()
    closes_of(fills[0], fills[2], LATER, deriver=deriver)
    close = only(closes_of(fills[1], fills[3], deriver=deriver))
    assert (close.size, close.fees, close.fills, close.complete) == (D(3), D(4), 4, False)


def test_a_repeated_older_fill_neither_moves_the_position_nor_closes_anything():
    fills = trades("1", "1", "-1", "-1")
    close = only(closes_of(fills[0], fills[1], fills[0], fills[2], fills[0], fills[1], fills[3]))
    assert (close.time_ms, close.size) == (fills[3].time_ms, D(2))


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


def test_waiting_fills_survive_a_restart():
    fills = trades("1", "1", "-2")
    before = Closes()
    closes_of(fills[0], fills[2], deriver=before)
    after = Closes()
    after.load_memory(before.dump_memory())
    assert closes_of(fills[1], deriver=after) == closes_of(*fills)


def test_the_factory_opens_a_deriver_that_always_runs():
    assert (FACTORY.name, FACTORY.always, FACTORY.kinds) == ("closes", True, KINDS)
