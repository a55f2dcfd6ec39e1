"""Installed plugins to one catalogue of factories. The only module that knows pluggy's plugin managers.

Each plugin is loaded and asked on its own, so what is wrong with one is its own entry in the list and nothing else's.
A hook is called once, when something of its kind is first looked for: `hlmon --help` imports no feed.
"""

from __future__ import annotations

import inspect
import re
import reprlib
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from importlib.metadata import entry_points as installed_entry_points
from typing import Any, Final

import click
import msgspec
import pluggy

from hlmon import hookspecs
from hlmon.config import DISABLED_VARIABLE, Config, disabled_plugins
from hlmon.contract import ENTRY_POINT_GROUP, DeriverFactory, NotifierFactory, SinkFactory, SourceFactory
from hlmon.deadline import is_interrupt, limited
from hlmon.errors import ConfigError, text_of
from hlmon.fields import closest, nearest
from hlmon.packages import PACKAGE_OF
from hlmon.plugin_files import PluginFile, plugin_files
from hlmon.stdout import kept_for_answers

_PROVIDED: Final[dict[str, tuple[str, type[Any]]]] = {
    "source": ("hlmon_sources", SourceFactory),
    "deriver": ("hlmon_derivers", DeriverFactory),
    "sink": ("hlmon_sinks", SinkFactory),
    "notifier": ("hlmon_notifiers", NotifierFactory),
    "command": ("hlmon_commands", click.Command),
}
_DISABLED: Final = f"disabled by {DISABLED_VARIABLE}"
_ABSENT: Final = object()
_FIELDS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "name": (lambda value: isinstance(value, str) and value != "", "a text"),
    "open": (callable, "a function"),
    "needs": (callable, "a function"),
    "config": (lambda value: isinstance(value, type) and issubclass(value, msgspec.Struct), "a msgspec.Struct"),
    "kinds": (
        lambda value: (
            isinstance(value, frozenset | set | tuple | list) and all(isinstance(each, str) for each in value)
        ),
        "a frozenset of texts",
    ),
    "max_batch": (lambda value: type(value) is int and value > 0, "a whole number above 0"),
    "linger_ms": (lambda value: type(value) is int and value >= 0, "a whole number, 0 or more"),
}
_PACKAGE: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class PluginInfo:
    """One installed plugin. `provides` is kind -> names; `broken` says why (part of) it cannot be used."""

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...]
    provides: dict[str, tuple[str, ...]]
    broken: str | None
    stability: str = ""  # as the package declares it by its classifier "Development Status", e.g. "beta"


@dataclass
class _Plugin:
    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...] = ()
    broken: str | None = None
    stability: str = ""
    door: pluggy.PluginManager = field(default_factory=lambda: pluggy.PluginManager(ENTRY_POINT_GROUP))

    @property
    def title(self) -> str:
        """The plugin and its package, as messages name them."""
        package = f" (package {self.distribution} {self.version}".rstrip() + ")" if self.distribution else ""
        return f"{self.name}{package}"

    def load(self, entry_point: EntryPoint | PluginFile) -> None:
        self.door.add_hookspecs(hookspecs)
        try:
            with limited(), kept_for_answers():
                module = entry_point.load()
                self.door.register(module)
                callers = self.door.get_hookcallers(module) or []
            self.hooks = tuple(sorted(caller.name for caller in callers if caller.has_spec()))
            self.broken = next(_mistakes(module, callers), None)
        except BaseException as error:  # whatever a plugin does at import, the host goes on
            if is_interrupt(error):
                raise
            self.broken = text_of(error)

    def provide(self, kind: str) -> list[Any]:
        """What the plugin has of this kind; nothing, and `broken` set, if its hook fails."""
        hook, expected = _PROVIDED[kind]
        if hook not in self.hooks:
            return []
        try:
            with limited(), kept_for_answers():
                items = [item for result in getattr(self.door.hook, hook)() for item in result]
        except BaseException as error:  # as above
            if is_interrupt(error):
                raise
            self.broken = f"{hook}: {text_of(error)}"
            return []
        sound = []
        for item in items:
            if not isinstance(item, expected):
                self.broken = f"{hook}: returned {type(item).__name__}, not {expected.__name__}"
            elif wrong := [*_wrong_fields(item)]:
                self.broken = f"{hook}: {expected.__name__} {item.name!r}: {', '.join(wrong)}"
            else:
                sound.append(item)
        return sound


def _wrong_fields(item: Any) -> Iterator[str]:
    """What of a factory, or of a command, which has but a name, is not what its type says."""
    for name, (is_right, what) in _FIELDS.items():
        value = getattr(item, name, _ABSENT)
        may_be_none = name == "kinds" and isinstance(item, SinkFactory)
        if value is not _ABSENT and not is_right(value) and not (value is None and may_be_none):
            yield f"{name} must be {what}, not {reprlib.repr(value)}"


