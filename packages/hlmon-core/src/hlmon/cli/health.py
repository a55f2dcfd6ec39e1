"""`hlmon health`."""

from __future__ import annotations

from pathlib import Path

import click

from hlmon.cli.options import example, journal_options, open_journal
from hlmon.cli.output import echo
from hlmon.cli.running import judge, read_status
from hlmon.uptime import present_ms


@click.command("health", epilog=example("hlmon health --journal hlmon.db"))
@journal_options
@click.pass_context
def command(ctx: click.Context, *, config_file: Path | None, journal: Path | None) -> None:
    """Say in one line how the monitor of this journal is; exit code 1 if a restart may help, else 0.

    A restart may help if the process is gone, said nothing for 30 s, heard nothing from the exchange for 5 minutes, or
    has stored nothing for a minute while events wait. What you have to solve yourself stands behind "not well"; whether
    all is well is what `hlmon status --exit-code` answers.
    """
    _, opened = open_journal(config_file, journal)
    with opened:
        status = read_status(opened)
    verdict = judge(status, now_ms=present_ms(status))
    echo(verdict.line)
    ctx.exit(0 if verdict.ok else 1)
