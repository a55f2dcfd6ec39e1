"""The catalogue: what is installed, what is broken and why, and what a name means."""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext
from email.message import Message
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace

import click
import pytest

from hlmon import ConfigError, DeriverFactory, NoConfig, NotifierFactory, SinkFactory, SourceFactory, hookimpl
from hlmon.packages import PACKAGE_OF
from hlmon.plugins import PluginInfo, load_catalogue
from hlmon.rules.types import FACTORIES


def sink(name: str) -> SinkFactory:
    return SinkFactory(name=name, config=NoConfig, open=lambda config, settings: nullcontext())


def entry(name: str, load, distribution: str = ""):
    """What `importlib.metadata` gives for an installed plugin; `load` returns or raises."""
    about = Message()
    about["Classifier"] = "Typing :: Typed"
    about["Classifier"] = "Development Status :: 5 - Production/Stable"
    dist = SimpleNamespace(name=distribution, version="1.2.3", metadata=about) if distribution else None
    return SimpleNamespace(name=name, dist=dist, load=load)


def plugin(**hooks) -> ModuleType:
    """A plugin's module; each hook returns what is given for it."""
    module = ModuleType("plugin")
    for name, provided in hooks.items():
        setattr(module, name, _hook(provided))
    return module


def _hook(provided):
    return hookimpl(lambda: provided() if callable(provided) else provided)


def catalogue_of(*entries):
    return load_catalogue(entries, disabled=frozenset())


def failing(error: BaseException):
    def fail():
        raise error

    return fail


def broken(*entries) -> dict[str, str | None]:
    return {info.name: info.broken for info in catalogue_of(*entries).plugins}


def refusal(look_up, name: str) -> str:
    with pytest.raises(ConfigError) as caught:
        look_up(name)
    return str(caught.value)


GOOD = entry("good", lambda: plugin(hlmon_sinks=[sink("archive")]), "good-plugin")


def test_every_kind_is_found_by_its_name():
    opening = {"config": NoConfig, "open": lambda config, settings: nullcontext()}
    source = SourceFactory(name="a", **opening)
    rule = DeriverFactory(name="a", kinds=frozenset({"fill"}), **opening)
    notifier = NotifierFactory(name="a", **opening)
    command = click.Command("a")
    module = plugin(
        hlmon_sources=[source],
        hlmon_derivers=[rule],
        hlmon_sinks=(factory for factory in [sink("a")]),
        hlmon_notifiers=(notifier,),
        hlmon_commands=[command],
    )
    catalogue = catalogue_of(entry("all", lambda: module))
    assert catalogue.source("a") is source
    assert catalogue.rule("a") is rule
    assert catalogue.sink("a").name == "a"
    assert catalogue.notifier("a") is notifier
    assert catalogue.commands == (command,)
    assert catalogue.always_derivers() == ()
    assert catalogue.names("sink") == ("a",)


def test_a_plugin_is_listed_with_where_it_comes_from_and_what_it_provides():
    assert catalogue_of(GOOD).plugins == (
        PluginInfo(
            name="good",
            distribution="good-plugin",
            version="1.2.3",
            hooks=("hlmon_sinks",),
            provides={"sink": ("archive",)},
            broken=None,
            stability="production/stable",
        ),
    )


