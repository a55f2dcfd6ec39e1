"""A machine whose clock is wrong, or is set while hlmon runs: alerts are sent, and the difference is told."""

from __future__ import annotations

import shutil
import subprocess
from types import SimpleNamespace

import pytest

from tests.e2e.watching import is_whole

ALERTS = """
[rule.fills]
type = "fill"
[notifier.console]
type = "log"
"""
HOURS = 7_200

pytestmark = pytest.mark.skipif(
    shutil.which("faketime") is None, reason="a program with a wrong clock needs faketime: apt-get install faketime"
)


def told(monitor) -> list[str]:
    return [line["message"] for line in monitor.log_lines() if line["logger"] == "hlmon.alerts"]


def faked(clock) -> dict[str, str]:
    """An environment in which the wall clock, and no other, is off by what the file says at the moment."""
    shown = subprocess.run(["faketime", "-f", "+0", "env"], capture_output=True, text=True, check=True).stdout
    (library,) = (line.partition("=")[2] for line in shown.splitlines() if line.startswith("LD_PRELOAD="))
    return {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


@pytest.fixture(scope="module")
def story(exchange_of, monitor_of, make_toml, wait, tmp_path_factory):
    """A clock two hours ahead, which is then set back by four: a fill and a look at each time."""
    exchange = exchange_of(accounts=1)
    world = exchange.server.world
    (account,) = world.accounts.values()
    clock = tmp_path_factory.mktemp("clock") / "offset"
    monitor = monitor_of(make_toml(exchange.url, [account.address], more=ALERTS), faked(clock))
    looks = []
    clock.write_text(f"+{HOURS}")
    check = monitor.check("--connect").stdout
    monitor.start()
    wait(lambda: is_whole(monitor.journal, 1), 60, "the history", every=0.5)  # fills wait for it, and so do alerts
    for number, offset in enumerate((HOURS, -HOURS), 1):
        clock.write_text(f"{offset:+}")
        exchange.do(lambda: world.open(account, "SOL", 1))
        wait(lambda number=number: len(told(monitor)) >= number, 20, "the alert")
        wait(lambda offset=offset: abs(monitor.source()["clock_skew_ms"] + offset * 1000) < 5_000, 20, "the skew")
        environ, monitor.environ = (
            monitor.environ,
            {},
        )  # the commands of another machine, or of a user whose clock is right
        looks.append(SimpleNamespace(status=monitor.status(), health=monitor.hlmon("health")))
        monitor.environ = environ
    assert monitor.terminate() == 0
    return SimpleNamespace(monitor=monitor, check=check, looks=looks)


def test_alerts_are_sent_however_old_the_own_clock_takes_them_to_be(story):
    assert len(told(story.monitor)) == 2
    assert story.monitor.query("SELECT DISTINCT state FROM notices") == [("sent",)]


def test_a_live_monitor_is_never_taken_for_a_dead_one(story):
    assert [(look.status["running"], look.health.returncode) for look in story.looks] == [(True, 0)] * 2


def test_it_is_not_well_and_says_why_with_what_to_do(story):
    for look, words in zip(story.looks, ("7,200 s ahead of", "7,200 s behind"), strict=True):
        (reason,) = look.status["reasons"]
        assert reason.replace("7,199", "7,200").startswith(f"this machine's clock is {words} the exchange's: set it")
        assert f"not well: {reason}" in look.health.stdout


def test_the_check_tells_it_and_the_log_once_for_each_difference(story):
    assert "s ahead of the exchange's: set it" in story.check
    warnings = [line["message"] for line in story.monitor.log_lines() if "this machine's clock is" in line["message"]]
    assert len(warnings) <= 2
    assert "s ahead of the exchange's: set it" in warnings[0]
