"""What the rules about the life of a position tell people."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from hlmon.events import Alert, Liquidation
from hlmon.testing.builders import ALICE, START_MS, make_fill, make_position_closed
from tests.core.rules.cases import own_liquidation

D = Decimal


def test_a_close_gives_one_alert_about_itself(watch):
    close = make_position_closed(time_ms=START_MS, opened_ms=START_MS - 3_725_000, trigger="fill")
    assert watch("position_closed")(close) == [
        Alert(
            account=ALICE,
            time_ms=START_MS,
            rule="my-rule",
            subject=f"{ALICE}:BTC:fill",
            severity="info",
            title="BTC long closed: +900.00 USDC net",
            details={
                "size": "1",
                "entry": "100,000",
                "exit": "101,000",
                "gross": "+1,000.00 USDC",
                "fees": "-90.00 USDC",
                "funding": "-10.00 USDC",
                "net": "+900.00 USDC",
                "held": "1 h 2 min",
                "cause": "order",
            },
            labels={
                "coin": "BTC",
                "side": "long",
                "cause": "order",
                "tx_hash": close.tx_hash,
                "type": "position_closed",
            },
            cause=close.name,
        )
    ]


@pytest.mark.parametrize(
    ("cause", "title"),
    [
        ("liquidation", "BTC long liquidated: +900.00 USDC net"),
        ("adl", "BTC long auto-deleveraged: +900.00 USDC net"),
        ("settlement", "BTC long settled: +900.00 USDC net"),
        ("netting", "BTC long closed: +900.00 USDC net"),
        ("flip", "BTC long flipped: +900.00 USDC net"),
    ],
)
def test_the_title_says_how_the_position_ended(watch, cause, title):
    assert watch("position_closed").titles(make_position_closed(cause=cause)) == [title]


def test_a_close_by_state_is_alerted_and_its_figures_follow_in_a_second_alert(watch):
    unknown = {"entry_price": None, "exit_price": None, "gross_pnl": None, "net_pnl": None, "complete": False}
    first = make_position_closed(cause="state", trigger="state", **unknown)
    second = make_position_closed(completes=first.key, time_ms=first.time_ms - 5)
    early, late = watch("position_closed")(first, second)
    assert early.title == "BTC long closed: PnL not known yet"
    assert "entry" not in early.details
    assert early.details["cause"] == "gone from the account state, no closing fill known"
    assert late.title == "BTC long closed, details: +900.00 USDC net"
    assert early.name != late.name


def test_a_close_that_is_stated_anew_is_told_as_corrected_when_its_money_changed(watch):
    first = make_position_closed(complete=False, net_pnl=D(800))
    later_ms = first.time_ms + 7_200_000
    changes = {"completes": first.key, "revision": 1, "previous_net_pnl": first.net_pnl, "stated_ms": later_ms}
    right = msgspec.structs.replace(first, net_pnl=D(900), complete=True, **changes)
    told, corrected = watch("position_closed")(first, right)
    assert corrected.title == "BTC long closed, corrected: +900.00 USDC net (was +800.00 USDC)"
    assert corrected.time_ms == later_ms, "it is as old as the correction, not as the close"
    assert (corrected.labels, corrected.severity) == (told.labels, told.severity)
    same = msgspec.structs.replace(first, net_pnl=D("800.001"), complete=True, **changes)
    assert len(watch("position_closed")(first, same)) == 1


@pytest.mark.parametrize("direction", ["Partial Borrow Liquidation", "Backstop Borrow Liquidation"])
def test_a_forced_sale_of_what_was_borrowed_or_lent_is_a_liquidation(watch, direction):
    fill = make_fill(coin="@107", side="sell", direction=direction, start_position=D(3), size=D(1))
    assert watch("liquidation").titles(fill) == ["@107 long is being liquidated at 100,000"]


def test_a_fill_of_no_size_opens_and_liquidates_nothing(watch):
    fill = make_fill(size=D(0), direction="Liquidated Cross Long", start_position=D(0))
    assert watch("liquidation")(fill) == []
    assert watch("position_opened")(fill) == []


def test_two_closes_of_a_coin_in_one_millisecond_are_two_alerts(watch):
    closes = [make_position_closed(time_ms=START_MS, trigger=trigger) for trigger in "ab"]
    first, second = watch("position_closed")(*closes)
    assert first.name != second.name


def test_an_incomplete_close_says_so(watch):
    (alert,) = watch("position_closed")(make_position_closed(complete=False))
    assert alert.details["note"] == "not every fill of this position is known"


def test_small_prices_keep_their_digits(watch):
    close = make_position_closed(entry_price=D("0.0000123456789"), exit_price=D("97123.456789"), size=D("1200.50"))
    (alert,) = watch("position_closed")(close)
    figures = [alert.details[name] for name in ("entry", "exit", "size")]
    assert figures == ["0.0000123457", "97,123.5", "1,200.5"]


def test_a_liquidation_of_many_fills_is_told_once_for_each_coin_and_minute(watch):
    rule = watch("liquidation")
    fills = [
        own_liquidation(time_ms=START_MS + second * 1000, coin=coin) for second in range(60) for coin in ("BTC", "ETH")
    ]
    assert [alert.labels["coin"] for alert in rule(*fills)] == ["BTC", "ETH"]
    assert len(rule(own_liquidation(time_ms=START_MS + 60_000))) == 1


def test_the_liquidation_of_someone_else_is_none_of_ours(watch):
    other = Liquidation(user="0x" + "99" * 20, mark_price=D(90_000), method="market")
    dirs = ["Open Short", "Liquidated Cross Long", "Close Long"]
    assert watch("liquidation")(*(make_fill(direction=text, liquidation=other) for text in dirs)) == []


def test_a_backstop_liquidation_that_names_nobody_is_known_by_its_direction(watch):
    fill = make_fill(side="sell", direction="Liquidated Isolated Long", start_position=D(1))
    assert watch("liquidation").titles(fill) == ["BTC long is being liquidated at 100,000"]


def test_an_auto_deleveraging_is_no_liquidation(watch):
    fill = make_fill(direction="Auto-Deleveraging", liquidation=Liquidation(user="0x" + "99" * 20))
    assert watch("liquidation")(fill) == []
    assert len(watch("adl")(fill)) == 1


def test_the_order_and_transaction_of_a_fill_are_labels(watch):
    fill = make_fill(order_id=7, tx_hash="0xabc")
    (alert,) = watch("position_opened")(fill)
    assert alert.labels == {
        "coin": "BTC", "side": "long", "order_id": "7", "tx_hash": "0xabc", "type": "position_opened",
    }  # fmt: skip


def test_a_fill_of_nothing_opens_no_position(watch):
    assert watch("position_opened")(make_fill(size=D(0))) == []
