"""The look at a running monitor finds what it should: a claim that all is well while something is missing."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from hlmon.events import Fill, Gap, Order, Position, Quarantined
from hlmon.journal import Journal
from hlmon.status import AccountStatus, ConnectionStatus, SourceStatus, Status
from hlmon_sim import World
from hlmon_sim.faults import Faults
from hlmon_sim.hub import Hub
from hlmon_sim.records import Fill as TrueFill
from hlmon_sim.scenario import Limits
from hlmon_sim.truth import Truth
from tests.e2e.own_time import TICK_S, OwnTime
from tests.e2e.sampling import PATIENCE_S, TELL_S, Sampler

ZERO = Decimal(0)


class Watched:
    """A world, its truth, a journal that a living monitor might have written, and a clock to be moved."""

    def __init__(self, folder: Path, truth: Truth) -> None:
        self.folder, self.now = folder, 0.0
        self.world = World(1)
        truth.follow(self.world)
        self.account = self.world.add_account()
        self.hub = Hub(self.world, Limits())
        self.sampler = Sampler(folder / "truth", folder / "journal.db", clock=lambda: self.now)
        self.store()

    def store(self, *events, problems=()) -> None:
        with Journal.open(self.folder / "journal.db") as journal:
            journal.append(events)
            journal.put_status(msgspec.json.encode(status(self.account.address, list(problems))))

    def store_fill(self, fill: TrueFill) -> None:
        facts = {
            "account": fill.account,
            "time_ms": fill.time_ms,
            "coin": fill.coin,
            "side": "buy",
            "price": fill.price,
        }
        ids = {"order_id": fill.order_id, "trade_id": fill.trade_id, "start_position": fill.start_position}
        self.store(Fill(**facts, **ids, size=fill.size))
        sizes = {"size": fill.size, "remaining": ZERO, "created_ms": fill.time_ms}
        self.store(Order(order_id=fill.order_id, status="filled", **facts, **sizes))
        self.store(position_of(fill, fill.start_position + fill.size))

    def violations_after(self, seconds: float) -> list[str]:
        self.sampler.sample()
        self.now += seconds
        self.sampler.sample()
        return list(self.sampler.violations)


def position_of(fill: TrueFill, size: Decimal) -> Position:
    return Position(account=fill.account, time_ms=fill.time_ms, coin=fill.coin, side="long", size=size)


def status(address: str, problems: list[str]) -> Status:
    now_ms = time.time_ns() // 1_000_000
    account = AccountStatus(address=address, role="user", status="watched", last_seen_ms=now_ms)
    connection = ConnectionStatus(state="live", since_ms=now_ms, last_frame_ms=now_ms)
    source = SourceStatus(connection=connection, accounts=[account], problems=problems)
    return Status(pid=os.getpid(), version="0", started_ms=now_ms, updated_ms=now_ms, sources=[source])


@pytest.fixture
def watched(tmp_path) -> Iterator[Watched]:
    with Truth(tmp_path / "truth") as truth:
        yield Watched(tmp_path, truth)


def test_nothing_is_wrong_while_all_is_stored(watched):
    watched.store_fill(watched.world.open(watched.account, "BTC", 1)[0])
    assert watched.violations_after(PATIENCE_S + 1) == []
    assert watched.sampler.well == 2


def test_a_fill_that_is_missing_for_a_minute_while_all_is_said_to_be_well_is_found(watched):
    watched.world.open(watched.account, "BTC", 1)
    assert watched.violations_after(PATIENCE_S - 1) == []
    assert any('"what": "fill"' in text for text in watched.violations_after(2))


def test_who_says_that_all_is_not_well_may_lack_anything(watched):
    watched.world.open(watched.account, "BTC", 1)
    watched.store(problems=["something is wrong"])
    assert watched.violations_after(PATIENCE_S + 1) == []
    assert watched.sampler.well == 0


def test_what_an_open_gap_names_is_not_missing_and_a_healed_gap_names_nothing(watched):
    fill = watched.world.open(watched.account, "BTC", 1)[0]
    watched.store_fill(replace_id(fill))
    gap = Gap(
        account=fill.account, time_ms=fill.time_ms, stream="userFills", start_ms=fill.time_ms, end_ms=fill.time_ms
    )
    watched.store(gap)
    assert not any('"what": "fill"' in text for text in watched.violations_after(PATIENCE_S + 1))
    watched.store(msgspec.structs.replace(gap, healed=True))
    assert any('"what": "fill"' in text for text in watched.violations_after(1))


def replace_id(fill: TrueFill) -> TrueFill:
    return msgspec.structs.replace(fill, trade_id=fill.trade_id + 2)


def test_an_order_of_another_status_is_missing(watched):
    order = watched.world.place(watched.account, "BTC", 1, 80_000)
    facts = {"account": watched.account.address, "time_ms": 1, "coin": "BTC", "side": "buy", "created_ms": 1}
    money = {"size": order.original, "remaining": order.remaining, "price": order.price}
    watched.store(Order(order_id=order.order_id, status="open", **facts, **money))
    assert watched.violations_after(PATIENCE_S + 1) == []
    watched.world.cancel(order)
    assert len(watched.violations_after(PATIENCE_S + 1)) == 1


def test_a_position_of_another_size_is_missing(watched):
    fill = watched.world.open(watched.account, "BTC", 1)[0]
    watched.store_fill(fill)
    watched.store(msgspec.structs.replace(position_of(fill, Decimal(2)), time_ms=fill.time_ms + 1))
    assert [text for text in watched.violations_after(PATIENCE_S + 1) if "position" in text]


def test_a_row_that_cannot_be_read_is_missing_and_in_quarantine_it_still_is_a_reason(watched):
    faults = Faults(watched.hub, 1)
    record = faults.unreadable_row(watched.account, TrueFill, (("side", "X"),))
    unread = [line for line in (watched.folder / "truth").read_text().splitlines() if '"unread"' in line]
    row = json.loads(unread[0])["row"]
    assert any('"unread"' in text for text in watched.violations_after(PATIENCE_S + 1))
    watched.sampler.violations.clear()
    kept = Quarantined(
        account=record.account,
        time_ms=record.time_ms,
        origin="wire",
        reason="side",
        digest="x",
        payload=json.dumps(row),
    )
    watched.store(kept)
    assert any("a row in quarantine" in text for text in watched.violations_after(TELL_S + 1))
    watched.sampler.violations.clear()
    watched.store(problems=["1 row could not be read"])
    assert watched.violations_after(1) == []


def test_the_time_of_a_story_stands_still_while_the_machine_does_something_else():
    stalled, go_on = threading.Event(), threading.Event()

    def sleep(_seconds: float) -> None:
        stalled.set()
        go_on.wait()

    own_time = OwnTime(sleep)
    with own_time:
        stalled.wait()
        assert own_time.now() == 0
        go_on.set()
    assert own_time.now() >= TICK_S
