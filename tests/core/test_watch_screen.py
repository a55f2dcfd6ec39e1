from decimal import Decimal

import pytest
from rich.console import Console

from hlmon.cli.board import Board
from hlmon.cli.running import Verdict
from hlmon.cli.screen import render, share
from hlmon.cli.sections import View
from hlmon.events import Liquidation
from hlmon.status import AccountStatus, ConnectionStatus, FollowerStatus, SourceStatus, Status
from hlmon.testing.builders import (
    ALICE,
    BOB,
    make_account_snapshot,
    make_fill,
    make_gap,
    make_position,
    make_position_closed,
)

NOW_MS = 1_780_000_000_000
RUNNING = Verdict(ok=True, running=True, why="")


def make_status(*accounts: AccountStatus, **changes) -> Status:
    connection = changes.pop("connection", ConnectionStatus(state="live", last_frame_ms=NOW_MS - 5_000))
    source = SourceStatus(connection=connection, accounts=list(accounts), problems=changes.pop("problems", []))
    fields = {"pid": 1, "version": "1", "started_ms": NOW_MS - 7_200_000, "updated_ms": NOW_MS, "sources": [source]}
    return Status(**fields | changes)


def lines(
    board: Board, status: Status | None = None, *, verdict=RUNNING, width=80, height=24, labels=None
) -> list[str]:
    console = Console(width=width, height=height, color_system=None)
    view = View(now_ms=NOW_MS, width=width, height=height, labels=labels or {})
    with console.capture() as capture:
        console.print(render(status, verdict, board, view))
    return [line.rstrip() for line in capture.get().splitlines()]


def board_of(*events) -> Board:
    board = Board()
    for event in events:
        board.take(event)
    return board


def line_with(text: str, found: list[str]) -> str:
    (line,) = (line for line in found if text in line)
    return line


def crowded() -> tuple[Board, Status]:
    """More of everything than any screen has room for."""
    addresses = [f"0x{number:040x}" for number in range(30)]
    events = [make_account_snapshot(account=address, health_score=number) for number, address in enumerate(addresses)]
    events += [make_position(account=address) for address in addresses]
    events += [make_fill(account=address, coin="xyz:SILVERPLATE", time_ms=NOW_MS - 90_000_000) for address in addresses]
    events += [make_position_closed(account=address, cause="liquidation") for address in addresses]
    accounts = [
        AccountStatus(address=address, label="a very long label of it", status="watched") for address in addresses
    ]
    problems = [f"account {address} is not known to the exchange and cannot be watched" for address in addresses]
    followers = [FollowerStatus(name=f"sink{number}", part="sink", lag=number * 5_000) for number in range(9)]
    return board_of(*events), make_status(*accounts, problems=problems, followers=followers)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (100, 30), (200, 60)])
def test_the_screen_fits_the_terminal_however_much_there_is(width: int, height: int):
    board, status = crowded()
    found = lines(board, status, width=width, height=height, labels={ALICE: "x" * 90})
    assert len(found) == height
    assert max(map(len, found)) <= width


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
def test_an_empty_screen_says_what_to_do_and_fills_the_terminal(width: int, height: int):
    found = lines(Board(), None, verdict=Verdict(ok=False, running=False, why="gone"), width=width, height=height)
    assert found[0] == "hlmon  ● not running: gone"
    assert "No account yet. hlmon run --account 0x… watches one." in found
    assert len(found) == height


def test_an_account_shows_label_mode_value_health_and_when_it_was_heard():
    snapshot = make_account_snapshot(account_value=Decimal("12345.67"), mode="unified", health_score=83)
    status = make_status(AccountStatus(address=ALICE, mode="unified", status="watched", last_seen_ms=NOW_MS - 4_000))
    line = line_with("main", lines(board_of(snapshot), status, labels={ALICE: "main"}))
    for text in ("unified", "12,346", " 83", "4 s ago"):
        assert text in line


@pytest.mark.parametrize(
    ("account", "words"),
    [
        (AccountStatus(address=ALICE, status="refused"), "refused"),
        (AccountStatus(address=ALICE, status="missing"), "missing"),
        (AccountStatus(address=ALICE, status="pending"), "joining"),
        (AccountStatus(address=ALICE, status="watched", resuming=True), "reading back"),
    ],
)
def test_an_account_that_is_not_yet_or_never_watched_says_so(account: AccountStatus, words: str):
    assert words in line_with("0xa1…", lines(Board(), make_status(account)))


