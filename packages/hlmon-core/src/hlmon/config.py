"""What the user writes: TOML and the environment to one frozen Config."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypedDict, Unpack

import msgspec

from hlmon.addresses import address_problem
from hlmon.config_checks import account_problems, exchange_problems, misplaced_tables, part_problems, plugin_problems
from hlmon.environment import ENVIRON
from hlmon.fields import read, without_wrong
from hlmon.problems import ACCOUNTS_VARIABLE, TOML_VARIABLE, Document, KeyPath, Problem, raise_problems, shown
from hlmon.routing import NotifierPolicy
from hlmon.routing.check import policy_fields, policy_problems, route_problems
from hlmon.secret import decode_field
from hlmon.sections import SECTIONS, Account, FileConfig, HyperliquidSection, Section

TESTNET_URL: Final = "https://api.hyperliquid-testnet.xyz"
DEFAULT_PATH: Final = Path("hlmon.toml")
DISABLED_VARIABLE: Final = "HLMON_DISABLE_PLUGINS"

_SEPARATORS = re.compile(r"[,\s]+")


@dataclass(frozen=True, kw_only=True)
class PartTable:
    """One [sink.NAME], [notifier.NAME], …: its own fields stay raw until the plugin's struct is known."""

    section: str
    name: str
    type: str
    fields: Mapping[str, Any] = field(repr=False)  # may hold a secret that should have been a reference
    document: Document = field(default_factory=Document)

    @property
    def place(self) -> KeyPath:
        """Where the table stands in the file, e.g. `("sink", "archive")`."""
        return (self.section, self.name)

    @property
    def path(self) -> str:
        """The same as messages have it, e.g. `sink.archive`."""
        return shown(self.place)


class Config(FileConfig, frozen=True, kw_only=True):
    """A config; every url is final. Of one that has `problems` it is what is right, with defaults for the rest.

    `paths` is where the address of each account was given. `positions` tells, for a list with wrong elements, which
    place in it each right one has.
    """

    document: Document = Document()
    problems: tuple[Problem, ...] = ()
    paths: dict[str, KeyPath] = msgspec.field(default_factory=dict)
    positions: dict[str, tuple[int, ...]] = msgspec.field(default_factory=dict)
    outside: frozenset[str] = frozenset()  # options that replaced what the file says

    @property
    def origin(self) -> str:
        """The file or variable it came from, "" if none."""
        return self.document.origin

    def parts(self, section: Section) -> tuple[PartTable, ...]:
        """The tables of one section that have a type, in the order of the file."""
        return tuple(
            PartTable(
                section=section,
                name=name,
                type=table["type"],
                fields={key: value for key, value in table.items() if key not in _own_fields(section, table)},
                document=self.document,
            )
            for name, table in getattr(self, section).items()
            if isinstance(table.get("type"), str)
        )

    def numbered(self, name: str) -> list[tuple[int, Any]]:
        """The elements of a list such as `route`, each with its position in the file."""
        return _numbered(self, name, self.positions)

    def is_doubtful(self, *path: str) -> bool:
        """Whether something is wrong with what stands there, so that nothing may be concluded from it."""
        return any(_overlap(problem.subject, path) for problem in self.problems)

    @property
    def notifier_policies(self) -> dict[str, NotifierPolicy]:
        """What each [notifier.NAME] says besides the plugin's own fields."""
        return {name: msgspec.convert(policy_fields(table), NotifierPolicy) for name, table in self.notifier.items()}

    @property
    def labels(self) -> dict[str, str]:
        """Address -> label of every account."""
        return {account.address: account.label for account in self.account}

    def __repr__(self) -> str:
        # The raw tables may hold a secret that should have been a reference.
        return f"<Config from {self.origin or 'nothing'}: {len(self.account)} accounts>"


