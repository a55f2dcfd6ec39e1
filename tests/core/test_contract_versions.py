"""The contract only grows, as docs/versioning.md says: what was written against the first one keeps working."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import msgspec
import pytest

import hlmon
from hlmon import Settings, contract, hookspecs, testing
from hlmon.config import load_config
from hlmon.events import STORED
from hlmon.ingest import Ingest
from hlmon.parts import enable
from hlmon.plugins import load_catalogue
from hlmon.testing import builders
from hlmon.testing.builders import READING_BUILDERS, make_alert

TESTS = Path(__file__).resolve().parents[1]
FIRST = json.loads((TESTS / "first-contract/contract-1.json").read_text())
PROTOCOLS = ("Sink", "Notifier", "Deriver", "RemembersDeriver", "Source", "Ingest", "ReportsStatus", "ChecksConnection")
KIT = ("SinkContract", "NotifierContract", "DeriverContract", "SourceContract", "PluginContract")
FACTORIES = ("SinkFactory", "NotifierFactory", "DeriverFactory", "SourceFactory", "Need", "Settings")
WRITTEN = (
    '[[account]]\naddress = "0x{}"\n[source.a]\ntype = "once"\n[sink.a]\ntype = "store"\n[notifier.a]\ntype = "bell"\n'
)
CONFIG = WRITTEN.format("1" * 40) + '[rule.a]\ntype = "loud"\n'


def methods(protocol):
    named = {**{name: f for base in reversed(protocol.__mro__) for name, f in vars(base).items()}}
    public = {name: f for name, f in named.items() if inspect.isfunction(f) and not name.startswith("_")}
    if "__call__" in vars(protocol):
        public["__call__"] = vars(protocol)["__call__"]
    return {name: str(inspect.signature(function)).replace("'", "") for name, function in sorted(public.items())}


def fields(factory):
    missing = dataclasses.MISSING
    return {
        each.name: "required" if each.default is missing and each.default_factory is missing else "optional"
        for each in dataclasses.fields(factory)
    }


def _events():
    return STORED | {kind: type(build()) for kind, build in READING_BUILDERS.items()}


def event_fields(event_type):
    return {
        each.encode_name: "required" if each.required else "optional" for each in msgspec.structs.fields(event_type)
    }


def contract_now():
    return {
        "hooks": {
            name: str(inspect.signature(getattr(hookspecs, name))).replace("'", "")
            for name in sorted(vars(hookspecs))
            if name.startswith("hlmon_")
        },
        "protocols": {name: methods(getattr(contract, name)) for name in PROTOCOLS},
        "factories": {name: fields(getattr(contract, name)) for name in FACTORIES},
        "events": {kind: event_fields(event_type) for kind, event_type in sorted(_events().items())},
        "names": sorted(hlmon.__all__),
        "testing": {
            "names": sorted(testing.__all__),
            "builders": sorted(builders.__all__),
            "to_define": {name: sorted(getattr(testing, name).to_define) for name in KIT},
        },
    }


@pytest.fixture
def first(monkeypatch):
    """The catalogue of a monitor in which that plugin is installed beside the built-in one."""
    monkeypatch.syspath_prepend(str(TESTS / "first-contract"))
    monkeypatch.delitem(sys.modules, "first_contract", raising=False)
    builtin = EntryPoint("builtin", "hlmon.builtin", "hlmon")
    return load_catalogue([builtin, EntryPoint("first", "first_contract", "hlmon")], disabled=frozenset())


def test_no_protocol_ever_gets_or_loses_a_method_or_changes_one():
    assert contract_now()["protocols"] == FIRST["protocols"]


def test_no_hook_ever_goes_or_changes():
    assert FIRST["hooks"].items() <= contract_now()["hooks"].items()


@pytest.mark.parametrize("name", FACTORIES)
def test_what_a_factory_gets_more_of_has_a_default(name):
    then, now = FIRST["factories"][name], contract_now()["factories"][name]
    assert then.items() <= now.items()
    assert {now[field] for field in now.keys() - then.keys()} <= {"optional"}


@pytest.mark.parametrize("kind", FIRST["events"])
def test_what_an_event_gets_more_of_has_a_default(kind):
    then, now = FIRST["events"][kind], contract_now()["events"][kind]
    assert then.items() <= now.items()
    assert {now[field] for field in now.keys() - then.keys()} <= {"optional"}


def test_no_public_name_ever_goes():
    assert set(FIRST["names"]) <= set(hlmon.__all__)


def test_no_public_name_of_the_test_kit_ever_goes():
    then, now = FIRST["testing"], contract_now()["testing"]
    assert set(then["names"]) <= set(now["names"])
    assert set(then["builders"]) <= set(now["builders"])


@pytest.mark.parametrize("name", KIT)
def test_what_a_test_class_may_define_never_goes_and_no_more_is_asked_of_it(name):
    assert set(FIRST["testing"]["to_define"][name]) <= getattr(testing, name).to_define
    silent = type("Silent", (getattr(testing, name),), {})()
    asked = {hook for hook in getattr(testing, name).to_define if _is_asked_for(silent, hook)}
    assert asked <= set(FIRST["testing"]["to_define"][name])


def _is_asked_for(silent, hook):
    """Whether the cases cannot do without it: they say so."""
    value = getattr(silent, hook)
    if not inspect.ismethod(value):
        return False
    try:
        value(*[0.0] * len(inspect.signature(value).parameters))
    except testing.BrokenPromise as broken:
        return "excuse" not in str(broken)
    return False


def test_the_plugin_of_the_first_contract_loads_whole(first):
    plugin = {plugin.name: plugin for plugin in first.plugins}["first"]
    assert plugin.broken is None
    assert plugin.provides == {
        "source": ("once",),
        "deriver": ("loud",),
        "sink": ("store",),
        "notifier": ("bell",),
        "command": ("first",),
    }


def test_every_part_of_it_still_does_its_work(first, journal):
    parts = enable(load_config(None, environ={"HLMON_CONFIG_TOML": CONFIG}), first)
    plugin = sys.modules["first_contract"]
    settings = Settings(name="a", accounts={"0x" + "1" * 40: ""})
    (rule,) = [part for part in parts.derivers if part.name == "a"]
    with rule.open(settings) as deriver, parts.sources[0].open(settings) as source:
        ingest = Ingest(journal, [("a", rule.factory.kinds, deriver)])
        asyncio.run(source.run(ingest))
        asyncio.run(source.run(ingest))
        ingest.flush(final=True)
    events = [entry.event for entry in journal.read_after(0)]
    alerts = [event for event in events if event.kind == "alert"]
    assert [alert.title for alert in alerts] == ["buy 10 BTC", "buy 10 BTC"]
    with parts.sinks[0].open(settings) as sink, parts.notifiers[0].open(settings) as notifier:
        sink.write(events)
        sink.write(events)
        notifier.send(alerts)
        with pytest.raises(hlmon.Transient) as busy:
            notifier.send([make_alert(title="busy")])
        with pytest.raises(hlmon.Permanent):
            notifier.send([make_alert(title="refused")])
        assert [mark.stream for mark in sink.load_checkpoints()] == ["once"]
    assert busy.value.retry_after == 5
    assert len(plugin.KEPT) == len(events)
    assert plugin.TOLD == ["buy 10 BTC"] * 2


def test_what_it_needs_is_still_read(first):
    parts = enable(load_config(None, environ={"HLMON_CONFIG_TOML": CONFIG}), first)
    (need,) = parts.sinks[0].factory.needs(parts.sinks[0].config)
    assert (need.kind, need.name, need.why, need.details) == (
        "secret",
        "STORE_PASSWORD",
        "to sign in",
        {"shelf": "top"},
    )


def test_it_uses_no_name_that_came_later():
    source = (TESTS / "first-contract/first_contract.py").read_text()
    imported = source.partition("from hlmon import (\n")[2].partition(")")[0].replace(",", "").split()
    assert set(imported) <= set(FIRST["names"])
