"""What the samples mean: ratios of one round each, their medians, the aims."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.table import Table

from bench.rounds import PACE, Samples

STORES = {
    "bare": "bare loop: websockets, msgspec, batched inserts",
    "monitor": "hlmon: feed, the always-on derivers, journal",
    "sdk-wal": "official SDK, each message committed, WAL",
    "sdk": "official SDK, each message committed, SQLite's defaults",
}


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One line. `values` are one per round; the median counts."""

    title: str
    values: list[float]
    aim: float
    unit: str = ""
    floor: float | None = None  # below it is worse than missing the aim
    less_is_better: bool = False

    @property
    def value(self) -> float:
        return median(self.values)

    @property
    def verdict(self) -> str:
        if self.value <= self.aim if self.less_is_better else self.value >= self.aim:
            return "met"
        return "below the floor" if self.floor is not None and self.value < self.floor else "missed"

    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "median": self.value,
            "unit": self.unit,
            "aim": self.aim,
            "floor": self.floor,
            "less_is_better": self.less_is_better,
            "verdict": self.verdict,
            "rounds": self.values,
        }


def measures(samples: Samples) -> list[Measure]:
    """Every measure that has an aim."""
    return [*_ratios(samples), *_paced(samples), *_process(samples)]


def _ratios(samples: Samples) -> Iterator[Measure]:
    def ratio(name: str, other: str, units: str, seconds: str) -> list[float]:
        pairs = zip(samples[name], samples[other], strict=True)
        return [one[units] / one[seconds] / (two[units] / two[seconds]) for one, two in pairs]

    yield Measure(
        title="fills/s, socket to committed, against the bare loop",
        values=ratio("monitor", "bare", "fills", "seconds"),
        aim=0.6,
        floor=0.5,
        unit="x",
    )
    for name, aim in (("sdk", 20.0), ("sdk-wal", 5.0)):
        title = f"… against the {STORES[name]}"
        yield Measure(title=title, values=ratio("monitor", name, "fills", "seconds"), aim=aim, unit="x")
    title = "market trades/s through CVD, against decoding them alone"
    yield Measure(title=title, values=ratio("cvd", "decode", "units", "cpu"), aim=0.4, unit="x")
    title = "rows/s with 1,000 accounts, against one account"
    yield Measure(title=title, values=ratio("many-accounts", "one-account", "units", "cpu"), aim=0.5, unit="x")


def _paced(samples: Samples) -> Iterator[Measure]:
    for name, aim in (("p50", 1.0), ("p99", 10.0)):
        yield Measure(
            title=f"{name} from frame received to committed, at {PACE} fills/s, one a frame",
            values=[each[f"{name}_ms"] for each in samples["paced"]],
            aim=aim,
            unit="ms",
            less_is_better=True,
        )


def _process(samples: Samples) -> Iterator[Measure]:
    for name, title, aim, unit in (
        ("peak_mb", "peak memory of `hlmon run` after all fills", 64.0, "MB"),
        ("steady_mb", "its memory after the idle minute", 56.0, "MB"),
        ("idle_cpu_percent", "its CPU over the idle minute, one account", 0.5, "% of a core"),
        ("start_cpu_s", "its CPU time from start to first subscription", 0.5, "s"),
    ):
        yield Measure(
            title=title, values=[each[name] for each in samples["run"]], aim=aim, unit=unit, less_is_better=True
        )


def store_table(samples: Samples) -> Table:
    """Who stores how many fills."""
    table = Table(title="Fills from the socket into SQLite", title_justify="left")
    table.add_column("contestant")
    for heading in ("fills/s", "us CPU per fill", "fills"):
        table.add_column(heading, justify="right")
    for name, title in STORES.items():
        rates = [each["fills"] / each["seconds"] for each in samples[name]]
        costs = [1e6 * each["cpu"] / each["fills"] for each in samples[name]]
        table.add_row(title, f"{median(rates):,.0f}", f"{median(costs):.1f}", f"{samples[name][0]['fills']:,.0f}")
    share = [100 * each["cpu"] / each["seconds"] for each in samples["paced"]]
    table.caption = f"At {PACE} fills/s, one a frame, hlmon takes {median(share):.0f} % of a core."
    table.caption_justify = "left"
    return table


def aim_table(found: list[Measure]) -> Table:
    """Every measure with its aim, and a mark where it is missed."""
    table = Table(title="Against the aims", title_justify="left")
    table.add_column("measure")
    for heading in ("median", "lowest", "highest", "aim"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for each in found:
        sign = "<=" if each.less_is_better else ">="
        mark = "[green]met[/]" if each.verdict == "met" else f"[bold red]✗ {each.verdict}[/]"
        numbers = (f"{number:.3g}" for number in (each.value, min(each.values), max(each.values)))
        table.add_row(each.title, *numbers, f"{sign} {each.aim:g} {each.unit}", mark)
    return table
