"""What the user writes: TOML and the environment to one frozen Config."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from hlmon.environment import ENVIRON
from hlmon.errors import ConfigError
from hlmon.fields import read
from hlmon.routing import NotifierPolicy
from hlmon.routing.check import policy_fields, policy_problems, route_problems
from hlmon.secret import decode_field
from hlmon.sections import MAINNET_URL, SECTIONS, Account, FileConfig, HyperliquidSection, Section

TESTNET_URL: Final = "https://api.hyperliquid-testnet.xyz"
DEFAULT_PATH: Final = Path("hlmon.toml")

TOML_VARIABLE: Final = "HLMON_CONFIG_TOML"
ACCOUNTS_VARIABLE: Final = "ACCOUNT_ADDRESS"
DISABLED_VARIABLE: Final = "HLMON_DISABLE_PLUGINS"

_ADDRESS = re.compile(r"0x[0-9a-f]{40}", re.IGNORECASE)
_PRIVATE_KEY = re.compile(r"(0x)?[0-9a-f]{64}", re.IGNORECASE)
_PART_NAME = re.compile(r"[A-Za-z0-9_-]+")
_SEPARATORS = re.compile(r"[,\s]+")


@dataclass(frozen=True, kw_only=True)
class PartTable:
    """One [sink.NAME], [notifier.NAME], …: its own fields stay raw until the plugin's struct is known."""

    section: str
    name: str
    type: str
    fields: Mapping[str, Any] = field(repr=False)  # may hold a secret that should have been a reference
    origin: str = ""

    @property
    def path(self) -> str:
        """Where the table stands in the file, e.g. `sink.archive`."""
        return f"{self.section}.{self.name}"


class Config(FileConfig, frozen=True, kw_only=True):
    """A whole, checked config. `origin` is the file or variable it came from ("" if none); every url is final."""

    origin: str = ""

    def parts(self, section: Section) -> tuple[PartTable, ...]:
        """The tables of one section, in the order of the file."""
        return tuple(
            PartTable(
                section=section,
                name=name,
                type=table["type"],
                fields={key: value for key, value in table.items() if key not in _own_fields(section, table)},
                origin=self.origin,
            )
            for name, table in getattr(self, section).items()
        )

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


def load_config(
    path: Path | None,
    *,
    environ: Mapping[str, str] = ENVIRON,
    accounts: Sequence[str] = (),
    url: str | None = None,
    journal: Path | None = None,
    testnet: bool = False,
) -> Config:
    """The config of `path`, else of HLMON_CONFIG_TOML, else of ./hlmon.toml, else an empty one.

    The other arguments come from the command line and replace what the config says. Without [[account]] and `accounts`
    the addresses in ACCOUNT_ADDRESS are watched. Raises ConfigError with a line for every problem.
    """
    config = _parse(*_find(path, environ))
    addresses = [(f"--account[{position}]", address) for position, address in enumerate(accounts)]
    if not addresses and not config.account:
        found = filter(None, _SEPARATORS.split(environ.get(ACCOUNTS_VARIABLE, "")))
        addresses = [(f"{ACCOUNTS_VARIABLE}[{position}]", address) for position, address in enumerate(found)]
    changes: dict[str, Any] = {}
    if addresses:
        changes["account"] = _accounts_of(addresses, config.labels)
    if url is not None or testnet:
        changes["hyperliquid"] = _at(config.hyperliquid, url, testnet=testnet)
    if journal is not None:
        changes["journal"] = journal
    return msgspec.structs.replace(config, **changes)


def disabled_plugins(environ: Mapping[str, str] = ENVIRON) -> frozenset[str]:
    """The plugins and packages that HLMON_DISABLE_PLUGINS names, separated by commas."""
    return frozenset(filter(None, _SEPARATORS.split(environ.get(DISABLED_VARIABLE, ""))))


def address_problem(address: str) -> str | None:
    """What is wrong with an account's address, or None. The answer never repeats it: it may be a key."""
    if _PRIVATE_KEY.fullmatch(address):
        return "that looks like a private key; hlmon never needs one"
    if not _ADDRESS.fullmatch(address):
        return "must be an address: 0x and 40 hexadecimal digits"
    if not _is_spelt_right(address):
        return "is misspelt: its capital letters are a checksum (EIP-55), which does not fit; copy it again"
    return None


def _is_spelt_right(address: str) -> bool:
    """Whether the capital letters of an address fit, if it has both capitals and small letters."""
    digits = address[2:]
    if digits in {digits.lower(), digits.upper()}:
        return True
    from Crypto.Hash import keccak  # noqa: PLC0415  # 5 MB, and most addresses are copied in small letters

    digest = keccak.new(digest_bits=256, data=digits.lower().encode()).hexdigest()
    return all(digit.isupper() == (sign >= "8") for digit, sign in zip(digits, digest, strict=False) if digit.isalpha())


def raise_problems(origin: str, problems: Iterable[str]) -> None:
    """Raise one ConfigError with a line for each problem, if there is any."""
    prefix = f"{origin}: " if origin else ""
    lines = [f"{prefix}{problem}" for problem in problems]
    if lines:
        raise ConfigError("\n".join(lines))