class Catalogue:
    """Everything that the installed plugins provide; being in it does not mean being enabled.

    The look-ups by name raise ConfigError saying what to write or to install instead.
    """

    def __init__(self, plugins: Iterable[_Plugin]) -> None:
        self._plugins = tuple(plugins)
        self._found: dict[str, dict[str, list[tuple[_Plugin, Any]]]] = {}

    def source(self, name: str) -> SourceFactory[Any]:
        """The source that is written `type = "name"`."""
        factory: SourceFactory[Any] = self._one("source", name)
        return factory

    def rule(self, name: str) -> DeriverFactory[Any]:
        """The deriver that a [rule.NAME] with this type names."""
        factory: DeriverFactory[Any] = self._one("deriver", name)
        if factory.always:
            raise ConfigError(f"{name!r} is always on; it needs no [rule.NAME]")
        return factory

    def sink(self, name: str) -> SinkFactory[Any]:
        """The sink that is written `type = "name"`."""
        factory: SinkFactory[Any] = self._one("sink", name)
        return factory

    def notifier(self, name: str) -> NotifierFactory[Any]:
        """The notifier that is written `type = "name"`."""
        factory: NotifierFactory[Any] = self._one("notifier", name)
        return factory

    def always_derivers(self) -> tuple[DeriverFactory[Any], ...]:
        """The derivers that run in every monitor. Raises ConfigError if two of them share a name."""
        found = self._of("deriver")
        always = [name for name, items in found.items() if any(factory.always for _, factory in items)]
        return tuple(self._one("deriver", name) for name in always)

    def names(self, kind: str) -> tuple[str, ...]:
        """Every name of a kind: source, deriver, sink, notifier, command."""
        return tuple(self._of(kind))

    @property
    def commands(self) -> tuple[click.Command, ...]:
        """Further commands of the program, no two of one name: of such the first plugin's stays."""
        found = self._of("command")
        for name, ((owner, _), *others) in found.items():
            for plugin, _ in others:
                chosen = f"put {self._switch(owner)} into {DISABLED_VARIABLE} to have this one"
                plugin.broken = f"the command {name!r} is already that of {owner.title}; {chosen}"
        return tuple(items[0][1] for items in found.values())

    def unknown_command(self, name: str, own: Iterable[str]) -> str:
        """The message about a command that no plugin has and that is none of the program's `own`."""
        what = f"no such command {name!r}"
        near = closest(name, [*own, *self.names("command")])
        return self._elsewhere("command", what, name) or (f"{what}; did you mean {near!r}?" if near else what)

    def owner_of(self, name: str) -> str | None:
        """The package of the plugin that is called so or provides something of this name, of whatever kind."""
        found = [plugin for kind in _PROVIDED for plugin, _ in self._of(kind).get(name, ())]
        found += [plugin for plugin in self._plugins if plugin.name == name]
        return found[0].distribution if found else None

    @property
    def warnings(self) -> list[str]:
        """What is wrong with plugins, as far as they were asked: a config may do without them."""
        return [
            f"the plugin {plugin.name} is broken: {plugin.broken}; it is left out (repair or uninstall it, or name it "
            f"in {DISABLED_VARIABLE})"
            for plugin in self._plugins
            if plugin.broken and plugin.broken != _DISABLED
        ]

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """Every installed plugin, the broken ones too; calls every hook."""
        provides: dict[int, dict[str, tuple[str, ...]]] = {}  # two packages may call their plugins alike
        for kind in _PROVIDED:
            for name, items in self._of(kind).items():
                for plugin, _ in items:
                    kinds = provides.setdefault(id(plugin), {})
                    kinds[kind] = (*kinds.get(kind, ()), name)
        return tuple(
            PluginInfo(
                name=plugin.name,
                distribution=plugin.distribution,
                version=plugin.version,
                hooks=plugin.hooks,
                provides=provides.get(id(plugin), {}),
                broken=plugin.broken,
                stability=plugin.stability,
            )
            for plugin in self._plugins
        )

    def _of(self, kind: str) -> dict[str, list[tuple[_Plugin, Any]]]:
        if kind not in self._found:
            found: dict[str, list[tuple[_Plugin, Any]]] = {}
            for plugin in self._plugins:
                for item in plugin.provide(kind):
                    found.setdefault(item.name, []).append((plugin, item))
            self._found[kind] = found
        return self._found[kind]

    def _one(self, kind: str, name: str) -> Any:
        items = self._of(kind).get(name, [])
        if len(items) == 1:
            return items[0][1]
        word = "rule" if kind == "deriver" else kind
        if items:
            raise ConfigError(self._claimed(f"the {word} {name!r}", [plugin for plugin, _ in items]))
        raise ConfigError(self._unknown(kind, f"unknown {word} {name!r}", name))

    def _claimed(self, what: str, claimants: Sequence[_Plugin]) -> str:
        """The message about a name that is provided more than once: by whom, and how to choose."""
        owners = list({id(plugin): plugin for plugin in claimants}.values())
        if len(owners) == 1:
            return f"{what} is provided twice by {owners[0].title}, which is its authors' to mend; upgrade or remove it"
        switches = " or ".join(map(self._switch, owners))
        titles = " and ".join(plugin.title for plugin in owners)
        return f"{what} comes from several plugins, {titles}; uninstall one, or put {switches} into {DISABLED_VARIABLE}"

    def _switch(self, plugin: _Plugin) -> str:
        """What to write into the variable so that this plugin alone is left out."""
        alike = [each for each in self._plugins if each.name == plugin.name]
        return plugin.name if len(alike) == 1 else plugin.distribution

    def _unknown(self, kind: str, what: str, name: str) -> str:
        """The message about a name that nothing has, with what to write or to install instead."""
        if told := self._elsewhere(kind, what, name):
            return told
        choices = self._choices(kind)
        hint = nearest(name, choices)
        if not closest(name, choices) and _PACKAGE.fullmatch(name):
            hint += f"; if it is a plugin's: pip install hlmon-{name}"  # as `hlmon new-plugin` names packages
        return f"{what}{hint}{self._out_of_use()}"

    def _elsewhere(self, kind: str, what: str, name: str) -> str | None:
        """The message if the name is known, but not as a thing of this kind that can be used."""
        package = PACKAGE_OF.get(name)
        for plugin in self._plugins:
            if plugin.broken and (
                plugin.name == name or (package and plugin.distribution == package.partition("[")[0])
            ):
                if plugin.broken == _DISABLED:
                    return f"{what}; the plugin {plugin.name} is disabled by {DISABLED_VARIABLE}"
                return f"{what}; the plugin {plugin.name} is broken: {plugin.broken}"
        for other in _PROVIDED:
            if name in self._of(other) and other not in {kind, "command"}:
                return f"{what}; it is a {other}"
        if package:
            return f"{'command' if kind == 'command' else 'type'} {name!r} needs: pip install {shlex.quote(package)}"
        return None

    def _out_of_use(self) -> str:
        """The plugins that might have had it."""
        broken = [plugin.name for plugin in self._plugins if plugin.broken and plugin.broken != _DISABLED]
        disabled = [plugin.name for plugin in self._plugins if plugin.broken == _DISABLED]
        lists = {"broken": broken, "disabled": disabled}
        return "".join(f" ({word} plugins: {', '.join(names)})" for word, names in lists.items() if names)

    def _choices(self, kind: str) -> list[str]:
        """What a config may name of this kind."""
        found = self._of(kind).items()
        return [name for name, items in found if not (kind == "deriver" and items[0][1].always)]


