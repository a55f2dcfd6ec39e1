import random
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.proof import measure, write_journal
from hlmon.events import Fill, Gap, Position
from hlmon.testing.builders import ALICE, BOB, make_fill, make_position
from hlmon.verify import MOST_BREAKS, SETTLING_MS, Chain, verify

LATER_MS = 9_000_000_000_000


def chain_of(fills, positions=(), gaps=(), now_ms=LATER_MS) -> Chain:
    (chain,) = verify(fills, positions, gaps, now_ms=now_ms)
    return chain


def fills_through(*positions: int, time_ms: int | None = None, first_ms: int = 1_000, **changes) -> list[Fill]:
    """Fills that move the position through these sizes, a second apart, or all at `time_ms`."""
    return [
        make_fill(
            side="buy" if after > before else "sell",
            size=Decimal(abs(after - before)),
            start_position=Decimal(before),
            time_ms=time_ms if time_ms is not None else first_ms + index * 1_000,
            **changes,
        )
        for index, (before, after) in enumerate(pairwise(positions))
    ]


def state(size: int, time_ms: int, **changes) -> Position:
    fields = {"coin": "BTC", "side": "long" if size >= 0 else "short", "size": Decimal(abs(size)), "time_ms": time_ms}
    return make_position(**fields | changes)


def gap(start_ms: int, end_ms: int | None, **changes) -> Gap:
    fields = {"account": ALICE, "stream": "userFills", "time_ms": start_ms, "start_ms": start_ms, "end_ms": end_ms}
    return Gap(**fields | changes)


def test_fills_that_follow_on_each_other_have_no_break():
    chain = chain_of(fills_through(0, 2, 5, 0, -3))
    assert (chain.breaks, chain.fills, chain.end) == ((), 4, Decimal(-3))
    assert chain.proven


def test_a_missing_fill_is_a_break_between_its_neighbours():
    first, _, third = fills_through(0, 2, 5, 0)
    chain = chain_of([first, third])
    (found,) = chain.breaks
    assert (found.after_ms, found.before_ms, found.expected, found.found) == (1_000, 3_000, 2, 5)
    assert not chain.proven


def test_a_first_fill_that_starts_with_a_position_is_no_break():
    assert chain_of(fills_through(7, 9)).proven


def test_the_order_in_which_fills_are_given_does_not_matter():
    fills = fills_through(0, 2, 5, 0, -3)
    assert chain_of(fills[::-1]).breaks == ()


def test_accounts_and_coins_have_chains_of_their_own_in_the_order_of_their_names():
    fills = [*fills_through(0, 1, account=BOB), *fills_through(4, 5, coin="ETH"), *fills_through(2, 1)]
    chains = verify(fills, [], [], now_ms=LATER_MS)
    assert [(chain.account, chain.coin) for chain in chains] == [(ALICE, "BTC"), (ALICE, "ETH"), (BOB, "BTC")]
    assert all(chain.proven for chain in chains)


def test_spot_fills_have_no_chain_because_transfers_change_a_balance():
    assert verify([make_fill(coin="@107"), make_fill(coin="PURR/USDC")], [], [], now_ms=LATER_MS) == []


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_fills_of_one_millisecond_are_put_into_the_order_that_links_them(steps: list[int], chance: random.Random):
    path = [steps[0], *(after for before, after in pairwise(steps) if after != before)]
    fills = [*fills_through(100, path[0], time_ms=1), *fills_through(*path, time_ms=2)]
    chance.shuffle(fills)
    chain = chain_of(fills)
    assert (chain.breaks, chain.end) == ((), path[-1])


def test_a_fill_missing_inside_one_millisecond_is_one_break():
    fills = fills_through(0, 2, 5, 9, 4, time_ms=1)
    del fills[1]
    assert len(chain_of(fills[::-1]).breaks) == 1


def test_a_self_trade_changes_nothing_though_both_legs_state_a_start():
    before, after = fills_through(0, 3, first_ms=1), fills_through(3, 4, first_ms=9)
    legs = [
        make_fill(side=side, start_position=Decimal(3), size=Decimal(2), time_ms=5, trade_id=77, tx_hash="0xa")
        for side in ("buy", "sell")
    ]
    assert chain_of([*before, *legs, *after]).proven
    flagged = [msgspec.structs.replace(leg, self_trade=True) for leg in legs]
    assert chain_of([*before, *flagged, *after]).proven


