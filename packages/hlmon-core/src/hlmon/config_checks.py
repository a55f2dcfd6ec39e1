"""What may be wrong with a config file beyond the shape of its fields. Pure; the texts are for the user."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from hlmon.addresses import address_problem
from hlmon.problems import TOML_VARIABLE, KeyPath, Problem
from hlmon.sections import MAINNET_URL, SECTIONS, FileConfig

_PART_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")


def misplaced_tables(table: Mapping[str, Any]) -> Iterator[Problem]:
    """The usual confusions of [x] and [[x]], in words that say how to write it."""
    for name in ("account", "route", "inhibit"):
        if isinstance(table.get(name), dict):
            yield Problem((name,), f"must be written [[{name}]]")
    for section in SECTIONS:
        content = table.get(section, {})
        if not isinstance(content, dict) or not all(isinstance(part, dict) for part in content.values()):
            yield Problem((section,), f"must be written [{section}.NAME], with a name of your choice")


def account_problems(accounts: object) -> Iterator[Problem]:
    """Addresses that are none, and addresses and labels that come twice, in the raw list of the file."""
    tables = accounts if isinstance(accounts, list) else []
    first: dict[tuple[str, str], int] = {}
    for position, account in enumerate(tables):
        if not isinstance(account, dict):
            continue
        address, label = account.get("address"), account.get("label")
        path: KeyPath = ("account", position)
        if isinstance(address, str):
            if problem := address_problem(address):
                yield Problem((*path, "address"), problem)
            elif (earlier := first.setdefault(("address", address.lower()), position)) != position:
                yield Problem((*path, "address"), f"is the address of account[{earlier}] again")
        if isinstance(label, str) and label and (earlier := first.setdefault(("label", label), position)) != position:
            text = f"is the label of account[{earlier}] again, so alerts and routes could mean both; choose another one"
            yield Problem((*path, "label"), text)


def plugin_problems(plugins: Iterable[tuple[int, str]], origin: str) -> Iterator[Problem]:
    """Where a plugin of one file may lie: the text in it is run."""
    for position, name in plugins:
        path = ("plugins", position)
        if origin == TOML_VARIABLE:
            yield Problem(
                path,
                f"a config in {TOML_VARIABLE} names no files to run: put the config into a file, or make a package of "
                "the plugin (hlmon new-plugin)",
            )
        elif ".." in Path(name).parts:
            yield Problem(path, f"{name}: must lie in the folder of this file, or be an absolute path")
        elif not name.endswith(".py"):
            text = "is no file of Python (.py); an installed plugin needs no entry here"
            yield Problem(path, f"{name}: {text}")


def exchange_problems(config: FileConfig) -> Iterator[Problem]:
    """URLs of the exchange that are none, or that contradict `testnet`."""
    exchange = config.hyperliquid
    if exchange.testnet and exchange.url != MAINNET_URL:
        text = "says one thing and hyperliquid.url another; keep one of them"
        yield Problem(("hyperliquid", "testnet"), text)
    elif not exchange.url.startswith(("https://", "http://")):
        yield Problem(("hyperliquid", "url"), "must start with https:// or http://")


def part_problems(config: FileConfig) -> Iterator[Problem]:
    """Tables [sink.NAME], [notifier.NAME], … without a usable name or a type."""
    for section in SECTIONS:
        for name, table in getattr(config, section).items():
            if not _PART_NAME.fullmatch(name):
                yield Problem((section, name), "a name has letters, digits, - and _ only")
            elif "type" not in table:
                yield Problem((section, name, "type"), "is required")
            elif not isinstance(table["type"], str):
                yield Problem((section, name, "type"), "must be text")
