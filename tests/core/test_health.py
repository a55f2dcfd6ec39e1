"""The health score and what it is made of."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlmon.derive.health import (
    FAR,
    Margin,
    distances_of,
    health_score,
    isolated_maintenance,
    liquidation_distance,
    margins_of,
)
from hlmon.testing.builders import make_dex_state, make_position_reading

D = Decimal
amounts = st.decimals(min_value=0, max_value=10**9, places=4)
shares = st.decimals(min_value=-1, max_value=2, places=6)


def test_an_account_without_positions_is_perfectly_healthy():
    assert health_score([], []) == 100
    assert health_score([Margin(D(0), D(0))], []) == 100


def test_an_account_at_its_maintenance_margin_or_at_a_liquidation_price_scores_zero():
    assert health_score([Margin(D(10), D(10))], [D(1)]) == 0
    assert health_score([Margin(D(10), D(-5))], [D(1)]) == 0
    assert health_score([Margin(D(1), D(100))], [D(0)]) == 0
    assert health_score([Margin(D(1), D(100))], [D("-0.1")]) == 0


def test_the_score_is_the_geometric_mean_of_free_margin_and_room():
    assert health_score([Margin(D(36), D(100))], [FAR]) == 80
    assert health_score([Margin(D(36), D(100))], [FAR / 4]) == 40


def test_the_worst_margin_account_and_the_nearest_liquidation_price_count():
    margins, distances = [Margin(D(36), D(100)), Margin(D(0), D(5))], [FAR / 4, FAR]
    assert health_score(margins, distances) == 40


@given(amounts, amounts, amounts, shares, shares)
def test_more_equity_less_maintenance_and_more_distance_never_lower_the_score(maintenance, equity, more, near, far):
    near, far = sorted((near, far))
    score = health_score([Margin(maintenance, equity)], [near])
    assert 0 <= score <= 100
    assert health_score([Margin(maintenance, equity + more)], [near]) >= score
    assert health_score([Margin(maintenance + more, equity)], [near]) <= score
    assert health_score([Margin(maintenance, equity)], [far]) >= score


@pytest.mark.parametrize(
    ("size", "liquidation_price", "distance"),
    [("2", "75", "0.25"), ("-2", "125", "0.25"), ("2", "125", "-0.25"), ("-2", "6339", "62.39")],
)
def test_the_distance_is_the_adverse_move_as_a_share_of_the_mark_price(size, liquidation_price, distance):
    reading = make_position_reading(size=D(size), position_value=D(200), liquidation_price=D(liquidation_price))
    assert liquidation_distance(reading) == D(distance)


def test_a_position_without_liquidation_price_takes_nothing_from_the_room():
    assert distances_of([make_dex_state(positions=(make_position_reading(liquidation_price=None),))]) == []


def test_the_maintenance_margin_of_a_position_is_half_its_initial_margin_at_maximum_leverage():
    assert isolated_maintenance(make_position_reading(position_value=D(8000), max_leverage=40)) == D(100)


def test_each_dex_of_a_classic_account_is_a_margin_account_and_so_is_each_isolated_position():
    isolated = make_position_reading(
        margin_mode="isolated", position_value=D(800), leverage=4, max_leverage=4, margin_used=D(200)
    )
    dexes = [
        make_dex_state(cross_maintenance_margin=D(5), cross_account_value=D(50), positions=(isolated,)),
        make_dex_state(dex="xyz", cross_maintenance_margin=D(7), cross_account_value=D(9)),
    ]
    assert margins_of(dexes, "classic", D(1)) == [Margin(D(100), D(200)), Margin(D(5), D(50)), Margin(D(7), D(9))]


@pytest.mark.parametrize("mode", ["unified", "portfolio_margin"])
def test_in_the_other_modes_the_whole_account_backs_all_cross_positions(mode):
    dexes = [
        make_dex_state(cross_maintenance_margin=D(5), cross_account_value=D(0)),
        make_dex_state(dex="xyz", cross_maintenance_margin=D(7), cross_account_value=D(0)),
    ]
    assert margins_of(dexes, mode, D(1000)) == [Margin(D(12), D(1000))]
