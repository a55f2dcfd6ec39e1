"""What the rule `position_closed` tells people."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from hlmon.contract import Settings
from hlmon.derive.rules import FACTORY, PositionClosedConfig, body_of, duration_text, title_of
from hlmon.events import Alert, PositionClosed
from hlmon.testing.builders import ALICE, BOB, START_MS, make_fill, make_position_closed
from hlmon.testing.deriver_contract import DeriverContract

D = Decimal
WATCHED = Settings(name="my-closes", accounts={ALICE: "Treasury"})


def alerts_of(close: PositionClosed, **config) -> list[Alert]:
    with FACTORY.open(msgspec.convert(config, PositionClosedConfig), WATCHED) as rule:
        return list(rule(close))


def test_a_close_gives_one_alert_about_itself():
    close = make_position_closed(time_ms=START_MS, opened_ms=START_MS - 3_725_000, trigger="fill")
    assert alerts_of(close) == [
        Alert(
            account=ALICE,
            time_ms=START_MS,
            rule="my-closes",
            subject=f"{ALICE}:BTC:fill",
            severity="info",
            title="BTC long closed: +900.00 USDC net",
            body=(
                f"account: Treasury {ALICE}\nsize: 1\nentry: 100,000\nexit: 101,000\ngross: +1,000.00\nfees: -90.00\n"
                "funding: -10.00\nnet: +900.00\nheld: 1 h 2 min\ncause: order"
            ),
            labels={"coin": "BTC", "side": "long", "cause": "order"},
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
def test_the_title_says_how_the_position_ended(cause, title):
    assert title_of(make_position_closed(cause=cause)) == title


def test_a_close_by_state_is_alerted_and_its_figures_follow_in_a_second_alert():
    unknown = {"entry_price": None, "exit_price": None, "gross_pnl": None, "net_pnl": None, "complete": False}
    first = make_position_closed(cause="state", trigger="state", **unknown)
    second = make_position_closed(completes=first.key, time_ms=first.time_ms - 5)
    (early,), (late,) = alerts_of(first), alerts_of(second)
    assert early.title == "BTC long closed: PnL not known yet"
    assert "entry" not in early.body
    assert "no closing fill known" in early.body
    assert late.title == "BTC long closed, details: +900.00 USDC net"
    assert early.name != late.name


def test_two_closes_of_a_coin_in_one_millisecond_are_two_alerts():
    first, second = (alerts_of(make_position_closed(time_ms=START_MS, trigger=trigger)) for trigger in "ab")
    assert first[0].name != second[0].name


def test_an_incomplete_close_says_so():
    assert "not every fill" in body_of(make_position_closed(complete=False), "")


def test_small_prices_keep_their_digits():
    close = make_position_closed(entry_price=D("0.0000123456789"), exit_price=D("97123.456789"), size=D("1200.50"))
    assert "entry: 0.0000123457\nexit: 97,123.5" in body_of(close, "")
    assert "size: 1,200.5\n" in body_of(close, "")


@pytest.mark.parametrize(
    ("config", "count"),
    [
        ({"coins": ["BTC"]}, 1),
        ({"coins": ["ETH"]}, 0),
        ({"accounts": [ALICE.upper().replace("X", "x")]}, 1),
        ({"accounts": ["treasury"]}, 1),
        ({"accounts": [BOB]}, 0),
        ({"accounts": [ALICE], "coins": ["ETH"]}, 0),
    ],
)
def test_accounts_and_coins_narrow_what_is_alerted(config, count):
    assert len(alerts_of(make_position_closed(), **config)) == count


def test_the_severity_is_the_configs():
    assert alerts_of(make_position_closed(), severity="critical")[0].severity == "critical"


def test_unknown_fields_and_severities_are_refused():
    for wrong in ({"coin": ["BTC"]}, {"severity": "loud"}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, PositionClosedConfig)


def test_other_events_give_no_alert():
    with FACTORY.open(PositionClosedConfig(), WATCHED) as rule:
        assert list(rule(make_fill())) == []


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [(0, "under 1 s"), (1_500, "1 s"), (61_000, "1 min 1 s"), (3_600_000, "1 h 0 min"), (90_000_000, "1 d 1 h")],
)
def test_hold_times_are_told_in_their_two_largest_units(duration_ms, text):
    assert duration_text(duration_ms) == text


class TestContract(DeriverContract):
    """The rule keeps the contract of derivers."""

    settings = WATCHED

    def factory(self):
        return FACTORY

    def config(self):
        return PositionClosedConfig()

    def events(self):
        return [make_position_closed(time_ms=START_MS), make_position_closed(time_ms=START_MS + 1, coin="ETH")]
