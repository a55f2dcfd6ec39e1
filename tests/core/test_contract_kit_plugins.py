"""The plugin contract bites, and no case of any contract can be changed, only excused with a reason."""

from __future__ import annotations

import socket
import subprocess
import sys
from decimal import Decimal
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from hlmon.contract import DeriverFactory, Need, NoConfig, NotifierFactory, SinkFactory
from hlmon.hookspecs import hookimpl
from hlmon.rules.day import FundingConfig, PnlConfig
from hlmon.rules.expression import ExpressionConfig
from hlmon.rules.market import CvdConfig
from hlmon.sinks.jsonl import JsonlConfig
from hlmon.sources.replay import ReplayConfig
from hlmon.testing import (
    BrokenPromise,
    DeriverContract,
    NotifierContract,
    PluginContract,
    SinkContract,
    SourceContract,
)


class TestBuiltinPlugin(PluginContract):
    entry_point = "builtin"

    def configs(self):
        return {
            "jsonl": JsonlConfig(path="events.jsonl"),
            "replay": ReplayConfig(files=("frames.jsonl",)),
            "pnl": PnlConfig(below=Decimal(-500)),
            "funding_cost": FundingConfig(above=Decimal(10)),
            "cvd": CvdConfig(coins=("BTC",), above=Decimal(100)),
            "expression": ExpressionConfig(event="fill", when="size > 1.0"),
        }


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str


class LooseConfig(msgspec.Struct, frozen=True):
    path: str = ""


class OpenConfig(msgspec.Struct, forbid_unknown_fields=True):
    path: str = ""


def sink(**changes):
    return SinkFactory(**{"name": "shelf", "config": NoConfig, "open": lambda config, settings: None} | changes)


def contract_of(monkeypatch, **hooks):
    """The contract of a plugin with these hooks, as if it were installed."""
    module = ModuleType("shelf_plugin")
    for name, hook in hooks.items():
        setattr(module, name, hook)
    monkeypatch.setitem(sys.modules, "shelf_plugin", module)

    class ShelfContract(PluginContract):
        def installed(self):
            return EntryPoint(name="shelf", value="shelf_plugin", group="hlmon")

        def configs(self):
            return {"box": Config(path="x")}

    return ShelfContract()


def hook(*factories):
    return hookimpl(lambda: factories)


def growing():
    names = ["shelf"]

    def hook():
        names.append(f"shelf{len(names)}")
        return [sink(name=name) for name in names]

    return hookimpl(hook)


def reads_a_file():
    Path(__file__).read_text()
    return [sink()]


def opens_a_socket():
    socket.getaddrinfo("store.example", 443)
    return [sink()]


def burns_the_clock():
    import time

    start_s = time.process_time()
    while time.process_time() < start_s + 0.6:
        pass
    return [sink()]


def needing(kind, name, **details):
    return lambda _config: [Need(kind=kind, name=name, why="", details=details)]


LOADS = "test_it_loads_and_every_hook_answers"
CONFIGS = "test_configs_are_frozen_and_refuse_unknown_fields"
NAMES = "test_names_are_unique_and_easy_to_write"
KINDS = "test_kinds_exist"
NEEDS = "test_needs_are_plain_data"
PROVIDED = "test_needs_say_what_is_to_be_provided"
QUICK = "test_hooks_are_quick_and_touch_nothing"
SAME = "test_hooks_say_the_same_each_time"

WRONG_PLUGINS = {
    "misspelt hook": ({"hlmon_sink": hook(sink())}, LOADS),
    "unmarked hook": ({"hlmon_sinks": lambda: [sink()]}, LOADS),
    "sink among notifiers": ({"hlmon_notifiers": hook(sink())}, LOADS),
    "nothing": ({}, LOADS),
    "two of a name": ({"hlmon_sinks": hook(sink(), sink())}, NAMES),
    "odd name": ({"hlmon_sinks": hook(sink(name="My Shelf"))}, NAMES),
    "loose config": ({"hlmon_sinks": hook(sink(config=LooseConfig))}, CONFIGS),
    "changeable config": ({"hlmon_sinks": hook(sink(config=OpenConfig))}, CONFIGS),
    "config of another library": ({"hlmon_sinks": hook(sink(config=dict))}, LOADS),
    "empty batches": ({"hlmon_sinks": hook(sink(max_batch=0))}, LOADS),
    "unknown kinds": ({"hlmon_sinks": hook(sink(kinds=frozenset({"fills"})))}, KINDS),
    "a sink that wants readings": ({"hlmon_sinks": hook(sink(kinds=frozenset({"prices"})))}, KINDS),
    "needs as text": ({"hlmon_sinks": hook(sink(needs=lambda config: ["a table"]))}, NEEDS),
    "a table without a key": ({"hlmon_sinks": hook(sink(needs=needing("table", "t")))}, PROVIDED),
    "a reference as a variable": ({"hlmon_sinks": hook(sink(needs=needing("secret", "env:TOKEN")))}, PROVIDED),
    "every action": ({"hlmon_sinks": hook(sink(needs=needing("permission", "p", actions=["*"])))}, PROVIDED),
    "no example config": ({"hlmon_sinks": hook(sink(config=Config))}, NEEDS),
    "reads a file": ({"hlmon_sinks": hookimpl(reads_a_file)}, QUICK),
    "looks up a host": ({"hlmon_sinks": hookimpl(opens_a_socket)}, QUICK),
    "takes its time": ({"hlmon_sinks": hookimpl(burns_the_clock)}, QUICK),
    "grows": ({"hlmon_sinks": growing()}, SAME),
}


