"""What is run: every contestant once a round, one after the other, so that a busy moment hits all of them alike."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.programs import Monitor, Result, monitor, race, run

PACE = 500  # fills per second
Samples = dict[str, list[Result]]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Sizes:
    """How much each contestant gets; the SDK gets less, for it would take minutes, and rates compare all the same."""

    rounds: int = 5
    fills: int = 100_000
    sdk_fills: int = 4_000
    sdk_wal_fills: int = 16_000
    paced_seconds: int = 6
    trades: int = 200_000
    idle_seconds: int = 60
    dynamodb_fills: int = 2_000
    dynamodb_orders: int = 400
    supabase_rows: int = 8_000  # of each kind
    closes: int = 50


QUICK = Sizes(
    rounds=1,
    fills=10_000,
    sdk_fills=1_000,
    sdk_wal_fills=3_000,
    paced_seconds=2,
    trades=20_000,
    idle_seconds=10,
    dynamodb_fills=500,
    dynamodb_orders=100,
    supabase_rows=1_000,
    closes=10,
)


def collect(sizes: Sizes, tell: Tell) -> Samples:
    """Run everything; each contestant's results are in the order of the rounds."""
    samples: Samples = defaultdict(list)
    for number in range(sizes.rounds):
        for name, work in _contestants(sizes):
            tell(f"round {number + 1} of {sizes.rounds}: {name}")
            samples[name].append(work())
    with ExitStack() as stack:
        running = []
        for number in range(sizes.rounds):
            tell(f"hlmon run, {number + 1} of {sizes.rounds}: {sizes.fills} fills")
            folder = Path(stack.enter_context(TemporaryDirectory()))
            running.append(stack.enter_context(monitor(folder, fills=sizes.fills)))
            running[-1].wait_for_fills(sizes.fills)
        tell(f"idle for {sizes.idle_seconds} s")
        samples["run"] = list(_idle(running, sizes.idle_seconds))
    return samples


def _contestants(sizes: Sizes) -> Iterator[tuple[str, Callable[[], Result]]]:
    yield "bare", lambda: race("bare", sizes.fills)
    yield "monitor", lambda: race("monitor", sizes.fills)
    yield "sdk", lambda: race("sdk", sizes.sdk_fills)
    yield "sdk-wal", lambda: race("sdk-wal", sizes.sdk_wal_fills)
    yield "paced", lambda: race("monitor", sizes.paced_seconds * PACE, per_frame=1, rate=PACE)
    yield "decode", lambda: run("inprocess", "decode", sizes.trades)
    yield "cvd", lambda: run("inprocess", "cvd", sizes.trades)
    yield "one-account", lambda: run("inprocess", "one-account", sizes.fills)
    yield "many-accounts", lambda: run("inprocess", "many-accounts", sizes.fills)


def _idle(running: list[Monitor], seconds: float) -> Iterator[Result]:
    """All of them at once, each with its own exchange: an idle monitor leaves the machine to the others."""
    time.sleep(5)  # the last fills are stored, their pages written
    before = [each.cpu_s() for each in running]
    began = time.monotonic()
    time.sleep(seconds)
    for each, cpu_s in zip(running, before, strict=True):
        yield {
            "idle_cpu_percent": 100 * (each.cpu_s() - cpu_s) / (time.monotonic() - began),
            "peak_mb": each.memory_mb("VmHWM"),
            "steady_mb": each.memory_mb("VmRSS"),
            "start_cpu_s": each.start_cpu_s,
        }
