"""When a position is stated, and what it says."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from hlmon.contract import NoConfig, Settings
from hlmon.derive.positions import FACTORY, SLACK_MS, Positions
from hlmon.events import Position
from hlmon.testing.builders import (
    ALICE,
    START_MS,
    make_account_state,
    make_dex_state,
    make_position_closed,
    make_position_reading,
)
from hlmon.testing.deriver_contract import DeriverContract

D = Decimal
MINUTE_MS = 60_000
GRID_MS = START_MS - START_MS % MINUTE_MS


def state(*readings, after_ms: int, **changes):
    return make_account_state(*readings, time_ms=GRID_MS + after_ms, **changes)


def positions_of(*events, deriver: Positions | None = None) -> list[Position]:
    deriver = deriver or Positions(MINUTE_MS)
    return [position for event in events for position in deriver(event)]


def test_a_new_position_is_stated_with_everything_the_account_state_shows():
    reading = make_position_reading(
        coin="ETH",
        size=D("-2.5"),
        position_value=D(5000),
        entry_price=D(1900),
        unrealized_pnl=D(-250),
        liquidation_price=D(3000),
        margin_used=D(500),
        leverage=10,
        margin_mode="isolated",
        funding=D("1.5"),
    )
    assert positions_of(state(reading, after_ms=5)) == [
        Position(
            account=ALICE,
            time_ms=GRID_MS + 5,
            coin="ETH",
            side="short",
            size=D("2.5"),
            entry_price=D(1900),
            mark_price=D(2000),
            liquidation_price=D(3000),
            unrealized_pnl=D(-250),
            margin_used=D(500),
            leverage=10,
            margin_mode="isolated",
            funding=D("1.5"),
        )
    ]


def test_an_unchanged_position_is_not_stated_again():
    assert len(positions_of(*(state(make_position_reading(), after_ms=ms) for ms in (5_000, 10_000, 65_000)))) == 1


def test_a_moved_mark_price_alone_waits_for_the_next_snapshot_interval():
    moved = make_position_reading(position_value=D(101_000))
    first, second = positions_of(
        state(make_position_reading(), after_ms=5_000),
        state(moved, after_ms=10_000),
        state(moved, after_ms=61_000),
        state(make_position_reading(position_value=D(102_000)), after_ms=66_000),
    )
    assert (first.mark_price, second.mark_price, second.time_ms) == (D(100_000), D(101_000), GRID_MS + 61_000)


def test_a_changed_size_side_entry_leverage_or_mode_is_stated_at_once():
    readings = [
        make_position_reading(),
        make_position_reading(size=D(2)),
        make_position_reading(size=D(-2)),
        make_position_reading(size=D(-2), entry_price=D(1)),
        make_position_reading(size=D(-2), entry_price=D(1), leverage=3),
        make_position_reading(size=D(-2), entry_price=D(1), leverage=3, margin_mode="isolated"),
    ]
    states = [state(reading, after_ms=number) for number, reading in enumerate(readings)]
    assert len(positions_of(*states)) == len(readings)


def test_an_older_or_repeated_account_state_says_nothing():
    deriver = Positions(MINUTE_MS)
    positions_of(state(make_position_reading(), after_ms=5_000), deriver=deriver)
    assert positions_of(state(after_ms=5_000), state(after_ms=1_000), deriver=deriver) == []


def test_a_vanished_position_is_stated_closed():
    opened, closed = positions_of(state(make_position_reading(), after_ms=0), state(after_ms=5_000))
    assert (closed.is_open, closed.size, closed.side) == (False, D(0), "long")
    assert (closed.unrealized_pnl, closed.margin_used, closed.liquidation_price) == (D(0), D(0), None)
    assert (closed.closed_ms, closed.realized_pnl, closed.name) == (GRID_MS + 5_000, None, opened.name)


def test_a_position_is_not_vanished_from_a_state_that_leaves_out_its_dex():
    silver = make_dex_state(dex="xyz", positions=(make_position_reading(coin="xyz:SILVER"),))
    both = make_account_state(dexes=(make_dex_state(), silver), time_ms=GRID_MS)
    assert len(positions_of(both, state(after_ms=5_000))) == 1


def test_a_position_that_comes_back_is_open_again_without_the_old_result():
    closed = make_position_closed(time_ms=GRID_MS + 3_000)
    *_, again = positions_of(
        state(make_position_reading(), after_ms=0),
        closed,
        state(after_ms=5_000),
        state(make_position_reading(), after_ms=10_000),
    )
    assert (again.is_open, again.closed_ms, again.realized_pnl) == (True, None, None)


def test_the_result_of_the_close_stands_on_the_closed_position():
    closed = make_position_closed(time_ms=GRID_MS + 3_000, net_pnl=D("12.5"))
    *_, position = positions_of(state(make_position_reading(), after_ms=0), closed, state(after_ms=5_000))
    assert (position.realized_pnl, position.closed_ms) == (D("12.5"), GRID_MS + 3_000)


def test_a_close_that_comes_after_the_position_vanished_makes_a_newer_statement():
    late = make_position_closed(time_ms=GRID_MS + 3_000, net_pnl=D(-7))
    _, vanished, position = positions_of(state(make_position_reading(), after_ms=0), state(after_ms=5_000), late, late)
    assert (position.realized_pnl, position.closed_ms, position.is_open) == (D(-7), GRID_MS + 3_000, False)
    assert position.version > vanished.version


def test_the_result_follows_every_correction_of_the_close():
    first = make_position_closed(time_ms=GRID_MS + 3_000, net_pnl=D("12.5"), complete=False)
    second, third = (
        msgspec.structs.replace(first, revision=revision, completes=key, net_pnl=D(revision))
        for revision, key in ((1, first.key), (2, f"{first.key}:1"))
    )
    _, vanished, *followed = positions_of(
        state(make_position_reading(), after_ms=0), first, state(after_ms=5_000), second, third, third
    )
    assert [position.realized_pnl for position in (vanished, *followed)] == [D("12.5"), D(1), D(2)]
    assert len({position.version for position in (vanished, *followed)}) == 3


def test_a_row_of_no_size_is_no_open_position():
    opened, closed = positions_of(
        state(make_position_reading(), after_ms=0), state(make_position_reading(size=D(0)), after_ms=5_000)
    )
    assert (opened.is_open, closed.is_open) == (True, False)


def test_the_close_of_an_earlier_position_is_not_taken_for_this_one():
    earlier = make_position_closed(time_ms=GRID_MS - SLACK_MS, net_pnl=D(99))
    *_, vanished = positions_of(state(make_position_reading(), after_ms=1_000), earlier, state(after_ms=5_000))
    assert vanished.realized_pnl is None


def test_a_close_of_cause_state_has_no_result_to_state():
    unknown = make_position_closed(cause="state", net_pnl=None, gross_pnl=None, time_ms=GRID_MS + 5_000)
    assert len(positions_of(state(make_position_reading(), after_ms=0), state(after_ms=5_000), unknown)) == 2


def test_the_memory_is_rebuilt_from_stored_positions():
    before = positions_of(state(make_position_reading(), after_ms=0))
    rebuilt = Positions(MINUTE_MS)
    positions_of(*before, deriver=rebuilt)
    assert positions_of(state(make_position_reading(), after_ms=5_000), deriver=rebuilt) == []
    assert not positions_of(state(after_ms=10_000), deriver=rebuilt)[0].is_open


class TestContract(DeriverContract):
    """The positions keep the contract of derivers."""

    settings = Settings(name="positions", snapshot_ms=MINUTE_MS)

    def factory(self):
        return FACTORY

    def config(self):
        return NoConfig()

    def events(self):
        return [
            state(make_position_reading(), after_ms=0),
            state(make_position_reading(size=D(2)), after_ms=5_000),
            state(after_ms=10_000),
            make_position_closed(time_ms=GRID_MS + 9_000),
            state(make_position_reading(), after_ms=70_000),
        ]


def test_a_position_whose_row_could_not_be_read_is_not_gone():
    held = make_position_reading(coin="BTC")
    unreadable = make_account_state(dexes=(make_dex_state(dex="", complete=False),), time_ms=GRID_MS + 5000)
    deriver = Positions(MINUTE_MS)
    positions_of(state(held, after_ms=0), deriver=deriver)
    assert positions_of(unreadable, deriver=deriver) == []
    (gone,) = positions_of(state(after_ms=10_000), deriver=deriver)
    assert not gone.is_open
