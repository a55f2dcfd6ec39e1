"""Rules inside the monitor: on a real journal, through ingest, across stops and kills."""

from __future__ import annotations

import pytest

from hlmon.ingest import Ingest
from hlmon.journal import Journal
from hlmon.testing.builders import make_account_snapshot
from tests.core.rules.cases import CASES, at
from tests.core.rules.conftest import Watch


class Monitor:
    """One rule on a journal; `kill` loses whatever was not written."""

    def __init__(self, path, name):
        self.path, self.name = path, name
        self.kill()

    def kill(self):
        if hasattr(self, "journal"):
            self.journal.close()
        self.journal = Journal.open(self.path)
        case = CASES[self.name]
        rule = Watch(self.name, case.toml, case.settings)
        self.ingest = Ingest(self.journal, [("my-rule", rule.factory.kinds, rule.rule)])
        self.ingest.rebuild()

    def stop(self):
        self.ingest.flush(final=True)
        self.kill()

    def see(self, events):
        self.ingest(events)
        self.ingest.flush()
        return [(alert.state, alert.title) for alert in self.journal.states("alert")]


@pytest.fixture
def monitor(tmp_path):
    """`monitor(name)` runs the rule of that type's case."""
    running = []

    def started(name):
        running.append(Monitor(tmp_path / "hlmon.db", name))
        return running[-1]

    yield started
    for each in running:
        each.journal.close()
        assert each.ingest.failures == {}


@pytest.mark.parametrize("end", ["kill", "stop"])
@pytest.mark.parametrize("name", CASES)
def test_whatever_ends_the_monitor_between_two_events_every_alert_is_stored_once(monitor, name, end):
    case = CASES[name]
    running = monitor(name)
    state = "event" if case.over is None else "firing"
    assert running.see(case.quiet) == []
    running.stop()
    assert running.see(case.firing) == [(state, case.title)]
    getattr(running, end)()
    again = case.firing if end == "kill" and state == "firing" else []
    assert running.see(again) == [(state, case.title)]
    over = [] if case.over is None else [("resolved", f"Over: {case.title}")]
    assert running.see(case.over or []) == [(state, case.title), *over]


def test_a_history_that_is_seen_twice_is_told_once(monitor):
    running = monitor("health")
    history = [make_account_snapshot(time_ms=at(60 * number), health_score=20) for number in range(5)]
    assert len(running.see(history)) == 1
    assert len(running.see(history)) == 1