class Given(TypedDict, total=False):
    """What stands in the place of the file, or replaces what it says: the environment and the command line."""

    environ: Mapping[str, str]
    accounts: Sequence[str]
    url: str | None
    journal: Path | None
    testnet: bool


def load_config(path: Path | None, **given: Unpack[Given]) -> Config:
    """The config of `path`, else of HLMON_CONFIG_TOML, else of ./hlmon.toml, else an empty one.

    The other arguments come from the command line and replace what the config says. Without [[account]] and `accounts`
    the addresses in ACCOUNT_ADDRESS are watched. Raises ConfigError with a line for every problem.
    """
    config = read_config(path, **given)
    raise_problems(config.document, config.problems)
    return config


def read_config(path: Path | None, **given: Unpack[Given]) -> Config:
    """The same for whoever has further questions to a config that is wrong: its `problems` tell, nothing is raised."""
    environ = given.get("environ", ENVIRON)
    problems: list[Problem] = []
    document = _find(path, environ, problems)
    config = _parse(document, problems)
    addresses = [(("--account", position), address) for position, address in enumerate(given.get("accounts", ()))]
    if not addresses and not config.account and not any(problem.subject[:1] == ("account",) for problem in problems):
        found = filter(None, _SEPARATORS.split(environ.get(ACCOUNTS_VARIABLE, "")))
        addresses = [((ACCOUNTS_VARIABLE, position), address) for position, address in enumerate(found)]
    changes: dict[str, Any] = {}
    if addresses:
        changes["paths"] = _paths_of(addresses, problems)
        changes["account"] = tuple(Account(each, config.labels.get(each, "")) for each in changes["paths"])
        changes["positions"] = {name: places for name, places in config.positions.items() if name != "account"}
    changes["hyperliquid"] = _exchange(config.hyperliquid, given, problems)
    if (journal := given.get("journal")) is not None:
        changes |= {"journal": journal, "outside": frozenset({"--journal"})}
    return msgspec.structs.replace(config, **changes, problems=tuple(problems))


def disabled_plugins(environ: Mapping[str, str] = ENVIRON) -> frozenset[str]:
    """The plugins and packages that HLMON_DISABLE_PLUGINS names, separated by commas."""
    return frozenset(filter(None, _SEPARATORS.split(environ.get(DISABLED_VARIABLE, ""))))


def _own_fields(section: Section, table: Mapping[str, Any]) -> set[str]:
    """The fields of a part's table that are not the plugin's."""
    return {"type", *(policy_fields(table) if section == "notifier" else ())}


def _overlap(one: KeyPath, other: KeyPath) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _find(path: Path | None, environ: Mapping[str, str], problems: list[Problem]) -> Document:
    if path is None and environ.get(TOML_VARIABLE, "").strip():
        return Document(TOML_VARIABLE, environ[TOML_VARIABLE])
    if path is None and not DEFAULT_PATH.exists():
        return Document()
    path = path or DEFAULT_PATH
    try:
        return Document(str(path), path.read_text(encoding="utf-8-sig"))  # editors on Windows begin it with a mark
    except FileNotFoundError:
        problems.append(Problem((), "no such file; `hlmon init` writes one"))
    except OSError as error:
        problems.append(Problem((), f"cannot be read: {error.strerror}"))
    except UnicodeDecodeError:
        problems.append(Problem((), "is not UTF-8 text"))
    return Document(str(path))


