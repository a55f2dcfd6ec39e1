"""`hlmon health`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from hlmon.cli.options import example, journal_options, open_journal
from hlmon.cli.output import echo
from hlmon.cli.running import judge, read_status


@click.command("health", epilog=example("hlmon health --journal hlmon.db"))
@journal_options
@click.pass_context
def command(ctx: click.Context, *, config_file: Path | None, journal: Path | None) -> None:
    """Say in one line whether the monitor of this journal is running and well; exit code 0 if so, else 1.

    Not well is what a restart may improve: the process is gone, it said nothing for 30 s, or it heard nothing from the
    exchange for 5 minutes. Problems that you have to solve, such as an address that does not exist, are in the line.
    """
    _, opened = open_journal(config_file, journal)
    with opened:
        verdict = judge(read_status(opened), now_ms=time.time_ns() // 1_000_000)
    echo(f"{'healthy' if verdict.ok else 'unhealthy'}: {verdict.why}")
    ctx.exit(0 if verdict.ok else 1)
