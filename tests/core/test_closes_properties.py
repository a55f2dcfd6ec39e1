"""Closes of random lives of positions, against a plain computation of what they must be."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hlmon.contract import NoConfig
from hlmon.derive.closes import FACTORY, Closes
from hlmon.events import Event, Fill, PositionClosed
from hlmon.testing.builders import ALICE, START_MS, make_account_state, make_fill, make_funding, make_position
from hlmon.testing.deriver_contract import DeriverContract

COINS = ("BTC", "xyz:SILVER")
HOUR_MS = 3_600_000


@dataclass
class Life:
    """The plain computation: a position as the list of its fills' parts."""

    coin: str
    parts: list[tuple[Decimal, Decimal, Decimal, Decimal]]  # signed size, price, fee, pnl
    ended_by: Fill

    @property
    def figures(self):
        sign = 1 if self.parts[0][0] > 0 else -1
        opening = [part for part in self.parts if part[0] * sign > 0]
        closing = [part for part in self.parts if part[0] * sign < 0]
        position, largest = Decimal(0), Decimal(0)
        for part in self.parts:
            position += part[0]
            largest = max(largest, abs(position))
        return (
            self.coin,
            "long" if sign > 0 else "short",
            largest,
            self.ended_by.key,
            sum(part[3] for part in self.parts),
            len(self.parts),
            near(sum(part[2] for part in self.parts)),
            near(sum(abs(part[0]) * part[1] for part in opening) / sum(abs(part[0]) for part in opening)),
            near(sum(abs(part[0]) * part[1] for part in closing) / sum(abs(part[0]) for part in closing)),
        )


def near(number: Decimal):
    return pytest.approx(number, abs=Decimal("1e-6"))


def figures_of(close: PositionClosed):
    averages = close.fees, close.entry_price, close.exit_price
    return close.coin, close.side, close.size, close.trigger, close.gross_pnl, close.fills, *averages


def lives_of(fills: list[Fill]) -> list[Life]:
    lives, running = [], defaultdict(list)
    for fill in fills:
        signed = fill.size if fill.side == "buy" else -fill.size
        start, end = fill.start_position, fill.start_position + signed
        parts = running[fill.coin]
        if start and end * start <= 0:
            share = abs(start) / fill.size
            parts.append((-start, fill.price, fill.fee * share, fill.closed_pnl))
            lives.append(Life(fill.coin, parts, fill))
            running[fill.coin] = [(end, fill.price, fill.fee * (1 - share), Decimal(0))] if end else []
        else:
            parts.append((signed, fill.price, fill.fee, fill.closed_pnl))
    return lives


@st.composite
def histories(draw) -> list[list[Fill]]:
    """Fills of two coins by millisecond: in one, all fills of a coin are of one side. Both coins were flat before."""
    cents = st.integers(1, 300).map(lambda number: Decimal(number) / 100)
    steps = st.tuples(st.sampled_from(COINS), st.booleans(), st.lists(cents, min_size=1, max_size=4), st.booleans())
    rng = random.Random(draw(st.integers(0, 2**32)))
    position, time_ms, number, history = dict.fromkeys(COINS, Decimal(0)), START_MS, 0, []
    for coin, wants_buy, extra, ends in draw(st.lists(steps, min_size=1, max_size=20)):
        time_ms += rng.choice([1, 20, 5_000, HOUR_MS])
        fills = []
        held = position[coin]
        turns = ends and held != 0
        is_buy = held < 0 if turns else wants_buy
        for size in [abs(held) / 2, abs(held) / 2, *extra[3:]] if turns else extra:
            number += 1
            start = position[coin]
            side = "buy" if is_buy else "sell"
            pnl = Decimal(rng.randint(-900, 900)) / 10 if (start > 0) is not is_buy and start else Decimal(0)
            fills.append(
                make_fill(
                    coin=coin,
                    side=side,
                    size=size,
                    price=Decimal(rng.randint(1, 99_999)) / 10,
                    start_position=start,
                    fee=Decimal(rng.randint(-5, 90)) / 100,
                    closed_pnl=pnl,
                    time_ms=time_ms,
                    trade_id=number,
                    order_id=1,
                )
            )
            position[coin] = start + size if is_buy else start - size
        history.append(fills)
    return history


