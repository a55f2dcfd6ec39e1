"""What the stores' samples mean: ratios, memory, the time that an outage takes to make good."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from rich.table import Table

from bench.report import Measure
from bench.rounds import Samples

TITLES = {"dynamodb": "DynamoDB", "supabase": "Supabase"}
KINDS = {"fill": "fills", "order": "orders"}
LARGEST_MB = {"dynamodb": 100, "supabase": 110}


def measures(samples: Samples) -> Iterator[Measure]:
    """Every measure that has an aim, of the stores that were there."""
    for store, title in TITLES.items():
        if f"{store} outage" not in samples:
            continue
        for kind, kinds in KINDS.items():
            pairs = zip(samples[f"{store} {kind} hlmon"], samples[f"{store} {kind} bare"], strict=True)
            ratios = [bare["seconds"] / hlmon["seconds"] for hlmon, bare in pairs]
            yield Measure(title=f"{kinds}/s into {title}, against its bare client", values=ratios, aim=0.7, unit="x")
        outages = samples[f"{store} outage"]
        yield Measure(
            title=f"peak memory of `hlmon run` with {title}, an hour's backlog written",
            values=[each["peak_mb"] for each in outages],
            aim=LARGEST_MB[store],
            unit="MB",
            less_is_better=True,
        )
        yield Measure(
            title=f"hour's backlog of ten accounts into {title}, from the start of `hlmon run`",
            values=[each["seconds"] for each in outages],
            aim=60,
            unit="s",
            less_is_better=True,
        )


def row_table(samples: Samples) -> Table:
    """Who writes how many rows where."""
    table = Table(title="Rows into the stores", title_justify="left", caption_justify="left")
    for heading in ("store", "contestant", "rows"):
        table.add_column(heading)
    for heading in ("rows/s", "us CPU per row", "rows"):
        table.add_column(heading, justify="right")
    for name, found in samples.items():
        store, *words = name.split()
        if store in TITLES and len(words) == 2:
            kind, contestant = words
            rate = median(each["rows"] / each["seconds"] for each in found)
            cost = median(1e6 * each["cpu"] / each["rows"] for each in found)
            who = "hlmon: follower and sink" if contestant == "hlmon" else "bare client"
            table.add_row(TITLES[store], who, KINDS[kind], f"{rate:,.0f}", f"{cost:.0f}", f"{found[0]['rows']:,.0f}")
    table.caption = "\n".join(_remarks(samples))
    return table


def _remarks(samples: Samples) -> Iterator[str]:
    yield f"An hour's backlog of ten accounts is {samples['dynamodb outage'][0]['rows']:,.0f} events."
    for store, title in TITLES.items():
        if f"{store} outage" not in samples:
            yield f"{title} is left out: its server is not installed (`make setup` does that where npm is)."
