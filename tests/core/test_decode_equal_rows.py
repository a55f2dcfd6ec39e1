"""Rows of one answer that agree are as many facts, the same ones in every answer; nothing that came is thrown away."""

import itertools
import json

import msgspec
import pytest

from hlmon.derive.flow import Stream
from hlmon.hyperliquid.decode import decode_answer, decode_frame
from hlmon.hyperliquid.market import Coin
from tests.core.account_frames import BEGIN_MS, ME

DUST = {"coin": "@1", "px": "1", "sz": "0.5", "side": "A", "time": BEGIN_MS, "startPosition": "2.0", "tid": 0, "oid": 0}
PAYMENT = {"coin": "BTC", "usdc": "-1.0", "szi": "1", "fundingRate": "0.0000125"}


def names(request, rows):
    return [event.name for event in decode_answer(request, ME, rows, clock_ms=1).events]


def payment(**changes):
    return {"time": BEGIN_MS, "delta": PAYMENT | changes}


def deposit(**changes):
    return {"time": BEGIN_MS, "hash": "0x0", "delta": {"type": "deposit", "usdc": "5"} | changes}


KINDS = [
    ("userFillsByTime", [DUST, DUST, DUST | {"hash": "0x1"}, DUST | {"coin": "@2"}, DUST | {"tid": 5}]),
    ("userFunding", [payment(), payment(), payment(usdc="-2.0"), payment(coin="ETH")]),
    ("userNonFundingLedgerUpdates", [deposit(), deposit(), deposit(usdc="6")]),
]


@pytest.mark.parametrize(("request_type", "rows"), KINDS)
def test_equal_rows_of_an_answer_are_as_many_facts_under_the_same_names_in_any_order(request_type, rows):
    for order in itertools.permutations(rows):
        assert len(set(names(request_type, order))) == len(rows)
        assert set(names(request_type, order)) == set(names(request_type, rows))


@pytest.mark.parametrize(("request_type", "rows"), KINDS)
def test_a_row_that_stands_alone_keeps_the_name_that_it_always_had(request_type, rows):
    assert set(names(request_type, rows[:1])) <= set(names(request_type, rows[:2]))
    assert not any("#" in key for _, _, key in names(request_type, rows[:1]))


def test_names_that_stores_know_stay_the_same_for_ever():
    assert names("userFunding", [payment()]) == [("funding", ME, f"{BEGIN_MS}:BTC")]
    assert names("userFillsByTime", [DUST]) == [("fill", ME, f"{BEGIN_MS}:0:0:sell:@1:2.0:1:0.5")]


NEW = {"deployerFee": "0.8", "priorityGas": "0.0005", "builder": "0xc3", "feeTrialEscrow": "0.01", "nested": {"a": [1]}}


ORDER = {
    "coin": "BTC", "side": "B", "limitPx": "60000", "sz": "1.0", "oid": 7, "timestamp": BEGIN_MS, "origSz": "1.0",
    "triggerCondition": "N/A", "isTrigger": False, "triggerPx": "0.0", "children": [], "isPositionTpsl": False,
    "reduceOnly": False, "orderType": "Limit", "tif": "Gtc", "cloid": None,
}  # fmt: skip
PAID = payment()

WITH_NEW_FIELDS = {
    "a fill": ("userFillsByTime", lambda new: DUST | {"tid": 5} | new),
    "a slice": ("userTwapSliceFills", lambda new: {"fill": DUST | {"tid": 5} | new, "twapId": 3}),
    "a payment": ("userFunding", lambda new: PAID | {"delta": PAID["delta"] | new}),
    "a payment's row": ("userFunding", lambda new: PAID | new),
    "an order": (
        "historicalOrders",
        lambda new: {"order": ORDER | new, "status": "filled", "statusTimestamp": BEGIN_MS},
    ),
    "a status": (
        "historicalOrders",
        lambda new: {"order": ORDER, "status": "filled", "statusTimestamp": BEGIN_MS} | new,
    ),
    "an open order": ("frontendOpenOrders", lambda new: ORDER | new),
}


@pytest.mark.parametrize(("request_type", "row"), WITH_NEW_FIELDS.values(), ids=list(WITH_NEW_FIELDS))
def test_what_came_with_a_row_and_has_no_field_is_kept_as_it_came(request_type, row):
    def event(new):
        (found,) = decode_answer(request_type, ME, [row(new)], clock_ms=1).events
        return getattr(found, "orders", [found])[0]

    assert event(NEW) == msgspec.structs.replace(event({}), extra=NEW)
    assert event({}).extra is None


def test_an_order_that_was_asked_about_alone_keeps_what_has_no_field():
    status = {"order": ORDER | NEW, "status": "canceled", "statusTimestamp": BEGIN_MS}
    (order,) = decode_answer("orderStatus", ME, {"status": "order", "order": status}, clock_ms=1).events
    assert (order.status, order.extra) == ("canceled", NEW)
    assert not decode_answer("orderStatus", ME, {"status": "unknownOid", "new": 1}, clock_ms=1).events


def test_what_is_no_text_where_text_belongs_is_kept_beside_the_default():
    (fill,) = decode_answer("userFills", ME, [DUST | {"dir": {"odd": 1}, "crossed": "perhaps"}], clock_ms=1).events
    assert (fill.direction, fill.crossed, fill.extra) == ("", False, {"dir": {"odd": 1}, "crossed": "perhaps"})


TRADE = {"coin": "BTC", "side": "B", "px": "60000", "sz": "1.0", "time": BEGIN_MS, "hash": "0x0", "tid": 0}


def trades(*rows):
    (reading,) = decode_frame(json.dumps({"channel": "trades", "data": rows}), clock_ms=1).events
    return reading


def test_trades_without_an_id_are_told_apart_and_repetitions_of_their_frame_are_not_counted():
    frame = trades(TRADE, TRADE, TRADE | {"sz": "2.0"}, TRADE | {"side": "A"})
    coin, stream = Coin("BTC"), Stream(0)
    list(coin.take(trades(TRADE | {"time": BEGIN_MS - 1, "tid": 1})))
    (taken,) = coin.take(frame)
    assert len(stream.unseen(taken.trades)) == 4
    assert list(coin.take(frame)) == []
    assert len(stream.unseen(frame.trades)) == 0