def test_hooks_are_called_once_and_only_for_what_is_asked():
    calls = []
    module = plugin(
        hlmon_sinks=lambda: calls.append("sinks") or [sink("x")], hlmon_commands=lambda: calls.append("commands") or []
    )
    catalogue = catalogue_of(entry("counting", lambda: module))
    assert calls == []
    assert [catalogue.commands, catalogue.commands] == [(), ()]
    assert calls == ["commands"]
    assert catalogue.sink("x") is catalogue.sink("x")
    assert calls == ["commands", "sinks"]


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (failing(ModuleNotFoundError("No module named 'boto3'")), "ModuleNotFoundError: No module named 'boto3'"),
        (failing(RuntimeError("two\n  lines")), "RuntimeError: two lines"),
        (failing(SystemExit(3)), "SystemExit: 3"),
        (failing(pytest.skip.Exception("no reason")), "Skipped: no reason"),
        (failing(asyncio.CancelledError()), "CancelledError"),
        (failing(type("PanicException", (BaseException,), {})("a panic")), "PanicException: a panic"),
        (lambda: plugin(hlmon_sinks=failing(GeneratorExit())), "hlmon_sinks: GeneratorExit"),
        (lambda: plugin(hlmon_snks=[]), "unknown hook hlmon_snks; did you mean 'hlmon_sinks'?"),
        (lambda: plugin(hlmon_sinks=failing(OSError("no disk"))), "hlmon_sinks: OSError: no disk"),
        (lambda: plugin(hlmon_sinks=3), "hlmon_sinks: TypeError: 'int' object is not iterable"),
        (lambda: plugin(hlmon_sinks=["x"]), "hlmon_sinks: returned str, not SinkFactory"),
        (lambda: plugin(hlmon_notifiers=[sink("x")]), "hlmon_notifiers: returned SinkFactory, not NotifierFactory"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_reason_and_the_others_work(load, reason):
    bad = entry("bad", load)
    assert broken(bad, GOOD) == {"bad": reason, "good": None}
    assert catalogue_of(bad, GOOD).sink("archive").name == "archive"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": ""}, "DeriverFactory '': name must be a text, not ''"),
        ({"open": None}, "DeriverFactory 'x': open must be a function, not None"),
        ({"needs": ()}, "DeriverFactory 'x': needs must be a function, not ()"),
        ({"config": {}}, "DeriverFactory 'x': config must be a msgspec.Struct, not {}"),
        ({"kinds": "fill"}, "DeriverFactory 'x': kinds must be a frozenset of texts, not 'fill'"),
        ({"kinds": None}, "DeriverFactory 'x': kinds must be a frozenset of texts, not None"),
        ({"kinds": {7}}, "DeriverFactory 'x': kinds must be a frozenset of texts, not {7}"),
    ],
)
def test_a_factory_whose_fields_are_wrong_is_none_and_its_plugin_keeps_the_others(changes, reason):
    right = {"name": "x", "open": nullcontext, "config": NoConfig, "kinds": frozenset({"fill"})}
    good = DeriverFactory(**right | {"name": "good"})
    entries = [entry("a", lambda: plugin(hlmon_derivers=[DeriverFactory(**right | changes), good]))]
    assert broken(*entries)["a"] == f"hlmon_derivers: {reason}"
    assert catalogue_of(*entries).rule("good") is good


@pytest.mark.parametrize("changes", [{"max_batch": 0}, {"max_batch": True}, {"linger_ms": -1}, {"linger_ms": 0.5}])
def test_a_sink_says_in_whole_numbers_how_much_it_takes_at_once(changes):
    wrong = SinkFactory(name="x", open=nullcontext, config=NoConfig, **changes)
    assert "must be a whole number" in broken(entry("a", lambda: plugin(hlmon_sinks=[wrong])))["a"]


def test_a_plugin_that_is_broken_is_a_warning_and_one_that_is_disabled_is_none():
    entries = (
        GOOD,
        entry("bad", failing(RuntimeError("no idea"))),
        entry("off", failing(RuntimeError("never loaded"))),
    )
    (warning,) = load_catalogue(entries, disabled=frozenset({"off"})).warnings
    assert warning.startswith("the plugin bad is broken: RuntimeError: no idea; it is left out (")


def test_a_ctrl_c_while_plugins_are_loaded_is_the_users():
    with pytest.raises(KeyboardInterrupt):
        catalogue_of(entry("slow", failing(KeyboardInterrupt())))


def test_a_hook_with_parameters_that_hlmon_does_not_pass_is_broken():
    module = ModuleType("plugin")
    module.hlmon_sinks = hookimpl(lambda database: [])
    assert (
        "{'database'} are declared in the hookimpl but can not be found" in broken(entry("bad", lambda: module))["bad"]
    )


def test_a_hook_without_its_mark_is_told():
    module = ModuleType("plugin")
    module.hlmon_sinks = lambda: [sink("x")]
    assert broken(entry("bad", lambda: module)) == {"bad": "hlmon_sinks is not marked with @hookimpl"}


def test_a_hook_that_fails_takes_no_other_hook_of_its_plugin_with_it():
    module = plugin(hlmon_notifiers=failing(OSError("no")), hlmon_sinks=[sink("x")])
    catalogue = catalogue_of(entry("half", lambda: module))
    assert catalogue.names("notifier") == ()
    assert catalogue.sink("x").name == "x"
    assert catalogue.plugins[0].broken == "hlmon_notifiers: OSError: no"


