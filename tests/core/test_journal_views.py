"""The views: the founding specification's names and columns over the events as they are stored."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from hlmon.events import STORED, AccountInfo, Fill, Liquidation, Position, encode
from hlmon.testing import builders
from hlmon.testing.builders import ALICE, BOB, make_account_info, make_position_closed

TIME_MS = 1_760_000_000_007
TIME = "2025-10-09T08:53:20.007Z"

FOUNDING_COLUMNS = {
    "fills": "account_address coin side price size order_id closed_pnl is_position_close tx_hash created_at",
    "positions": "account_address coin size side entry_price mark_price liquidation_price unrealized_pnl margin_used "
    "is_open closed_at realized_pnl updated_at",
    "hl_dashboard": "account_address account_value total_margin_used withdrawable total_unrealized_pnl leverage "
    "health_score positions_count created_at",
    "hl_orders": "account_address order_id coin side size price status created_at updated_at",
    "hl_cvd": "coin interval_ms start_ms buy_volume sell_volume delta cumulative trades complete updated_at",
    "closes": "account_address coin side size cause entry_price exit_price gross_pnl fees funding net_pnl closed_at",
    "fundings": "account_address coin amount size rate created_at",
    "ledger": "account_address type amount token fee created_at",
    "alerts": "account_address rule subject severity title body labels created_at",
    "gaps": "account_address stream started_at ended_at healed events_read",
    "quarantine": "origin reason digest payload created_at",
    "checkpoints": "account_address stream complete_to",
    "accounts": "account_address role mode status reason",
}
VIEW_OF = {
    "fill": "fills", "position": "positions", "account": "hl_dashboard", "order": "hl_orders", "cvd": "hl_cvd",
    "position_closed": "closes", "funding": "fundings", "ledger": "ledger", "alert": "alerts", "gap": "gaps",
    "quarantine": "quarantine", "checkpoint": "checkpoints", "account_info": "accounts",
}  # fmt: skip
COLUMN_OF = {
    "account": "account_address", "updated_ms": "updated_at_ms", "created_ms": "created_at_ms",
    "closed_ms": "closed_at_ms", "opened_ms": "opened_at_ms", "end_ms": "ended_at_ms",
    "stated_ms": "stated_at_ms",
}  # fmt: skip


def build(kind):
    name = {"account": "account_snapshot", "quarantine": "quarantined"}.get(kind, kind)
    return getattr(builders, f"make_{name}")(time_ms=TIME_MS)


def columns_of(journal, view):
    return [row[1] for row in journal.query(f"PRAGMA table_info({view})")]


def rows_of(journal, view):
    names = columns_of(journal, view)
    return [dict(zip(names, row, strict=True)) for row in journal.query(f"SELECT * FROM {view} ORDER BY id")]


@pytest.mark.parametrize("view", FOUNDING_COLUMNS)
def test_a_view_has_the_promised_columns(journal, view):
    assert set(FOUNDING_COLUMNS[view].split()) <= set(columns_of(journal, view))


def test_every_kind_of_event_has_a_view_and_every_field_a_column(journal):
    assert VIEW_OF.keys() == STORED.keys()
    apart = {"time_ms", "liquidation", "cause", "start_ms"}  # spread over columns, or named after what they are
    for kind, view in VIEW_OF.items():
        fields = {COLUMN_OF.get(field, field) for field in STORED[kind].__struct_fields__}
        assert fields - apart <= set(columns_of(journal, view)), kind


@pytest.mark.parametrize("kind", VIEW_OF)
def test_a_view_shows_its_events_with_times_as_text_and_the_event_itself(journal, kind):
    event = build(kind)
    journal.append([event])
    (row,) = rows_of(journal, VIEW_OF[kind])
    assert row["metadata"] == encode(event).decode()
    times = {"created_at": "created_at_ms", "updated_at": "updated_at_ms", "closed_at": "closed_at_ms"}
    assert TIME in row.values()
    assert (
        any(row.get(text) == TIME and row[number] == TIME_MS for text, number in times.items()) or "complete_to" in row
    )


def test_a_fill_is_shown_with_numbers_that_compare_and_ids_as_text(journal):
    journal.append([
        Fill(
            account=ALICE, time_ms=TIME_MS, coin="BTC", side="sell", price=Decimal("100000.5"), size=Decimal("0.1"),
            order_id=55059437297, trade_id=7, closed_pnl=Decimal("-3.25"), is_position_close=True, tx_hash="0xab",
            liquidation=Liquidation(user=BOB, mark_price=Decimal(99), method="market"),
        )
    ])  # fmt: skip
    (row,) = rows_of(journal, "fills")
    expected = {
        "created_at": TIME, "account_address": ALICE, "side": "sell", "price": 100000.5, "size": 0.1,
        "order_id": "55059437297", "closed_pnl": -3.25, "is_position_close": 1, "tx_hash": "0xab", "trade_id": "7",
        "liquidated_user": BOB, "liquidation_mark_price": 99.0, "liquidation_method": "market",
    }  # fmt: skip
    assert expected.items() <= row.items()
    assert journal.query("SELECT count(*) FROM fills WHERE price > 9") == [(1,)]


def test_fields_left_out_of_the_body_are_shown_with_their_default(journal):
    journal.append([
        Fill(account=ALICE, time_ms=1, coin="BTC", side="buy", price=Decimal(1), size=Decimal(1)),
        Position(account=ALICE, time_ms=1, coin="BTC", side="long", size=Decimal(1)),
        AccountInfo(account=ALICE, time_ms=1),
    ])  # fmt: skip
    fill, position, info = (rows_of(journal, view)[0] for view in ("fills", "positions", "accounts"))
    assert {"order_id": "0", "closed_pnl": 0.0, "is_position_close": 0, "tx_hash": "", "fee_token": "USDC",
            "crossed": 0, "start_position": None, "twap_id": None}.items() <= fill.items()  # fmt: skip
    assert {"unrealized_pnl": 0.0, "is_open": 1, "closed_at": None, "realized_pnl": None, "leverage": 0,
            "margin_mode": "cross", "entry_price": None}.items() <= position.items()  # fmt: skip
    assert {"role": "unknown", "mode": "unknown", "status": "watched", "reason": ""}.items() <= info.items()


@pytest.mark.parametrize("kind", VIEW_OF)
def test_every_default_that_a_body_leaves_out_is_shown(journal, kind):
    full = build(kind)
    required = {field.name: getattr(full, field.name) for field in msgspec.structs.fields(full) if field.required}
    smallest = type(full)(account=ALICE, **required)
    journal.append([smallest])
    (row,) = rows_of(journal, VIEW_OF[kind])
    for field in set(smallest.__struct_fields__) - {"labels", "details", "extra", "account", "order_id", "trade_id"}:
        value, column = getattr(smallest, field), COLUMN_OF.get(field, field)
        if column in row:
            assert row[column] == (float(value) if isinstance(value, Decimal) else value), field


@pytest.mark.parametrize("milliseconds", range(0, 1000, 37))
def test_no_millisecond_is_lost_in_the_text_of_a_time(journal, milliseconds):
    journal.append([builders.make_fill(time_ms=1_760_000_000_000 + milliseconds)])
    assert journal.query("SELECT substr(created_at, 21, 3) FROM fills") == [(f"{milliseconds:03}",)]


def test_a_guessed_close_gives_way_to_the_one_that_completes_it(journal):
    guess = make_position_closed(cause="state", trigger="state", account=ALICE)
    others = make_position_closed(cause="state", trigger="state", account=BOB, time_ms=guess.time_ms, coin=guess.coin)
    journal.append([guess, others])
    assert len(rows_of(journal, "closes")) == 2
    journal.append([make_position_closed(cause="order", completes=guess.key, account=ALICE, time_ms=guess.time_ms)])
    assert [(row["account_address"], row["cause"]) for row in rows_of(journal, "closes")] == [
        (BOB, "state"),
        (ALICE, "order"),
    ]


def test_of_a_close_that_was_stated_anew_only_the_newest_statement_is_in_the_view(journal):
    first = make_position_closed(complete=False, account=ALICE)
    others = msgspec.structs.replace(first, account=BOB)
    second, third = (
        msgspec.structs.replace(first, revision=number, completes=completes, net_pnl=Decimal(number))
        for number, completes in ((1, first.key), (2, f"{first.key}:1"))
    )
    journal.append([first, others, second])
    assert [(row["account_address"], row["revision"]) for row in rows_of(journal, "closes")] == [(BOB, 0), (ALICE, 1)]
    journal.append([third])
    assert [(row["account_address"], row["net_pnl"]) for row in rows_of(journal, "closes")] == [(BOB, 900), (ALICE, 2)]


def test_views_of_other_kinds_do_not_read_through_the_fills(journal):
    for view in FOUNDING_COLUMNS.keys() - {"fills"}:
        plan = journal.query(f"EXPLAIN QUERY PLAN SELECT * FROM {view}")
        assert all("events_by_kind" in row[3] for row in plan if row[3].startswith(("SCAN events", "SEARCH events"))), (
            plan
        )


def test_an_account_is_shown_with_why_it_cannot_be_watched(journal):
    journal.append([make_account_info(status="refused", reason="user cap")])
    assert journal.query("SELECT status, reason FROM accounts") == [("refused", "user cap")]
