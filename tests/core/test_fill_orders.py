"""A fill whose order nobody told of is a reason to read the history of orders; it is asked about with reason only."""

from itertools import pairwise

import pytest

from hlmon.events import Liquidation
from hlmon.hyperliquid.fill_orders import LONGEST_PAUSE_SECONDS, PATIENCE_SECONDS, FillOrders
from hlmon.testing.builders import START_MS, make_fill, make_open_orders, make_order


def fill(**changes):
    return make_fill(**{"order_id": 7, "trade_id": 1, "direction": "Open Long", "time_ms": START_MS} | changes)


def test_a_fill_whose_order_does_not_come_is_a_doubt_after_a_while():
    orders = FillOrders()
    orders.take([fill()], 0.0)
    assert not orders.doubt(PATIENCE_SECONDS - 1)
    assert orders.doubt(PATIENCE_SECONDS)


@pytest.mark.parametrize("is_late", [False, True], ids=["before the fill", "after the fill"])
@pytest.mark.parametrize(
    "told",
    [make_order(order_id=7, status="filled"), make_open_orders(make_order(order_id=7))],
    ids=["by the history", "by the list"],
)
def test_an_order_that_was_told_of_is_no_doubt(told, is_late):
    orders = FillOrders()
    for event in [fill(), told] if is_late else [told, fill()]:
        orders.take([event], 0.0)
    assert not orders.doubt(PATIENCE_SECONDS)


@pytest.mark.parametrize(
    "changes",
    [
        {"twap_id": 5},
        {"direction": "Auto-Deleveraging"},
        {"direction": "Settlement"},
        {"trade_id": 0, "direction": "Sell"},
        {"liquidation": Liquidation(user=make_fill().account)},
        {"time_ms": START_MS - 1},
    ],
    ids=["slice of a TWAP", "ADL", "settlement", "dust", "liquidated", "before the history was read back"],
)
def test_a_fill_that_needs_no_order_or_may_be_older_than_the_history_is_no_doubt(changes):
    orders = FillOrders()
    orders.begin(START_MS - 1)
    orders.take([fill(**changes)], 0.0)
    assert not orders.doubt(PATIENCE_SECONDS)


def test_orders_that_the_history_does_not_have_are_asked_about_ever_more_rarely():
    orders, asked = FillOrders(), []
    for second in range(30_000):
        orders.take([fill(order_id=second + 1)], second)
        if orders.doubt(second):
            asked.append(second)
            orders.read_again(second)
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


def test_an_order_that_is_found_lets_the_next_doubt_ask_at_once():
    orders = FillOrders()
    orders.take([fill()], 0.0)
    assert orders.doubt(PATIENCE_SECONDS)
    orders.take([make_order(order_id=7)], PATIENCE_SECONDS)
    orders.read_again(PATIENCE_SECONDS)
    orders.take([fill(order_id=8)], PATIENCE_SECONDS)
    assert orders.doubt(2 * PATIENCE_SECONDS)
