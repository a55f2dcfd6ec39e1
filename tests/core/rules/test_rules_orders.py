"""Rules about fills, orders, stops, transfers and the market."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from hlmon import ConfigError
from hlmon.rules import fills
from hlmon.rules.fills import order_end
from hlmon.testing.builders import (
    ALICE,
    BOB,
    make_account_state,
    make_dex_state,
    make_fill,
    make_ledger,
    make_open_orders,
    make_order,
)
from tests.core.rules.cases import SETTINGS, STOP, at, bucket, position, state

D = Decimal


def test_the_fills_of_an_order_are_added_up_and_told_once(watch):
    rule = watch("fill", 'above = 250000\nper = "order"')
    parts = [make_fill(order_id=7, price=D(100_000 + number)) for number in range(5)]
    assert rule(*parts[:2], make_fill(order_id=8)) == []
    (alert,) = rule.restart()(*parts[2:])
    assert alert.title == "Bought 3 BTC at 100,001"
    assert alert.labels["order_id"] == "7"


def test_an_order_needs_a_size_from_which_on_it_is_told(watch):
    with pytest.raises(ConfigError, match='above: must be more than 0 with per = "order"'):
        watch("fill", 'per = "order"')


def test_only_the_newest_orders_are_added_up(watch, monkeypatch):
    monkeypatch.setattr(fills, "MAX_ORDERS", 2)
    rule = watch("fill", 'above = 150000\nper = "order"')
    rule(*(make_fill(order_id=number) for number in (1, 2, 3)))
    assert rule(make_fill(order_id=1)) == []
    assert len(rule(make_fill(order_id=3))) == 1


@pytest.mark.parametrize(
    ("status", "end"),
    [
        ("open", None),
        ("filled", "filled"),
        ("triggered", "triggered"),
        ("rejected", "rejected"),
        ("perpMarginRejected", "rejected"),
        ("marginCanceled", "margin_canceled"),
        ("liquidatedCanceled", "margin_canceled"),
        ("canceled", "canceled"),
        ("reduceOnlyCanceled", "canceled"),
        ("scheduledCancel", "canceled"),
        ("somethingNew", None),
    ],
)
def test_the_exchanges_words_for_the_end_of_an_order_are_told_apart(status, end):
    assert order_end(status) == end


def test_an_order_is_told_with_what_is_left_and_above_a_value(watch):
    order = make_order(status="marginCanceled", remaining=D("0.25"), order_type="Stop Limit", trigger_price=D(95_000))
    (alert,) = watch("order", "above = 90000")(order)
    assert alert.title == "Order to buy 1 BTC at 90,000: margin canceled"
    assert alert.details == {"type": "Stop Limit", "remaining": "0.25", "trigger": "95,000"}
    assert alert.labels["order_id"] == str(order.order_id)
    assert watch("order", "above = 90001")(order) == []


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 0),
        ({"side": "buy"}, 1),
        ({"order_type": "Take Profit Market"}, 1),
        ({"trigger_price": None}, 1),
        ({"size": D("0.5")}, 1),
        ({"size": D(0)}, 0),
        ({"is_position_tpsl": True, "size": D("0.5")}, 0),
        ({"coin": "ETH"}, 1),
        ({"account": BOB}, 1),
        ({"status": "canceled"}, 1),
    ],
)
def test_a_stop_counts_if_it_closes_enough_of_the_position_and_is_open(watch, changes, count):
    rule = watch("position_without_stop", "for_seconds = 0")
    assert len(rule(make_order(**STOP | changes), state(0, position()))) == count


def test_the_stops_of_a_position_are_added_up(watch):
    rule = watch("position_without_stop", "for_seconds = 0\ncovers = 90")
    half = STOP | {"size": D("0.5")}
    (alert,) = rule(make_order(**half), state(0, position()))
    assert alert.details["covered"] == "50.0 %"
    assert [a.state for a in rule(make_order(**half | {"order_id": 8}), state(5, position()))] == ["resolved"]
    assert [a.state for a in rule(make_order(**half | {"status": "triggered"}), state(9, position()))] == ["firing"]


def test_a_dex_whose_list_of_open_orders_has_still_to_come_is_not_judged(watch):
    rule = watch("position_without_stop", "for_seconds = 0")
    listing = make_open_orders(account=ALICE, time_ms=at(0))
    both = (make_dex_state(), make_dex_state(dex="xyz", positions=(position(coin="xyz:GOLD"),)))
    assert rule(listing, make_account_state(time_ms=at(1), dexes=both, account=ALICE)) == []
    rule.restart()(make_open_orders(account=ALICE, time_ms=at(2), dex="xyz"))
    assert rule.titles(make_account_state(time_ms=at(5), dexes=both, account=ALICE)) == ["xyz:GOLD long has no stop"]


@pytest.mark.parametrize("status", ["waiting", "waitingForFill", "unknown", "triggered", "somethingNew"])
def test_only_an_open_stop_protects(watch, status):
    rule = watch("position_without_stop", "for_seconds = 0")
    assert len(rule(make_order(**STOP), make_order(**STOP | {"status": status}), state(0, position()))) == 1


def test_the_condition_of_a_coin_ends_with_its_position(watch):
    rule = watch("position_without_stop", "for_seconds = 0")
    rule(state(0, position(), position(coin="xyz:GOLD")))
    assert rule(make_account_state(time_ms=at(5), dexes=(make_dex_state(positions=(position(),)),))) == []
    both = (make_dex_state(), make_dex_state(dex="xyz"))
    alerts = rule(make_account_state(time_ms=at(10), dexes=both))
    assert [(alert.subject, alert.state) for alert in alerts] == [("BTC", "resolved"), ("xyz:GOLD", "resolved")]
    assert alerts[0].details == {"lasted": "10 s"}


def test_a_short_is_liquidated_from_below(watch):
    short = position(size=D(-1), position_value=D(92_000), liquidation_price=D(95_000))
    assert watch("liquidation_distance", "below = 4").titles(state(0, short)) == [
        "BTC short is 3.3 % from its liquidation price"
    ]


def test_a_position_that_loses_its_liquidation_price_is_out_of_danger(watch):
    rule = watch("liquidation_distance")
    rule(state(0, position(position_value=D(96_000))))
    assert [alert.state for alert in rule(state(5, position(liquidation_price=None)))] == ["resolved"]


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({}, "Deposit: +500.00 USDC"),
        ({"type": "withdraw", "amount": D(-500)}, "Withdrawal: -500.00 USDC"),
        ({"type": "send", "amount": D(-3), "token": "HYPE", "details": {"usdcValue": "120"}}, "Sent: -3 HYPE"),
        ({"type": "spotTransfer", "amount": D(3), "token": "NEW"}, "Received: +3 NEW"),
    ],
)
def test_a_transfer_is_told_with_its_direction_and_token(watch, changes, title):
    assert watch("transfer").titles(make_ledger(**changes)) == [title]


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "accountClassTransfer", "amount": D(0)},
        {"type": "liquidation", "amount": None},
        {"type": "spotTransfer", "amount": D(1_000_000), "token": "SPAM", "details": {"usdcValue": "0.0"}},
    ],
)
def test_moves_inside_the_account_and_worthless_gifts_are_no_transfers(watch, changes):
    assert watch("transfer")(make_ledger(**changes)) == []


def test_selling_is_told_by_a_negative_threshold_and_a_bucket_counts_once(watch):
    rule = watch("cvd", 'coins = ["BTC"]\nbelow = -50', SETTINGS)
    assert rule(bucket(0, 0, 30), bucket(0, 0, 40)) == []
    (alert,) = rule(bucket(1, 10, 20))
    assert alert.title == "BTC: 50 net sold in 5 min 0 s"
    assert alert.labels["side"] == "sell"


def test_buckets_of_another_length_are_left_out(watch):
    rule = watch("cvd", 'coins = ["BTC"]\nabove = 50', SETTINGS)
    assert rule(msgspec.structs.replace(bucket(0, 90), interval_ms=1)) == []


def test_a_cvd_rule_needs_a_coin_that_is_counted_and_a_threshold(watch):
    with pytest.raises(ConfigError, match="above or below: one of them is required"):
        watch("cvd", 'coins = ["BTC"]')
    with pytest.raises(ConfigError, match="coins: 'SOL' is not counted; add it to"):
        watch("cvd", 'coins = ["SOL"]\nabove = 1', SETTINGS)
