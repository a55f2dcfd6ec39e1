"""`hlmon check`."""

from __future__ import annotations

from pathlib import Path

import click

from hlmon.cli.options import config_option, example, start_logging
from hlmon.cli.output import echo
from hlmon.config import load_config
from hlmon.host import check
from hlmon.plugins import load_catalogue


@click.command("check", epilog=example("hlmon check -c hlmon.toml --connect"))
@config_option
@click.option(
    "--connect", is_flag=True, help="Also open every sink and notifier and ask the exchange for the accounts."
)
def command(*, config_file: Path | None, connect: bool) -> None:
    """Say whether a config is right, and what it makes hlmon do.

    Every problem is named with its place in the file. Exit code 2 if there is one.
    """
    start_logging()

    config = load_config(config_file)
    for line in check(config, load_catalogue(config=config), connect):
        echo(line)
    echo("The config is right.")
