"""What the config names, matched with what the plugins provide: every part with its factory and its own config."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast

import msgspec

from hlmon.config import Config, PartTable
from hlmon.contract import (
    ChecksConnection,
    DeriverFactory,
    Factory,
    Need,
    NotifierFactory,
    Settings,
    SinkFactory,
    SourceFactory,
)
from hlmon.deadline import OPEN_SECONDS, is_interrupt, limited
from hlmon.errors import ConfigError, text_of
from hlmon.fields import read
from hlmon.plugin_files import file_problems
from hlmon.plugins import Catalogue
from hlmon.problems import KeyPath, Problem, raise_problems
from hlmon.routing.check import rule_problems
from hlmon.secret import Secret, decode_field
from hlmon.sections import Section

_log = logging.getLogger(__name__)

ConfigT = TypeVar("ConfigT")
PartT = TypeVar("PartT")
FactoryT = TypeVar("FactoryT", bound=Factory[Any, Any])

_SECTION_OF: Final[Mapping[type[Factory[Any, Any]], Section]] = {
    SourceFactory: "source",
    DeriverFactory: "rule",
    SinkFactory: "sink",
    NotifierFactory: "notifier",
}


@dataclass(frozen=True, kw_only=True)
class EnabledPart(Generic[FactoryT]):
    """One part that will run: the user's name for it, its factory, and its own config."""

    name: str
    factory: FactoryT
    config: Any

    @contextmanager
    def open(self, settings: Settings) -> Iterator[Any]:
        """Open it; `settings.name` should be `name`. Raises ConfigError that names the part if it does not work.

        On the main thread opening and closing are cut off after 30 s each.
        """
        with ExitStack() as stack:
            try:
                with limited():
                    opened = stack.enter_context(self.open_unnamed(settings))
            except BaseException as error:
                if is_interrupt(error):
                    raise
                raise ConfigError(f"{self.title}: {text_of(error)}") from error
            yield opened

    @contextmanager
    def open_unnamed(self, settings: Settings) -> Iterator[Any]:
        """Open it. Raises whatever the plugin raises when it is opened; what it raises when it is closed is logged."""
        manager = self.factory.open(self.config, settings)
        opened = manager.__enter__()
        try:
            yield opened
        finally:
            try:
                with limited():
                    manager.__exit__(None, None, None)
            except BaseException as error:
                if is_interrupt(error):
                    raise
                _log.warning("%s (%s) failed while it was closed: %s", self.name, self.factory.name, text_of(error))

    def connection(self, opened: object, seconds: float = OPEN_SECONDS) -> list[str]:
        """What the other side says, in lines, if this is a part that can ask. Raises ConfigError that names the part.

        On the main thread it is cut off after this time.
        """
        if not isinstance(opened, ChecksConnection):
            return []
        try:
            with limited(seconds):
                return [str(line) for line in asyncio.run(opened.check_connection())]
        except BaseException as error:
            if is_interrupt(error) or isinstance(error, ConfigError):
                raise
            raise ConfigError(f"{self.title}: {text_of(error)}") from error

    @property
    def title(self) -> str:
        """The part and its type, as messages name them where no place in the config does."""
        return f"{self.name} ({self.factory.name})"


@dataclass(frozen=True, kw_only=True)
class EnabledParts:
    """Every part that a config enables, in its order; `derivers` are the ones always on, then the rules."""

    sources: tuple[EnabledPart[SourceFactory[Any]], ...]
    derivers: tuple[EnabledPart[DeriverFactory[Any]], ...]
    sinks: tuple[EnabledPart[SinkFactory[Any]], ...]
    notifiers: tuple[EnabledPart[NotifierFactory[Any]], ...]

    @property
    def every(self) -> tuple[EnabledPart[Any], ...]:
        """All of them."""
        return (*self.sources, *self.derivers, *self.sinks, *self.notifiers)

    def placed(self) -> Iterator[tuple[KeyPath, EnabledPart[Any]]]:
        """All of them, each with the place of its table in the config, if it has one there."""
        sections: tuple[tuple[Section, tuple[EnabledPart[Any], ...]], ...] = (
            ("source", self.sources),
            ("rule", self.derivers),
            ("sink", self.sinks),
            ("notifier", self.notifiers),
        )
        for section, parts in sections:
            yield from (((section, part.name), part) for part in parts)


@dataclass(frozen=True)
class Needed:
    """One need: who has it, and where its secrets lie: with others of this type, of all notifiers, or the watchdog."""

    owner: str
    group: str
    need: Need


