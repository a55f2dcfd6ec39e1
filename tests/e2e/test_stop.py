"""What was received before the monitor was told to stop is stored and delivered when it has stopped."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest

PROMISED_STOP_S = 20
ACCOUNTS = 3
FILLS_PER_SECOND = 300


@pytest.fixture(scope="module")
def stopped(exchange_of, monitor_of, make_toml, tmp_path_factory, wait):
    """A monitor that was told to stop in the middle of heavy trading, and every frame that it had received."""
    exchange = exchange_of(accounts=ACCOUNTS)
    folder = tmp_path_factory.mktemp("stop")
    frames, archive = folder / "frames.jsonl", folder / "archive.jsonl"
    sink = f'[sink.archive]\ntype = "jsonl"\npath = "{archive}"\n'
    monitor = monitor_of(make_toml(exchange.url, exchange.server.addresses, more=sink))
    monitor.start("record", frames)
    wait(lambda: len(monitor.query("SELECT 1 FROM accounts")) == ACCOUNTS, 60, "the accounts")
    traffic = exchange.server.traffic
    exchange.do(lambda: setattr(traffic, "rate", float(FILLS_PER_SECOND)))
    wait(lambda: monitor.query("SELECT count(*) FROM fills")[0][0] > FILLS_PER_SECOND, 60, "live fills")
    asked = time.monotonic()
    code = monitor.terminate()
    return SimpleNamespace(
        code=code, took_s=time.monotonic() - asked, monitor=monitor, frames=frames, archive=archive, exchange=exchange
    )


def fills_of(frames) -> set[tuple]:
    found = set()
    for line in frames.read_text().splitlines():
        message = json.loads(line) if line.startswith("{") else {}
        if message.get("channel") in {"userFills", "userTwapSliceFills"}:
            data = message["data"]
            rows = data.get("fills") or [row["fill"] for row in data.get("twapSliceFills", ())]
            found |= {(data["user"], row["tid"], row["oid"]) for row in rows}
    return found


def test_a_monitor_stops_with_success_and_in_time(stopped):
    assert stopped.code == 0
    assert stopped.took_s < PROMISED_STOP_S


def test_every_fill_that_was_received_before_the_stop_is_in_the_journal(stopped):
    stored = {(body["account"], body["trade_id"], body["order_id"]) for body in stopped.monitor.bodies("fill")}
    assert stored == fills_of(stopped.frames)


def test_everything_in_the_journal_was_delivered_before_the_end(stopped):
    delivered = [json.loads(line) for line in stopped.archive.read_text().splitlines()]
    fills = [event for event in delivered if event["kind"] == "fill"]
    assert fills == [{"kind": "fill"} | body for body in stopped.monitor.bodies("fill")]
    (cursor,), (last,) = stopped.monitor.query("SELECT seq FROM cursors UNION ALL SELECT max(seq) FROM events")
    assert cursor == last


def test_the_next_start_reads_back_what_happened_meanwhile(stopped, wait):
    server = stopped.exchange.server

    def stop_trading():
        server.traffic.rate = 0.0
        return sum(len(account.fills) + len(account.slices) for account in server.world.accounts.values())

    fills = stopped.exchange.do(stop_trading)
    stopped.monitor.start()
    wait(lambda: stopped.monitor.query("SELECT count(*) FROM fills") == [(fills,)], 30, "every fill")
    assert stopped.monitor.terminate() == 0