def test_one_leg_of_a_flagged_self_trade_changes_nothing():
    leg = make_fill(start_position=Decimal(3), time_ms=5_000, self_trade=True)
    assert chain_of([*fills_through(0, 3), leg]).end == 3


def test_a_fill_without_start_position_begins_the_chain_anew_and_is_counted():
    unlinked = make_fill(start_position=None, time_ms=1_500)
    chain = chain_of([*fills_through(0, 2), unlinked, *fills_through(7, 8, first_ms=2_000)])
    assert (chain.breaks, chain.unlinked, chain.end) == ((), 1, Decimal(8))


def test_unlinked_and_linked_fills_of_one_millisecond_still_show_a_break_before_them():
    fills = [
        *fills_through(0, 2, time_ms=1),
        *fills_through(5, 6, time_ms=2),
        make_fill(start_position=None, time_ms=2),
    ]
    chain = chain_of(fills)
    assert (len(chain.breaks), chain.end) == (1, None)


@pytest.mark.parametrize(
    ("hole", "is_covered"),
    [
        (gap(1_000, 3_000), True),
        (gap(2_000, None), True),
        (gap(1_000, 3_000, stream="userTwapSliceFills"), True),
        (gap(3_001, 4_000), False),
        (gap(100, 999), False),
        (gap(1_000, 3_000, healed=True), False),
        (gap(1_000, 3_000, account=BOB), False),
        (gap(1_000, 3_000, stream="userFundings"), False),
    ],
)
def test_a_break_is_covered_only_by_an_unhealed_gap_of_the_accounts_fills_at_that_time(hole: Gap, is_covered: bool):
    first, _, third = fills_through(0, 2, 5, 0)
    chain = chain_of([first, third], gaps=[hole])
    assert chain.breaks[0].covered is is_covered
    assert chain.proven is is_covered


@pytest.mark.parametrize(
    ("size", "time_ms", "agreement"),
    [(5, 3_000, "equal"), (4, 3_000, "differs"), (-5, 3_000, "differs"), (4, 1_999, "state older"), (5, 1, "equal")],
)
def test_the_end_of_the_chain_is_compared_with_the_account_state(size: int, time_ms: int, agreement: str):
    chain = chain_of(fills_through(0, 2, 5), [state(size, time_ms)])
    assert chain.agreement == agreement
    assert chain.proven is (agreement != "differs")


def test_a_state_ahead_of_its_fills_counts_only_when_it_had_time_to_settle():
    fills, ahead = fills_through(0, 2), state(9, 3_000)
    assert chain_of(fills, [ahead], now_ms=3_000 + SETTLING_MS - 1).agreement == "settling"
    assert chain_of(fills, [ahead], now_ms=3_000 + SETTLING_MS).agreement == "differs"


def test_a_difference_from_the_state_may_be_covered_by_a_gap_too():
    chain = chain_of(fills_through(0, 2), [state(9, 3_000)], [gap(1_500, None)])
    assert (chain.agreement, chain.proven) == ("differs", True)


def test_a_closed_position_without_any_state_agrees():
    assert chain_of(fills_through(0, 2, 0)).agreement == "equal"
    assert chain_of(fills_through(0, 2)).agreement == "no state"


def test_an_open_position_without_fills_is_listed_and_proves_nothing_wrong():
    chain = chain_of([], [state(3, 1_000, coin="SOL")])
    assert (chain.coin, chain.fills, chain.agreement, chain.proven) == ("SOL", 0, "no fills", True)


def test_a_closed_position_without_fills_is_left_out():
    assert verify([], [state(0, 1_000)], [], now_ms=LATER_MS) == []


def test_of_very_many_breaks_the_first_are_listed_and_all_are_counted():
    chain = chain_of([make_fill(start_position=Decimal(5), time_ms=1000 + n, trade_id=n) for n in range(500)])
    assert (len(chain.breaks), chain.breaks_found, chain.proven) == (MOST_BREAKS, 499, False)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_million_fills_take_ten_seconds_and_a_hundred_megabytes_so_less_take_less(seed: int, tmp_path: Path):
    path, number = tmp_path / "journal.db", 20_000
    write_journal(path, number, seed=seed)
    figures = measure(path)
    assert figures["fills"] == number
    assert figures["peak_mb"] < 100
    # The bound of a million, scaled, and what the program needs to start, on a machine that is busy with other tests.
    assert figures["seconds"] < 10 * number / 1_000_000 + 15
