"""A command: what is on the shelf."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import click

from hlmon import ConfigError


@click.command("acme-report")
@click.argument("shelf", type=click.Path(path_type=Path))
def command(*, shelf: Path) -> None:
    """Count the events on a shelf, by kind."""
    if not shelf.is_file():
        raise ConfigError(f"{shelf} is no shelf")
    with closing(sqlite3.connect(shelf)) as database:
        for kind, count in database.execute("SELECT kind, count(*) FROM shelf GROUP BY kind ORDER BY kind"):
            click.echo(f"{kind} {count}")
