"""A monitor of the test's own parts, run to its end."""

from __future__ import annotations

import signal

import pytest

from hlmon import host
from hlmon.config import load_config
from hlmon.delivery import courier
from hlmon.testing.builders import ALICE
from tests.core.host.parts import Parts, Script, stop


@pytest.fixture
def parts():
    made = Parts()
    made.sources["hyperliquid"] = Script(stop)
    return made


@pytest.fixture
def run(parts, tmp_path, monkeypatch):
    """A function that runs a monitor with this config text to its end and returns its journal's path."""
    for module in (host, courier):
        monkeypatch.setattr(module, "full_jitter", lambda: lambda attempt, retry_after: 0.0)

    def run(text: str = "", **config):
        environ = {"HLMON_CONFIG_TOML": text}
        journal = tmp_path / "hlmon.db"
        host.run(load_config(None, environ=environ, journal=journal, accounts=[ALICE]), parts, **config)
        return journal

    return run


@pytest.fixture
def deadline():
    """Turns a monitor that never ends into a failure."""

    def late(number, frame):
        raise AssertionError("the monitor did not end")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, 5)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