def _parse(document: Document, problems: list[Problem]) -> Config:
    try:
        table = tomllib.loads(document.text)
    except tomllib.TOMLDecodeError as error:
        problems.append(_syntax_problem(str(error), document.text))
        return Config(document=document)
    problems += misplaced_tables(table)
    problems += account_problems(table.get("account"))
    config, positions = _right_of(table, problems)
    problems += plugin_problems(_numbered(config, "plugins", positions), document.origin)
    problems += [*exchange_problems(config), *part_problems(config)]
    paths: dict[str, KeyPath] = {}
    for name in ("account", "plugins"):  # a file at a forbidden place, above all, must not be run
        wrong = {problem.path[1] for problem in problems if problem.path[:1] == (name,) and len(problem.path) > 1}
        right = {place: each for place, each in _numbered(config, name, positions) if place not in wrong}
        config = msgspec.structs.replace(config, **{name: tuple(right.values())})
        positions[name] = tuple(right)
    for place, account in _numbered(config, "account", positions):
        paths[account.address.lower()] = ("account", place, "address")
    accounts = tuple(Account(each.address.lower(), each.label) for each in config.account)
    values = msgspec.structs.asdict(config) | {"account": accounts, "document": document}
    found = Config(**values, paths=paths, positions=positions, problems=tuple(problems))
    problems += _way_problems(found)
    return found


def _numbered(config: FileConfig, name: str, positions: Mapping[str, tuple[int, ...]]) -> list[tuple[int, Any]]:
    """The elements of a list, each with its position in the file."""
    found = getattr(config, name)
    return list(zip(positions.get(name, range(len(found))), found, strict=True))


def _syntax_problem(message: str, text: str) -> Problem:
    """What `tomllib` says, with its line in the place of all lines."""
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), (column \d+)|(end of document))\)", message, re.DOTALL)
    if found is None:
        return Problem((), message)
    what, line, column, end = found.groups()
    return Problem((), f"{column or end}: {what[0].lower()}{what[1:]}", int(line) if line else text.count("\n") + 1)


def _right_of(table: Mapping[str, Any], problems: list[Problem]) -> tuple[FileConfig, dict[str, tuple[int, ...]]]:
    """What is right in the document, and which elements of lists that is, for lists in which not all are."""
    misplaced = {problem.path[0] for problem in problems if len(problem.path) == 1}
    placed = {name: value for name, value in table.items() if name not in misplaced}
    for section in misplaced.intersection(SECTIONS):
        if isinstance(content := table[str(section)], dict):
            placed[str(section)] = {name: part for name, part in content.items() if isinstance(part, dict)}
    config = read(placed, FileConfig, (), problems, decode_field)
    if config is not None:
        return config, {}
    values: dict[str, Any] = {}
    positions: dict[str, tuple[int, ...]] = {}
    for each in msgspec.structs.fields(FileConfig):
        if each.name in placed and (found := without_wrong(placed[each.name], each.type, decode_field)):
            values[each.name], positions[each.name] = found
    return FileConfig(**values), {name: places for name, places in positions.items() if places}


def _way_problems(config: Config) -> Iterator[Problem]:
    known = {name for account in config.account for name in (account.address, account.label) if name}
    notifiers = None if config.is_doubtful("notifier") else config.notifier
    accounts = None if config.is_doubtful("account") else known
    yield from route_problems(config.numbered("route"), notifiers, accounts, address_problem)
    yield from policy_problems(config.notifier, notifiers)


def _paths_of(addresses: Iterable[tuple[KeyPath, str]], problems: list[Problem]) -> dict[str, KeyPath]:
    paths: dict[str, KeyPath] = {}
    for path, address in addresses:
        if problem := address_problem(address):
            problems.append(Problem(path, problem))
        else:
            paths.setdefault(address.lower(), path)
    return paths


def _exchange(exchange: HyperliquidSection, given: Given, problems: list[Problem]) -> HyperliquidSection:
    url, testnet = given.get("url"), given.get("testnet", False)
    if url is not None and testnet:
        problems.append(Problem(("--testnet",), "excludes --url; give one of them"))
    if url is not None and not url.startswith(("https://", "http://")):
        problems.append(Problem(("--url",), "must start with https:// or http://"))
    is_test = testnet or (url is None and exchange.testnet)
    chosen = TESTNET_URL if is_test else url or exchange.url
    return msgspec.structs.replace(exchange, url=chosen.rstrip("/"), testnet=is_test)