def test_a_position_shows_side_size_and_prices():
    position = make_position(
        coin="BTC", side="short", size=Decimal("0.50"), entry_price=Decimal("65000.0"), mark_price=Decimal(64000),
        liquidation_price=Decimal("71234.5678"), unrealized_pnl=Decimal(500),
    )  # fmt: skip
    line = line_with("BTC", lines(board_of(position)))
    assert line.split()[1:] == ["BTC", "short", "0.5", "65,000", "64,000", "71,235", "+500.00"]


def test_a_closed_position_is_not_shown_as_open():
    found = lines(board_of(make_position(coin="SOL", size=Decimal(0), is_open=False)))
    assert not any("SOL" in line for line in found)


def test_a_fill_reads_like_a_sentence():
    fill = make_fill(side="sell", price=Decimal(98000), closed_pnl=Decimal("-12.5"), time_ms=NOW_MS - 65_000)
    line = line_with("BTC", lines(board_of(fill)))
    assert line.split()[0:2] == ["1", "min"]
    assert "BTC sold 1 at 98,000 result -12.50" in line


def test_a_fill_is_a_liquidation_only_if_this_account_was_liquidated():
    ours = make_fill(liquidation=Liquidation(user=ALICE), coin="BTC")
    theirs = make_fill(liquidation=Liquidation(user=BOB), coin="ETH")
    found = lines(board_of(ours, theirs))
    assert "liquidated" in line_with("BTC", found)
    assert "liquidated" not in line_with("ETH", found)


def test_a_closed_position_shows_prices_result_and_how_it_ended():
    close = make_position_closed(
        entry_price=Decimal(100), exit_price=Decimal(90), net_pnl=Decimal(-10), cause="liquidation",
        opened_ms=NOW_MS - 7_200_000, time_ms=NOW_MS,
    )  # fmt: skip
    assert "100 → 90 -10.00 after 2 h liquidated" in line_with("→ 90", lines(board_of(close)))


def test_the_header_says_why_there_is_no_connection_and_for_how_long():
    lost = ConnectionStatus(state="waiting", since_ms=NOW_MS - 61_000, reason="no route to host", reconnects=3)
    header = lines(Board(), make_status(connection=lost))[0]
    assert header == "hlmon  ● waiting for 1 min 1 s (no route to host) · up 2 h · 3 reconnects"


def test_problems_stand_under_the_header_and_the_rest_is_counted():
    account = AccountStatus(address=ALICE, status="watched", last_seen_ms=NOW_MS)
    status = make_status(account, problems=["one", "two", "three", "four"])
    assert lines(Board(), status)[1:4] == ["! one", "! two", "! and 2 more: hlmon status"]


def test_the_footer_tells_gaps_and_how_far_each_follower_is():
    followers = [
        FollowerStatus(name="archive", part="sink"),
        FollowerStatus(name="chat", part="notifier", lag=3, failing_since_ms=NOW_MS - 120_000),
    ]
    found = lines(board_of(make_gap()), make_status(followers=followers))
    assert found[-2] == "1 gaps not healed (hlmon gaps) · archive up to date · chat failing for 2 min"
    assert lines(Board())[-2] == "no gaps"


def test_text_of_others_is_shown_as_it_is_and_not_as_colours():
    found = lines(board_of(make_fill(coin="[red]X[/]")), labels={ALICE: "[bold]"})
    assert any("[bold]" in line and "[red]X[/]" in line for line in found)


def test_a_number_without_a_colour_is_readable_when_it_is_nothing():
    assert "0.00" in line_with("COIN", lines(board_of(make_position(unrealized_pnl=Decimal("-0.0001")))))


@pytest.mark.parametrize(
    ("wanted", "room", "given"),
    [([9, 9, 9], 10, [4, 3, 3]), ([1, 0, 9], 5, [1, 0, 4]), ([1, 1], 9, [1, 1]), ([3], -2, [0]), ([], 5, [])],
)
def test_room_is_shared_in_turn_until_all_have_enough(wanted: list[int], room: int, given: list[int]):
    assert share(wanted, room) == given
