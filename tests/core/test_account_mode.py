"""When an account's mode is in doubt: a switch is noticed whatever it looks like, ordinary life costs little."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlmon.events import Balance
from hlmon.hyperliquid.account_mode import ASK_SECONDS, WORD_SECONDS, ModeWatch
from hlmon.testing.builders import make_account_state, make_dex_state, make_position_reading, make_spot_state

D = Decimal
START_MS = 1_796_000_000_000
amounts = st.integers(min_value=1_000, max_value=10_000_000).map(D)
orders = st.sampled_from([("perp", "spot"), ("spot", "perp")])


class Told:
    """A watch that is fed both states in turn; `signs` is how often the mode came into doubt."""

    def __init__(self, mode: str) -> None:
        self.watch = ModeWatch()
        self.watch.answered(mode, mode, 0)
        self.now = 0.0
        self.signs = 0
        self.truth = mode

    def perp(self, cash, *, open_pnl=0, margin=0, dexes=("",)):
        """The collateral on the main dex; a position if any PnL or margin is given."""
        positions = ()
        if open_pnl or margin:
            positions = (make_position_reading(unrealized_pnl=D(open_pnl), margin_used=D(margin)),)
        main = make_dex_state(dex="", account_value=D(cash) + D(open_pnl), positions=positions)
        states = [main if not name else make_dex_state(dex=name, account_value=D(70), positions=()) for name in dexes]
        self._take(make_account_state(time_ms=START_MS + int(self.now * 1000), dexes=tuple(states)))

    def spot(self, usdc, **tokens):
        held = {"USDC": usdc} | tokens
        balances = tuple(Balance(coin=coin, total=D(total)) for coin, total in held.items())
        self._take(make_spot_state(time_ms=START_MS + int(self.now * 1000), balances=balances))

    def _take(self, event):
        before = self.watch.mode
        self.watch.take(event, self.now)
        if before != "unknown" and self.watch.mode == "unknown":
            self.signs += 1
            self.watch.answered(self.truth, self.truth, self.now)
        self.now += 2.5


@given(
    cash=amounts,
    spot=st.one_of(st.just(D(0)), amounts),
    margin=st.integers(0, 100),
    gain=st.integers(-40, 40),
    order=orders,
)
def test_a_switch_to_shared_collateral_is_noticed_whichever_state_shows_it_first(cash, spot, margin, gain, order):
    used, open_pnl = cash * margin / 100, cash * gain / 100
    told = Told("classic")
    told.perp(cash, open_pnl=open_pnl, margin=used)
    told.spot(spot)
    told.truth = "unified"
    show = {
        "perp": lambda: told.perp(used, open_pnl=open_pnl, margin=used),
        "spot": lambda: told.spot(spot + cash),
    }
    for each in order:
        show[each]()
    assert told.signs == 1
    assert told.watch.mode == "unified"


@given(cash=amounts, gain=st.integers(-40, 40))
def test_a_switch_shows_when_a_dex_is_worth_only_what_is_tied_up_there(cash, gain):
    told = Told("classic")
    told.perp(0)
    told.spot(cash)
    told.perp(cash / 5, open_pnl=cash * gain / 100, margin=cash / 5)  # a first order, long after the switch
    assert told.signs == 1


def test_positions_without_any_collateral_are_a_sign():
    told = Told("classic")
    told.perp(5)
    told.perp(0, margin=1)
    assert told.signs == 1


def test_a_switch_back_is_noticed_too():
    told = Told("unified")
    told.perp(0)
    told.spot(10_000)
    told.perp(6_000)
    assert told.signs == 0
    told.spot(4_000)
    assert told.signs == 1


def test_portfolio_margin_that_is_on_is_a_sign_only_once():
    told = Told("unified")
    for enabled in (False, True, True, True):
        told._take(make_spot_state(balances=(), portfolio_margin=enabled))
    assert told.signs == 1


@given(
    cash=amounts,
    steps=st.lists(st.tuples(st.integers(-30, 30), st.integers(-30, 30)), min_size=1, max_size=30),
    mode=st.sampled_from(["classic", "unified", "portfolio_margin", "dex_abstraction"]),
)
def test_prices_and_trading_put_no_mode_in_doubt(cash, steps, mode):
    told = Told(mode)
    told.perp(cash)
    told.spot(cash)
    realised = open_pnl = D(0)
    for price_percent, closed_percent in steps:
        open_pnl += cash * price_percent / 1000  # the mark price moves: the value alone
        told.perp(cash + realised, open_pnl=open_pnl, margin=1)
        closed = open_pnl * abs(closed_percent) / 100  # a part is closed at that price: the cash alone
        realised, open_pnl = realised + closed, open_pnl - closed
        told.perp(cash + realised, open_pnl=open_pnl, margin=1)
        told.spot(cash - closed, HYPE=closed)  # and some spot is bought
    assert told.signs == 0


def test_a_value_that_rises_while_a_loss_is_realised_is_no_sign():
    told = Told("classic")
    told.perp(10_000, open_pnl=0, margin=1)
    told.perp(9_000, open_pnl=2_000, margin=1)
    assert told.signs == 0


@given(cash=amounts, percents=st.lists(st.integers(1, 99), min_size=1, max_size=10))
def test_tokens_that_are_bought_and_sold_are_no_sign(cash, percents):
    told = Told("classic")
    told.perp(cash)
    told.spot(cash)
    for percent in percents:
        told.spot(cash * (100 - percent) / 100, HYPE=cash * percent / 4_000)
        told.spot(cash, HYPE=0)
    assert told.signs == 0


@given(cash=amounts, margins=st.lists(st.integers(0, 90), min_size=2, max_size=20))
def test_orders_of_an_account_with_shared_collateral_put_its_mode_in_no_doubt(cash, margins):
    told = Told("unified")
    told.spot(cash)
    for margin in margins:
        told.perp(cash * margin / 100, margin=margin)
    assert told.signs == 0


@given(cash=amounts, moves=st.lists(st.integers(-90, 90), min_size=1, max_size=20), order=orders)
def test_a_transfer_between_the_pockets_costs_one_question(cash, moves, order):
    told = Told("classic")
    perp = spot = cash
    told.perp(perp)
    told.spot(spot)
    for percent in moves:
        moved = perp * percent / 100 if percent > 0 else spot * percent / 100
        perp, spot = perp - moved, spot + moved
        for each in order:
            told.perp(perp) if each == "perp" else told.spot(spot)
        told.now += 60
    assert told.signs <= len(moves)


@given(cash=amounts, moves=st.lists(st.integers(-60, 200), min_size=1, max_size=20))
def test_a_deposit_or_a_withdrawal_costs_at_most_one_question(cash, moves):
    told = Told("classic")
    values = [cash]
    for percent in moves:
        values.append(values[-1] * (100 + percent) / 100)
    for value in values:
        told.perp(value)
    large = sum(abs(new - old) > max(10, max(old, new) / 20) for old, new in pairwise(values))
    assert told.signs == large


def test_a_dex_that_is_missing_or_new_is_no_movement():
    told = Told("classic")
    for dexes in (("", "xyz"), ("xyz",), ("", "xyz"), ("", "xyz", "abcd")):
        told.perp(1_000, dexes=dexes)
    assert told.signs == 0


def lost(watch: ModeWatch, seconds: float, cash: int) -> None:
    state = make_account_state(
        time_ms=START_MS + int(seconds * 1000), dexes=(make_dex_state(account_value=D(cash), positions=()),)
    )
    watch.take(state, seconds)


def test_a_loss_that_no_spot_balance_got_ends_the_doubt_though_rest_does_not_answer():
    watch = ModeWatch()
    watch.answered("classic", "default", 0)
    lost(watch, 0, 1_000)
    lost(watch, 5, 500)
    assert watch.mode == "unknown"
    assert "its collateral on the perp dexes changed by -500.00" in watch.reason
    lost(watch, 20, 500)
    assert watch.mode == "unknown"
    lost(watch, 20.1, 500)
    assert (watch.mode, watch.reason) == ("classic", "")


def test_a_loss_that_the_spot_balances_got_stays_in_doubt_until_the_answer():
    watch = ModeWatch()
    watch.answered("classic", "default", 0)
    watch.take(make_spot_state(time_ms=START_MS, balances=(Balance(coin="USDC", total=D(5)),)), 0)
    lost(watch, 0, 1_000)
    lost(watch, 5, 500)
    watch.take(make_spot_state(time_ms=START_MS + 6_000, balances=(Balance(coin="USDC", total=D(505)),)), 6)
    lost(watch, 100, 500)
    assert watch.mode == "unknown"
    watch.answered("unified", "unifiedAccount", 101)
    assert watch.mode == "unified"


def test_an_account_is_asked_about_every_ten_seconds_at_most():
    watch = ModeWatch()
    assert watch.is_due(0)
    watch.asked(0)
    assert not watch.is_due(9.9)
    assert watch.is_due(10)
    watch.asking = True
    assert not watch.is_due(1_000)


def test_a_mode_that_is_not_known_is_a_problem_after_a_minute():
    watch = ModeWatch()
    watch.asked(100)
    assert (watch.problem(160), watch.problem(161)) == ("", "its account mode is not known yet")
    watch.answered("classic", "default", 162)
    assert watch.problem(1_000) == ""


@pytest.mark.parametrize("word", ["somethingNew", "\x1b]52;c;aGk=\x07", "\u202eevil", "x" * 500])
def test_a_word_that_is_not_known_is_named_at_once_and_harmless_on_a_terminal(word):
    watch = ModeWatch()
    watch.answered("unknown", word, 0)
    problem = watch.problem(0)
    assert problem.startswith("the exchange says account mode '")
    assert problem.isprintable()
    assert len(problem) < 250
    assert watch.is_due(ASK_SECONDS)  # it may have been somebody else's answer
    watch.answered("unknown", watch.word, ASK_SECONDS)
    assert not watch.is_due(ASK_SECONDS + WORD_SECONDS - 1)
