"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from hlmon.commands import config_option, journal_option, journal_options, json_option, keep_stdout
from hlmon.config import Config, load_config
from hlmon.events import AccountInfo
from hlmon.journal import Journal
from hlmon.labels import Labels
from hlmon.telemetry import configure_logging, print_without_waiting

__all__ = [
    "EXAMPLE_ADDRESS",
    "config_option",
    "example",
    "exchange_options",
    "journal_option",
    "journal_options",
    "json_option",
    "keep_stdout",
    "labels_in",
    "open_journal",
    "start_logging",
]

EXAMPLE_ADDRESS: Final = "0x1234567890123456789012345678901234567890"

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

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
