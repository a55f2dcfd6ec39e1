"""`hlmon record`."""

from __future__ import annotations

from pathlib import Path

import click

from hlmon.cli.options import example, exchange_options, start_logging
from hlmon.config import read_config
from hlmon.host import record
from hlmon.plugins import load_catalogue


@click.command(
    "record", epilog=example("hlmon record frames.jsonl --account 0x1234567890123456789012345678901234567890")
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@exchange_options
def command(
    *,
    file: Path,
    config_file: Path | None,
    accounts: tuple[str, ...],
    journal: Path | None,
    url: str | None,
    testnet: bool,
    same_exchange: bool,
    waits: bool,
) -> None:
    """Run as `hlmon run` does, and write every frame of the WebSocket to FILE, one a line exactly as received.

    The file is for `hlmon replay` and for bug reports. It holds what the exchange says of the watched accounts and no
    secret. An existing file is not overwritten.
    """
    if file.exists():
        raise click.UsageError(f"{file} exists already; choose another name")
    start_logging(goes_on=True)
    config = read_config(config_file, accounts=accounts, url=url, journal=journal, testnet=testnet)
    record(config, load_catalogue(config=config), file, same_exchange=same_exchange, waits=waits)
