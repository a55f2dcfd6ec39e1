"""The programs of a round: each one a process of its own, whose output stays in pipes and files."""

from __future__ import annotations

import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bench.frames import address

HLMON = Path(sys.executable).with_name("hlmon")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PATIENCE_S = 120.0
LOOK_S = 0.2

NOTHING: Mapping[str, str] = MappingProxyType({})

Result = dict[str, float]


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what hlmon and the stores' clients would read from it, and `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HLMON", "AWS_", "SUPABASE_"))}
    return kept | dict(more)


def run(module: str, *arguments: object, environ: Mapping[str, str] = NOTHING) -> Result:
    """Run one module of this package to its end; its last line is its result."""
    command = [sys.executable, "-m", f"bench.{module}", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=environment(environ)
    )
    if done.returncode or not done.stdout.strip():
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


@dataclass
class Exchange:
    """A running exchange."""

    url: str
    process: subprocess.Popen[str]

    def is_subscribed(self) -> bool:
        """Whether the first subscription has come."""
        return bool(select.select([self.process.stdout], [], [], 0)[0])


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
    """A real `hlmon run` with one account on an exchange of its own, as long as the context lasts.

    `config` and `environ` are more than what every monitor has; what is in `folder`/hlmon.db already, it delivers.
    """

    def __init__(self, folder: Path, exchange: Exchange, config: str, environ: Mapping[str, str]) -> None:
        self.journal = folder / "hlmon.db"
        (folder / "hlmon.toml").write_text(config)
        command = [HLMON, "run", "--account", address(0), "--journal", self.journal, "--url", exchange.url]
        self.started = time.perf_counter()
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=environment(environ), stdout=log, stderr=log)
        self._wait_until(exchange.is_subscribed, "subscribe", look_s=0.005)
        self.start_cpu_s = self.cpu_s()

    def cpu_s(self) -> float:
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def memory_mb(self, name: str) -> float:
        """`VmHWM` or `VmRSS` in units of 2**20 bytes."""
        lines = dict(line.split(":", 1) for line in self._proc("status").splitlines())
        return int(lines[name].split()[0]) / 1024

    def wait_for_fills(self, fills: int) -> None:
        """Until so many are in the journal."""

        def stored() -> bool:
            if self._look("SELECT COALESCE(max(seq), 0) FROM events") < fills:
                return False
            return self._look("SELECT count(*) FROM events WHERE kind = 'fill'") >= fills

        self._wait_until(stored, f"store {fills} fills")

    def wait_for_cursor(self, name: str, seq: int) -> float:
        """Until this follower has delivered everything up to `seq`; returns the seconds since the start."""
        query = "SELECT COALESCE(max(seq), 0) FROM cursors WHERE name = ?"
        self._wait_until(lambda: self._look(query, name) >= seq, f"deliver {seq} events")
        seconds = time.perf_counter() - self.started
        if refused := self._look("SELECT count(*) FROM events WHERE kind = 'quarantine'"):
            raise RuntimeError(f"{name} refused {refused} events")
        return seconds

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)

    def _wait_until(self, done: Callable[[], bool], what: str, look_s: float = LOOK_S) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > deadline or self.process.poll() is not None:
                log = (self.journal.parent / "log").read_text()
                raise RuntimeError(f"hlmon run did not {what}:\n{log[-2000:]}")
            time.sleep(look_s)

    def _look(self, query: str, *parameters: object) -> int:
        with closing(sqlite3.connect(f"{self.journal.as_uri()}?mode=ro", uri=True)) as database:
            return int(database.execute(query, parameters).fetchone()[0])

    def _proc(self, file: str) -> str:
        return Path(f"/proc/{self.process.pid}/{file}").read_text()


@contextmanager
def monitor(
    folder: Path, *, fills: int = 0, config: str = "", environ: Mapping[str, str] = NOTHING
) -> Iterator[Monitor]:
    """`hlmon run` in this folder while an exchange sends it fills, then a state every 5 seconds."""
    with exchange(fills=fills) as opened:
        running = Monitor(folder, opened, config, environ)
        try:
            yield running
        finally:
            running.stop()
