"""Everything about a config that can be known without asking anybody, before a monitor opens anything.

Each stage adds its problems, so that the user sees all of them at once; what depends on something that is wrong is not
judged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

from hlmon.config import Config
from hlmon.contract import DeriverFactory
from hlmon.deadline import is_interrupt, limited
from hlmon.errors import ConfigError, JournalError, JournalOutdated, text_of
from hlmon.journal import Journal
from hlmon.journal.exchange import exchange_at
from hlmon.monitor.rule import Rule, open_rule
from hlmon.parts import EnabledPart, EnabledParts, match, secret_problems, settings_for
from hlmon.plugins import Catalogue
from hlmon.problems import ACCOUNTS_VARIABLE, KeyPath, Problem
from hlmon.watchdog import prove

EXCHANGE: Final = "hyperliquid"
NOTHING_TO_WATCH: Final = (
    "nothing to watch: add an [[account]] with its address to the config (`hlmon init` writes one), or pass "
    f"--account 0x… to hlmon run, or set {ACCOUNTS_VARIABLE}"
)

_DEPENDS_ON: Final[Mapping[str, KeyPath]] = {"accounts": ("account",), "coins": ("hyperliquid", "coins")}
"""What of the config the field of a rule is compared with."""


@dataclass(frozen=True)
class Preflight:
    """What a monitor of this config will be made of, as far as it is right, and every problem.

    `faults` are of plugins that could not say whether their config is right: no reason not to watch.
    """

    parts: EnabledParts
    rules: tuple[Rule, ...]
    problems: tuple[Problem, ...]
    faults: tuple[Problem, ...]

    def is_wrong(self, section: str) -> bool:
        """Whether a problem lies in this section of the config."""
        return any(problem.subject[:1] == (section,) for problem in self.problems)


def preflight(
    config: Config, catalogue: Catalogue, stack: ExitStack, *, labels: Mapping[str, str], waits: bool = False
) -> Preflight:
    """Look at everything that needs no network; rules and other derivers stay open until the end of `stack`.

    `labels` is what the rules get as names of the accounts. With `waits` it is all right that nothing is watched.
    """
    problems = list(config.problems)
    parts = match(config, catalogue, problems)
    feed = EnabledPart(name=EXCHANGE, factory=catalogue.source(EXCHANGE), config=config.hyperliquid)
    missing = list(secret_problems(config, parts))
    problems += missing
    faults: list[Problem] = []
    problems += _part_problems(parts, {path for path, *_ in missing}, faults)
    if not any(path[0] == "watchdog" for path, *_ in missing):
        problems += _watchdog_problems(config)
    rules = [_opened(part, config, labels, stack, problems) for part in parts.derivers]
    problems += _folder_problems(config)
    if not waits and is_idle(config):
        problems.append(Problem((), NOTHING_TO_WATCH))
    return Preflight(
        parts=replace(parts, sources=(feed, *parts.sources)),
        rules=tuple(rule for rule in rules if rule is not None),
        problems=tuple(problems),
        faults=tuple(faults),
    )


def is_idle(config: Config) -> bool:
    """Whether there is nothing to watch: no account, no coin, and no other source."""
    doubtful = config.is_doubtful("account") or config.is_doubtful("hyperliquid", "coins")
    return not (doubtful or config.account or config.hyperliquid.coins or config.source)


def place_of(path: KeyPath, part: EnabledPart[Any], error: BaseException) -> Problem:
    """What a part says of its config: as texts often begin with the field and a colon, that field is the place."""
    text = text_of(error).removeprefix(f"{part.title}: ")
    field, colon, rest = text.partition(": ")
    if colon and field in getattr(part.config, "__struct_fields__", ()):
        return Problem((*path, field), rest)
    return Problem(path, text)


def journal_problems(config: Config, *, same_exchange: bool = False) -> Iterator[Problem]:
    """What is wrong with the journal's file, if there is one. It may be in use: it is only read."""
    path = config.journal
    if config.is_doubtful("journal") or any(_folder_problems(config)) or not path.exists():
        return
    try:
        with Journal.open(path, read_only=True) as journal:
            if not config.is_doubtful("hyperliquid", "url"):
                journal.check_exchange(exchange_at(config.hyperliquid.url), moved=same_exchange)
    except JournalOutdated:
        pass
    except JournalError as error:
        yield Problem(_journal_path(config), str(error).removeprefix(f"journal {path}: "))
        return
    if not os.access(path, os.W_OK):
        yield Problem(
            _journal_path(config), f"{path} cannot be written by this user; make it writable or choose another path"
        )


def _journal_path(config: Config) -> KeyPath:
    return ("--journal",) if "--journal" in config.outside else ("journal",)


def _part_problems(parts: EnabledParts, missing: set[KeyPath], faults: list[Problem]) -> Iterator[Problem]:
    """What the parts' own checks say, of those whose secrets are there; `faults` gets what a check raises."""
    for path, part in parts.placed():
        if any(each[:2] == path for each in missing):
            continue
        try:
            with limited():
                found = {str(field): str(text) for field, text in part.factory.check(part.config).items()}
        except BaseException as error:  # a plugin may raise anything, or return anything
            if is_interrupt(error):
                raise
            faults.append(Problem(path, f"its plugin cannot say whether this is right: {text_of(error)}"))
        else:
            yield from (Problem((*path, field), text) for field, text in found.items())


def _watchdog_problems(config: Config) -> Iterator[Problem]:
    try:
        prove(config.watchdog)
    except ConfigError as error:
        yield Problem(("watchdog", "ping_url"), str(error).removeprefix("watchdog.ping_url: "))


def _opened(
    part: EnabledPart[DeriverFactory[Any]],
    config: Config,
    labels: Mapping[str, str],
    stack: ExitStack,
    problems: list[Problem],
) -> Rule | None:
    try:
        return open_rule(part, settings_for(part.name, config, labels), stack)
    except ConfigError as error:
        problem = place_of(("rule", part.name), part, error)
        field = problem.path[-1]
        if not (field in _DEPENDS_ON and config.is_doubtful(*map(str, _DEPENDS_ON[str(field)]))):
            problems.append(problem)
        return None


def _folder_problems(config: Config) -> Iterator[Problem]:
    """Whether a journal can be made where the config says. What is wrong with a file that is there, opening it says."""
    if config.is_doubtful("journal"):
        return
    folder = config.journal.parent
    if not os.access(folder, os.F_OK) or not folder.is_dir():
        yield Problem(_journal_path(config), f"the folder {folder} does not exist; create it or choose another path")
    elif not os.access(folder, os.W_OK | os.X_OK):
        text = f"the folder {folder} cannot be written by this user; make it writable or choose another path"
        yield Problem(_journal_path(config), text)