def test_a_name_that_two_plugins_provide_is_an_error_only_when_it_is_used():
    other = entry("other", lambda: plugin(hlmon_sinks=[sink("archive"), sink("own")]), "acme-other")
    catalogue = catalogue_of(GOOD, other)
    assert catalogue.sink("own").name == "own"
    assert [info.provides for info in catalogue.plugins] == [{"sink": ("archive",)}, {"sink": ("archive", "own")}]
    assert refusal(catalogue.sink, "archive") == (
        "the sink 'archive' comes from several plugins, good (package good-plugin 1.2.3) and other "
        "(package acme-other 1.2.3); "
        "uninstall one, or put good or other into HLMON_DISABLE_PLUGINS"
    )


def test_two_packages_with_a_plugin_and_a_sink_of_one_name_are_both_named_and_either_can_be_chosen():
    entries = [entry("same", lambda: plugin(hlmon_sinks=[sink("archive")]), name) for name in ("Acme_One", "acme-two")]
    catalogue = catalogue_of(*entries)
    assert [info.provides for info in catalogue.plugins] == [{"sink": ("archive",)}, {"sink": ("archive",)}]
    assert refusal(catalogue.sink, "archive") == (
        "the sink 'archive' comes from several plugins, same (package Acme_One 1.2.3) and same "
        "(package acme-two 1.2.3); uninstall one, or put Acme_One or acme-two into HLMON_DISABLE_PLUGINS"
    )
    for left_out in ("acme-one", "acme.two"):
        assert load_catalogue(entries, disabled=frozenset({left_out})).sink("archive").name == "archive"


def test_a_plugin_that_provides_a_name_twice_is_told_as_its_own_fault():
    catalogue = catalogue_of(entry("good", lambda: plugin(hlmon_sinks=[sink("x"), sink("x")]), "acme"))
    assert refusal(catalogue.sink, "x").startswith("the sink 'x' is provided twice by good (package acme 1.2.3), which")


def test_of_two_commands_with_one_name_the_first_stays_and_the_second_is_told():
    first, second = click.Command("sim"), click.Command("sim")
    entries = [entry(name, lambda c=c: plugin(hlmon_commands=[c])) for name, c in [("b", second), ("a", first)]]
    catalogue = catalogue_of(*entries)
    assert [command is first for command in catalogue.commands] == [True]
    assert [info.broken for info in catalogue.plugins] == [
        None,
        "the command 'sim' is already that of a; put a into HLMON_DISABLE_PLUGINS to have this one",
    ]


def test_an_unknown_name_says_what_to_write_or_install_instead():
    bad = entry("zebra", failing(ImportError("no")))
    notify = entry("notify", failing(ImportError("no requests")), "hlmon-notify")
    catalogue = catalogue_of(GOOD)
    assert refusal(catalogue.sink, "archiv") == "unknown sink 'archiv'; did you mean 'archive'?"
    assert refusal(catalogue.sink, "ZZZ") == "unknown sink 'ZZZ'; known: archive"
    assert refusal(catalogue.notifier, "archive") == "unknown notifier 'archive'; it is a sink"
    for name, package in [
        ("dynamodb", "dynamodb"),
        ("supabase", "supabase"),
        ("telegram", "notify"),
        ("sns", "notify"),
    ]:
        assert refusal(catalogue.sink, name) == f"type {name!r} needs: pip install hlmon-{package}"
    catalogue = catalogue_of(GOOD, bad, notify)
    assert refusal(catalogue.sink, "zebra") == "unknown sink 'zebra'; the plugin zebra is broken: ImportError: no"
    assert refusal(catalogue.notifier, "email") == (
        "unknown notifier 'email'; the plugin notify is broken: ImportError: no requests"
    )
    assert refusal(catalogue.sink, "ZZZ") == "unknown sink 'ZZZ'; known: archive (broken plugins: notify, zebra)"


def test_a_type_that_nobody_knows_may_be_in_a_package_that_is_called_like_it():
    catalogue = catalogue_of(GOOD)
    assert refusal(catalogue.sink, "box") == (
        "unknown sink 'box'; known: archive; if it is a plugin's: pip install hlmon-box"
    )
    assert refusal(catalogue.notifier, "two-words") == (
        "unknown notifier 'two-words'; if it is a plugin's: pip install hlmon-two-words"
    )
    for no_package in ("B", "b ox", "box; rm"):
        assert "pip install" not in refusal(catalogue.sink, no_package)


