"""A monitor with good parts and bad ones: what it did while these did wrong, and how it ended."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Monitor, inherited, toml_of
from tests.e2e.own_time import waited_s
from tests.servers.site import install

PLUGIN = Path(__file__).parents[1] / "servers/misbehaving.py"
GOOD_AND_BAD = """
[sink.good]
type = "jsonl"
path = "{folder}/good.jsonl"
[notifier.good]
type = "log"
[rule.fills]
type = "fill"
[[route]]
to = [{notifiers}]
wait_seconds = 0
"""
TYPES = ("source", "sink", "notifier", "rule")
LONGEST_STOP_S = 60
PATIENCE_S = 100  # many processes share two cores, and a call counts as hanging after 60 s


@dataclass(eq=False)
class Case:
    """When and how the parts of these kinds do wrong, and what the monitor made of it."""

    moment: str
    way: str
    kinds: tuple[str, ...] = TYPES
    stops: bool = False  # the monitor is asked to stop while the parts are at it
    named: dict[str, str] = field(default_factory=dict)  # kind -> why it fails, as the status said
    received: list[int] = field(default_factory=list)  # fills in the journal, in the good sink, told by the good one
    trades: int = 0
    code: int | None = None
    stop_s: float = 0.0
    log: str = ""
    trouble: str = ""  # what the story itself met

    def environ(self, folder: Path) -> dict[str, str]:
        """What the plugin reads; in the folder it notes what it did."""
        moment = {"BAD_MOMENT": self.moment, "BAD_WAY": self.way, "BAD_KINDS": " ".join(self.kinds)}
        return moment | {"BAD_DONE": str(folder / "done")}

    def __str__(self) -> str:
        return f"{self.moment}, {self.way}, {' '.join(self.kinds)}{', stopped meanwhile' * self.stops}"


def site_of(folder: Path) -> Path:
    """Where the plugin is installed; its text is that of a module of the tests."""
    folder.mkdir()
    install(folder, "misbehaving", PLUGIN.read_text())
    return folder


class Told:
    """One case as it happens."""

    def __init__(self, case: Case, exchange: Any, folder: Path, site: Path, *, names_bad: bool) -> None:
        self.case = case
        self.exchange = exchange
        self.account = exchange.do(exchange.server.world.add_account)
        folder.mkdir()
        notifiers = '"good", "bad"' if names_bad else '"good"'
        more = GOOD_AND_BAD.format(folder=folder, notifiers=notifiers)
        if names_bad:
            more += "".join(f'[{kind}.bad]\ntype = "bad_{kind}"\n' for kind in TYPES)
        self.monitor = Monitor(
            folder,
            toml_of(exchange.url, [self.account.address], more=more),
            {"PYTHONPATH": path_with(site)} | case.environ(folder),
        )

    def tell(self, names: Collection[str]) -> None:
        """From the start to the stop; whatever happens is in the case. `names` are kinds that the status must name."""
        try:
            if self.case.moment == "load_memory":
                self._save_a_memory()
            self.monitor.start()
            if self.case.stops:
                self._until(lambda: bool(done_in(self.monitor.folder)), "the plugin does wrong")
            else:
                self._go_on(names)
            self._stop()
        except (AssertionError, subprocess.TimeoutExpired) as error:
            self.case.trouble = str(error)
        finally:
            if self.monitor.process.poll() is None:
                self.monitor.kill()
            self.case.log = self.monitor.log.read_text(errors="replace")
            self.case.received = self._received()

    def _save_a_memory(self) -> None:
        environ = self.monitor.environ
        self.monitor.environ = environ | {"BAD_WAY": "nothing"}
        self.monitor.start()
        self._go_on(())
        self._stop()
        self.monitor.environ = environ

    def _go_on(self, names: Collection[str]) -> None:
        before = time.time_ns() // 1_000_000
        self._until(lambda: self._status_of_account(before) == "watched", "the account is watched")
        self._trade()
        self._trade()
        if names:
            self._until(lambda: self._names() >= set(names), "the status names what fails")
            self._trade()

    def _stop(self) -> None:
        """Stop it; for what it waited for a processor, of which twenty processes share two, it can do nothing."""
        process = self.monitor.process
        asked, waited_before = time.monotonic(), waited_s(process.pid)
        waited = waited_before
        process.terminate()
        while process.poll() is None and time.monotonic() - asked < LONGEST_STOP_S:
            waited = waited_s(process.pid) or waited
            time.sleep(0.05)
        self.case.stop_s = time.monotonic() - asked - (waited - waited_before)
        self.case.code = process.wait(timeout=1)

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        ends = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.monitor.process.poll() is None, f"the monitor ended before {what}"
            assert time.monotonic() < ends, f"not within {PATIENCE_S} s: {what}"
            time.sleep(0.5)

    def _trade(self) -> None:
        self.exchange.do(lambda: self.exchange.server.world.trade(self.account, "BTC", "0.01"))
        self.case.trades += 1
        self._until(lambda: self._received() == [self.case.trades] * 3, f"trade {self.case.trades} has gone its way")

    def _received(self) -> list[int]:
        archive = self.monitor.folder / "good.jsonl"
        lines = archive.read_text().splitlines() if archive.exists() else []
        told = sum('"alert_rule":"fills"' in line for line in self.monitor.log.read_text(errors="replace").splitlines())
        stored = self.monitor.query("SELECT count(*) FROM fills")
        return [stored[0][0] if stored else 0, sum('"kind":"fill"' in line for line in lines), told]

    def _status(self) -> dict[str, Any]:
        return self.monitor.said() or {}

    def _status_of_account(self, since_ms: int) -> str:
        status = self._status()
        if status.get("updated_ms", 0) < since_ms:  # of the process before
            return ""
        accounts = [each for source in status.get("sources", ()) for each in source["accounts"]]
        return accounts[0]["status"] if accounts else ""

    def _names(self) -> set[str]:
        for each in self._status().get("components", ()):
            if each["name"] == "bad" and each["state"] == "failing":
                self.case.named.setdefault(each["part"], each["why"])
        return set(self.case.named)


def done_in(folder: Path) -> list[str]:
    """What the plugin did wrong there, each as "call: way"."""
    done = folder / "done"
    return done.read_text().splitlines() if done.exists() else []


def path_with(site: Path) -> str:
    """The sources under test, and the plugin."""
    return ":".join(filter(None, (inherited().get("PYTHONPATH", ""), str(site))))


def hlmon_with(case: Case, site: Path, cwd: Path, *command: str) -> subprocess.Popen[str]:
    """A command beside the plugin, just started."""
    return subprocess.Popen(
        [sys.executable, "-m", "hlmon", *command],
        cwd=cwd,
        env=inherited() | {"PYTHONPATH": path_with(site)} | case.environ(cwd),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
