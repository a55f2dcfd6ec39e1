"""`hlmon plugins`: the list, and the JSON Schema of a config from which editors complete it."""

from __future__ import annotations

import json
import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import jsonschema
import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

from hlmon import NoConfig, Secret, SinkFactory, hookimpl
from hlmon.cli import program
from hlmon.cli.init import config_text
from hlmon.cli.plugins import listing
from hlmon.cli.schema import schema_of
from hlmon.plugins import PluginInfo, load_catalogue

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXAMPLES = {
    page.name: block
    for page in DOCS.glob("*.md")
    for block in re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    if "[hyperliquid]" in block
}


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    depth: int = 1


class OddConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every type that a config may use."""

    password: Secret
    path: Path = Path("x")
    limit: Decimal = Decimal("1.5")
    inner: Inner = Inner()
    names: tuple[str, ...] = ()
    count: int | None = None
    token: Annotated[Secret, msgspec.Meta(description="what it is for")] = Secret("env:TOKEN")


class Unknown:
    pass


class UnknownConfig(msgspec.Struct, frozen=True):
    what: Unknown


class Entry:
    def __init__(self, name, factory):
        self.name, self.dist, self.factory = name, None, factory

    def load(self):
        module = type("Plugin", (), {})()
        module.hlmon_sinks = hookimpl(lambda: [self.factory])
        return module


def sink(name, config):
    return Entry(name, SinkFactory(name=name, config=config, open=lambda config, settings: None))


@pytest.fixture(scope="module")
def schema():
    return schema_of(load_catalogue(disabled=frozenset()))


def schema_with(*entries):
    return schema_of(load_catalogue(entries, disabled=frozenset()))


def info(**given):
    return PluginInfo(
        **{"name": "odd", "distribution": "hlmon-odd", "version": "1", "hooks": ("hlmon_derivers",), "broken": None}
        | given
    )


def problems(schema, text):
    validator = jsonschema.Draft7Validator(schema)
    return [error.json_path for error in validator.iter_errors(tomllib.loads(text))]


def test_the_option_prints_the_schema_of_what_is_installed(schema):
    result = CliRunner().invoke(program, ["plugins", "--schema"], prog_name="hlmon")
    assert json.loads(result.stdout) == json.loads(msgspec.json.encode(schema))


def test_the_schema_is_one_that_editors_read(schema):
    jsonschema.Draft7Validator.check_schema(schema)
    assert schema["title"] == "hlmon.toml"
    references = set(re.findall(r'"#/definitions/([^"]+)"', json.dumps(schema)))
    assert references <= set(schema["definitions"])


@pytest.mark.parametrize("text", [*EXAMPLES.values(), config_text()], ids=[*EXAMPLES, "hlmon init"])
def test_the_configs_of_the_docs_and_of_init_fit_it(schema, text):
    assert problems(schema, text) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("retention_dys = 3", "$: 'retention_dys' was unexpected"),
        ("retention_days = 0", "$.retention_days: 0 is less than the minimum of 1"),
        ("[hyperliquid]\nsnapshot_seconds = 1", "$.hyperliquid.snapshot_seconds: 1 is less than the minimum of 5"),
        ("[[account]]\nlabel = 'x'", "$.account[0]: 'address' is a required property"),
        ("[[route]]\nto = ['x']\nseverity = 'loud'", "$.route[0].severity: 'loud' is not one of"),
        ("[sink.a]\ntype = 'jsonl'", "$.sink.a: 'path' is a required property"),
        ("[sink.a]\ntype = 'jsonl'\npath = 'x'\npaht = 'x'", "$.sink.a: 'paht' was unexpected"),
        ("[sink.a]\ntype = 'no-such'", "$.sink.a.type: 'no-such' is not one of"),
        ("[sink.a]\npath = 'x'", "$.sink.a: 'type' is a required property"),
        ("[notifier.a]\ntype = 'jsonl'\npath = 'x'", "$.notifier.a.type: 'jsonl' is not one of"),
        ("[rule.a]\ntype = 'buckets'", "$.rule.a.type: 'buckets' is not one of"),  # always on: no rule names it
    ],
)
def test_what_a_config_must_not_say_does_not_fit_it_and_the_fault_is_told_where_it_is(schema, text, told):
    place, _, fault = told.partition(": ")
    (error,) = jsonschema.Draft7Validator(schema).iter_errors(tomllib.loads(text))
    assert error.json_path == place
    assert fault in error.message


def test_every_type_of_a_plugins_config_is_completed_and_checked():
    schema = schema_with(sink("odd", OddConfig))
    good = "[sink.a]\ntype = 'odd'\npassword = 'env:X'\nlimit = 2.5\npath = '~/x'\nnames = ['a']\ninner = {depth = 2}"
    assert problems(schema, good) == []
    for place, wrong in {
        "password": "password = 'hunter2'",
        "inner": "password = 'env:X'\ninner = {dept = 2}",
        "limit": "password = 'env:X'\nlimit = true",
    }.items():
        assert problems(schema, f"[sink.a]\ntype = 'odd'\n{wrong}") == [f"$.sink.a.{place}"]
    fields = schema["definitions"]["sink.odd"]["properties"]
    assert fields["path"]["default"] == "x"
    assert (fields["token"]["default"], fields["token"]["description"]) == ("env:TOKEN", "what it is for")
    assert fields["count"] == {"type": "integer"}  # TOML has no null


def test_every_field_and_table_says_what_it_is(schema):
    fields = [
        (name, field, about)
        for name, of in [("", schema), *schema["definitions"].items()]
        for field, about in of.get("properties", {}).items()
        if field != "type" and "$ref" not in about
    ]
    assert len(fields) > 150
    assert [(name, field) for name, field, about in fields if not about.get("description")] == []


def test_a_notifier_may_say_what_the_core_lets_every_notifier_say(schema):
    good = "[notifier.a]\ntype = 'log'\nmessages_per_minute = 5\nfallback = ['b']\n[notifier.b]\ntype = 'log'"
    assert problems(schema, good) == []
    assert problems(schema, "[notifier.a]\ntype = 'log'\nmessages_per_minute = 0") == [
        "$.notifier.a.messages_per_minute"
    ]


def test_a_config_without_a_schema_takes_none_from_the_others():
    schema = schema_with(sink("a", UnknownConfig), sink("b", NoConfig))
    assert "no schema" in schema["definitions"]["sink.a"]["description"]
    assert schema["definitions"]["sink.b"]["properties"]["type"] == {"enum": ["b"]}
    assert problems(schema, "[sink.x]\ntype = 'a'\nwhat = 1\n[sink.y]\ntype = 'b'") == []


def test_two_plugins_whose_configs_have_one_name_do_not_mix():
    other = msgspec.defstruct("Inner", [("width", int, 1)], frozen=True, forbid_unknown_fields=True)
    configs = [
        msgspec.defstruct("Config", [("inner", inner, inner())], frozen=True, forbid_unknown_fields=True)
        for inner in (Inner, other)
    ]
    schema = schema_with(sink("a", configs[0]), sink("b", configs[1]))
    assert (
        problems(schema, "[sink.x]\ntype = 'a'\ninner = {depth = 1}\n[sink.y]\ntype = 'b'\ninner = {width = 1}") == []
    )
    assert problems(schema, "[sink.x]\ntype = 'a'\ninner = {width = 1}") == ["$.sink.x.inner"]


def test_a_name_that_two_plugins_claim_cannot_be_named():
    schema = schema_with(sink("a", NoConfig), Entry("other", sink("a", NoConfig).factory))
    assert schema["properties"]["sink"]["additionalProperties"] is False


def lines_of_the_list(**environ):
    said = CliRunner().invoke(program, ["plugins"], prog_name="hlmon", env=environ).stdout
    return [line.strip() for line in said.splitlines()]


def test_the_list_shows_package_version_stability_hooks_and_names():
    lines = lines_of_the_list()
    start = next(number for number, line in enumerate(lines) if line.startswith("builtin"))
    assert re.fullmatch(r"builtin +hlmon-core +hlmon_sources +hyperliquid, replay", lines[start])
    assert re.match(r"\S+, beta +hlmon_derivers +closes, positions, ", lines[start + 1])


def test_the_list_shows_a_plugin_that_is_switched_off():
    lines = lines_of_the_list(HLMON_DISABLE_PLUGINS="sim")
    assert any(re.fullmatch(r"sim +hlmon-sim +disabled by HLMON_DISABLE_PLUGINS", line) for line in lines)


def test_the_list_fits_a_narrow_terminal_without_breaking_a_name():
    installed = load_catalogue(disabled=frozenset()).plugins
    console = Console(width=80)
    with console.capture() as capture:
        console.print(listing(installed))
    names = {name for plugin in installed for names in plugin.provides.values() for name in names}
    packages = {plugin.distribution for plugin in installed}
    assert names | packages <= set(re.findall(r"[\w-]+", capture.get()))


def test_the_list_shows_what_is_broken_and_a_hook_that_gives_nothing():
    console = Console(width=120)
    with console.capture() as capture:
        console.print(listing([info(provides={}, broken="ImportError: no [boto3]")]))
    assert re.search(r"odd +hlmon-odd +hlmon_derivers +nothing", capture.get())
    assert "broken: ImportError: no [boto3]" in capture.get()
