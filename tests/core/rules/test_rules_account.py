"""Rules about the account as a whole: which figures they use in which mode, and how they count days and transfers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hlmon import ConfigError
from hlmon.events import Balance
from hlmon.rules.day import day_of
from hlmon.testing.builders import (
    make_account_info,
    make_account_state,
    make_dex_state,
    make_fill,
    make_funding,
    make_ledger,
    make_position_reading,
    make_prices,
    make_spot_state,
)
from tests.core.rules.cases import at, snapshot, state

D = Decimal


def spot(seconds, usdc, hype=0):
    balances = (Balance(coin="USDC", total=D(usdc)), Balance(coin="HYPE", total=D(hype)))
    return make_spot_state(time_ms=at(seconds), balances=balances)


def test_margin_of_a_classic_account_is_that_of_its_worst_dex_or_isolated_position(watch):
    classic = make_account_info(mode="classic", time_ms=at(0))
    isolated = make_position_reading(coin="ETH", margin_mode="isolated", margin_used=D(1_500), max_leverage=40)
    cross = make_position_reading(margin_used=D(1))
    dexes = (
        make_dex_state(cross_maintenance_margin=D(1_000), positions=(isolated, cross)),
        make_dex_state(dex="xyz", cross_account_value=D(100), cross_maintenance_margin=D(80)),
    )
    rule = watch("margin", "above = 80")
    (alert,) = rule(classic, make_account_state(time_ms=at(5), dexes=dexes))
    assert alert.title == "Maintenance margin takes 83.3 % of the equity (ETH isolated)"
    (other,) = watch("margin", "above = 80")(classic, make_account_state(time_ms=at(5), dexes=dexes[1:]))
    assert other.title == "Maintenance margin takes 80.0 % of the equity (xyz cross margin)"


def test_margin_of_a_unified_account_is_backed_by_its_spot_balances(watch):
    rule = watch("margin")
    assert rule(make_account_info(mode="unified", time_ms=at(0)), spot(0, 1_000)) == []
    tight = state(5, make_position_reading(unrealized_pnl=D(-600)), cross_maintenance_margin=D(300))
    (alert,) = rule(tight)
    assert alert.details == {"used": "75.0 %", "maintenance": "300.00 USDC", "equity": "400.00 USDC"}
    assert [each.state for each in rule(spot(6, 5_000), tight)] == ["resolved"]


def test_margin_of_a_unified_account_waits_for_the_prices_of_its_tokens(watch):
    rule = watch("margin")
    tight = [state(second, cross_maintenance_margin=D(300)) for second in (5, 10)]
    assert rule(make_account_info(mode="unified", time_ms=at(0)), tight[0], spot(1, 100, hype=7), tight[0]) == []
    (alert,) = rule(make_prices(time_ms=at(6), prices={"HYPE": D(40)}), tight[1])
    assert alert.details["equity"] == "380.00 USDC"


def test_margin_waits_until_the_mode_is_known(watch):
    assert watch("margin")(state(0, cross_maintenance_margin=D(49_000))) == []


def test_margin_is_read_from_snapshots_where_no_account_state_is_seen(watch):
    rule = watch("margin")
    low = {"account_value": D(1_000), "maintenance_margin": D(900)}
    assert [alert.state for alert in rule(snapshot(0, **low), snapshot(60))] == ["firing", "resolved"]
    assert rule(state(90), snapshot(120, **low), snapshot(150, **low)) == []
    assert len(rule(snapshot(151, **low))) == 1


def test_equity_that_is_gone_is_no_division_by_zero(watch):
    classic = make_account_info(mode="classic", time_ms=at(0))
    gone = state(0, cross_maintenance_margin=D(10), cross_account_value=D(-5))
    assert [alert.details["used"] for alert in watch("margin")(classic, gone)] == ["100.0 %"]


def drawdowns(watch, toml, *events):
    return [
        (alert.state, alert.details["drawdown"]) for alert in watch("drawdown", f"for_seconds = 0\n{toml}")(*events)
    ]


def test_the_days_high_begins_anew_at_midnight_and_the_all_time_one_never(watch):
    values = [(0, 1_000), (60, 1_200), (86_400, 1_080), (86_460, 1_079)]
    events = [snapshot(seconds, account_value=D(value)) for seconds, value in values]
    assert drawdowns(watch, "", *events) == []
    assert drawdowns(watch, 'high = "all_time"', *events) == [("firing", "10.0 %")]


def test_a_day_begins_at_midnight_of_the_users_zone():
    assert day_of(at(-1), "UTC") == "2025-10-09"
    assert day_of(at(-1), "Asia/Tokyo") == "2025-10-10"


def test_a_withdrawal_is_no_drawdown_and_a_deposit_hides_none(watch):
    high = snapshot(0, account_value=D(1_000))
    out = make_ledger(time_ms=at(30), type="withdraw", amount=D(-500))
    assert drawdowns(watch, "", high, out, snapshot(60, account_value=D(500))) == []
    come = make_ledger(time_ms=at(30), amount=D(200))
    assert drawdowns(watch, "", high, come, snapshot(60, account_value=D(1_000))) == [("firing", "16.7 %")]
    token = {"type": "spotTransfer", "token": "HYPE", "amount": D(-10), "details": {"usdcValue": "400.0"}}
    assert drawdowns(watch, "", high, make_ledger(time_ms=at(30), **token), snapshot(60, account_value=D(600))) == []


def test_a_drawdown_waits_for_a_minute_by_itself(watch):
    rule = watch("drawdown")
    assert rule(snapshot(0, account_value=D(100)), snapshot(60, account_value=D(50))) == []
    assert len(rule(snapshot(120, account_value=D(50)))) == 1


def test_pnl_counts_the_coins_that_were_asked_for_and_fees_at_their_value(watch):
    rule = watch("pnl", 'above = 100\ncoins = ["@107"]')
    fee = {"fee": D("0.5"), "fee_token": "HYPE", "price": D(40), "coin": "@107"}
    assert rule(make_fill(time_ms=at(0), closed_pnl=D(900)), snapshot(1)) == []
    (alert,) = rule(make_fill(time_ms=at(1), closed_pnl=D(120), **fee), snapshot(2))
    assert alert.title == "Realised profit of the day: +100.00 USDC"
    assert alert.subject == "profit"


def test_a_fee_in_another_token_than_the_traded_one_counts_at_that_tokens_price(watch):
    fee = {"fee": D("0.5"), "fee_token": "HYPE", "price": D(100_000), "coin": "BTC"}
    rule = watch("pnl", "below = -20")
    (alert,) = rule(make_prices(time_ms=at(0), prices={"HYPE": D(40)}), make_fill(time_ms=at(1), **fee), snapshot(2))
    assert alert.details["pnl"] == "-20.00 USDC"
    assert watch("pnl", "below = -20")(make_fill(time_ms=at(1), **fee), snapshot(2)) == []


def test_loss_and_profit_of_one_rule_are_two_conditions(watch):
    rule = watch("pnl", "below = -100\nabove = 100")
    alerts = []
    for minute, pnl in enumerate((-100, 300, -300)):
        alerts += rule(make_fill(time_ms=at(minute), fee=D(0), closed_pnl=D(pnl)), snapshot(60 * minute))
    assert [(alert.subject, alert.state) for alert in alerts] == [
        ("loss", "firing"),
        ("loss", "resolved"),
        ("profit", "firing"),
        ("loss", "firing"),
        ("profit", "resolved"),
    ]


def test_fills_of_a_day_that_is_over_do_not_count_for_this_one(watch):
    rule = watch("pnl", "below = -100")
    yesterday = make_fill(time_ms=at(-60), closed_pnl=D(-900))
    assert rule(snapshot(0), yesterday, make_funding(time_ms=at(1)), snapshot(60)) == []


def test_a_loss_that_was_read_back_is_told_as_of_now(watch):
    rule = watch("pnl", "below = -100")
    assert rule(make_fill(time_ms=at(0), closed_pnl=D(-900))) == []
    assert [alert.time_ms for alert in rule(snapshot(40_000))] == [at(40_000)]


@pytest.mark.parametrize(
    ("type_", "toml", "problem"),
    [
        ("pnl", "", "below or above: one of them is required"),
        ("pnl", "below = -1\nabove = 1\nclear = 0", "write two rules"),
        ("pnl", 'below = -1\nzone = "Mars/Base"', 'zone: must be a time zone such as "Europe/Berlin"'),
        ("funding_cost", "", "above: is required"),
        ("margin", "above = 80\nclear = 90", "clear: must not be more than above"),
    ],
)
def test_bounds_and_zones_that_cannot_work_are_refused(watch, type_, toml, problem):
    with pytest.raises(ConfigError) as caught:
        watch(type_, toml)
    assert problem in str(caught.value)
