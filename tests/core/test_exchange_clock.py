"""The exchange's clock: what it says consistently, whatever single frames, late frames and the own clock say."""

from __future__ import annotations

import os
import random

import pytest

from hlmon.hyperliquid.clock import Clock
from hlmon.hyperliquid.exchange_clock import AHEAD_MS, FAR_MS, ExchangeClock

START_MS = 1_790_000_000_000
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
FRESH = int.from_bytes(os.urandom(4), "big")
SEEDS = [1, 2, 3, 4, 5, FRESH, FRESH + 1, FRESH + 2]


class World:
    """A monotonic clock, an own wall clock and an exchange's clock, each of which can be moved by itself."""

    def __init__(self, *, ahead_ms: int = 0) -> None:
        self.seconds = 5_000.0
        self.wall_ms = START_MS
        self.exchange_ms = START_MS + ahead_ms
        self.clock = ExchangeClock(Clock(now=lambda: self.seconds, wall=lambda: self.wall_ms / 1000))

    def pass_ms(self, ms: int) -> None:
        self.seconds += ms / 1000
        self.wall_ms += ms
        self.exchange_ms += ms

    def hear(self, *, late_ms: int = 0) -> None:
        self.clock.hear(self.exchange_ms - late_ms, is_answer=True)

    def hear_for(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.pass_ms(1000)
            self.hear()

    @property
    def error_ms(self) -> int:
        return abs(self.clock.now_ms() - self.exchange_ms)


@pytest.fixture
def world():
    return World()


def test_while_nothing_is_known_only_absolute_bounds_hold(world):
    assert (world.clock.now_ms(), world.clock.latest_ms(), world.clock.skew_ms()) == (0, FAR_MS, None)
    world.hear()
    assert not world.clock.known


def test_two_words_that_agree_make_it_known_and_it_runs_on_between_them(world):
    world.hear()
    world.pass_ms(100)
    world.hear()
    world.pass_ms(20_000)
    assert world.clock.now_ms() == world.exchange_ms
    assert world.clock.latest_ms() == world.exchange_ms + AHEAD_MS
    assert world.clock.skew_ms() == 0


@pytest.mark.parametrize("odd", [-DAY_MS, -60_000, 60_000, DAY_MS])
def test_a_first_word_that_is_odd_is_not_believed(world, odd):
    world.clock.hear(world.exchange_ms + odd)
    assert not world.clock.known
    world.hear()
    world.hear()
    assert world.error_ms == 0


@pytest.mark.parametrize("odd", [2**63 - 1, 2**63, -1, 0, 1_600_000_000_000, FAR_MS])
def test_what_is_no_time_is_no_word(world, odd):
    for _ in range(5):
        world.clock.hear(odd)
    assert not world.clock.known
    world.hear_for(2)
    for _ in range(5):
        world.clock.hear(odd)
    assert world.error_ms == 0


@pytest.mark.parametrize("hours", [-2000, -2, 2, 2000])
def test_an_exchange_whose_clock_is_not_ours_works_and_is_told_as_skew(hours):
    world = World(ahead_ms=hours * HOUR_MS)
    world.hear_for(3)
    assert world.error_ms == 0
    assert world.clock.skew_ms() == hours * HOUR_MS


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_step_of_the_own_clock_moves_the_skew_at_once_and_the_time_not_at_all(world, hours):
    world.hear_for(3)
    world.wall_ms += hours * HOUR_MS
    assert world.error_ms == 0
    assert world.clock.skew_ms() == -hours * HOUR_MS


@pytest.mark.parametrize("hours", [-30, -1, 1, 30])
def test_a_jump_of_the_exchange_s_clock_is_followed(world, hours):
    world.hear_for(60)
    world.exchange_ms += hours * HOUR_MS
    world.hear()
    assert world.error_ms > HOUR_MS - 1
    world.hear_for(40)
    assert world.error_ms == 0


def test_frames_that_waited_in_a_queue_together_do_not_move_it_back(world):
    world.hear_for(10)
    world.pass_ms(25_000)
    for late_ms in range(25_000, 0, -500):
        world.hear(late_ms=late_ms)
        assert world.error_ms <= 5_000


def test_states_of_many_accounts_that_come_together_a_day_ahead_are_one_word(world):
    world.hear_for(10)
    before_ms = world.clock.now_ms()
    for _ in range(20):
        world.clock.hear(world.exchange_ms + DAY_MS)
    assert world.clock.now_ms() == before_ms


@pytest.mark.parametrize("seed", SEEDS)
def test_single_odd_words_never_move_it_whatever_their_order_and_delay(seed):
    chance = random.Random(seed)
    world = World(ahead_ms=chance.choice([0, -7 * DAY_MS, 5 * HOUR_MS]))
    for _ in range(2):
        world.hear(late_ms=chance.randrange(300))
    for _ in range(2_000):
        world.pass_ms(chance.randrange(1, 5_000))
        if chance.random() < 0.2:
            world.clock.hear(chance.choice([world.exchange_ms + DAY_MS, world.exchange_ms - DAY_MS, 2**63 - 1, 0]))
        world.hear(late_ms=chance.randrange(1_000))
        if chance.random() < 0.1:
            world.wall_ms += chance.randrange(-DAY_MS, DAY_MS)
        assert world.error_ms <= 1_000
        assert world.clock.skew_ms() == pytest.approx(world.exchange_ms - world.wall_ms, abs=1_000)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_jump_is_followed_within_a_minute_through_odd_words(seed):
    chance = random.Random(seed)
    world = World()
    world.hear_for(5)
    for _ in range(50):
        world.exchange_ms = max(START_MS, world.exchange_ms + chance.randrange(-DAY_MS, DAY_MS))
        for _ in range(12):
            world.pass_ms(5_000)
            if chance.random() < 0.1:
                world.clock.hear(world.exchange_ms + chance.randrange(HOUR_MS, DAY_MS))
            for _ in range(3):
                world.hear(late_ms=chance.randrange(500))
        assert world.error_ms <= 1_000


def test_the_states_of_many_accounts_of_one_moment_do_not_make_it_known():
    world = World()
    for _ in range(4):
        world.clock.hear(world.exchange_ms + DAY_MS)
    assert not world.clock.known
    world.hear()
    world.hear()
    assert world.error_ms == 0