def needs_of(config: Config, parts: EnabledParts) -> Iterator[Needed]:
    """Everything that a deployment of this config must provide.

    Raises ConfigError after the last with a line for every part that cannot say what it needs.
    """
    problems: list[str] = []
    for part in parts.every:
        group = "notify" if part in parts.notifiers else part.factory.name
        owner = f"{part.name} ({part.factory.name})"
        try:
            needs = _needs(part)
        except BaseException as error:
            if is_interrupt(error):
                raise
            problems.append(f"{owner} cannot say what it needs: {text_of(error)}")
        else:
            yield from (Needed(owner, group, need) for need in needs)
    if config.watchdog.ping_url is not None:
        for need in config.watchdog.ping_url.needs("the URL that is told that all is well"):
            yield Needed("watchdog", "watchdog", need)
    if problems:
        raise ConfigError("\n".join(problems))


def _needs(part: EnabledPart[Any]) -> list[Need]:
    with limited():
        needs = list(part.factory.needs(part.config))
    if wrong := [type(need).__name__ for need in needs if not isinstance(need, Need)]:
        raise TypeError(f"it returned {wrong[0]}, not Need")
    return needs


def secret_problems(config: Config, parts: EnabledParts) -> Iterator[Problem]:
    """The secrets that are not there: known without asking anybody."""
    referred = [found for path, part in parts.placed() for found in secrets_in(part.config, path)]
    for path, secret in [*referred, *secrets_in(config.watchdog, ("watchdog",))]:
        try:
            secret.reveal()
        except ConfigError as error:
            yield Problem(path, str(error))


def secrets_in(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, Secret]]:
    """Every secret of a config, with its place."""
    if isinstance(value, Secret):
        yield path, value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from secrets_in(getattr(value, name), (*path, name))
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from secrets_in(each, (*path, name))
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from secrets_in(each, (*path, number))


def settings_for(name: str, config: Config, labels: Mapping[str, str] | None = None) -> Settings:
    """What the host passes to the part of this name; `labels` replaces those of the config."""
    return Settings(
        name=name,
        accounts=config.labels if labels is None else labels,
        coins=config.hyperliquid.coins,
        snapshot_ms=config.hyperliquid.snapshot_seconds * 1000,
        cvd_interval_ms=config.hyperliquid.cvd_seconds * 1000,
        url=config.hyperliquid.url,
    )


def enable(config: Config, catalogue: Catalogue) -> EnabledParts:
    """Match a config with the installed plugins. Opens nothing. Raises ConfigError with a line for every problem."""
    problems: list[Problem] = []
    parts = match(config, catalogue, problems)
    raise_problems(config.document, problems)
    return parts


def match(config: Config, catalogue: Catalogue, problems: list[Problem]) -> EnabledParts:
    """The parts of a config that can be opened, after adding to `problems` what is wrong with the others."""
    problems += file_problems(config, catalogue)

    def each(section: Section, look_up: Callable[[str], FactoryT]) -> tuple[EnabledPart[FactoryT], ...]:
        found = (_enabled(table, look_up, problems) for table in config.parts(section))
        return tuple(part for part in found if part is not None)

    always = tuple(
        EnabledPart(name=factory.name, factory=factory, config=factory.config())
        for factory in catalogue.always_derivers()
    )
    parts = EnabledParts(
        sources=each("source", catalogue.source),
        derivers=(*always, *each("rule", catalogue.rule)),
        sinks=each("sink", catalogue.sink),
        notifiers=each("notifier", catalogue.notifier),
    )
    if not config.is_doubtful("rule"):
        types = {table.name: table.type for table in config.parts("rule")}
        names = [part.name for part in always]
        problems += rule_problems(config.numbered("route"), config.numbered("inhibit"), types, names)
    return parts


def part_configs(config: Config, factory: Factory[ConfigT, Any]) -> dict[str, ConfigT]:
    """The own config of every part of this factory, by name; raises as `part_config`. Derivers always on have none."""
    problems: list[Problem] = []
    section = next(section for kind, section in _SECTION_OF.items() if isinstance(factory, kind))
    tables = [table for table in config.parts(section) if table.type == factory.name]
    found = {table.name: _read_config(table, factory, problems) for table in tables}
    raise_problems(config.document, problems)
    return cast("dict[str, ConfigT]", found)


def part_config(table: PartTable, factory: Factory[ConfigT, PartT]) -> ConfigT:
    """The part's own config from its raw table. Raises ConfigError with a line for every problem."""
    problems: list[Problem] = []
    config = _read_config(table, factory, problems)
    raise_problems(table.document, problems)
    return cast("ConfigT", config)


def _enabled(
    table: PartTable, look_up: Callable[[str], FactoryT], problems: list[Problem]
) -> EnabledPart[FactoryT] | None:
    try:
        factory = look_up(table.type)
    except ConfigError as error:
        problems.append(Problem((*table.place, "type"), str(error)))
        return None
    config = _read_config(table, factory, problems)
    return None if config is None else EnabledPart(name=table.name, factory=factory, config=config)


def _read_config(table: PartTable, factory: Factory[Any, Any], problems: list[Problem]) -> msgspec.Struct | None:
    return read(table.fields, factory.config, table.place, problems, decode_field)
