"""The monitor's journal equals what truly happened, whatever goes wrong, and it never claims more than it has.

Each seed is a story of about two minutes (tests/e2e/story.py): five fixed ones, and five (HLMON_FRESH_SEEDS=n: n) that
nobody chose, whose numbers are in the names of the tests and in the summary. All of them are told side by side from the
beginning of the session on, beside the other tests, and are looked at last (conftest.py). What a wrong one left behind
stays in .cache/chaos/SEED. `make chaos SEEDS=n` tells any number.
"""

from __future__ import annotations

import os

import pytest

from hlmon_sim.faults import KINDS
from tests.e2e.chaos import Result, Telling, faults_of, fresh_seeds, run_again

FIXED = (1, 2, 3, 4, 5)
FRESH = tuple(fresh_seeds(int(os.environ.get("HLMON_FRESH_SEEDS", "5"))))


@pytest.fixture(scope="module")
def told(telling: Telling) -> dict[int, Result]:
    """What came of every seed."""
    return {seed: telling.result(seed) for seed in (*FIXED, *FRESH)}


@pytest.fixture(params=[*FIXED, *FRESH], ids=lambda seed: f"seed-{seed}")
def result(telling: Telling, request: pytest.FixtureRequest) -> Result:
    """What came of one seed; a story that broke fails here."""
    result = telling.result(request.param)
    assert "broken" not in result, f"{result['broken']}\nagain: {run_again(request.param)}"
    return result


def assert_none(result: Result, *names: str) -> None:
    found = {name: result["differences"][name] for name in names if result["differences"][name]}
    assert not found, f"again: {run_again(result['seed'])}"


def test_the_monitor_never_says_that_all_is_well_while_something_is_missing_for_a_minute(result):
    assert not result["violations"], f"again: {run_again(result['seed'])}"


def test_it_never_ends_by_itself_and_ends_when_it_is_told_to(result):
    assert (result["deaths"], result["exit_code"]) == ([], 0), f"again: {run_again(result['seed'])}"


def test_nothing_is_missing_that_no_open_gap_names(result):
    assert_none(result, "fill missing without a gap", "funding missing without a gap", "ledger missing without a gap")


def test_nothing_is_stored_twice_or_was_never_there(result):
    assert_none(result, "fill too many", "funding too many", "ledger too many")


def test_every_fill_has_its_exact_numbers(result):
    assert_none(result, "fill with other numbers")


def test_every_row_that_cannot_be_read_is_in_quarantine(result):
    assert_none(result, "unread row not in quarantine")


def test_no_gap_is_open_where_nothing_is_missing(result):
    assert_none(result, "gap where nothing is missing")


def test_every_order_has_its_final_status_and_those_that_rest_are_open(result):
    assert_none(result, "order", "open order")


def test_every_position_is_what_the_exchange_holds(result):
    assert_none(result, "position")


def test_every_position_that_was_closed_has_one_close(result):
    assert_none(result, "close")


def test_a_close_that_calls_itself_complete_spans_the_whole_life_of_the_position(result):
    assert_none(result, "close that is not complete")


def test_a_complete_close_has_the_funding_that_was_known_when_it_closed(result):
    assert_none(result, "close with other funding")


def test_a_complete_cvd_bucket_equals_the_trades_that_truly_happened(result):
    assert_none(result, "cvd")


def test_the_monitor_is_well_at_the_end_if_nothing_is_missing(result):
    assert_none(result, "not well at the end")


def test_every_kind_of_fault_came_in_one_of_the_fixed_stories(told):
    assert {kind for seed in FIXED for kind in told[seed]["faults"]} == set(KINDS)


def test_the_monitor_is_well_at_times_so_that_its_word_says_something(told):
    well = sum(result["well"] for result in told.values() if "broken" not in result)
    assert well > 0, {seed: faults_of(result) for seed, result in told.items()}
