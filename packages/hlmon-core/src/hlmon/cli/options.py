"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from hlmon.config import Config, load_config
from hlmon.events import AccountInfo
from hlmon.journal import Journal
from hlmon.labels import Labels
from hlmon.stdout import kept_for_answers
from hlmon.telemetry import configure_logging, print_without_waiting

EXAMPLE_ADDRESS: Final = "0x1234567890123456789012345678901234567890"

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

config_option = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Config file.  [default: ./hlmon.toml if it exists]",
)
journal_option = click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PATH",
    help="Journal file.  [default: what the config says, else hlmon.db]",
)


def keep_stdout(ctx: click.Context, _: click.Parameter, as_json: bool) -> bool:
    """Callback of a flag that asks for a document: standard output gets it alone, whatever plugins print meanwhile."""
    if as_json and not ctx.resilient_parsing:
        ctx.with_resource(kept_for_answers(to_the_end=True))
    return as_json


json_option = click.option("--json", "as_json", is_flag=True, callback=keep_stdout, help="Print JSON.")
_account = click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="0x…",
    help="Watch this address instead of the config's; may be repeated.",
)
_same_exchange = click.option(
    "--same-exchange", is_flag=True, help="The exchange of the journal has a new URL: go on with it."
)
_waits = click.option(
    "--wait-for-accounts",
    "waits",
    is_flag=True,
    help="Stay up though there is nothing to watch, as a first deployment must.",
)
_testnet = click.option("--testnet", is_flag=True, help="Use the exchange's test network.")
_url = click.option("--url", metavar="URL", help="REST base of the exchange; the WebSocket is at its /ws.")


def exchange_options(command: CommandT) -> CommandT:
    """Who is watched and where: -c, --account, --journal, --testnet, --url, --same-exchange, --wait-for-accounts."""
    for option in (_waits, _same_exchange, _url, _testnet, journal_option, _account, config_option):
        command = option(command)
    return command


def journal_options(command: CommandT) -> CommandT:
    """Which journal is read: -c and --journal."""
    return config_option(journal_option(command))


def open_journal(config_file: Path | None, journal: Path | None) -> tuple[Config, Journal]:
    """The config and its journal, opened for reading. Raises ConfigError and JournalError."""
    config = load_config(config_file, journal=journal)
    return config, Journal.open(config.journal, read_only=True)


def labels_in(journal: Journal, config: Config) -> Labels:
    """The names of the accounts, also of the masters whom the monitor found behind agents."""
    return Labels(config.labels, journal.states(AccountInfo.kind))


def start_logging(*, goes_on: bool = False) -> None:
    """Readable lines on a terminal, JSON elsewhere; in detail with --debug.

    `goes_on` is for what must not wait for whoever reads what it says.
    """
    configure_logging("DEBUG" if click.get_current_context().find_root().params.get("debug") else "INFO")
    if goes_on:
        print_without_waiting()


def example(*lines: str) -> str:
    """The end of a command's help: lines to copy."""
    return "\n".join(["\b", "Example:", *(f"  {line}" for line in lines)])