def load_catalogue(
    entry_points: Iterable[EntryPoint] | None = None,
    *,
    disabled: frozenset[str] | None = None,
    config: Config | None = None,
) -> Catalogue:
    """Load every installed plugin, and the files that the config names, but the disabled ones; never fails.

    `entry_points` defaults to those of the group "hlmon", `disabled`, names of plugins or packages, to what
    HLMON_DISABLE_PLUGINS says.
    """
    if entry_points is None:
        entry_points = installed_entry_points(group=ENTRY_POINT_GROUP)
    if disabled is None:
        disabled = disabled_plugins()
    plugins = []
    installed = sorted(entry_points, key=lambda each: (each.name != "builtin", each.name))
    every: list[EntryPoint | PluginFile] = [*installed, *plugin_files(config)]
    for entry_point in every:
        distribution = entry_point.dist
        plugin = _Plugin(
            name=entry_point.name,
            distribution=distribution.name if distribution else "",
            version=distribution.version if distribution else "",
            stability=_stability(distribution.metadata.get_all("Classifier") or ()) if distribution else "",
        )
        if plugin.name in disabled or _spelt(plugin.distribution) in map(_spelt, disabled):
            plugin.broken = _DISABLED
        else:
            plugin.load(entry_point)
        plugins.append(plugin)
    return Catalogue(plugins)


def _mistakes(module: object, callers: Iterable[pluggy.HookCaller]) -> Iterator[str]:
    """Hooks that nobody would ever call: misspelt, or without their mark."""
    known = [hook for hook, _ in _PROVIDED.values()]
    for caller in callers:
        required = [hook for hook in caller.get_hookimpls() if not hook.optionalhook]
        if required and not caller.has_spec():
            yield f"unknown hook {caller.name}{nearest(caller.name, known)}"
    for name, function in inspect.getmembers(module, inspect.isroutine):
        if name in known and not hasattr(function, "hlmon_impl"):
            yield f"{name} is not marked with @hookimpl"


def trouble(reason: str) -> str:
    """Why a plugin cannot be used, in words: that it is broken, or who switched it off."""
    return reason if reason == _DISABLED else f"broken: {reason}"


def _spelt(package: str) -> str:
    """A package's name in the one spelling that stands for all of them."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _stability(classifiers: Iterable[str]) -> str:
    found = (each.rpartition(" - ")[2].lower() for each in classifiers if each.startswith("Development Status ::"))
    return next(found, "")
