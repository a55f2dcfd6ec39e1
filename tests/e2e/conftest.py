"""A simulated exchange on a real socket, and the monitor as a real process on it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from hlmon.errors import JournalError
from hlmon.journal import Journal
from hlmon_sim.background import BackgroundServer
from hlmon_sim.scenario import Limits, Scenario
from hlmon_sim.server import SimServer
from tests.e2e.chaos import FOLDER, Telling
from tests.servers.waiting import wait_for

GENEROUS = Limits(weight_per_minute=1_000_000, connections=100, new_connections_per_minute=1_000, users=100)
QUIET = Scenario(accounts=0, rate=0, trades_rate=0, speed=0.001, limits=GENEROUS)


class Monitor:
    """`hlmon run` in a process of its own, and its journal seen from outside."""

    def __init__(self, folder: Path, config: str, environ: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.environ = environ or {}
        self.journal = folder / "hlmon.db"
        self.config = folder / "hlmon.toml"
        self.config.write_text(config)
        self.log = folder / "log"
        self.process: subprocess.Popen | None = None

    def start(self, *command: str | Path) -> None:
        """Start `hlmon run`, or another command that runs it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hlmon", *(command or ("run",)), "-c", self.config, "--journal", self.journal],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=inherited() | self.environ,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=25)

    def hlmon(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Another command about the same journal, whole."""
        return run_hlmon(*command, "-c", self.config, "--journal", self.journal, cwd=self.folder, environ=self.environ)

    def check(self, *options: str) -> subprocess.CompletedProcess[str]:
        """`hlmon check` of the config."""
        return run_hlmon("check", "-c", self.config, *options, cwd=self.folder, environ=self.environ)

    def status(self) -> dict:
        """What `hlmon status --json` says; without `status` while there is none."""
        result = self.hlmon("status", "--json")
        return json.loads(result.stdout) if result.stdout else {"running": False, "status": None}

    def said(self) -> dict | None:
        """What the monitor last said of itself, read from the journal; None before it said anything."""
        try:
            with Journal.open(self.journal, read_only=True) as journal:
                body = journal.status()
        except JournalError:  # not there yet
            return None
        return json.loads(body) if body else None

    def source(self) -> dict:
        """What `hlmon status --json` says of the exchange's feed."""
        status = self.status()["status"]
        return status["sources"][0] if status else {"accounts": [], "problems": [], "coins": []}

    def log_lines(self) -> list[dict]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def query(self, sql: str) -> list[tuple]:
        try:
            with Journal.open(self.journal, read_only=True) as journal:
                return journal.query(sql)
        except JournalError:  # not there yet
            return []

    def bodies(self, kind: str) -> list[dict]:
        return [
            json.loads(body) for (body,) in self.query(f"SELECT body FROM events WHERE kind = '{kind}' ORDER BY seq")
        ]


def inherited() -> dict[str, str]:
    """What of this environment a program must have: where programs are, and the sources under test."""
    return {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}


def run_hlmon(
    *arguments: str | Path, cwd: Path, environ: dict[str, str] | None = None, **options
) -> subprocess.CompletedProcess[str]:
    """`hlmon` with these arguments, to its end."""
    command = [sys.executable, "-m", "hlmon", *arguments]
    env = inherited() | (environ or {})
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=60, check=False, **options)


def toml_of(url: str, addresses: Iterable[str], *, exchange: str = "", more: str = "") -> str:
    """A config of these accounts; `exchange` are further lines of its section, `more` further sections."""
    accounts = "".join(f'[[account]]\naddress = "{address}"\n' for address in addresses)
    section = f'[hyperliquid]\nurl = "{url}"\nweight_per_minute = 1000000\n{exchange}\n'
    return f"alert_max_age_seconds = 60\n{accounts}{section}{more}"


STORIES = "test_ground_truth.py"
FRESH_SEEDS = pytest.StashKey[tuple[int, ...]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What came of the stories is asked last: they are told beside all other tests."""
    items.sort(key=lambda item: item.path.name == STORIES)


@pytest.fixture(scope="session", autouse=True)
def telling(request):
    """The stories of test_ground_truth.py, told side by side from now on; None if none of its tests is run."""
    module = next((item.module for item in request.session.items if item.path.name == STORIES), None)
    if module is None:
        yield None
        return
    seeds = (*module.FIXED, *module.FRESH)
    request.config.stash[FRESH_SEEDS] = module.FRESH
    with Telling(seeds, request.config.rootpath / FOLDER, jobs=len(seeds)) as told:
        yield told


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the fresh seeds, whatever came of them."""
    if seeds := config.stash.get(FRESH_SEEDS, ()):
        terminalreporter.write_line(f"stories of fresh seeds: {', '.join(map(str, seeds))}")


@pytest.fixture(scope="session")
def wait():
    return wait_for


@pytest.fixture(scope="session")
def hlmon():
    return run_hlmon


@pytest.fixture(scope="session")
def make_toml():
    return toml_of


@pytest.fixture(scope="module")
def exchange_of():
    """A function that starts a simulated exchange where nothing happens by itself, but for what it is given."""
    with contextlib.ExitStack() as stack:

        def make(**scenario) -> BackgroundServer:
            return stack.enter_context(BackgroundServer(SimServer(replace(QUIET, **scenario))))

        yield make


@pytest.fixture(scope="module")
def exchange(exchange_of):
    """One exchange for all tests of a module; nothing happens there by itself."""
    return exchange_of()


@pytest.fixture(scope="module")
def monitor_of(tmp_path_factory):
    with contextlib.ExitStack() as stack:

        def make(config: str, environ: dict[str, str] | None = None) -> Monitor:
            monitor = Monitor(tmp_path_factory.mktemp("monitor"), config, environ)
            stack.callback(lambda: monitor.process and monitor.process.poll() is None and monitor.kill())
            return monitor

        yield make
