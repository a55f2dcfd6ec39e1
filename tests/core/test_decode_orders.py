"""Orders: exact fields, children, and the order of their statuses."""

from decimal import Decimal

import pytest

from hlmon.events import Order
from hlmon.hyperliquid.decode import decode_answer
from tests.core.account_frames import BEGIN_MS, ME, frame, order, status


def orders(*rows):
    return decode_answer("historicalOrders", ME, list(rows), clock_ms=1).events


def test_an_order_carries_every_field_and_the_time_of_its_status():
    trigger = {"isTrigger": True, "triggerPx": "31000.0", "triggerCondition": "Price above 31000"}
    (found,) = orders(status("canceled", 170, reduceOnly=True, cloid="0x1", isPositionTpsl=True, **trigger))
    assert found == Order(
        account=ME,
        time_ms=BEGIN_MS + 170,
        order_id=5,
        coin="BTC",
        side="sell",
        size=Decimal("0.5"),
        remaining=Decimal("0.2"),
        price=Decimal("30000.0"),
        status="canceled",
        created_ms=BEGIN_MS + 100,
        order_type="Limit",
        tif="Gtc",
        reduce_only=True,
        trigger_price=Decimal("31000.0"),
        trigger_condition="Price above 31000",
        is_position_tpsl=True,
        cloid="0x1",
    )


def test_a_short_order_is_what_is_left_of_it():
    row = {"coin": "BTC", "limitPx": "1.5", "oid": 62269971, "side": "B", "sz": "2", "timestamp": BEGIN_MS + 167}
    (found,) = orders({"order": row, "status": "open", "statusTimestamp": BEGIN_MS + 168})
    assert (found.time_ms - BEGIN_MS, found.created_ms - BEGIN_MS) == (168, 167)
    assert (found.size, found.remaining, found.order_type) == (2, 2, "")


def test_an_order_without_a_trigger_has_no_trigger_price():
    (found,) = orders(status("open", 100))
    assert (found.trigger_price, found.trigger_condition) == (None, "")


def test_the_newest_status_comes_last_and_in_one_millisecond_the_final_one():
    found = orders(status("filled", 170), status("canceled", 180, oid=6), status("triggered", 170), status("open", 170))
    assert [each.status for each in found] == ["open", "triggered", "filled", "canceled"]


@pytest.mark.parametrize(
    ("parent", "child"),
    [
        ("open", "waiting"),
        ("filled", "waiting"),
        ("triggered", "waiting"),
        ("waitingForFill", "waiting"),
        ("canceled", "canceled"),
        ("marginCanceled", "waiting"),  # it was filled in part
    ],
)
def test_children_of_an_order_wait_or_end_with_it(parent, child):
    grandchild = order(oid=7)
    found = orders(status(parent, 170, children=[order(oid=6, children=[grandchild])]))
    assert {each.order_id: each.status for each in found} == {5: parent, 6: child, 7: child}
    assert {each.time_ms for each in found} == {BEGIN_MS + 170}


def test_a_frame_of_orders_names_its_account():
    seen = frame("userHistoricalOrders", isSnapshot=True, orderHistory=[status("open", 100)])
    assert (seen.account, seen.stream, seen.is_snapshot) == (ME, "userHistoricalOrders", True)
    assert [event.account for event in seen.events] == [ME]
