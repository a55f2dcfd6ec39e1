"""A movement of money that no event explains is a doubt; one that marks, trades or payments make is none."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hlmon.events import Balance
from hlmon.hyperliquid.money_books import EARLIER_SECONDS, PATIENCE_SECONDS, Balances
from hlmon.testing.builders import (
    START_MS,
    make_account_state,
    make_dex_state,
    make_fill,
    make_funding,
    make_ledger,
    make_position_reading,
    make_spot_state,
)

LATER = PATIENCE_SECONDS + EARLIER_SECONDS + 1


def margin(cash: int, mark: int, *, time_ms: int = START_MS, **changes):
    """A short of 2 at this mark on the main dex, beside so much cash."""
    position = make_position_reading(size=Decimal(-2), position_value=Decimal(2 * mark))
    value = Decimal(cash - 2 * mark)
    return make_account_state(
        time_ms=time_ms, dexes=(make_dex_state(positions=(position,), account_value=value, **changes),)
    )


def spot(usdc: str, *, time_ms: int = START_MS):
    return make_spot_state(time_ms=time_ms, balances=(Balance(coin="USDC", total=Decimal(usdc)),))


def test_marks_that_move_are_no_doubt():
    balances = Balances()
    for second, mark in enumerate((100, 120, 90, 100)):
        balances.compare_cash(margin(1_000, mark), 5.0 * second)
    assert balances.doubt(1_000.0) is None


def test_cash_that_moves_without_an_event_is_a_doubt_since_the_last_state_that_agreed():
    balances = Balances()
    balances.compare_cash(margin(1_000, 100), 0.0)
    balances.compare_cash(margin(1_000, 110, time_ms=START_MS + 5_000), 5.0)
    balances.compare_cash(margin(8_000, 110, time_ms=START_MS + 10_000), 10.0)
    assert balances.doubt(10.0) is None
    assert balances.doubt(10.0 + PATIENCE_SECONDS) == START_MS + 5_000
    assert balances.doubt(10.0 + 2 * PATIENCE_SECONDS) is None


@pytest.mark.parametrize("event", [make_fill(), make_funding(), make_ledger()], ids=["fill", "funding", "ledger"])
@pytest.mark.parametrize("is_late", [False, True], ids=["before the state", "after the state"])
def test_cash_that_moves_with_an_event_is_no_doubt(event, is_late):
    balances = Balances()
    balances.compare_cash(margin(1_000, 100), 0.0)
    if not is_late:
        balances.take([event], 4.0)
    balances.compare_cash(margin(900, 100), 5.0)
    if is_late:
        balances.take([event], 6.0)
    assert balances.doubt(LATER) is None


@pytest.mark.parametrize("changes", [{"complete": False}, {"exact": False}])
def test_nothing_follows_from_a_dex_that_could_not_be_read_whole(changes):
    balances = Balances()
    balances.compare_cash(margin(1_000, 100), 0.0)
    balances.compare_cash(margin(8_000, 100, **changes), 5.0)
    assert balances.doubt(LATER) is None


def test_a_spot_balance_that_moves_without_an_event_is_a_doubt():
    balances = Balances()
    balances.compare(spot("5"), 0.0)
    balances.compare_cash(margin(1_000, 100), 0.0)
    balances.compare(spot("6", time_ms=START_MS + 5_000), 5.0)
    assert balances.doubt(5.0 + PATIENCE_SECONDS) == START_MS