@pytest.mark.parametrize("wrong", WRONG_PLUGINS)
def test_a_wrong_plugin_is_caught_by_the_case_about_it(monkeypatch, wrong):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: [])
    hooks, case = WRONG_PLUGINS[wrong]
    with pytest.raises(BrokenPromise):
        getattr(contract_of(monkeypatch, **hooks), case)()


def test_every_case_of_the_plugin_contract_catches_some_wrong_plugin():
    assert {case for _, case in WRONG_PLUGINS.values()} == set(PluginContract.cases())


@pytest.mark.parametrize("case", PluginContract.cases())
def test_a_right_plugin_passes(monkeypatch, case):
    opened = {"config": NoConfig, "open": lambda config, settings: None}
    contract = contract_of(
        monkeypatch,
        hlmon_sinks=hook(sink(), sink(name="box", config=Config, kinds=frozenset({"fill"}), max_batch=25)),
        hlmon_notifiers=hook(NotifierFactory(name="bell", **opened)),
        hlmon_derivers=hook(
            DeriverFactory(name="always-on", kinds=frozenset({"prices"}), always=True, **opened),
            DeriverFactory(name="rule", kinds=frozenset({"fill"}), **opened),
        ),
    )
    getattr(contract, case)()


def test_a_plugin_that_is_not_installed_is_told_so():
    missing = type("Missing", (PluginContract,), {"entry_point": "no-such-plugin"})()
    with pytest.raises(BrokenPromise, match="no-such-plugin"):
        missing.test_it_loads_and_every_hook_answers()


def test_a_case_cannot_be_replaced():
    with pytest.raises(TypeError, match="replaces test_an_empty_batch_changes_nothing"):
        type("Easy", (SinkContract,), {"test_an_empty_batch_changes_nothing": lambda self: None})


def test_a_case_cannot_be_removed():
    with pytest.raises(TypeError, match="replaces test_the_clock_plays_no_part"):
        type("Easy", (DeriverContract,), {"test_the_clock_plays_no_part": None})


def test_a_case_cannot_be_replaced_by_another_base_class():
    mixin = type("Mixin", (), {"test_an_empty_batch_changes_nothing": lambda self: None})
    with pytest.raises(TypeError, match="replaces test_an_empty_batch_changes_nothing"):
        type("Easy", (mixin, SinkContract), {})


def test_an_excuse_must_name_a_case():
    with pytest.raises(TypeError, match="test_an_empty_bath"):
        type("Easy", (SinkContract,), {"excused": {"test_an_empty_bath": "typo"}})


def test_an_excuse_must_give_a_reason():
    with pytest.raises(TypeError, match="without a reason"):
        type("Easy", (SinkContract,), {"excused": {"test_an_empty_batch_changes_nothing": " "}})


@pytest.mark.parametrize(
    ("contract", "name"),
    [
        (SinkContract, "expect"),
        (SinkContract, "kinds"),
        (SinkContract, "opened"),
        (SinkContract, "_excuse"),
        (NotifierContract, "expect_told"),
        (DeriverContract, "derive"),
        (SourceContract, "run_once"),
        (SourceContract, "expect_same"),
        (PluginContract, "catalogue"),
        (PluginContract, "cases"),
    ],
)
def test_what_the_cases_check_with_cannot_be_replaced(contract, name):
    with pytest.raises(TypeError, match=rf"Easy replaces {name}, with which its cases check; it may define: .*config"):
        type("Easy", (contract,), {name: lambda self, *arguments, **options: None})


EASY = """
from hlmon.sinks.jsonl import FACTORY, JsonlConfig
from hlmon.testing import SinkContract


class TestEasy(SinkContract):
    def factory(self):
        return FACTORY


TestEasy.test_an_empty_batch_changes_nothing = lambda self: None
"""


def test_a_case_that_is_replaced_after_its_class_was_defined_is_noticed_when_it_runs(tmp_path):
    (tmp_path / "test_easy.py").write_text(EASY)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "empty_batch", "test_easy.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "TestEasy replaces test_an_empty_batch_changes_nothing; a case may be excused" in run.stdout


def test_an_error_that_no_case_expects_is_a_broken_promise_that_says_so():
    class Clumsy(DeriverContract):
        def factory(self):
            raise LookupError("no factory today")

        def events(self):
            return []

    with pytest.raises(BrokenPromise) as caught:
        Clumsy().test_the_same_events_give_the_same_conclusions()
    assert str(caught.value) == (
        "promise: Two fresh derivers share nothing.\n"
        "  because: test_the_same_events_give_the_same_conclusions asks for nothing that may fail there\n"
        "  seen: LookupError: no factory today"
    )
    assert isinstance(caught.value.__cause__, LookupError)


def test_a_contract_may_have_further_tests():
    more = type("More", (SinkContract,), {"test_rows_are_compressed": lambda self: None})
    assert "test_rows_are_compressed" not in more.cases()


def test_what_a_test_class_does_not_say_is_asked_for_by_name():
    with pytest.raises(BrokenPromise, match=r"Silent must define outage\(\)"):
        type("Silent", (SinkContract,), {})().outage()