def _own_fields(section: Section, table: Mapping[str, Any]) -> set[str]:
    """The fields of a part's table that are not the plugin's."""
    return {"type", *(policy_fields(table) if section == "notifier" else ())}


def _find(path: Path | None, environ: Mapping[str, str]) -> tuple[str, str]:
    """The text and what to call it in messages."""
    if path is None and environ.get(TOML_VARIABLE, "").strip():
        return environ[TOML_VARIABLE], TOML_VARIABLE
    if path is None and not DEFAULT_PATH.exists():
        return "", ""
    path = path or DEFAULT_PATH
    try:
        return path.read_text(encoding="utf-8-sig"), str(path)  # editors on Windows begin it with a mark
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `hlmon init` writes one") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None


def _parse(text: str, origin: str) -> Config:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.fullmatch(r"(.*) \(at (.*)\)", str(error), re.DOTALL)
        place, what = (f"{found[2]}: ", found[1]) if found else ("", str(error))
        raise ConfigError(f"{origin}: {place}{what[0].lower()}{what[1:]}") from None
    problems = _misplaced_tables(table)
    config = None if problems else read(table, FileConfig, "", problems, decode_field)
    if config is not None:
        problems += _plugin_problems(config, origin)
        problems += [*_account_problems(config), *_exchange_problems(config), *_part_problems(config)]
        problems += _way_problems(config)
    raise_problems(origin, problems)
    assert config is not None  # noqa: S101  # a None comes with a problem
    accounts = tuple(Account(account.address.lower(), account.label) for account in config.account)
    exchange = _at(config.hyperliquid, None, testnet=config.hyperliquid.testnet)
    values = msgspec.structs.asdict(config) | {"account": accounts, "hyperliquid": exchange}
    return Config(**values, origin=origin)


def _misplaced_tables(table: Mapping[str, Any]) -> list[str]:
    """The usual confusions of [x] and [[x]], in words that say how to write it."""
    problems = [
        f"{name}: must be written [[{name}]]"
        for name in ("account", "route", "inhibit")
        if isinstance(table.get(name), dict)
    ]
    for section in SECTIONS:
        content = table.get(section, {})
        if not isinstance(content, dict) or not all(isinstance(part, dict) for part in content.values()):
            problems.append(f"{section}: must be written [{section}.NAME], with a name of your choice")
    return problems


def _plugin_problems(config: FileConfig, origin: str) -> Iterable[str]:
    """Where a plugin of one file may lie: the text in it is run."""
    for position, name in enumerate(config.plugins):
        if origin == TOML_VARIABLE:
            yield (
                f"plugins[{position}]: a config in {TOML_VARIABLE} names no files to run: put the config into a file, "
                "or make a package of the plugin (hlmon new-plugin)"
            )
        elif ".." in Path(name).parts:
            yield f"plugins[{position}]: {name}: must lie in the folder of this file, or be an absolute path"
        elif not name.endswith(".py"):
            yield f"plugins[{position}]: {name}: is no file of Python (.py); an installed plugin needs no entry here"


def _account_problems(config: FileConfig) -> Iterable[str]:
    first: dict[str, int] = {}
    for position, account in enumerate(config.account):
        problem = address_problem(account.address)
        if problem:
            yield f"account[{position}].address: {problem}"
        elif (earlier := first.setdefault(account.address.lower(), position)) != position:
            yield f"account[{position}].address: is the address of account[{earlier}] again"


def _exchange_problems(config: FileConfig) -> Iterable[str]:
    exchange = config.hyperliquid
    if exchange.testnet and exchange.url != MAINNET_URL:
        yield "hyperliquid.testnet: says one thing and hyperliquid.url another; keep one of them"
    elif not exchange.url.startswith(("https://", "http://")):
        yield "hyperliquid.url: must start with https:// or http://"


def _part_problems(config: FileConfig) -> Iterable[str]:
    for section in SECTIONS:
        for name, table in getattr(config, section).items():
            if not _PART_NAME.fullmatch(name):
                yield f"{section}.{name!r}: a name has letters, digits, - and _ only"
            elif "type" not in table:
                yield f"{section}.{name}.type: is required"
            elif not isinstance(table["type"], str):
                yield f"{section}.{name}.type: must be text"


def _way_problems(config: FileConfig) -> Iterable[str]:
    known = {name for account in config.account for name in (account.address.lower(), account.label) if name}
    yield from route_problems(config.route, config.notifier, known, address_problem)
    yield from policy_problems(config.notifier)


def _accounts_of(addresses: Iterable[tuple[str, str]], labels: Mapping[str, str]) -> tuple[Account, ...]:
    found = list(addresses)
    raise_problems("", (f"{path}: {problem}" for path, text in found if (problem := address_problem(text))))
    unique = dict.fromkeys(address.lower() for _, address in found)
    return tuple(Account(address, labels.get(address, "")) for address in unique)


def _at(exchange: HyperliquidSection, url: str | None, *, testnet: bool) -> HyperliquidSection:
    if url is not None and testnet:
        raise ConfigError("--url and --testnet exclude each other")
    if url is not None and not url.startswith(("https://", "http://")):
        raise ConfigError("--url: must start with https:// or http://")
    chosen = TESTNET_URL if testnet else url or exchange.url
    return msgspec.structs.replace(exchange, url=chosen.rstrip("/"), testnet=testnet)
