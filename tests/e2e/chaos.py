"""Any number of stories, some at a time, and what came of them: `python -m tests.e2e.chaos 100`.

Each is a process of its own (tests/e2e/story.py). What a wrong one left behind stays in .cache/chaos/SEED.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

FOLDER = Path(".cache/chaos")
LONGEST_S = 600
JOBS = 10  # a story mostly waits: ten take about half of a core
APART_S = 4.0  # but for its start, which takes two seconds of one

Result = dict[str, Any]


def fresh_seeds(count: int) -> list[int]:
    """Seeds that nobody chose."""
    return [random.SystemRandom().randrange(1_000, 1_000_000) for _ in range(count)]


def run_again(seed: int) -> str:
    """The command that tells a story once more."""
    return f"{os.path.relpath(sys.executable)} -m tests.e2e.story {seed} {FOLDER / str(seed)}"


class Telling:
    """Stories that are told in the background, each in a process of its own, so many at a time."""

    def __init__(self, seeds: Iterable[int], folder: Path, jobs: int) -> None:
        self._processes: dict[int, subprocess.Popen[str]] = {}
        self._is_closed = threading.Event()
        self._pool = ThreadPoolExecutor(jobs)
        self._told = {
            seed: self._pool.submit(self._tell, seed, folder / str(seed), APART_S * place if place < jobs else 0)
            for place, seed in enumerate(seeds)
        }

    def __enter__(self) -> Telling:
        return self

    def __exit__(self, *_: object) -> None:
        """End what is still being told."""
        self._is_closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in list(self._processes.values()):
            process.terminate()
        self._pool.shutdown()

    def result(self, seed: int) -> Result:
        """What came of this story, once it is told."""
        return self._told[seed].result()

    def results(self) -> Iterator[Result]:
        """What came of all of them, as they end."""
        for future in as_completed(self._told.values()):
            yield future.result()

    def _tell(self, seed: int, folder: Path, after_s: float) -> Result:
        """One story, to its end; what broke it is its result as well."""
        self._is_closed.wait(after_s)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = [sys.executable, "-m", "tests.e2e.story", str(seed), str(folder)]
        said = ""
        try:
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
                self._processes[seed] = process
                if self._is_closed.is_set():
                    process.terminate()
                try:
                    said = process.communicate(timeout=LONGEST_S)[1]
                finally:
                    process.terminate()
            result: Result = json.loads((folder / "result.json").read_text())
        except (OSError, subprocess.TimeoutExpired) as error:
            return {"seed": seed, "broken": f"{error}\n{said[-2_000:]}"}
        if not faults_of(result):
            shutil.rmtree(folder)
        return result


def faults_of(result: Result) -> list[str]:
    """Everything that is wrong with it, in lines."""
    if "broken" in result:
        return [result["broken"]]
    lines = [f"{name}: {text}" for name, found in result["differences"].items() for text in found]
    lines += result["violations"] + result["deaths"]
    return lines + ([f"ended with {result['exit_code']}"] if result["exit_code"] else [])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.chaos", description=__doc__)
    parser.add_argument("count", type=int, help="how many seeds")
    parser.add_argument("--first", type=int, help="the first seed, the others follow it; left out: fresh ones")
    parser.add_argument("--jobs", type=int, default=JOBS, help="how many stories at a time")
    options = parser.parse_args()
    seeds = fresh_seeds(options.count) if options.first is None else range(options.first, options.first + options.count)
    console, results = Console(width=None if Console().is_terminal else 140), []
    with Telling(seeds, FOLDER, options.jobs) as telling:
        for result in telling.results():
            results.append(result)
            wrong = faults_of(result)
            console.print(f"seed {result['seed']}: {'right' if not wrong else f'{len(wrong)} wrong'}", highlight=False)
            for line in wrong[:5]:
                console.print(f"    {line[:300]}", markup=False, highlight=False)
            if wrong:
                console.print(f"    again: {run_again(result['seed'])}", markup=False, highlight=False)
    console.print(table_of(results))
    sys.exit(any(faults_of(result) for result in results))


def table_of(results: list[Result]) -> Table:
    """What was counted over all stories."""
    whole = [result for result in results if "broken" not in result]
    table = Table(title=f"{len(results)} seeds", title_justify="left")
    table.add_column("counted")
    table.add_column("number", justify="right")
    samples = sum(result["samples"] for result in whole)
    rows = {
        "seeds with nothing wrong": sum(not faults_of(result) for result in results),
        "stories that broke": len(results) - len(whole),
        "faults": sum(len(result["faults"]) for result in whole),
        "kills and stops": sum(result["stops"] for result in whole),
        "fills stored": sum(result["counts"].get("fill", 0) for result in whole),
        "samples": samples,
        "samples at which the monitor was well": sum(result["well"] for result in whole),
        "monitors that ended by themselves": sum(len(result["deaths"]) for result in whole),
        "gaps left open": sum(len(result["open_gaps"]) for result in whole),
    }
    for name in dict.fromkeys(name for result in whole for name in result["numbers"]):
        rows[name] = sum(result["numbers"].get(name, 0) for result in whole)
    for name, number in rows.items():
        table.add_row(name, f"{number:,}")
    return table


if __name__ == "__main__":
    main()
