"""Whether a config is right: everything that a run would find before it starts, and with `connect` what others say."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from math import inf
from typing import Final

from hlmon.config import DEFAULT_PATH, Config
from hlmon.deadline import OPEN_SECONDS
from hlmon.errors import ConfigError
from hlmon.journal.place import network_warning
from hlmon.monitor.preflight import EXCHANGE, Preflight, journal_problems, place_of, preflight
from hlmon.parts import settings_for
from hlmon.plugins import Catalogue
from hlmon.problems import TOML_VARIABLE, ConfigProblems, KeyPath, Problem, raise_problems
from hlmon.watchdog import prove

NO_CONFIG: Final = (
    f"no config: there is no {DEFAULT_PATH} in this folder and {TOML_VARIABLE} is not set; name the file with -c, or "
    "let `hlmon init` write one"
)

_log = logging.getLogger(__name__)


def check(config: Config, catalogue: Catalogue, *, connect: bool) -> list[str]:
    """What a run of this config would do, line by line; with `connect` every part is opened, as a run would.

    Raises ConfigError with a line for every problem, those of `config` included.
    """
    if not config.origin:
        raise_problems(config.document, [Problem((), NO_CONFIG), *config.problems])
    with ExitStack() as stack:
        ready = preflight(config, catalogue, stack, labels=config.labels)
        problems = [*ready.problems, *ready.faults, *journal_problems(config)]
        answers = _answers(config, ready, problems) if connect else []
    raise_problems(config.document, problems)
    for warning in catalogue.warnings:
        _log.warning("%s", warning)
    return [*_plan(config, ready), *answers]


def _plan(config: Config, ready: Preflight) -> Iterator[str]:
    for account in config.account:
        yield f"account {account.address} {account.label}".rstrip()
    yield from (f"market trades of {coin}" for coin in config.hyperliquid.coins)
    yield from (f"sink {part.name} ({part.factory.name})" for part in ready.parts.sinks)
    yield from (f"notifier {part.name} ({part.factory.name})" for part in ready.parts.notifiers)
    yield from (f"rule {name}" for name in config.rule)
    yield f"journal {config.journal}, exchange {config.hyperliquid.url}"
    yield from filter(None, [network_warning(config.journal)])
    yield from prove(config.watchdog)


def _answers(config: Config, ready: Preflight, problems: list[Problem]) -> list[str]:
    """Open each part in which nothing is wrong so far, and ask the sources that can be asked."""
    lines: list[str] = []
    wrong = {problem.subject[:2] for problem in problems}
    for path, part in ready.parts.placed():
        if path[0] == "rule" or path in wrong:
            continue
        place: KeyPath = (EXCHANGE,) if path == ("source", EXCHANGE) else path
        if place == (EXCHANGE,) and config.is_doubtful(EXCHANGE, "url"):
            continue
        try:
            with part.open(settings_for(part.name, config)) as opened:
                # The exchange is asked about each account, within its limits, and gives up by itself.
                lines += part.connection(opened, inf if place == (EXCHANGE,) else OPEN_SECONDS)
        except ConfigProblems as error:
            problems += (_in_file(problem, config) for problem in error.problems)
        except ConfigError as error:
            problems.append(place_of(place, part, error))
    return [*lines, "every part opened"]


def _in_file(problem: Problem, config: Config) -> Problem:
    """What the exchange says of an account or coin, at its place in the file; it was told names and no positions."""
    match problem.path:
        case ("account", str(address)):
            return problem._replace(path=config.paths[address])
        case ("hyperliquid", "coins", str(coin)):
            place = () if config.is_doubtful("hyperliquid", "coins") else (config.hyperliquid.coins.index(coin),)
            return problem._replace(path=("hyperliquid", "coins", *place))
    return problem
