"""Nobody reads what the monitor says: it watches, says so where it can, and stops in time."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tests.core.test_output_thread import fill
from tests.e2e.conftest import inherited

PROMISED_STOP_S = 20


@pytest.fixture
def unread():
    """The writing end of a pipe that is full and stays so."""
    ends = os.pipe()
    fill(ends[1])
    yield ends[1]
    for end in ends:
        os.close(end)


def test_a_log_that_nobody_reads_stops_neither_watching_nor_the_stop_and_makes_it_not_well(
    exchange_of, monitor_of, make_toml, unread, wait
):
    exchange = exchange_of(accounts=1, rate=5.0)
    monitor = monitor_of(make_toml(exchange.url, exchange.server.addresses))
    command = [sys.executable, "-m", "hlmon", "--debug", "run", "-c", monitor.config, "--journal", monitor.journal]
    monitor.process = subprocess.Popen(command, stdout=unread, stderr=unread, cwd=monitor.folder, env=inherited())
    for more in (1, 20):
        wait(lambda more=more: monitor.query("SELECT count(*) FROM fills") >= [(more,)], 30, "fills")

    def reasons() -> str:
        return " ".join(monitor.status().get("reasons", ()))

    wait(lambda: "log" in reasons() and "see to it that what reads the log keeps up" in reasons(), 30, "the reason")
    asked = time.monotonic()
    assert monitor.terminate() == 0
    assert time.monotonic() - asked < PROMISED_STOP_S
