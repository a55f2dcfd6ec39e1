"""Writes into the pages what the program knows itself: the fields of every table of hlmon.toml, the help of commands.

A page says where: `<!-- fields: sink.dynamodb -->` to `<!-- end -->`. Run it from anywhere, it takes no arguments. The
fields of events are in a file beside this one.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from hlmon.cli import program
from hlmon.cli.schema import JsonSchema, schema_of, struct_schema
from hlmon.plugins import load_catalogue
from hlmon.routing import NotifierPolicy
from hlmon.rules.config import ConditionConfig, RuleConfig
from hlmon.rules.types import FACTORIES
from hlmon.sections import SECTIONS
from hlmon_notify.config import LookConfig

DOCS = Path(__file__).resolve().parent
WIDTH = 88  # of the help
HEAD = "| field | type | default | what |\n|---|---|---|---|\n"
BASES: dict[str, type[msgspec.Struct]] = {
    "every notifier": NotifierPolicy,
    "every message": LookConfig,
    "every rule": RuleConfig,
    "every condition": ConditionConfig,
}
"""What many types have in common stands in a table of its own, and not in theirs."""

EVENTS = runpy.run_path(str(DOCS / "reference_events.py"))

_BLOCK = re.compile(r"(<!-- fields: ([\w. ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_HELP = re.compile(r"(<!-- help: start -->\n).*?(<!-- help: end -->)", re.DOTALL)
_SPEECHES = {f"rule.{factory.name}": factory.config.speech for factory in FACTORIES}
_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}
_BOUNDS = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than"}


def written(text: str) -> str:
    """The text of a page with every table and the help as they are now."""
    known = tables()
    text = _BLOCK.sub(lambda block: f"{block[1]}{known[block[2]]}{block[3]}", text)
    text = EVENTS["written"](text)
    return _HELP.sub(lambda block: f"{block[1]}{help_of_every_command()}{block[2]}", text)


def tables() -> dict[str, str]:
    """What stands between the marks, by names such as `hlmon`, `route`, `sink.dynamodb`, `every rule`."""
    bases = {name: struct_schema(struct, name, {})["properties"] for name, struct in BASES.items()}
    condition = {
        name: field for name, field in bases["every condition"].items() if bases["every rule"].get(name) != field
    }
    found = {name: _table(fields) for name, fields in (bases | {"every condition": condition}).items()}
    for name, schema in _schemas():
        common = _common_to(name, schema["properties"], bases)
        own = {field: of for field, of in schema["properties"].items() if field != "type" and common.get(field) != of}
        found[name] = _table(own, schema.get("required", ())) + _speech(name)
    return found


def _schemas() -> Iterator[tuple[str, JsonSchema]]:
    """Every table that a config may have, by its name, from the schema that editors get."""
    schema = schema_of(load_catalogue(disabled=frozenset()))
    top = schema["properties"]
    types = {section: top.pop(section)["additionalProperties"]["properties"]["type"]["enum"] for section in SECTIONS}
    sections = {name: field.get("items", field).get("$ref") for name, field in top.items()}
    yield "hlmon", {"properties": {name: field for name, field in top.items() if not sections[name]}}
    for name, reference in sections.items():
        if reference:
            yield name, schema["definitions"][reference.removeprefix("#/definitions/")]
    for name in (f"{section}.{each}" for section, names in types.items() for each in names):
        yield name, schema["definitions"][name]


def _common_to(name: str, fields: JsonSchema, bases: dict[str, JsonSchema]) -> JsonSchema:
    if name.startswith("rule."):
        return bases["every condition" if "resolved" in fields else "every rule"]
    if name.startswith("notifier."):
        return bases["every notifier"] | bases["every message"]
    return {}


def _table(fields: JsonSchema, required: Any = ()) -> str:
    rows = [
        f"| `{name}` | {_type(field)} | {'required' if name in required else _default(field)} | {_what(field)} |\n"
        for name, field in sorted(fields.items(), key=lambda field: field[0] not in required)
    ]
    return HEAD + "".join(rows) if rows else "No fields.\n"


def _type(field: JsonSchema) -> str:
    """In the words of the config's errors."""
    if "anyOf" in field:
        return " or ".join(sorted(map(_type, field["anyOf"])))
    if "enum" in field:
        *others, last = (f"`{choice}`" for choice in field["enum"])
        return f"{', '.join(others)} or {last}" if others else last
    if "env:" in field.get("pattern", ""):
        return "[secret](configuration.md#secrets)"
    if "items" in field:
        return f"list of {_types(field['items'])}{'; not empty' if field.get('minItems') else ''}"
    if "additionalProperties" in field:
        return f"table of {_types(field['additionalProperties'])}"
    bounds = [f"{words} {field[bound]:,}" for bound, words in _BOUNDS.items() if bound in field]
    kind = field["type"] if isinstance(field["type"], str) else field["type"][0]
    return ", ".join([_TYPES[kind], *bounds])


def _types(field: JsonSchema) -> str:
    return re.sub(r"^(list|table|whole number|number)", r"\1s", _type(field))


def _default(field: JsonSchema) -> str:
    default = field.get("default")
    if default in (None, "", (), [], {}):
        return ""
    if isinstance(default, str) and isinstance(field.get("type"), list):
        return f"`{default}`"  # a decimal
    return f"`{msgspec.json.encode(default).decode()}`".replace('","', '", "')


def _what(field: JsonSchema) -> str:
    return str(field["description"]).replace("|", r"\|")


def _speech(name: str) -> str:
    """What a rule says, and the names that its templates may use."""
    if name not in _SPEECHES:
        return ""
    if name == "rule.expression":
        return "\nNames for templates: every plain field of the kind.\n"
    speech = _SPEECHES[name]
    words, numbers = (", ".join(f"`{each}`" for each in sorted(names)) for names in (speech.words, speech.numbers))
    return f"\nTitle: `{speech.title}`. Names for templates: {words + '; ' if words else ''}numbers {numbers}.\n"


def help_of_every_command() -> str:
    """As `--help` prints it."""
    context = click.Context(program, info_name="hlmon", terminal_width=WIDTH, **program.context_settings)
    parts = [f"```text\n{program.get_help(context)}\n```\n"]
    return "\n".join([*parts, *_help_of_commands(context)])


def _help_of_commands(above: click.Context) -> Iterator[str]:
    """Of each command below, those of a group after the group."""
    group = above.command
    assert isinstance(group, click.Group)  # noqa: S101  # only groups are passed
    for name in group.list_commands(above):
        command = group.get_command(above, name)
        assert command is not None  # noqa: S101  # it was listed
        context = click.Context(command, info_name=name, parent=above, terminal_width=WIDTH)
        yield f"### {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
        if isinstance(command, click.Group):
            yield from _help_of_commands(context)


def main() -> None:
    """Write every page that has such a place."""
    for page in sorted(DOCS.glob("*.md")):
        before = page.read_text(encoding="utf-8")
        after = written(before)
        if after != before:
            page.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
