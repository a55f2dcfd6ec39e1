"""The contract of every plugin: what its entry point leads to, as tests that its author inherits in one class."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Final

import msgspec

from hlmon.contract import ENTRY_POINT_GROUP, Factory, Need
from hlmon.events import STORED
from hlmon.needs import provided
from hlmon.plugins import Catalogue, load_catalogue
from hlmon.stdout import kept_for_answers
from hlmon.testing.builders import READING_BUILDERS
from hlmon.testing.contract_case import Contract
from hlmon.testing.promises import check, error_of
from hlmon.testing.without_io import without_io

_HOOK_CPU_SECONDS: Final = 0.5


class PluginCase(Contract):
    """What a subclass defines: the name of the plugin's entry point in the group "hlmon"."""

    to_define: ClassVar[frozenset[str]] = frozenset({"configs", "entry_point", "installed"})
    entry_point: ClassVar[str] = ""

    def configs(self) -> Mapping[str, Any]:
        """Factory name -> an example config, for each factory whose config cannot be made without arguments."""
        return {}

    def installed(self) -> EntryPoint:
        """The entry point of the installed plugin."""
        if not self.entry_point:
            self.missing("entry_point", 'is the name of the plugin\'s entry point in the group "hlmon"')
        found = list(entry_points(group=ENTRY_POINT_GROUP, name=self.entry_point))
        promise = f'one installed package has the entry point {self.entry_point!r} in the group "hlmon"'
        check(len(found) == 1, promise, because="that is how plugins are found", seen=found)
        return found[0]

    def catalogue(self) -> Catalogue:
        """What a monitor with no other plugin finds."""
        return load_catalogue([self.installed()], disabled=frozenset())

    def factories(self) -> list[tuple[str, Factory[Any, Any]]]:
        """(kind of part, factory) of every part that the plugin provides."""
        found = self.catalogue()
        always = {factory.name: factory for factory in found.always_derivers()}
        look_up: dict[str, Any] = {
            "source": found.source,
            "deriver": lambda name: always.get(name) or found.rule(name),
            "sink": found.sink,
            "notifier": found.notifier,
        }
        return [(kind, look_up[kind](name)) for kind in look_up for name in found.names(kind)]

    def config_of(self, factory: Factory[Any, Any]) -> Any:
        """The example config of a factory."""
        example = self.configs().get(factory.name)
        if example is not None:
            return example
        try:
            return factory.config()
        except TypeError:
            self.missing("configs()", f"returns an example config for {factory.name!r}")


class PluginContract(PluginCase, defines_cases=True):
    """Subclass it as `class TestMyPlugin(PluginContract)` and set `entry_point`."""

    def test_it_loads_and_every_hook_answers(self) -> None:
        """Nothing misspelt, nothing unmarked, each hook returning factories of its type with fields of theirs."""
        (plugin,) = self.catalogue().plugins
        promise = "the plugin loads, its hooks are hooks of hlmon and return factories of their type"
        because = "a broken plugin is left out, and the config that names it does not start"
        check(plugin.broken is None, promise, because=because, seen=plugin.broken)
        check(bool(plugin.provides), "a plugin provides something", because="else @hookimpl is missing", seen="nothing")

    def test_names_are_unique_and_easy_to_write(self) -> None:
        """The user writes them as `type = "…"`."""
        (plugin,) = self.catalogue().plugins
        names = [(kind, name) for kind, provided in plugin.provides.items() for name in provided]
        twice = sorted({name for name in names if names.count(name) > 1})
        check(not twice, "no two parts of a kind share a name", because="the config must mean one of them", seen=twice)
        odd = [name for _, name in names if not re.fullmatch(r"[a-z][a-z0-9_-]*", name)]
        check(not odd, "a name is made of a-z, 0-9, _ and -", because="users write it in TOML", seen=odd)

    def test_configs_are_frozen_and_refuse_unknown_fields(self) -> None:
        """A typo in the config is an error with its path."""
        for _, factory in self.factories():
            name = f"the config of {factory.name!r}"
            rules = factory.config.__struct_config__
            check(rules.frozen, f"{name} is frozen", because="nobody changes it while it runs", seen="frozen=False")
            because = "a misspelt option that is ignored is worse than none"
            strict = rules.forbid_unknown_fields
            check(strict, f"{name} refuses unknown fields", because=because, seen="forbid_unknown_fields=False")

    def test_kinds_exist(self) -> None:
        """Others never come."""
        for part, factory in self.factories():
            known = {*STORED, *(READING_BUILDERS if part == "deriver" else ())}
            unknown = sorted((getattr(factory, "kinds", None) or frozenset()) - known)
            check(not unknown, f"the kinds of {factory.name!r} exist", because="others never come", seen=unknown)

    def test_needs_are_plain_data(self) -> None:
        """The deploy package reads them without this plugin's help."""
        for _, factory in self.factories():
            needs = factory.needs(self.config_of(factory))
            foreign = [need for need in needs if not isinstance(need, Need)]
            because = "deploy knows nothing else"
            check(not foreign, f"needs of {factory.name!r} are Need objects", because=because, seen=foreign)
            error = error_of(partial(msgspec.json.encode, [dict(need.details) for need in needs]))
            check(error is None, f"their details are plain data ({factory.name!r})", because=because, seen=error)

    def test_needs_say_what_is_to_be_provided(self) -> None:
        """A table its key, a permission its actions and their resource, a secret its variable, a topic its ARN."""
        for _, factory in self.factories():
            for need in factory.needs(self.config_of(factory)):
                error = error_of(partial(provided, need))
                promise = f"the {need.kind} {need.name!r} that {factory.name!r} needs can be provided"
                because = (
                    "a deployment makes tables, permissions and secrets of it, and ends with this error if it cannot"
                )
                check(error is None, promise, because=because, seen=error)

    def test_hooks_are_quick_and_touch_nothing(self) -> None:
        """Hooks describe parts; opening one is what may read files and sockets."""
        self.factories()  # what hooks import is imported now: that is allowed
        catalogue = self.catalogue()
        start_s = time.process_time()
        with kept_for_answers(), without_io("a hook"):
            (plugin,) = catalogue.plugins
        seconds = time.process_time() - start_s
        because = "every command calls them, whether the plugin is enabled or not"
        check(plugin.broken is None, "hooks do no I/O", because=because, seen=plugin.broken)
        quick = seconds < _HOOK_CPU_SECONDS
        check(quick, f"the hooks take less than {_HOOK_CPU_SECONDS} s", because=because, seen=f"{seconds:.2f} s")

    def test_hooks_say_the_same_each_time(self) -> None:
        """Asking changes nothing."""
        first, second = (self.catalogue().plugins[0].provides for _ in range(2))
        check(first == second, "hooks return the same each time", because="commands ask again", seen=(first, second))
