"""`hlmon run --watch`: a monitor and its live screen by one command in one terminal."""

from __future__ import annotations

import re
import signal

import pytest

from hlmon.journal import Journal
from hlmon_sim.background import BackgroundServer
from hlmon_sim.scenario import Scenario
from hlmon_sim.server import SimServer
from tests.e2e.conftest import GENEROUS
from tests.servers.terminal import Terminal


@pytest.fixture
def watched(tmp_path):
    server = SimServer(Scenario(seed=3, accounts=1, rate=20, trades_rate=0, speed=60, limits=GENEROUS))
    with BackgroundServer(server) as exchange:
        account = f"--account={server.addresses[0]}"
        terminal = Terminal("run", "--watch", "--url", exchange.url, account, cwd=tmp_path)
        yield terminal
        terminal.close()


def test_leaving_the_screen_stops_the_monitor_with_everything_stored(watched, tmp_path):
    watched.read_until(b"live")
    watched.read_until(b"sold")
    watched.press(b"q")
    assert watched.process.wait(30) == 0
    assert "everything received is in the journal" in (tmp_path / "hlmon.db.log").read_text()
    with Journal.open(tmp_path / "hlmon.db", read_only=True) as journal:
        assert journal.count("fill") > 0


def test_a_sigterm_stops_the_monitor_too(watched, tmp_path):
    watched.read_until(b"live")
    watched.process.terminate()
    assert watched.process.wait(30) == 128 + signal.SIGTERM
    assert "everything received is in the journal" in (tmp_path / "hlmon.db.log").read_text()


def test_a_monitor_that_cannot_run_is_an_error_with_the_end_of_its_log(watched, tmp_path):
    watched.read_until(b"live")
    second = Terminal("run", "--watch", "--account", "0x" + "1" * 40, cwd=tmp_path)
    assert second.read_to_end() != 0
    assert b"the end of its log" in second.seen
    assert re.search(rb"journal .*hlmon\.db", second.seen)
    second.close()


def test_without_a_terminal_it_is_refused(hlmon, tmp_path):
    result = hlmon("run", "--watch", "--account", "0x" + "1" * 40, cwd=tmp_path)
    assert (result.returncode, "needs a terminal" in result.stderr) == (2, True)
