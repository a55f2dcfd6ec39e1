"""`hlmon replay`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from hlmon.cli.options import config_option, example
from hlmon.cli.output import echo, make_table, show
from hlmon.config import Config, load_config
from hlmon.contract import Deriver, DeriverFactory, Settings
from hlmon.ingest import Ingest
from hlmon.journal import Journal
from hlmon.journal.exchange import REPLAYED, exchange_at
from hlmon.plugins import load_catalogue
from hlmon.sources.replay import Replay, Tally, require_frames


@click.command("replay", epilog=example("hlmon replay frames.jsonl --journal replayed.db"))
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE…", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--journal", required=True, metavar="PATH", type=click.Path(path_type=Path, dir_okay=False), help="Journal to fill."
)
@click.option("--url", metavar="URL", help="Of the exchange that the frames are from, if the journal belongs to it.")
@click.option("--account", "accounts", multiple=True, metavar="0x…", help="Only this account; may be repeated.")
@config_option
def command(
    *, files: tuple[Path, ...], journal: Path, url: str | None, accounts: tuple[str, ...], config_file: Path | None
) -> None:
    """Read recorded frames into a journal, on the path that live ones take: decode, derive, store.

    A FILE has one WebSocket frame a line exactly as received; `hlmon record` writes such files. Replaying a file again
    changes nothing. Frames do not say which exchange they are from, so they go into a journal of their own; --url says
    it for them.

    Two things belong to a running monitor only: alerts, and the value and health of accounts, since frames do not say
    in which mode an account is.
    """
    config = load_config(config_file, accounts=accounts, journal=journal)
    require_frames(files)
    replay = Replay(files, accounts)
    with ExitStack() as stack:
        opened = stack.enter_context(Journal.open(journal))
        opened.belong_to(exchange_at(url) if url else REPLAYED)
        before = opened.last_seq()
        ingest = Ingest(opened, derivers_of(config, stack))
        ingest.rebuild()
        advance = stack.enter_context(_progress(sum(file.stat().st_size for file in files)))
        for size in replay.steps(ingest):
            advance(size)
        ingest.flush(final=True)
        new = opened.last_seq() - before
    _print(replay.tally, new)


def derivers_of(config: Config, stack: ExitStack) -> Sequence[tuple[str, frozenset[str], Deriver]]:
    """Those that run in every monitor."""

    def opened(factory: DeriverFactory[Any]) -> Deriver:
        settings = Settings(
            name=factory.name,
            accounts=config.labels,
            coins=config.hyperliquid.coins,
            snapshot_ms=config.hyperliquid.snapshot_seconds * 1000,
            cvd_interval_ms=config.hyperliquid.cvd_seconds * 1000,
            url=config.hyperliquid.url,
        )
        return stack.enter_context(factory.open(factory.config(), settings))

    return [
        (factory.name, factory.kinds, opened(factory)) for factory in load_catalogue(config=config).always_derivers()
    ]


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (TextColumn("Replaying"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=total)
        yield lambda size: progress.advance(task, size)


def _print(tally: Tally, new: int) -> None:
    rows = [("lines", tally.lines)]
    rows += [(f"events of kind {kind}", number) for kind, number in sorted(tally.read.items())]
    rows += [(f"frames ignored: {channel}", number) for channel, number in sorted(tally.ignored.items())]
    rows += [("frames of other accounts", tally.others)] if tally.others else []
    rows += [("not understood: hlmon quarantine", tally.quarantined)] if tally.quarantined else []
    table = make_table("Read", "Number", right=("Number",))
    for name, number in rows:
        table.add_row(name, f"{number:,}")
    show(table)
    echo(f"{new:,} events are new in the journal." if new else "The journal had all of it already.")
