"""The monitor's own times: they are ages, told in the wall clock of the moment, and in the exchange's for rules."""

from __future__ import annotations

import asyncio

import pytest

from hlmon import exchange_time, host
from hlmon.contract import DeriverFactory, NoConfig
from hlmon.exchange_time import pulse_of
from hlmon.journal import Journal
from hlmon.status import AccountStatus, FollowerStatus, SourceStatus, Status
from hlmon.testing.builders import ALICE, make_fill, make_gap
from tests.core.host.parts import Kept, Script, reasons_in, status_in, stop, table

NOW_MS = 1_780_000_000_000
HOUR_MS = 3_600_000


class Feed(Script):
    """A source that is two hours behind this machine's clock, and says so."""

    exchange_now_ms = NOW_MS - 2 * HOUR_MS

    def exchange_ms(self) -> int:
        return self.exchange_now_ms

    def status(self) -> SourceStatus:
        return SourceStatus(accounts=[AccountStatus(address=ALICE, status="watched", last_seen_ms=NOW_MS)])


@pytest.fixture
def wall(monkeypatch):
    """A wall clock that the test sets."""
    now = [NOW_MS]
    monkeypatch.setattr(host, "wall_ms", lambda: now[0])
    monkeypatch.setattr(exchange_time, "wall_ms", lambda: now[0])
    monkeypatch.setattr(host, "STATUS_SECONDS", 0.0)
    return now


@pytest.mark.usefixtures("deadline")
@pytest.mark.parametrize("step_ms", [-2 * HOUR_MS, 2 * HOUR_MS])
def test_a_step_of_the_wall_clock_makes_nothing_older_or_younger(parts, run, wall, step_ms):
    async def set_clock(script, ingest) -> None:
        wall[0] += step_ms
        ingest([make_fill()])
        for _ in range(20):
            await asyncio.sleep(0)
        await stop()

    parts.sources["hyperliquid"] = Feed(set_clock)
    status = status_in(run())
    assert status["updated_ms"] == NOW_MS + step_ms
    assert 0 <= status["updated_ms"] - status["started_ms"] < 20_000
    assert 0 <= status["updated_ms"] - status["committed_ms"] < 20_000
    assert status.get("pending_since_ms") is None
    assert status["uptime_ms"] > 0 or not status["boot_id"]


@pytest.mark.usefixtures("deadline")
def test_rules_feel_the_pulse_in_the_exchange_s_time(parts, run, wall):
    felt: list = []

    async def look(script, ingest) -> None:
        while not felt:
            await asyncio.sleep(0)
        await stop()

    feel = parts.opening("feel", lambda pulse: felt.append(pulse) or ())
    parts.derivers = [DeriverFactory(name="feel", config=NoConfig, open=feel, kinds=frozenset({"pulse"}), always=True)]
    parts.sources["hyperliquid"] = Feed(look)
    run()
    assert felt[0].time_ms == Feed.exchange_now_ms
    assert felt[0].sources[0].accounts[0].last_seen_ms == Feed.exchange_now_ms


def test_a_pulse_moves_every_time_and_leaves_what_never_was():
    followers = [
        FollowerStatus(name="archive", part="sink", last_ack_ms=NOW_MS - 5, failing_since_ms=NOW_MS - 3),
        FollowerStatus(name="chat", part="notifier"),
    ]
    status = Status(pid=1, version="0", started_ms=0, updated_ms=NOW_MS, followers=followers)
    first, second = pulse_of(status, NOW_MS + HOUR_MS).followers
    assert (first.last_ack_ms, first.failing_since_ms) == (NOW_MS + HOUR_MS - 5, NOW_MS + HOUR_MS - 3)
    assert (second.last_ack_ms, second.failing_since_ms) == (0, None)
    assert followers[0].last_ack_ms == NOW_MS - 5


@pytest.mark.usefixtures("deadline")
@pytest.mark.parametrize(("exchange_ms", "left"), [(NOW_MS, 1), (0, 2)])
def test_retention_goes_by_the_exchange_s_clock_and_waits_until_it_is_known(
    parts, run, wall, tmp_path, exchange_ms, left
):
    async def wait(script, ingest) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        await stop()

    with Journal.open(tmp_path / "hlmon.db") as journal:
        journal.append([make_fill(time_ms=NOW_MS - 9 * 24 * HOUR_MS), make_fill(time_ms=NOW_MS - HOUR_MS)])
    wall[0] = NOW_MS + 1_000 * 24 * HOUR_MS  # a clock that is years ahead must not delete everything
    parts.sources["hyperliquid"] = Feed(wait)
    parts.sources["hyperliquid"].exchange_now_ms = exchange_ms
    with Journal.open(run("retention_days = 7\n"), read_only=True) as journal:
        assert journal.count("fill") == left


@pytest.mark.usefixtures("deadline")
def test_a_gap_and_a_deriver_that_fails_are_problems(parts, run, wall):
    async def wait(script, ingest) -> None:
        ingest([make_gap(account=ALICE, stream="userFills", time_ms=Feed.exchange_now_ms), make_fill()])
        for _ in range(20):
            await asyncio.sleep(0)
        await stop()

    def fail(event):
        raise RuntimeError("no idea")

    fails = parts.opening("broken", fail)
    kinds = frozenset({"fill"})
    parts.derivers = [DeriverFactory(name="broken", config=NoConfig, open=fails, kinds=kinds, always=True)]
    parts.sources["hyperliquid"] = Feed(wait)
    parts.sinks["archive"] = Kept()
    failure, gap = reasons_in(run(table("sink", "archive")))
    assert gap.startswith(f"userFills of account {ALICE} has 1 gap")
    assert failure.startswith("rule broken fails since 0 s: RuntimeError: no idea; its alerts are missing meanwhile")


class Busy(host.IdleSchedule):
    """The schedule of a loop that is never idle: nothing is committed."""

    def __call__(self, flush) -> None:
        pass


@pytest.mark.usefixtures("deadline")
def test_since_when_events_wait_to_be_committed_is_in_the_status(parts, run, wall, monkeypatch):
    told: list[Status] = []

    async def look(script, ingest) -> None:
        ingest([make_fill()])
        for _ in range(20):
            await asyncio.sleep(0)
        await stop()

    monkeypatch.setattr(host, "IdleSchedule", Busy)
    monkeypatch.setattr(host.Watchdog, "see", lambda _, status: told.append(status))
    parts.sources["hyperliquid"] = Feed(look)
    run()
    waiting = [status.pending_since_ms for status in told if status.pending_since_ms is not None]
    assert waiting
    assert all(0 <= NOW_MS - since_ms < 20_000 for since_ms in waiting)
