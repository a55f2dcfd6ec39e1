"""The drawdown is net of money that comes and goes, whatever it is and in whatever order it becomes known."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlmon.testing.builders import make_account_state, make_ledger, make_prices
from tests.core.rules.cases import SETTINGS, at, snapshot
from tests.core.rules.conftest import Watch

D = Decimal
NOW = "for_seconds = 0"
PRICES = {"HYPE": D(40)}


def worth(seconds, value, *, seen=4):
    """A snapshot of the minute that begins then, taken from a state so many seconds later."""
    return [make_account_state(time_ms=at(seconds + seen)), snapshot(seconds, account_value=D(value))]


def entry(seconds, **fields):
    return make_ledger(time_ms=at(seconds), **fields)


def staking(seconds, amount, *, deposit=True):
    details = {"type": "cStakingTransfer", "token": "HYPE", "amount": str(amount), "isDeposit": deposit}
    return entry(seconds, type="cStakingTransfer", token="HYPE", amount=D(0), details=details)


def lending(seconds, operation, amount, interest=0, token="USDC"):
    details = {"type": "borrowLend", "operation": operation, "amount": str(amount), "interestAmount": str(interest)}
    owned = -amount if operation == "liquidate" else interest
    return entry(seconds, type="borrowLend", token=token, amount=D(owned), details=details)


def told(watch, *events, toml=NOW):
    rule = watch("drawdown", toml)
    return [alert.details["drawdown"] for alert in rule(make_prices(time_ms=at(0), prices=PRICES), *events)]


MOVES = {
    "a withdrawal": (entry(90, type="withdraw", amount=D(-4_000)), 6_000),
    "tokens sent away": (entry(90, type="send", token="HYPE", amount=D(-100)), 6_000),
    "staking": (staking(90, 100), 6_000),
    "unstaking": (staking(90, 100, deposit=False), 14_000),
    "a deposit": (entry(90, amount=D(4_000)), 14_000),
    "tokens received": (entry(90, type="spotTransfer", token="HYPE", amount=D(100)), 14_000),
    "an air-drop of a worthless token": (
        entry(90, type="spotTransfer", token="SPAM", amount=D(10**6), details={"usdcValue": "4000.0"}),
        10_000,
    ),
    "a vault deposit": (entry(90, type="vaultDeposit", amount=D(-4_000)), 6_000),
    "a vault withdrawal": (entry(90, type="vaultWithdraw", amount=D(4_000)), 14_000),
    "an auction": (entry(90, type="gossipPriorityGasAuction", token="HYPE", amount=D(-100)), 6_000),
    "supplying to the pool": (lending(90, "supply", 4_000), 10_000),
    "taking back from the pool": (lending(90, "withdraw", 4_000), 10_000),
    "borrowing": (lending(90, "borrow", 4_000), 10_000),
    "a transfer between pockets": (entry(90, type="accountClassTransfer", amount=D(0)), 10_000),
}


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("late", [False, True])
def test_no_movement_of_money_is_a_drawdown(watch, name, late):
    move, after = MOVES[name]
    moved = [*worth(120, after), move] if late else [move, *worth(120, after)]
    assert told(watch, *worth(0, 10_000), *worth(60, 10_000), *moved, *worth(180, after), toml="") == []


@pytest.mark.parametrize("name", MOVES)
def test_no_movement_of_money_hides_a_drawdown(watch, name):
    move, after = MOVES[name]
    lost = D(after) * D("0.8")
    assert told(watch, *worth(0, 10_000), *worth(60, 10_000), move, *worth(120, after), *worth(180, lost)) == ["20.0 %"]
    assert told(watch, *worth(0, 10_000), *worth(60, 10_000), move, *worth(120, lost)) == ["20.0 %"]


def test_supplying_to_the_pool_and_then_losing_a_fifth_is_a_drawdown(watch):
    events = [*worth(0, 10_000), lending(30, "supply", 8_000), *worth(60, 10_000), *worth(120, 8_000)]
    assert told(watch, *events) == ["20.0 %"]


def test_interest_is_a_gain_and_a_forced_sale_a_loss(watch):
    assert told(watch, *worth(0, 10_000), lending(30, "withdraw", 5_000, 2_000), *worth(60, 10_000)) == []
    gained = [*worth(0, 10_000), lending(30, "withdraw", 5_000, 1_000), *worth(60, 11_000), *worth(120, 9_900)]
    assert told(watch, *gained) == ["10.0 %"]
    sold = lending(30, "liquidate", 100, token="HYPE")
    assert told(watch, *worth(0, 10_000), sold, *worth(60, 6_000)) == ["40.0 %"]


def test_a_flow_is_valued_at_the_price_of_its_time(watch):
    then = entry(90, type="send", token="HYPE", amount=D(-100), details={"usdcValue": "4000.0"})
    events = [*worth(0, 10_000), *worth(60, 10_000), *worth(120, 6_000)]
    late = make_prices(time_ms=at(3_600), prices={"HYPE": D(80)})
    assert told(watch, *events, late, then, *worth(3_600, 6_000), toml="for_seconds = 7200") == []
    rule = watch("drawdown", "for_seconds = 7200")
    rule(*events, late, then)
    (high,) = rule.rule._measure.memory.accounts.values()
    assert high.net == -4_000


def test_without_any_prices_the_entry_says_what_it_was_worth_and_else_the_alert_says_that_it_is_left_out(watch):
    stated = entry(90, type="spotTransfer", token="HYPE", amount=D(-100), details={"usdcValue": "4000.0"})
    before = [*worth(0, 10_000), *worth(60, 10_000)]
    assert watch("drawdown", NOW)(*before, stated, *worth(120, 6_000)) == []
    (alert,) = watch("drawdown", NOW)(*before, staking(90, 100), *worth(120, 6_000))
    assert alert.details["without"] == "1 ledger entry of unknown type or price"


def test_entries_of_unknown_type_are_counted_by_the_alert_while_the_high_stands(watch):
    unknown = [entry(second, type="somethingNew2027", amount=None) for second in (-3_600, 70, 80)]
    (alert,) = watch("drawdown", NOW)(*worth(0, 10_000), *unknown, *worth(120, 6_000))
    assert alert.details["without"] == "2 ledger entries of unknown type or price"
    rule = watch("drawdown", NOW)
    rule(*worth(0, 10_000), *unknown)
    (alert,) = rule(*worth(86_400, 10_000), *worth(86_520, 6_000))
    assert "without" not in alert.details


@pytest.mark.parametrize("seen", [0, 4, 30, 59])
@pytest.mark.parametrize("known_after", [False, True])
def test_a_deposit_at_the_start_is_no_high_though_its_snapshot_bears_an_earlier_time(watch, seen, known_after):
    deposit = entry(seen - 1, amount=D(5_000))
    first = worth(0, 15_000, seen=seen)
    begin = [*first, deposit] if known_after else [deposit, *first]
    assert told(watch, *begin, *worth(60, 15_000), *worth(120, 15_000), toml="") == []


def test_a_withdrawal_that_is_known_before_the_value_shows_it_makes_no_high(watch):
    out = entry(122, type="withdraw", amount=D(-5_000))
    events = [*worth(0, 10_000), *worth(60, 10_000), out, *worth(120, 10_000), *worth(180, 5_000), *worth(240, 5_000)]
    assert told(watch, *events) == []


def test_a_deposit_that_is_known_before_the_value_shows_it_is_no_fall(watch):
    come = entry(122, amount=D(5_000))
    assert told(watch, *worth(0, 10_000), *worth(60, 10_000), come, *worth(120, 10_000), *worth(180, 15_000)) == []


def test_history_that_is_read_back_changes_nothing(watch):
    old = [entry(-86_400 * day, amount=D(amount)) for day, amount in ((30, 50_000), (20, -45_000), (1, 5_000))]
    assert told(watch, *worth(0, 10_000), *old, *worth(60, 10_000), *worth(120, 9_500)) == []
    assert told(watch, *old, *worth(0, 10_000), *worth(60, 10_000), *worth(120, 9_000)) == ["10.0 %"]


@given(
    steps=st.lists(
        st.tuples(
            st.integers(-800, 3_000), st.sampled_from(["none", "usdc", "stake"]), st.booleans(), st.integers(20, 55)
        ),
        min_size=1,
        max_size=30,
    )
)
def test_no_order_of_movements_makes_a_drawdown_of_an_account_that_only_gains(steps):
    rule = Watch("drawdown", "above = 5", SETTINGS)
    alerts = rule(make_prices(time_ms=at(0), prices=PRICES))
    value, second = D(10_000), 0
    alerts += rule(*worth(0, value))
    for amount, kind, is_late, at_second in steps:
        flow = D(0) if kind == "none" else D(max(amount, -int(value) + 5_000))
        moves = []
        if flow and kind == "usdc":
            moves = [entry(second + at_second, type="deposit" if flow > 0 else "withdraw", amount=flow)]
        elif flow:
            moves = [staking(second + at_second, abs(flow) / 40, deposit=flow < 0)]
        second += 60
        value += flow + 1
        shown = worth(second, value)
        alerts += rule(*(shown + moves if is_late else moves + shown))
    assert alerts == []


@given(values=st.lists(st.integers(1_000, 20_000), min_size=2, max_size=30))
def test_without_any_movement_it_is_the_fall_from_the_highest_value(values):
    rule = Watch("drawdown", 'for_seconds = 0\nhigh = "all_time"\nabove = 10', SETTINGS)
    alerts = [rule(*worth(60 * minute, value)) for minute, value in enumerate(values)]
    highs = [max(values[: index + 1]) for index in range(len(values))]
    beyond = [D(high - value) / high >= D("0.1") for high, value in zip(highs, values, strict=True)]
    fired = [any(alert.state == "firing" for alert in each) for each in alerts]
    first = beyond.index(True) if True in beyond else None
    assert (fired.index(True) if True in fired else None) == first


def test_an_all_time_high_of_an_older_version_stands(watch):
    rule = watch("drawdown", 'for_seconds = 0\nhigh = "all_time"')
    saved = b'{"measure":{"accounts":{"%s":{"value":"20000"}}}}' % snapshot(0).account.encode()
    rule.rule.load_memory(saved)
    assert [alert.details["drawdown"] for alert in rule(*worth(0, 10_000))] == ["50.0 %"]


def test_a_steady_stream_of_small_movements_does_not_hide_a_loss(watch):
    events = []
    for minute in range(5):
        events += [entry(60 * minute + 3, amount=D(5)), *worth(60 * minute, 10_000 - 400 * minute)]
    assert told(watch, *events) == ["12.1 %"]


def test_an_entry_that_explains_a_fall_ends_its_condition_at_once(watch):
    rule = watch("drawdown", NOW)
    (begun,) = rule(*worth(0, 10_000), *worth(60, 6_000))
    (over,) = rule(entry(58, type="withdraw", amount=D(-4_000)), *worth(120, 6_000))
    assert (begun.state, over.state) == ("firing", "resolved")
