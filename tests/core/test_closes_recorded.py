"""Closes of recorded fills, against a computation that knows nothing of hlmon's code."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from hlmon.derive.closes import Closes
from hlmon.events import Fill
from hlmon.hyperliquid.decode import decode_answer

RECORDED = Path(__file__).resolve().parents[2].parent / "shared" / "hyperliquid" / "recorded"
FILES = ("rest_userFills", "rest_userFillsByTime", "ws_userFills", "ws_session_userFills_15user_cap")

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded payloads are not beside this checkout")


def batches() -> list[tuple[str, list[dict]]]:
    """Every recorded list of fills with a name."""
    found = []
    for file in FILES:
        for number, line in enumerate((RECORDED / f"{file}.jsonl").read_text().splitlines()):
            payload = json.loads(line)["payload"]
            data = payload.get("data") if isinstance(payload, dict) else payload
            rows = data.get("fills") if isinstance(data, dict) else data
            if isinstance(rows, list) and rows:
                found.append((f"{file}:{number}", rows))
    return found


def ordered(rows: list[dict]) -> list[dict]:
    return sorted(rows, key=lambda row: row["time"])


def self_trades(rows: list[dict]) -> set[int]:
    """Positions of the rows that are legs of a self-trade: same hash, price, size, start, both sides."""
    groups = defaultdict(lambda: {"A": [], "B": []})
    for index, row in enumerate(rows):
        same = (row["coin"], row["time"], row["hash"], row["px"], row["sz"], row["startPosition"], row.get("tid"))
        groups[same][row["side"]].append(index)
    return {index for legs in groups.values() for pair in zip(legs["A"], legs["B"], strict=False) for index in pair}


def plain_closes(rows: list[dict]) -> list[tuple]:
    """(coin, time, order, start, gross, fees, fills) of each position that these linked rows end."""
    closes, lives = [], {}
    own = self_trades(rows)
    for index, row in enumerate(rows):
        coin = row["coin"]
        if coin[0] in "@#" or "/" in coin:
            continue
        size, start = Decimal(row["sz"]), Decimal(row["startPosition"])
        fee, pnl = Decimal(row["fee"]), Decimal(row["closedPnl"])
        end = start + size * (1 if row["side"] == "B" else -1)
        life = lives.setdefault(coin, {"fees": Decimal(0), "gross": Decimal(0), "fills": 0})
        if index in own:
            if start:
                life["fees"] += fee
                life["gross"] += pnl
                life["fills"] += 1
            continue
        share = abs(start) / size if start * end < 0 else Decimal(1)
        life["fees"] += fee * share
        life["gross"] += pnl
        life["fills"] += 1
        if start and start * end <= 0:
            closes.append(
                (coin, row["time"], row["oid"], abs(start), life["gross"], round(life["fees"], 5), life["fills"])
            )
            lives[coin] = {"fees": fee * (1 - share), "gross": Decimal(0), "fills": 1 if end else 0}
    return closes


def fills_of(rows: list[dict]) -> list[Fill]:
    fills = decode_answer("userFills", "0x" + "ab" * 20, json.dumps(rows).encode(), clock_ms=1).events
    return [fill for fill in fills if isinstance(fill, Fill)]


def closes_of(fills: list[Fill]):
    deriver = Closes()
    return [close for fill in fills for close in deriver(fill)]


def is_linked(rows: list[dict]) -> bool:
    """Whether each perp row starts where the one before it ended."""
    position, own = {}, self_trades(rows)
    for index, row in enumerate(rows):
        start = Decimal(row["startPosition"])
        if "/" in row["coin"] or row["coin"][0] in "@#":
            continue
        if position.get(row["coin"], start) != start:
            return False
        change = Decimal(row["sz"]) * (1 if row["side"] == "B" else -1)
        position[row["coin"]] = start if index in own else start + change
    return True


@pytest.mark.parametrize(
    ("name", "rows"), [pytest.param(*batch, id=batch[0]) for batch in batches()] if RECORDED.is_dir() else []
)
def test_the_closes_of_recorded_fills_equal_a_plain_computation(name, rows):
    rows = ordered(rows)
    if not is_linked(rows):
        rows = rows[1:]  # the pages of 2023 begin with half a self-trade, whose other leg was cut off
    assert is_linked(rows)
    closes = closes_of(fills_of(rows))
    seen = [(c.coin, c.time_ms, int(c.trigger.split(":")[2]), c.gross_pnl, round(c.fees, 5), c.fills) for c in closes]
    assert seen == [
        (coin, time, oid, gross, fees, fills) for coin, time, oid, _, gross, fees, fills in plain_closes(rows)
    ]


@pytest.mark.parametrize("file", FILES[:2])
def test_a_page_that_begins_with_half_a_self_trade_gives_the_same_closes(file):
    rows = ordered(next(rows for name, rows in batches() if name == f"{file}:0"))
    assert not is_linked(rows)
    names = [close.name for close in closes_of(fills_of(rows))]
    assert names == [close.name for close in closes_of(fills_of(rows[1:]))]
    assert len(names) > 30


def test_no_recorded_fill_closes_twice():
    for _, rows in batches():
        names = [close.name for close in closes_of(fills_of(ordered(rows)))]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(("coin", "fills"), [("BTC", 35), ("HYPE", 11)])
def test_a_long_recorded_cycle_gives_one_close_on_its_last_fill(coin, fills):
    closes = [close for _, rows in batches() for close in closes_of(fills_of(ordered(rows))) if close.coin == coin]
    cycles = [close for close in closes if close.fills == fills and close.complete]
    assert len(cycles) >= 1
    assert all(close.opened_ms and close.net_pnl == close.gross_pnl - close.fees for close in cycles)
