"""What is sent to the exchange and what it weighs."""

import pytest

from hlmon.hyperliquid.requests import Subscription, history, info, most_weight, subscribe, unsubscribe, weight


def test_a_subscription_is_named_by_type_user_coin_and_dex_whatever_else_it_has():
    sent = {"user": "0xAB", "type": "openOrders", "dex": "xyz", "aggregateByTime": False}
    assert Subscription.read(sent) == Subscription("openOrders", user="0xab", dex="xyz")
    assert len({Subscription.read(sent), Subscription("openOrders", user="0xab", dex="xyz")}) == 1
    assert Subscription.read({"type": "trades", "coin": "@107"}) != Subscription("trades", coin="@108")


def test_no_dex_is_the_main_dex():
    assert Subscription.read({"type": "openOrders", "dex": None}) == Subscription("openOrders", dex="")


def test_subscribing_and_unsubscribing_send_the_same_object():
    fills = Subscription("userFills", user="0xab")
    assert subscribe(fills) == {"method": "subscribe", "subscription": {"type": "userFills", "user": "0xab"}}
    assert unsubscribe(fills) == {"method": "unsubscribe", "subscription": {"type": "userFills", "user": "0xab"}}
    assert Subscription.read(fills.payload()) == fills


def test_a_question_leaves_out_what_is_empty():
    assert info("meta") == {"type": "meta"}
    assert info("clearinghouseState", user="0xab", dex="xyz") == {
        "type": "clearinghouseState",
        "user": "0xab",
        "dex": "xyz",
    }


@pytest.mark.parametrize(
    ("stream", "request_type"),
    [
        ("userFills", "userFillsByTime"),
        ("userTwapSliceFills", "userTwapSliceFillsByTime"),
        ("userFundings", "userFunding"),
        ("userNonFundingLedgerUpdates", "userNonFundingLedgerUpdates"),
    ],
)
def test_the_past_of_a_stream_is_asked_for_by_time(stream, request_type):
    assert history(stream, "0xab", 5) == {"type": request_type, "user": "0xab", "startTime": 5}


def test_past_orders_have_no_range_of_time():
    assert history("userHistoricalOrders", "0xab", 5) == {"type": "historicalOrders", "user": "0xab"}


@pytest.mark.parametrize(
    ("request_type", "rows", "expected"),
    [
        ("clearinghouseState", 0, 2),
        ("spotClearinghouseState", 30, 2),
        ("allMids", 500, 2),
        ("userRole", 0, 60),
        ("meta", 0, 20),
        ("openOrders", 500, 20),
        ("userFillsByTime", 0, 20),
        ("userFillsByTime", 1, 21),
        ("userFillsByTime", 20, 21),
        ("userFillsByTime", 21, 22),
        ("userFillsByTime", 2000, 120),
        ("userNonFundingLedgerUpdates", 40, 22),
        ("historicalOrders", 2000, 120),
    ],
)
def test_a_request_weighs_its_base_and_a_twentieth_of_its_rows(request_type, rows, expected):
    assert weight({"type": request_type}, rows) == expected


@pytest.mark.parametrize(
    ("request_type", "expected"), [("userFillsByTime", 120), ("userFunding", 45), ("allMids", 2), ("userRole", 60)]
)
def test_the_most_that_a_request_can_weigh_is_its_longest_answer(request_type, expected):
    assert most_weight({"type": request_type}) == expected
