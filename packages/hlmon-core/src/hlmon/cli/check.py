"""`hlmon check`."""

from __future__ import annotations

from pathlib import Path

import click

from hlmon.check import check
from hlmon.cli.options import config_option, example, start_logging
from hlmon.cli.output import echo
from hlmon.config import read_config
from hlmon.plugins import load_catalogue


@click.command("check", epilog=example("hlmon check -c hlmon.toml --connect"))
@config_option
@click.option(
    "--connect",
    is_flag=True,
    help="Also open every sink and notifier, and ask the exchange for the accounts and coins.",
)
def command(*, config_file: Path | None, connect: bool) -> None:
    """Say whether a config is right, and what it makes hlmon do.

    Every problem is named with its line in the file and what to do: of the fields, plugins, rules and routes, of
    secrets that are not set, of the journal's place, and whether anything is watched. Exit code 2 if there is one.
    """
    start_logging()
    config = read_config(config_file)
    for line in check(config, load_catalogue(config=config), connect=connect):
        echo(line)
    echo("The config is right.")
