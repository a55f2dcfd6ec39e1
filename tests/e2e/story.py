"""One story of a seed: accounts trade through faults, the monitor is killed and started again, watched meanwhile.

`python -m tests.e2e.story SEED FOLDER` tells it, in about two minutes, and writes its end to FOLDER/result.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hlmon.errors import JournalError
from hlmon.journal import Journal
from hlmon_sim.background import BackgroundServer
from hlmon_sim.faults import KINDS, Planned, random_plan
from hlmon_sim.scenario import Limits, Scenario
from hlmon_sim.server import SimServer
from tests.e2e.own_time import OwnTime
from tests.e2e.sampling import OPEN_GAPS, Sampler
from tests.e2e.truth import Body, seen_closes, stop_trading, truth_of
from tests.e2e.verdicts import verdicts
from tests.e2e.watching import is_whole

ACCOUNTS = 4
BUSY_S = 70.0
CALM_S = 66.0  # longer than the patience: what was lost in the busy time is either told by then or a violation
SETTLE_S = 150.0  # what is still to be read takes its time where little weight is left
STATES_S = 6.0  # account states come every 5 s
SAMPLE_S = 1.0
LASTING = {"crowd", "unreadable_rows", "malformed"}  # what they hide or spoil stays so
KEPT = 5  # of each difference: the others are counted


@dataclass
class Plan:
    """What a seed says."""

    seed: int
    faults: list[Planned]
    stops: list[tuple[float, bool]]  # when the monitor ends, and whether it is killed
    skew_seconds: float
    rate: float  # fills per second
    history: int  # fills of each account before the start
    weight: int  # of REST in a minute

    @classmethod
    def of(cls, seed: int, kinds: tuple[str, ...] = KINDS) -> Plan:
        """Some seeds have many faults, some few; about half have none after which a monitor cannot be well again."""
        chance = random.Random(f"{seed}/story")
        skews = [0, 0, 25, -25]
        if chance.random() < 0.6:
            kinds = tuple(kind for kind in kinds if kind not in LASTING)
        else:
            skews += [7_200, -7_200]
        every = chance.choice((2.0, 3.5, 6.0))
        faults = [fault for fault in random_plan(seed, kinds, every_seconds=every) if fault.at_seconds < BUSY_S]
        moments = sorted(chance.uniform(1, BUSY_S + 10) for _ in range(chance.randint(0, 5)))
        stops = [(moment, chance.random() < 0.75) for moment in moments]
        skew_seconds = chance.choice(skews)
        rate, history = chance.choice((0.5, 3, 8)), chance.choice((0, 100, 1_200))
        return cls(seed, faults, stops, skew_seconds, rate, history, chance.choice((1_200, 1_000_000)))


@dataclass
class Result:
    """What came of a story. `violations` and `differences` are empty if all is right."""

    seed: int
    violations: list[str]
    differences: dict[str, list[str]]
    numbers: dict[str, int]
    faults: list[str]
    stops: int
    samples: int
    well: int
    last_reasons: list[str]
    counts: dict[str, int]
    open_gaps: list[Body]
    exit_code: int | None
    seconds: float
    deaths: list[str] = field(default_factory=list)  # when the monitor ended by itself

    @property
    def is_right(self) -> bool:
        return not self.violations and not any(self.differences.values()) and not self.deaths and self.exit_code == 0


class Monitor:
    """`hlmon run` in a process of its own."""

    def __init__(self, folder: Path, config: str) -> None:
        self.folder, self.journal, self.deaths = folder, folder / "hlmon.db", []
        (folder / "hlmon.toml").write_text(config)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            command = [
                sys.executable,
                "-m",
                "hlmon",
                "run",
                "-c",
                self.folder / "hlmon.toml",
                "--journal",
                self.journal,
            ]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=_environ())

    def stop(self, *, kill: bool) -> int:
        assert self.process is not None
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        return self.process.wait(timeout=40)

    def keep_alive(self) -> None:
        """Start it again if it ended by itself, and remember that it did."""
        if self.process is not None and (code := self.process.poll()) is not None:
            self.deaths.append(f"ended by itself with {code}")
            self.start()


def _environ() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}


def config_of(server: SimServer) -> str:
    accounts = "".join(f'[[account]]\naddress = "{address}"\n' for address in server.addresses)
    weight = server.scenario.limits.weight_per_minute
    return f'{accounts}[hyperliquid]\nurl = "{server.url}"\ncoins = ["BTC", "ETH"]\nweight_per_minute = {weight}\n'


def tell(plan: Plan, folder: Path) -> Result:
    """Tell the story to its end."""
    began, truth = time.monotonic(), folder / "truth.jsonl"
    limits = Limits(weight_per_minute=plan.weight, connections=100, new_connections_per_minute=1_000)
    scenario = Scenario(
        seed=plan.seed, accounts=ACCOUNTS, rate=plan.rate, trades_rate=4, history=plan.history, speed=600,
        limits=limits,
        skew_seconds=plan.skew_seconds,
    )  # fmt: skip
    server = SimServer(scenario, plan=plan.faults, truth=truth)
    monitor = Monitor(folder, "")
    try:
        with OwnTime() as own_time, BackgroundServer(server) as exchange:
            sampler = Sampler(truth, monitor.journal, clock=own_time.now)
            sampler.began_ms = exchange.do(lambda: server.world.now_ms)
            (folder / "hlmon.toml").write_text(config_of(server))
            monitor.start()
            stops = list(plan.stops)
            _sample(sampler, monitor, BUSY_S + CALM_S, stops)
            exchange.do(lambda: stop_trading(server))
            _settle(sampler, monitor, truth, may_be_unwell=_may_be_unwell(server))
            books = exchange.do(lambda: books_of(server))
            exit_code = monitor.stop(kill=False)
    finally:
        if monitor.process is not None and monitor.process.poll() is None:
            monitor.process.kill()
    return _result(plan, server, monitor, sampler, books, exit_code, time.monotonic() - began)


def _result(
    plan: Plan,
    server: SimServer,
    monitor: Monitor,
    sampler: Sampler,
    books: dict[str, Any],
    exit_code: int,
    seconds: float,
) -> Result:
    with Journal.open(monitor.journal, read_only=True) as journal:
        gaps = [gap for (body,) in journal.query(OPEN_GAPS) if (gap := json.loads(body)).get("account")]
        found = verdicts(truth_of(sampler.truth), journal, books, sampler.began_ms)
        found["not well at the end"] = [] if _may_be_unwell(server) else sampler.last_reasons
        rows = journal.query("SELECT kind, count(*) FROM events GROUP BY kind")
    return Result(
        seed=plan.seed,
        violations=[
            f"well while missing for {age:.0f} s: {text}" for text, age in list(sampler.violations.items())[:KEPT]
        ],
        differences={name: differences[:KEPT] for name, differences in found.items()},
        numbers={"well while something was missing": len(sampler.violations)}
        | {name: len(differences) for name, differences in found.items()},
        faults=server.faults.done,
        stops=len(plan.stops),
        samples=sampler.samples,
        well=sampler.well,
        last_reasons=sampler.last_reasons,
        counts=dict(rows),
        open_gaps=gaps,
        exit_code=exit_code,
        seconds=seconds,
        deaths=monitor.deaths,
    )


def _sample(sampler: Sampler, monitor: Monitor, seconds: float, stops: list[tuple[float, bool]]) -> None:
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        if stops and stops[0][0] <= passed:
            monitor.stop(kill=stops.pop(0)[1])
            monitor.start()
        monitor.keep_alive()
        sampler.sample()
        time.sleep(SAMPLE_S)


def _may_be_unwell(server: SimServer) -> bool:
    """Whether something happened after which the monitor is not well for as long as the story lasts.

    Its clock may have been off from the start, or have jumped; about the minute either word is right.
    """
    return bool(LASTING & set(server.faults.done)) or abs(server.world.ahead_ms) > 55_000


def _settle(sampler: Sampler, monitor: Monitor, truth: Path, *, may_be_unwell: bool) -> None:
    """Until the journal has everything that no gap names, and the closes that may come ten seconds after their fill.

    The monitor must say, too, that it reads nothing back any more, and that it is well if it can be.
    """
    began = sampler.clock()
    while (passed := sampler.clock() - began) < SETTLE_S:
        monitor.keep_alive()
        sampler.sample()
        try:
            with Journal.open(monitor.journal, read_only=True) as journal:
                gaps = [json.loads(body) for (body,) in journal.query(OPEN_GAPS)]
                closes = [json.loads(body) for (body,) in journal.query(CLOSES)]
        except JournalError:
            continue
        if (
            passed > STATES_S
            and is_whole(monitor.journal, ACCOUNTS)
            and (may_be_unwell or not sampler.last_reasons)
            and not sampler.lacking(gaps, 0)
            and len(seen_closes(closes)) >= len(truth_of(truth)["close"])
        ):
            return
        time.sleep(SAMPLE_S)


CLOSES = "SELECT body FROM events WHERE kind = 'position_closed'"


def books_of(server: SimServer) -> dict[str, Any]:
    """What the exchange holds at the end: open orders and positions of each account."""
    accounts = server.world.accounts.values()
    return {
        "orders": sorted((account.address, order_id) for account in accounts for order_id in account.orders),
        "positions": {
            (account.address, coin): position.size
            for account in accounts
            for coin, position in account.positions.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.story", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", default=",".join(KINDS), help="only these kinds of faults, separated by commas")
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # no monitor stays behind
    plan = Plan.of(options.seed, tuple(options.kinds.split(",")))
    result = tell(plan, options.folder.resolve())
    (options.folder / "result.json").write_text(json.dumps(asdict(result), indent=1, default=str))
    sys.stdout.write(summary(result) + "\n")
    sys.exit(not result.is_right)


def summary(result: Result) -> str:
    """What is wrong, in lines."""
    lines = [f"seed {result.seed}: {'right' if result.is_right else 'WRONG'}; {dict(Counter(result.faults))}"]
    lines += [f"  {name}: {text}" for name, found in result.differences.items() for text in found]
    lines += [f"  {text}" for text in (*result.violations, *result.deaths)]
    lines.append(f"  well at {result.well} of {result.samples} samples, {len(result.open_gaps)} open gaps, at the end:")
    lines += [f"    {reason}" for reason in result.last_reasons]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
