"""What the operator says on the command line of cdk: `--context name=value` to one checked DeploySettings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, Literal, get_args

from hlmon.addresses import address_problem
from hlmon.cost import Capacity, DbMode
from hlmon.errors import ConfigError
from hlmon.fields import nearest

Architecture = Literal["arm64", "x86_64"]
Data = Literal["keep", "delete"]

DEFAULT_BUDGET_USD: Final = Decimal(20)
LARGEST_SHARDS: Final = 20
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_NOT_OURS: Final = re.compile(r"[@:/]|^cli-|^tree$")
"""Context of CDK itself: feature flags, looked up facts, settings of its program."""


@dataclass(frozen=True, kw_only=True)
class DeploySettings:
    """One deployment as the operator wants it; every path is absolute, every address lower case."""

    db_mode: DbMode | None = None  # None: the sinks of the config, or DynamoDB if it has none
    config: Path | None = None
    plugins: tuple[str, ...] | None = None  # None: what the config names
    accounts: tuple[str, ...] = ()  # none: those of the config, else of the secret
    region: str | None = None
    capacity: Capacity = "spot"
    arch: Architecture = "arm64"
    shards: int = 1
    image: str | None = None  # a ready image, instead of one that is built now
    relay: tuple[str, ...] = ()  # notifiers of the config that are told of alarms, by their names
    email: str | None = None  # is told of every alarm
    budget: Decimal = DEFAULT_BUDGET_USD  # USD a month; 0 for none
    data: Data = "keep"  # what `cdk destroy` does with the tables


def read_settings(context: Mapping[str, Any], folder: Path) -> DeploySettings:
    """The settings of this context; paths are relative to `folder`. Raises ConfigError with a line per problem."""
    known = {field.name for field in fields(DeploySettings)}
    given = {name: value for name, value in context.items() if not _NOT_OURS.search(name)}
    problems = [f"--context {name}: unknown{nearest(name, known)}" for name in given if name not in known]
    found: dict[str, Any] = {}
    for name in sorted(known & given.keys()):
        text = str(given[name]).strip()
        try:
            if not text:
                raise ValueError("must not be empty")  # every reason ends in the same list
            found[name] = _READ[name](text, folder)
        except ValueError as error:
            problems.append(f"--context {name}: {error}")
    if problems:
        raise ConfigError("\n".join(problems))
    return DeploySettings(**found)


def _one_of(choices: tuple[str, ...]) -> Callable[[str, Path], str]:
    def read(text: str, _folder: Path) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return read


def _path(text: str, folder: Path) -> Path:
    path = (folder / text).resolve()
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def _words(text: str, _folder: Path) -> tuple[str, ...]:
    return tuple(filter(None, re.split(r"[,\s]+", text)))


def _accounts(text: str, folder: Path) -> tuple[str, ...]:
    addresses = _words(text, folder)
    for position, address in enumerate(addresses):
        if problem := address_problem(address):
            raise ValueError(f"address {position + 1} {problem}")
    return tuple(dict.fromkeys(address.lower() for address in addresses))


def _shards(text: str, _folder: Path) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_SHARDS:
        raise ValueError(f"must be a whole number from 1 to {LARGEST_SHARDS}")
    return int(text)


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str, Path], str]:
    def read(text: str, _folder: Path) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"must be {what}")
        return text

    return read


def _budget(text: str, _folder: Path) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise ValueError("must be an amount in USD, 0 for no budget")
    return amount


_READ: Final[Mapping[str, Callable[[str, Path], Any]]] = {
    "db_mode": _one_of(get_args(DbMode)),
    "config": _path,
    "plugins": _words,
    "accounts": _accounts,
    "region": _matching(_REGION, "a region, such as eu-central-1"),
    "capacity": _one_of(get_args(Capacity)),
    "arch": _one_of(get_args(Architecture)),
    "shards": _shards,
    "image": _matching(re.compile(r"\S+"), "the name of an image"),
    "relay": _words,
    "email": _matching(_EMAIL, "an e-mail address"),
    "budget": _budget,
    "data": _one_of(get_args(Data)),
}