def flat() -> Closes:
    """A deriver that has seen both coins come and go."""
    deriver = Closes()
    for coin in COINS:
        deriver(make_fill(coin=coin, time_ms=START_MS - 2, size=Decimal(1), start_position=Decimal(0)))
        deriver(make_fill(coin=coin, time_ms=START_MS - 1, size=Decimal(1), start_position=Decimal(1), side="sell"))
    return deriver


def derived(deriver: Closes, events: list[Event]) -> list[Event]:
    return [close for event in events for close in deriver(event)]


@given(histories())
@settings(max_examples=40, deadline=None)
def test_every_life_gives_one_close_with_its_figures(history):
    fills = [fill for moment in history for fill in moment]
    closes = derived(flat(), fills)
    assert [figures_of(close) for close in closes] == [life.figures for life in lives_of(fills)]
    assert all(close.complete for close in closes)
    assert all(close.net_pnl == close.gross_pnl - close.fees for close in closes)


@given(histories(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_inside_a_millisecond_does_not_matter(history, rng: random.Random):
    straight = derived(flat(), [fill for moment in history for fill in moment])
    shuffled = derived(flat(), [fill for moment in history for fill in rng.sample(moment, len(moment))])
    assert shuffled == straight


@given(histories(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_whatever_is_missing_or_disordered_each_closing_fill_is_reported_once(history, rng: random.Random):
    fills = [fill for moment in history for fill in moment]
    closing = {life.ended_by.key for life in lives_of(fills)}
    seen = [fill for fill in fills if rng.random() < 0.8]
    for _ in range(len(seen) // 3):
        seen.insert(rng.randrange(len(seen)), seen.pop(rng.randrange(len(seen))))
    last_ms = fills[-1].time_ms
    states = [make_account_state(time_ms=last_ms + wait_ms) for wait_ms in (HOUR_MS, 2 * HOUR_MS)]
    closes = [close for close in derived(flat(), [*seen, *states]) if close.cause != "state" and not close.revision]
    assert sorted(close.trigger for close in closes) == sorted(closing & {fill.key for fill in seen})


@given(histories(), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_repeated_older_fills_never_give_a_close_another_name(history, rng: random.Random):
    fills, repeated = [fill for moment in history for fill in moment], []
    for index, fill in enumerate(fills):
        older = [old for old in fills[:index] if old.coin == fill.coin and old.time_ms < fill.time_ms]
        repeated += [fill, *rng.sample(older, min(len(older), 2))]
    names = {close.name for close in derived(flat(), fills)}
    assert {close.name for close in derived(flat(), repeated)} == names


@given(histories(), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_a_restart_at_any_point_changes_nothing(history, rng: random.Random):
    fills: list[Event] = [fill for moment in history for fill in rng.sample(moment, len(moment)) if rng.random() < 0.9]
    events = [
        event
        for fill in fills
        for event in (fill, make_account_state(time_ms=fill.time_ms), make_funding(time_ms=fill.time_ms))[
            : rng.choice((1, 1, 3))
        ]
    ]
    deriver, closes = flat(), []
    for event in events:
        closes += deriver(event)
        if rng.random() < 0.3:
            memory, deriver = deriver.dump_memory(), Closes()
            deriver.load_memory(memory)
    assert closes == derived(flat(), events)


class TestContract(DeriverContract):
    """The closes keep the contract of derivers."""

    def factory(self):
        return FACTORY

    def config(self):
        return NoConfig()

    def events(self):
        opening = make_fill()
        turned = make_fill(side="sell", size=Decimal(3), start_position=Decimal(1))
        gone = make_position(coin="BTC", is_open=False, account=ALICE)
        state = make_account_state(time_ms=gone.time_ms + 10_000)
        funding = make_funding(time_ms=turned.time_ms + 1)
        closing = make_fill(size=Decimal(2), start_position=Decimal(-2))
        return [opening, turned, funding, gone, state, closing]