def test_what_is_in_an_extra_is_quoted_for_the_shell_and_missed_in_the_package_itself():
    needs = "type 'apprise' needs: pip install 'hlmon-notify[apprise]'"
    assert refusal(catalogue_of(GOOD).notifier, "apprise") == needs
    notify = entry("notify", failing(ImportError("no requests")), "hlmon-notify")
    assert "the plugin notify is broken" in refusal(catalogue_of(notify).notifier, "apprise")


def test_what_the_packages_of_hlmon_provide_is_known_without_them():
    provided = {
        name: plugin.distribution
        for plugin in load_catalogue(disabled=frozenset()).plugins
        if plugin.name in {"dynamodb", "notify", "sim", "supabase"}
        for names in plugin.provides.values()
        for name in names
    }
    assert {name: package.partition("[")[0] for name, package in PACKAGE_OF.items()} == provided


def test_an_unknown_command_is_told_what_to_write_or_install_instead():
    module = plugin(hlmon_commands=[click.Command("archive")], hlmon_sinks=[sink("shelf")])
    catalogue = load_catalogue([entry("own", lambda: module), GOOD], disabled=frozenset({"good"}))
    assert catalogue.unknown_command("supabase", ["run"]) == "command 'supabase' needs: pip install hlmon-supabase"
    assert catalogue.unknown_command("rum", ["run"]) == "no such command 'rum'; did you mean 'run'?"
    assert catalogue.unknown_command("archiv", ["run"]) == "no such command 'archiv'; did you mean 'archive'?"
    assert catalogue.unknown_command("shelf", ["run"]) == "no such command 'shelf'; it is a sink"
    assert catalogue.unknown_command("zzz", ["run"]) == "no such command 'zzz'"
    assert catalogue.unknown_command("good", ["run"]) == (
        "no such command 'good'; the plugin good is disabled by HLMON_DISABLE_PLUGINS"
    )


def test_a_disabled_plugin_is_not_called_broken():
    catalogue = load_catalogue([GOOD], disabled=frozenset({"good"}))
    assert refusal(catalogue.sink, "good") == (
        "unknown sink 'good'; the plugin good is disabled by HLMON_DISABLE_PLUGINS"
    )
    assert refusal(catalogue.sink, "Archive") == "unknown sink 'Archive' (disabled plugins: good)"


def test_the_owner_of_a_name_is_the_package_that_has_something_called_so():
    catalogue = catalogue_of(GOOD, entry("other", plugin, "other-plugin"))
    assert [catalogue.owner_of(name) for name in ("archive", "good", "other", "none")] == [
        "good-plugin",
        "good-plugin",
        "other-plugin",
        None,
    ]


def test_what_comes_with_hlmon_is_listed_first_and_the_others_by_name():
    entries = [entry(name, plugin) for name in ("zebra", "builtin", "aardvark")]
    assert [info.name for info in catalogue_of(*entries).plugins] == ["builtin", "aardvark", "zebra"]


def test_a_disabled_plugin_is_listed_but_never_loaded(monkeypatch):
    loaded = []
    monkeypatch.setenv("HLMON_DISABLE_PLUGINS", "noisy,other")
    catalogue = load_catalogue([entry("noisy", lambda: loaded.append("noisy")), GOOD])
    assert [(info.name, info.broken) for info in catalogue.plugins] == [
        ("good", None),
        ("noisy", "disabled by HLMON_DISABLE_PLUGINS"),
    ]
    assert loaded == []


def test_real_entry_points_lead_to_modules_and_to_objects_in_them(monkeypatch):
    module = plugin(hlmon_sinks=[sink("a")])
    module.inner = plugin(hlmon_sinks=[sink("b")])
    monkeypatch.setitem(sys.modules, "a_plugin", module)
    points = [EntryPoint("a", "a_plugin", "hlmon"), EntryPoint("b", "a_plugin:inner", "hlmon")]
    catalogue = load_catalogue([*points, EntryPoint("c", "no_such_module", "hlmon")], disabled=frozenset())
    assert catalogue.names("sink") == ("a", "b")
    assert catalogue.plugins[2].broken == "ModuleNotFoundError: No module named 'no_such_module'"


def test_what_comes_with_hlmon_comes_through_the_same_door():
    builtin = load_catalogue(disabled=frozenset()).plugins[0]
    assert (builtin.name, builtin.distribution, builtin.broken) == ("builtin", "hlmon-core", None)
    assert builtin.provides == {
        "source": ("hyperliquid", "replay"),
        "deriver": ("closes", "positions", "orders", "snapshots", "buckets", *(factory.name for factory in FACTORIES)),
        "sink": ("jsonl",),
        "notifier": ("log",),
    }
