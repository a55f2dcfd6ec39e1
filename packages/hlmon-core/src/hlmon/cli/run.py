"""`hlmon run`."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import click

from hlmon.cli.options import EXAMPLE_ADDRESS, example, exchange_options, start_logging
from hlmon.config import read_config
from hlmon.errors import ConfigError
from hlmon.host import refuse_problems, run
from hlmon.monitor.preflight import preflight
from hlmon.plugins import load_catalogue


@click.command("run", epilog=example(f"hlmon run --account {EXAMPLE_ADDRESS}"))
@exchange_options
@click.option(
    "--watch", "is_watched", is_flag=True, help="Show the live screen meanwhile; the log goes to JOURNAL.log."
)
def command(
    *,
    config_file: Path | None,
    accounts: tuple[str, ...],
    journal: Path | None,
    url: str | None,
    testnet: bool,
    same_exchange: bool,
    waits: bool,
    is_watched: bool,
) -> None:
    """Watch accounts until stopped: Ctrl-C or SIGTERM drains and ends it.

    Everything is kept in the journal, a single file. After a stop or an outage the next run reads back what happened
    meanwhile. Without a config the addresses come from --account.

    What is wrong with the config is named before anything is watched, all of it at once, as by `hlmon check`. So is
    that there is nothing to watch.
    """
    config = read_config(config_file, accounts=accounts, url=url, journal=journal, testnet=testnet)
    if is_watched:
        if not sys.stdout.isatty():
            raise ConfigError("--watch: shows a screen, so it needs a terminal; without it hlmon run logs what it does")
        from hlmon.cli.run_beside import run_and_watch  # noqa: PLC0415  # the screen's library takes 5 MB for as long as it runs

        given = {"--config": config_file, "--journal": journal, "--url": url}
        arguments = [f"{name}={value}" for name, value in given.items() if value is not None]
        arguments += [f"--account={address}" for address in accounts]
        arguments += ["--testnet"] * testnet + ["--same-exchange"] * same_exchange + ["--wait-for-accounts"] * waits
        with ExitStack() as stack:
            ready = preflight(config, load_catalogue(config=config), stack, labels=config.labels, waits=waits)
            refuse_problems(config, ready, same_exchange=same_exchange)
        run_and_watch(arguments, config.journal, config.labels)
        return
    start_logging(goes_on=True)
    run(config, load_catalogue(config=config), same_exchange=same_exchange, waits=waits)
