"""When an account snapshot is taken, and what the account is worth in each mode."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hlmon.contract import NoConfig, Settings
from hlmon.derive.snapshots import FACTORY, Snapshots
from hlmon.derive.value import token_price
from hlmon.events import AccountSnapshot, Balance
from hlmon.testing.builders import (
    ALICE,
    BOB,
    START_MS,
    make_account_info,
    make_account_state,
    make_dex_state,
    make_position_reading,
    make_prices,
    make_spot_state,
)
from hlmon.testing.deriver_contract import DeriverContract

D = Decimal
MINUTE_MS = 60_000
GRID_MS = START_MS - START_MS % MINUTE_MS + MINUTE_MS

LONG = make_position_reading(unrealized_pnl=D(1000), liquidation_price=D(75_000))
MAIN = make_dex_state(
    account_value=D(51_000),
    cross_account_value=D(51_000),
    notional=D(100_000),
    margin_used=D(10_000),
    cross_maintenance_margin=D(1_250),
    withdrawable=D(30_000),
    positions=(LONG,),
)
SILVER = make_dex_state(
    dex="xyz", account_value=D(500), cross_account_value=D(500), margin_used=D(0), withdrawable=D(500)
)
BALANCES = (
    Balance(coin="USDC", total=D(20_000), hold=D(12_000)),
    Balance(coin="USDH", total=D(100), borrowed=D(40)),
    Balance(coin="HYPE", total=D(10), hold=D(1)),
    Balance(coin="MEOW", total=D(448)),
    Balance(coin="+107580", total=D(3)),
)


def state(after_ms: int = 0, dexes=(MAIN, SILVER), **changes):
    return make_account_state(dexes=dexes, time_ms=GRID_MS + after_ms, **changes)


def info(mode: str, **changes):
    return make_account_info(mode=mode, **changes)


def snapshots_of(*events, deriver: Snapshots | None = None) -> list[AccountSnapshot]:
    deriver = deriver or Snapshots(MINUTE_MS)
    return [snapshot for event in events for snapshot in deriver(event)]


def known(mode: str):
    return [info(mode), make_prices(), make_spot_state(balances=BALANCES)]


def test_a_classic_account_is_worth_its_dexes_and_its_spot_balances():
    assert snapshots_of(*known("classic"), state(after_ms=4_000)) == [
        AccountSnapshot(
            account=ALICE,
            time_ms=GRID_MS,
            account_value=D(51_500) + D(20_000) + D(60) + D(400),
            total_margin_used=D(10_000),
            withdrawable=D(30_500),
            total_unrealized_pnl=D(1_000),
            maintenance_margin=D(1_250),
            notional=D(100_000),
            leverage=D("1.3897"),
            health_score=69,
            positions_count=1,
            mode="classic",
        )
    ]


@pytest.mark.parametrize("mode", ["unified", "portfolio_margin"])
def test_a_unified_account_is_worth_its_spot_balances_and_its_unrealised_pnl(mode):
    dex = make_dex_state(account_value=D(0), cross_account_value=D(0), withdrawable=D(0), positions=(LONG,))
    (snapshot,) = snapshots_of(*known(mode), state(dexes=(dex,)))
    assert snapshot.account_value == D(20_000) + D(60) + D(400) + D(1_000)
    assert (snapshot.withdrawable, snapshot.mode) == (D(8_000) + D(60), mode)


def test_a_price_stands_above_the_assumption_that_collateral_is_worth_one():
    assert token_price("USDH", {"USDH": D("0.998")}) == D("0.998")
    assert (token_price("USDH", {}), token_price("USDC", {}), token_price("MEOW", {})) == (D(1), D(1), D(0))


def test_one_snapshot_is_taken_per_interval_from_its_first_state():
    taken = snapshots_of(*known("classic"), *(state(after_ms=ms) for ms in (4_000, 9_000, 61_000, 62_000, 300_001)))
    assert [snapshot.time_ms - GRID_MS for snapshot in taken] == [0, 60_000, 300_000]


def test_two_monitors_name_their_snapshots_alike():
    (one,) = snapshots_of(*known("classic"), state(after_ms=4_000))
    (other,) = snapshots_of(*known("classic"), state(after_ms=9_000))
    assert one.name == other.name


def test_an_older_state_takes_no_snapshot():
    assert len(snapshots_of(*known("classic"), state(after_ms=61_000), state(after_ms=1_000))) == 1


def test_no_snapshot_is_taken_before_the_mode_is_known():
    early = [make_spot_state(balances=BALANCES), make_prices(), state(), state(after_ms=600_000)]
    assert len(snapshots_of(*early, info("unified"), state(after_ms=605_000))) == 1


def test_a_unified_account_waits_for_the_prices_of_its_tokens():
    deriver = Snapshots(MINUTE_MS)
    early = [info("unified"), make_spot_state(balances=BALANCES), state(), state(after_ms=600_000)]
    assert snapshots_of(*early, deriver=deriver) == []
    assert snapshots_of(make_prices(), state(after_ms=605_000), deriver=deriver)[0].account_value > 0


@pytest.mark.parametrize("mode", ["unified", "portfolio_margin"])
def test_a_unified_account_never_shows_zeros_for_want_of_its_balances(mode):
    deriver = Snapshots(MINUTE_MS)
    assert snapshots_of(info(mode), state(), state(after_ms=600_000), deriver=deriver) == []
    assert snapshots_of(make_spot_state(), state(after_ms=605_000), deriver=deriver)[0].account_value > 0


def test_a_classic_account_waits_for_its_balances_for_one_interval():
    states = [state(after_ms=ms) for ms in (4_000, 9_000, 63_999, 64_000)]
    (snapshot,) = snapshots_of(info("classic"), *states)
    assert (snapshot.time_ms, snapshot.account_value) == (GRID_MS + 60_000, D(51_500))


def test_accounts_are_apart_and_share_the_prices():
    spot, mode = make_spot_state(balances=BALANCES, account=BOB), info("unified", account=BOB)
    taken = snapshots_of(*known("classic"), spot, mode, state(), state(account=BOB))
    assert [(snapshot.account, snapshot.mode) for snapshot in taken] == [(ALICE, "classic"), (BOB, "unified")]
    assert taken[1].account_value == D(20_000) + D(60) + D(400) + D(1_000)


def test_an_account_worth_nothing_has_no_leverage():
    empty = make_dex_state(account_value=D(0), cross_account_value=D(0), withdrawable=D(0))
    (snapshot,) = snapshots_of(info("classic"), make_spot_state(balances=()), state(dexes=(empty,)))
    assert (snapshot.leverage, snapshot.health_score, snapshot.account_value) == (D(0), 100, D(0))


def test_a_rebuilt_memory_takes_no_second_snapshot_of_an_interval():
    (stored,) = snapshots_of(*known("classic"), state(after_ms=4_000))
    assert snapshots_of(stored, *known("classic"), state(after_ms=9_000)) == []


class TestContract(DeriverContract):
    """The snapshots keep the contract of derivers."""

    settings = Settings(name="snapshots", snapshot_ms=MINUTE_MS)

    def factory(self):
        return FACTORY

    def config(self):
        return NoConfig()

    def events(self):
        return [*known("unified"), state(), state(after_ms=5_000), state(after_ms=65_000)]
