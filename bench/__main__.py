"""`python -m bench`: everything in one run, contestants in turn, medians of the rounds; a missed aim is marked."""

from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench.report import aim_table, measures, store_table
from bench.rounds import QUICK, Sizes, collect


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, help="how often each contestant runs (default 5)")
    parser.add_argument("--quick", action="store_true", help="one small round, to see that everything works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE too")
    options = parser.parse_args()
    sizes = QUICK if options.quick else Sizes()
    if options.rounds:
        sizes = replace(sizes, rounds=options.rounds)
    console = Console(width=None if Console().is_terminal else 140)
    with console.status("starting") as status:
        samples = collect(sizes, status.update)
    found = measures(samples)
    console.print(store_table(samples), aim_table(found), sep="\n\n")
    missed = sum(measure.verdict != "met" for measure in found)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    console.print(f"{len(found) - missed} of {len(found)} aims met, medians of {sizes.rounds} rounds on {machine}")
    if options.json:
        figures = {"machine": machine, "measures": [each.as_json() for each in found], "samples": samples}
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
