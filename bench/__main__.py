"""`python -m bench`: everything in one run, contestants in turn, medians of the rounds; a missed aim is marked."""

from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench import alerts, report, rounds
from bench.stores import report as stores_report
from bench.stores import rounds as stores_rounds

PARTS = {
    "journal": (rounds.collect, report.measures, report.store_table),
    "stores": (stores_rounds.collect, stores_report.measures, stores_report.row_table),
    "alerts": (alerts.collect, alerts.measures, alerts.way_table),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, help="how often each contestant runs (default 5)")
    parser.add_argument("--quick", action="store_true", help="one small round, to see that everything works")
    parser.add_argument(
        "--only", choices=PARTS, help="one part: fills into the journal, rows into the stores, alerts to people"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE too")
    options = parser.parse_args()
    sizes = rounds.QUICK if options.quick else rounds.Sizes()
    if options.rounds:
        sizes = replace(sizes, rounds=options.rounds)
    console = Console(width=None if Console().is_terminal else 140)
    samples: rounds.Samples = {}
    found: list[report.Measure] = []
    for name in [options.only] if options.only else PARTS:
        collect, measures, table = PARTS[name]
        with console.status("starting") as status:
            part = collect(sizes, status.update)
        found += measures(part)
        samples |= part
        console.print(table(part), end="\n\n")
    console.print(report.aim_table(found))
    missed = sum(measure.verdict != "met" for measure in found)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    console.print(f"{len(found) - missed} of {len(found)} aims met, medians of {sizes.rounds} rounds on {machine}")
    if options.json:
        figures = {"machine": machine, "measures": [each.as_json() for each in found], "samples": samples}
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
