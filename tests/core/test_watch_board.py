from decimal import Decimal
from pathlib import Path

import pytest

from hlmon.cli.board import KEPT, Board, BoardReader
from hlmon.journal import Journal
from hlmon.testing.builders import (
    ALICE,
    BOB,
    make_account_info,
    make_account_snapshot,
    make_cvd,
    make_fill,
    make_gap,
    make_position,
    make_position_closed,
)


@pytest.fixture
def journal(tmp_path: Path):
    with Journal.open(tmp_path / "j.db") as opened:
        yield opened


def test_it_starts_with_the_newest_of_everything_in_the_journal(journal: Journal):
    old, new = make_account_snapshot(), make_account_snapshot()
    fills, close = [make_fill(), make_fill()], make_position_closed()
    position, info, gap = make_position(), make_account_info(), make_gap()
    journal.append([old, new, *fills, close, position, info, gap, make_cvd()])
    board = BoardReader(journal).update()
    assert board.snapshots == {ALICE: new}
    assert board.fills == fills[::-1]
    assert (board.closes, board.open_positions, board.missing) == ([close], [position], [gap])
    assert board.infos == {ALICE: info}


def test_it_follows_what_is_appended_later(journal: Journal):
    reader = BoardReader(journal)
    fills = [make_fill(), make_fill()]
    assert reader.update().fills == []
    journal.append(fills)
    assert reader.update().fills == fills[::-1]
    assert reader.update().fills == fills[::-1]


def test_fills_are_in_the_order_of_their_times_and_of_bounded_number():
    board = Board()
    fills = [make_fill() for _ in range(KEPT + 5)]
    for fill in fills[::-1]:
        board.take(fill)
    assert board.fills == fills[::-1][:KEPT]


def test_an_older_account_value_does_not_replace_a_newer_one():
    board = Board()
    old, new = make_account_snapshot(), make_account_snapshot()
    board.take(new)
    board.take(old)
    assert board.snapshots[ALICE] == new


def test_a_close_that_completes_an_earlier_one_takes_its_place():
    board = Board()
    guess = make_position_closed(cause="state", trigger="state")
    board.take(guess)
    known = make_position_closed(completes=guess.key)
    board.take(known)
    assert board.closes == [known]


def test_the_largest_positions_come_first():
    small = make_position(size=Decimal(1), mark_price=Decimal(100))
    large = make_position(size=Decimal(2), mark_price=Decimal(90))
    board = Board()
    board.take(small)
    board.take(large)
    assert board.open_positions == [large, small]


def test_gaps_of_market_trades_and_healed_ones_are_not_missing_fills():
    board = Board()
    board.take(make_gap(account="", stream="trades:BTC"))
    board.take(make_gap(healed=True))
    assert board.missing == []


def test_every_account_that_anything_is_known_of_is_listed():
    board = Board()
    board.take(make_position(account=BOB))
    board.take(make_account_info())
    assert board.accounts == [ALICE, BOB]
