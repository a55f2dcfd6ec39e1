"""The programs of a round: each one a process of its own, whose output stays in pipes and files."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.frames import address

HLMON = Path(sys.executable).with_name("hlmon")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PATIENCE_S = 120.0
LOOK_S = 0.2

Result = dict[str, float]


def run(module: str, *arguments: object) -> Result:
    """Run one module of this package to its end; its last line is its result."""
    command = [sys.executable, "-m", f"bench.{module}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    if done.returncode or not done.stdout.strip():
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


@dataclass
class Exchange:
    """A running exchange."""

    url: str
    process: subprocess.Popen[str]

    def wait_for_subscription(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.readline()


@contextmanager
def exchange(*, fills: int, accounts: int = 1, per_frame: int = 4, rate: float = 0.0) -> Iterator[Exchange]:
    """An exchange with this load."""
    load = {"fills": fills, "accounts": accounts, "per-frame": per_frame, "rate": rate}
    options = [text for name, value in load.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "bench.exchange", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield Exchange(process.stdout.readline().strip(), process)
        finally:
            process.kill()


def race(name: str, fills: int, *, accounts: int = 1, per_frame: int = 4, rate: float = 0.0) -> Result:
    """Let one contestant store the fills of an exchange of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        exchange(fills=fills, accounts=accounts, per_frame=per_frame, rate=rate) as opened,
    ):
        file = Path(folder) / "fills.db"
        if name == "monitor":
            return run("monitor", opened.url, fills, file, accounts, per_frame)
        return run("contestants", name, opened.url, fills, file, accounts)


class Monitor:
    """A real `hlmon run` with one account on an exchange of its own, as long as the context lasts."""

    def __init__(self, folder: Path, exchange: Exchange, fills: int) -> None:
        self.journal = folder / "hlmon.db"
        self.fills = fills
        command = [HLMON, "run", "--account", address(0), "--journal", self.journal, "--url", exchange.url]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HLMON")}
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        exchange.wait_for_subscription()
        self.start_cpu_s = self.cpu_s()

    def cpu_s(self) -> float:
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def memory_mb(self, name: str) -> float:
        """`VmHWM` or `VmRSS` in units of 2**20 bytes."""
        lines = dict(line.split(":", 1) for line in self._proc("status").splitlines())
        return int(lines[name].split()[0]) / 1024

    def wait_for_fills(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self._stored() < self.fills:
            if time.monotonic() > deadline or self.process.poll() is not None:
                log = (self.journal.parent / "log").read_text()
                raise RuntimeError(f"hlmon run did not store {self.fills} fills:\n{log[-2000:]}")
            time.sleep(LOOK_S)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)

    def _stored(self) -> int:
        with sqlite3.connect(f"{self.journal.as_uri()}?mode=ro", uri=True) as database:
            (last_seq,) = database.execute("SELECT COALESCE(max(seq), 0) FROM events").fetchone()
            if last_seq < self.fills:
                return int(last_seq)
            return int(database.execute("SELECT count(*) FROM events WHERE kind = 'fill'").fetchone()[0])

    def _proc(self, file: str) -> str:
        return Path(f"/proc/{self.process.pid}/{file}").read_text()


@contextmanager
def monitor(fills: int) -> Iterator[Monitor]:
    """`hlmon run` while an exchange sends it fills, then a state every 5 seconds."""
    with tempfile.TemporaryDirectory() as folder, exchange(fills=fills) as opened:
        running = Monitor(Path(folder), opened, fills)
        try:
            yield running
        finally:
            running.stop()
