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

from hlmon import NoConfig, Secret, SinkFactory, hookimpl
from hlmon.cli import program
from hlmon.cli.init import TEMPLATE
from hlmon.cli.schema import schema_of
from hlmon.plugins import load_catalogue

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


@pytest.mark.parametrize("text", [*EXAMPLES.values(), TEMPLATE], ids=[*EXAMPLES, "hlmon init"])
def test_the_configs_of_the_docs_and_of_init_fit_it(schema, text):
    assert problems(schema, text) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("retention_dys = 3", "$"),
        ("retention_days = 0", "$.retention_days"),
        ("[hyperliquid]\nsnapshot_seconds = 1", "$.hyperliquid.snapshot_seconds"),
        ("[[account]]\nlabel = 'x'", "$.account[0]"),
        ("[[route]]\nto = ['x']\nseverity = 'loud'", "$.route[0].severity"),
        ("[sink.a]\ntype = 'jsonl'", "$.sink.a"),
        ("[sink.a]\ntype = 'jsonl'\npaht = 'x'", "$.sink.a"),
        ("[sink.a]\ntype = 'no-such'", "$.sink.a"),
        ("[sink.a]\npath = 'x'", "$.sink.a"),
        ("[notifier.a]\ntype = 'jsonl'\npath = 'x'", "$.notifier.a"),
        ("[rule.a]\ntype = 'cvd'", "$.rule.a"),  # always on: no rule names it
    ],
)
def test_what_a_config_must_not_say_does_not_fit_it(schema, text, place):
    assert problems(schema, text) == [place]


def test_every_type_of_a_plugins_config_is_completed_and_checked():
    schema = schema_with(sink("odd", OddConfig))
    good = "[sink.a]\ntype = 'odd'\npassword = 'env:X'\nlimit = 2.5\npath = '~/x'\nnames = ['a']\ninner = {depth = 2}"
    assert problems(schema, good) == []
    for wrong in ("password = 'hunter2'", "password = 'env:X'\ninner = {dept = 2}", "password = 'env:X'\nlimit = true"):
        assert problems(schema, f"[sink.a]\ntype = 'odd'\n{wrong}") == ["$.sink.a"]
    fields = schema["properties"]["sink"]["additionalProperties"]["anyOf"][0]["properties"]
    assert fields["path"]["default"] == "x"
    assert (fields["token"]["default"], fields["token"]["description"]) == ("env:TOKEN", "what it is for")
    assert fields["count"] == {"type": "integer"}  # TOML has no null


def test_a_notifier_may_say_what_the_core_lets_every_notifier_say(schema):
    good = "[notifier.a]\ntype = 'log'\nmessages_per_minute = 5\nfallback = ['b']\n[notifier.b]\ntype = 'log'"
    assert problems(schema, good) == []
    assert problems(schema, "[notifier.a]\ntype = 'log'\nmessages_per_minute = 0") == ["$.notifier.a"]


def test_a_config_without_a_schema_takes_none_from_the_others():
    schema = schema_with(sink("a", UnknownConfig), sink("b", NoConfig))
    first, second = schema["properties"]["sink"]["additionalProperties"]["anyOf"]
    assert "no schema" in first["description"]
    assert second["properties"]["type"] == {"enum": ["b"]}
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
    assert problems(schema, "[sink.x]\ntype = 'a'\ninner = {width = 1}") == ["$.sink.x"]


def test_a_name_that_two_plugins_claim_cannot_be_named():
    schema = schema_with(sink("a", NoConfig), Entry("other", sink("a", NoConfig).factory))
    assert schema["properties"]["sink"]["additionalProperties"] is False


def test_the_list_shows_hooks_and_stability():
    said = CliRunner().invoke(program, ["plugins"], prog_name="hlmon").stdout
    (line,) = (line for line in said.splitlines() if line.lstrip().startswith("builtin"))
    assert re.search(r"builtin +hlmon-core +\S+ +beta +hlmon_derivers +source: hyperliquid, replay", line)
