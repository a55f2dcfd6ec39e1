"""A monitor that is killed while it sends loses no alert, and doubles only what was inside the send."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import pytest

from hlmon.journal import Journal
from hlmon.testing.builders import make_alert

ALERTS = 60
DISPATCHER = """
import os, sys, time
from pathlib import Path
from types import SimpleNamespace
from hlmon.delivery import dispatch
from hlmon.journal import Journal
from hlmon.routing import NotifierPolicy, Route

class ToFile:
    def send(self, alerts):
        with open(sys.argv[2], "a") as file:
            for alert in alerts:
                file.write(f"begin {alert.subject}\\n")
            file.flush()
            time.sleep(0.002)
            for alert in alerts:
                file.write(f"end {alert.subject}\\n")

journal = Journal.open(Path(sys.argv[1]))
(dispatcher,) = dispatch(
    journal,
    {"file": (ToFile(), SimpleNamespace(name="test", max_batch=100))},
    {"file": NotifierPolicy(messages_per_minute=1_000_000)},
    routes=[Route(to=("file",), group_by=("group",), wait_seconds=0)],
    accounts={},
    max_age_ms=3_600_000,
    quarantine=journal.append,
)
dispatcher.start()
print("started", flush=True)
while dispatcher.status().lag:
    time.sleep(0.001)
dispatcher.stop(10)
journal.close()
print("done", flush=True)
"""


def run_until(kill_after_s: float | None, *paths) -> bool:
    """Run it, kill it after that time from its start on; returns whether it came to its end."""
    with subprocess.Popen([sys.executable, "-c", DISPATCHER, *paths], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "started\n"
        if kill_after_s is not None:
            try:
                process.wait(kill_after_s)
            except subprocess.TimeoutExpired:
                process.kill()
        return process.stdout.read() == "done\n"


@pytest.mark.parametrize("seed", range(3))
def test_no_alert_is_lost_by_kills_and_only_what_was_inside_the_send_comes_twice(tmp_path, seed):
    path, told = tmp_path / "hlmon.db", tmp_path / "told"
    now_ms = time.time_ns() // 1_000_000
    with Journal.open(path) as journal:
        journal.append(
            [
                make_alert(time_ms=now_ms, subject=str(number), labels={"group": str(number // 3)})
                for number in range(ALERTS)
            ]
        )
    chance = random.Random(seed)
    kills = 0
    while not run_until(chance.uniform(0, 0.05), path, told):
        kills += 1
        if kills == 6:
            assert run_until(None, path, told)
            break
    lines = told.read_text().splitlines()
    begun, ended = ([line.split()[1] for line in lines if line.startswith(word)] for word in ("begin", "end"))
    assert set(ended) == {str(number) for number in range(ALERTS)}
    assert len(begun) - ALERTS <= 3 * kills  # a kill can be inside one message, which has three alerts
    with Journal.open(path) as journal:
        assert journal.query("SELECT DISTINCT state FROM notices") == [("sent",)]
