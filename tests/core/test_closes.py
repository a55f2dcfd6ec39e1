"""What counts as the close of a position, and what it says."""

from __future__ import annotations

import msgspec
import pytest

from hlmon.derive.closes import FACTORY, KINDS, Closes
from hlmon.derive.history import MAX_FUNDINGS
from hlmon.events import Liquidation, PositionClosed
from hlmon.testing.builders import ALICE, BOB, make_funding
from tests.core.closing import D, closes_of, only, trades


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
def test_what_is_sold_on_spot_or_of_an_outcome_is_no_close(coin):
    assert closes_of(*trades("1", "-1", coin=coin)) == []


@pytest.mark.parametrize(("price", "pnl"), [(0, -40), (1, 60)])
def test_the_settlement_of_an_outcome_is_a_close_of_the_whole_holding(price, pnl):
    bought, settled = trades("100", "-100", coin="#14880", price=D("0.4"))
    settled = msgspec.structs.replace(settled, direction="Settlement", price=D(price), closed_pnl=D(pnl), fee=D(0))
    close = only(closes_of(msgspec.structs.replace(bought, closed_pnl=D(0)), settled))
    assert (close.cause, close.coin, close.size, close.entry_price) == ("settlement", "#14880", D(100), D("0.4"))
    assert (close.exit_price, close.gross_pnl, close.net_pnl, close.complete) == (D(price), D(pnl), D(pnl - 1), True)


def test_a_fill_of_no_size_opens_and_closes_nothing():
    opening, closing = trades("-1", "1")
    nothing = msgspec.structs.replace(opening, size=D(0), side="buy", trade_id=0, time_ms=opening.time_ms - 1)
    assert closes_of(nothing, opening, nothing, closing) == closes_of(opening, closing)


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


def test_funding_in_the_millisecond_of_a_flip_counts_once():
    fills = trades("1", "-3", "2")
    closes = closes_of(fills[0], make_funding(amount=D(5), time_ms=fills[1].time_ms), *fills[1:])
    assert [close.funding for close in closes] == [D(5), D(0)]


def test_funding_in_the_millisecond_of_a_flip_is_of_the_side_that_it_was_paid_on_though_it_came_first():
    fills = trades("1", "-3", "2")
    at = {"time_ms": fills[1].time_ms}
    paid_on_short, paid_on_long = (
        make_funding(amount=D(5), size=D(-2), **at),
        make_funding(amount=D(7), size=D(1), **at),
    )
    assert [close.funding for close in closes_of(fills[0], paid_on_short, *fills[1:])] == [D(0), D(5)]
    assert [close.funding for close in closes_of(fills[0], paid_on_long, *fills[1:])] == [D(7), D(0)]


def test_the_factory_opens_a_deriver_that_always_runs():
    assert (FACTORY.name, FACTORY.always, FACTORY.kinds) == ("closes", True, KINDS)
