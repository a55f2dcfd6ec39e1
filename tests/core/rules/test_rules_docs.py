"""Keeps docs/rules.md equal to the types; run as a script, it writes their fields and values into that page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
import pytest

from hlmon.config import load_config
from hlmon.parts import enable, settings_for
from hlmon.plugins import load_catalogue
from hlmon.rules.config import ConditionConfig, RuleConfig
from hlmon.rules.expression import ExpressionConfig
from hlmon.rules.types import FACTORIES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "rules.md"
_JSON = msgspec.json.Encoder(decimal_format="number")
ACCOUNT = f'[[account]]\naddress = "0x{"a1" * 20}"\nlabel = "main"\n'


def structs() -> dict[str, type[msgspec.Struct]]:
    types = {factory.name: factory.config for factory in FACTORIES}
    return {"every rule": RuleConfig, "every condition": ConditionConfig, **types}


def default_text(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if default is None or default in ((), {}, ""):
        return ""
    return f"`{_JSON.encode(default).decode()}`".replace('","', '", "')


def fields_text(struct: type[msgspec.Struct]) -> str:
    """The fields that the struct adds to what every rule, or every condition, has; and those of another default."""
    bases = [base for base in (ConditionConfig, RuleConfig) if issubclass(struct, base) and struct is not base]
    known = {field.name: field.default for field in msgspec.structs.fields(bases[0])} if bases else {}
    hints = get_type_hints(struct, include_extras=True)
    rows = [
        f"| `{field.name}` | {default_text(field)} | {description(hints[field.name])} |"
        for field in msgspec.structs.fields(struct)
        if field.name not in known or field.default != known[field.name]
    ]
    return "\n".join(["| field | default | what |", "|---|---|---|", *rows]) + "\n"


def description(hint: Any) -> str:
    metas = [meta for meta in get_args(hint)[1:] if get_origin(hint) is Annotated]
    return next(meta.description for meta in metas if meta.description)


def block(name: str) -> str:
    struct = structs()[name]
    text = fields_text(struct)
    speech = getattr(struct, "speech", None)
    if name.startswith("every"):
        return text
    if struct is ExpressionConfig:
        return f"{text}\nNames for templates: every plain field of the kind.\n"
    words = ", ".join(f"`{each}`" for each in sorted(speech.words))
    numbers = ", ".join(f"`{each}`" for each in sorted(speech.numbers))
    return f"{text}\nTitle: `{speech.title}`. Names for templates: {words + '; ' if words else ''}numbers {numbers}.\n"


def written() -> dict[str, str]:
    found = re.findall(r"<!-- fields: ([\w ]+) -->\n(.*?)<!-- end -->", PAGE.read_text(), re.DOTALL)
    return dict(found)


def snippets() -> list[str]:
    return re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", structs())
def test_the_page_has_every_field_with_its_default_and_meaning(name):
    assert written()[name] == block(name), f"run: python {Path(__file__).name} (it writes the page)"


def test_each_type_has_a_heading_and_a_snippet_of_its_own():
    types = {factory.name for factory in FACTORIES}
    assert types <= set(re.findall(r"^### (\w+)$", PAGE.read_text(), re.MULTILINE))
    assert types == {kind for text in snippets() for kind in re.findall(r'^type = "(\w+)"', text, re.MULTILINE)}


@pytest.mark.parametrize("text", snippets())
def test_every_snippet_is_a_config_whose_rules_open(text):
    config = load_config(None, environ={"HLMON_CONFIG_TOML": ACCOUNT + text})
    parts = enable(config, load_catalogue(disabled=frozenset()))
    opened = 0
    for part in parts.derivers:
        with part.open(settings_for(part.name, config)):
            opened += not part.factory.always
    assert opened == text.count("[rule.")


def write() -> None:
    text = PAGE.read_text()
    for name in structs():
        start = f"<!-- fields: {name} -->\n"
        before, _, after = text.partition(start)
        text = f"{before}{start}{block(name)}<!-- end -->{after.partition('<!-- end -->')[2]}"
    PAGE.write_text(text)


if __name__ == "__main__":
    write()
