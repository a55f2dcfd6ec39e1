"""States that lack something of the account give no figure: no snapshot, and no margin condition begins or ends."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hlmon.derive.account_view import EMPTY_MS, GONE_MS
from hlmon.derive.snapshots import Snapshots
from hlmon.derive.value import account_value, withdrawable
from hlmon.events import Balance
from hlmon.hyperliquid.dexes import Dexes
from hlmon.testing.builders import (
    START_MS,
    make_account_info,
    make_account_state,
    make_dex_state,
    make_ledger,
    make_position_reading,
    make_prices,
    make_spot_state,
)

D = Decimal
MINUTE_MS = 60_000
NOTHING = {"account_value": D(0), "cross_account_value": D(0), "withdrawable": D(0), "positions": ()}
XYZ = {"dex": "xyz", "account_value": D(500), "cross_account_value": D(500)}
MODES = ["classic", "dex_abstraction", "unified", "portfolio_margin"]
SHARED = {"unified", "portfolio_margin"}


class Monitor:
    """The snapshots and a margin rule of one account, to whom a state comes each 5 s."""

    def __init__(self, watch, mode="classic"):
        self.derivers = [Snapshots(5_000), watch("margin")]
        self.time_ms = START_MS
        self.told = []
        self.tell(make_account_info(mode=mode, time_ms=START_MS), make_prices(), self.usdc(1_000))

    def tell(self, *events):
        told = [each for event in events for deriver in self.derivers for each in deriver(event)]
        self.told += told
        return told

    def usdc(self, *totals, **changes):
        balances = tuple(
            Balance(coin=coin, total=D(total)) for coin, total in zip(("USDC", "HYPE"), totals, strict=False)
        )
        return make_spot_state(balances=balances, **changes)

    def state(self, *dexes, after_ms=5_000):
        self.time_ms += after_ms
        told = self.tell(make_account_state(time_ms=self.time_ms, dexes=dexes or (make_dex_state(),)))
        return [getattr(each, "account_value", None) or getattr(each, "state", each) for each in told]


@pytest.fixture
def monitor(watch):
    return lambda *args: Monitor(watch, *args)


def test_a_state_without_a_known_dex_gives_no_figure_and_the_next_whole_one_does(monitor):
    seen = monitor()
    main, further = make_dex_state(), make_dex_state(**XYZ)
    assert seen.state(main, further) == [D(51_500)]
    tight = make_dex_state(cross_maintenance_margin=D(49_000))
    assert seen.state(tight) == []
    assert seen.state(further) == []
    assert seen.state(tight, further) == [D(51_500), "firing"]
    assert seen.state(main) == []
    assert seen.state(main, further) == [D(51_500), "resolved"]


def test_a_dex_that_stays_away_for_five_minutes_is_gone(monitor):
    seen = monitor()
    seen.state(make_dex_state(), make_dex_state(**XYZ))
    assert seen.state() == []
    assert seen.state(after_ms=GONE_MS) == []
    assert seen.state(after_ms=1_000) == [D(51_000)]


def test_a_dex_on_which_the_account_has_nothing_may_come_and_go(monitor):
    seen = monitor()
    empty = make_dex_state(**NOTHING | {"dex": "abcd"})
    assert seen.state(make_dex_state(), empty) == [D(51_000)]
    assert seen.state(make_dex_state()) == [D(51_000)]


def test_a_position_that_could_not_be_read_gives_no_figure(monitor):
    seen = monitor()
    assert seen.state(make_dex_state(complete=False, cross_maintenance_margin=D(49_000))) == []
    assert seen.state() == [D(51_000)]


def test_a_figure_that_was_not_told_gives_no_figure_and_ends_no_condition(monitor):
    seen = monitor()
    assert seen.state(make_dex_state(cross_maintenance_margin=D(49_000))) == [D(51_000), "firing"]
    assert seen.state(make_dex_state(exact=False)) == []
    assert seen.state() == [D(51_000), "resolved"]


def test_a_balance_that_could_not_be_read_counts_as_it_was(monitor):
    seen = monitor()
    seen.tell(seen.usdc(1_000, 10), seen.usdc(900, complete=False))
    assert seen.state() == [D(50_000) + 900 + 400]
    seen.tell(seen.usdc(900))
    assert seen.state() == [D(50_900)]


def test_balances_that_were_never_read_whole_are_not_known(monitor):
    seen = monitor("unified")
    seen.derivers = [Snapshots(5_000)]
    seen.tell(make_account_info(mode="unified"), make_prices(), seen.usdc(900, complete=False))
    assert seen.state() == []


@pytest.mark.parametrize("mode", MODES)
def test_a_funded_account_that_shows_nothing_has_lost_nothing_until_that_lasts_a_minute(monitor, mode):
    seen = monitor(mode)
    seen.state(
        make_dex_state(positions=(make_position_reading(unrealized_pnl=D(0)),), cross_maintenance_margin=D(49_000))
    )
    seen.told.clear()
    seen.tell(make_spot_state(balances=(Balance(coin="USDC", total=D(0)),)))
    nothing = make_dex_state(**NOTHING)
    assert seen.state(nothing) == []
    assert seen.state(nothing) == []
    assert seen.state(nothing, after_ms=EMPTY_MS - 5_000) == []
    seen.state(nothing)
    assert [each.account_value for each in seen.told if each.kind == "account"] == [0]


@pytest.mark.parametrize("mode", MODES)
def test_a_withdrawal_of_everything_is_believed_at_once(monitor, mode):
    seen = monitor(mode)
    seen.state()
    seen.told.clear()
    seen.tell(make_spot_state(balances=()), make_ledger(type="withdraw", amount=D(-51_000), time_ms=seen.time_ms + 1))
    seen.state(make_dex_state(**NOTHING))
    assert [each.account_value for each in seen.told if each.kind == "account"] == [0]


def test_entries_of_long_ago_that_are_read_back_explain_nothing(monitor):
    seen = monitor()
    seen.state()
    seen.tell(make_ledger(type="withdraw", amount=D(-51_000), time_ms=START_MS - 3_600_000))
    assert seen.state(make_dex_state(**NOTHING)) == []


def test_a_unified_account_without_positions_shows_empty_dexes_and_is_told_at_once(monitor):
    seen = monitor("unified")
    assert seen.state(make_dex_state(positions=(make_position_reading(),))) == [D(2_000)]
    assert seen.state(make_dex_state(**NOTHING)) == [D(1_000)]


def test_nothing_is_told_while_the_mode_is_in_doubt_and_no_condition_begins_or_ends(monitor):
    seen = monitor()
    tight = make_dex_state(cross_maintenance_margin=D(49_000))
    assert seen.state(tight) == [D(51_000), "firing"]
    seen.tell(make_account_info(mode="unknown", time_ms=seen.time_ms))
    assert seen.state() == []
    assert seen.state(make_dex_state(**NOTHING)) == []
    seen.tell(make_account_info(mode="classic", time_ms=seen.time_ms))
    assert seen.state() == [D(51_000), "resolved"]


def test_a_switch_to_unified_raises_no_margin_alert(monitor):
    seen = monitor()
    held = make_position_reading(unrealized_pnl=D(0))
    seen.state(make_dex_state(positions=(held,), cross_maintenance_margin=D(1_250)))
    seen.tell(make_account_info(mode="unknown", time_ms=seen.time_ms))
    bare = make_dex_state(**NOTHING | {"positions": (held,), "cross_maintenance_margin": D(1_250)})
    assert seen.state(bare) == []
    seen.tell(seen.usdc(51_000), make_account_info(mode="unified", time_ms=seen.time_ms))
    assert seen.state(bare) == [D(51_000)]


def test_dex_abstraction_is_worth_its_dexes_and_its_spot_balances():
    dexes = [make_dex_state(account_value=D(3_000)), make_dex_state(dex="xyz", account_value=D(200))]
    assert account_value("dex_abstraction", dexes, [Balance(coin="USDC", total=D(7))], {}) == 3_207


def test_withdrawable_under_portfolio_margin_follows_what_is_held_net_of_what_could_be_borrowed():
    balance = Balance(coin="USDC", total=D(1_000), hold=D(400), spot_hold=D(150))
    assert withdrawable("portfolio_margin", [], [balance], {}) == 850
    assert withdrawable("unified", [], [balance], {}) == 600
    assert withdrawable("portfolio_margin", [], [Balance(coin="USDC", total=D(1_000), hold=D(400))], {}) == 600


def test_escrows_are_the_accounts_but_cannot_be_withdrawn(monitor):
    seen = monitor("unified")
    waiting = Balance(coin="HYPE", total=D(5), hold=D(5)), Balance(coin="USDC", total=D(30), hold=D(30))
    seen.tell(make_spot_state(balances=(Balance(coin="USDC", total=D(100)),), escrows=waiting))
    seen.state(make_dex_state(**NOTHING))
    assert [(each.account_value, each.withdrawable) for each in seen.told] == [(330, 100)]


def test_a_dex_that_stays_away_is_shown_empty_once_so_that_its_positions_end():
    dexes, main = Dexes(), make_dex_state()

    def shown(after_ms, *names):
        states = (main, *(make_dex_state(dex=name, account_value=D(5)) for name in names))
        closed = dexes.believe(make_account_state(time_ms=START_MS + after_ms, dexes=states), shared=False)
        return [(dex.dex, dex.account_value) for dex in closed.dexes[1:]]

    assert shown(0, "km") == [("km", 5)]
    assert shown(5_000) == []
    assert shown(10_000, "km") == [("km", 5)]
    assert shown(15_000, "mkts") == [("mkts", 5)]
    assert shown(15_000 + GONE_MS, "mkts") == [("mkts", 5)]
    assert shown(15_001 + GONE_MS, "mkts") == [("mkts", 5), ("km", 0)]
    assert shown(20_000 + GONE_MS, "mkts") == [("mkts", 5)]


def test_a_dex_that_was_left_behind_while_the_monitor_was_down_ends_as_well():
    dexes = Dexes()
    dexes.expect(["km"])
    states = [
        make_account_state(time_ms=START_MS + ms, dexes=(make_dex_state(),)) for ms in (0, GONE_MS + 1, GONE_MS * 3)
    ]
    assert [len(dexes.believe(state, shared=True).dexes) for state in states] == [1, 2, 1]


@pytest.mark.parametrize("shared", [False, True])
def test_positions_do_not_end_with_all_money_at_once_where_each_dex_has_its_own(shared):
    dexes, open_position = Dexes(), make_dex_state(positions=(make_position_reading(),))

    def shown(after_ms, dex):
        state = make_account_state(time_ms=START_MS + after_ms, dexes=(dex,))
        return [each.dex for each in dexes.believe(state, shared=shared).dexes]

    hollow = make_dex_state(**NOTHING)
    assert shown(0, open_position) == [""]
    assert shown(5_000, hollow) == ([""] if shared else [])
    assert shown(10_000, open_position) == [""]
    assert shown(15_000, hollow) == ([""] if shared else [])
    assert shown(15_000 + EMPTY_MS, hollow) == ([""] if shared else [])
    assert shown(15_001 + EMPTY_MS, hollow) == [""]
    assert shown(90_000 + EMPTY_MS, hollow) == [""]


def test_an_account_that_closes_its_last_position_and_keeps_its_money_is_believed_at_once():
    dexes = Dexes()
    for dex in (make_dex_state(positions=(make_position_reading(),)), make_dex_state(), make_dex_state(**NOTHING)):
        assert dexes.believe(make_account_state(dexes=(dex,)), shared=False).dexes == (dex,)


def test_a_dex_that_was_renamed_ends_at_once_since_another_has_its_positions():
    dexes = Dexes()

    def shown(after_ms, **sizes):
        states = [
            make_dex_state(dex=name, positions=(make_position_reading(coin=f"{name}:GOLD", size=D(size)),))
            for name, size in sizes.items()
        ]
        state = make_account_state(time_ms=START_MS + after_ms, dexes=(make_dex_state(), *states))
        return [(dex.dex, len(dex.positions)) for dex in dexes.believe(state, shared=False).dexes[1:]]

    assert shown(0, km=3, xyz=5) == [("km", 1), ("xyz", 1)]
    assert shown(5_000, mkts=3, xyz=5) == [("mkts", 1), ("xyz", 1), ("km", 0)]
    assert shown(10_000, mkts=3, other=4) == [("mkts", 1), ("other", 1)]
    assert shown(15_000, mkts=3, xyz=5) == [("mkts", 1), ("xyz", 1)]
