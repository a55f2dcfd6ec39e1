"""`hlmon run`."""

from __future__ import annotations

from pathlib import Path

import click

from hlmon.cli.options import EXAMPLE_ADDRESS, example, exchange_options, start_logging
from hlmon.config import load_config
from hlmon.host import run
from hlmon.plugins import load_catalogue


@click.command("run", epilog=example(f"hlmon run --account {EXAMPLE_ADDRESS}"))
@exchange_options
def command(
    *,
    config_file: Path | None,
    accounts: tuple[str, ...],
    journal: Path | None,
    url: str | None,
    testnet: bool,
    same_exchange: bool,
) -> None:
    """Watch accounts until stopped: Ctrl-C or SIGTERM drains and ends it.

    Everything is kept in the journal, a single file. After a stop or an outage the next run reads back what happened
    meanwhile. Without a config the addresses come from --account.
    """
    start_logging(goes_on=True)

    config = load_config(config_file, accounts=accounts, url=url, journal=journal, testnet=testnet)
    run(config, load_catalogue(), same_exchange=same_exchange)
