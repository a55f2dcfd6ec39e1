"""Writes the tables of docs/events.md: every field of every public event, from its annotation, and its columns.

Part of `docs/reference.py`. The unit and the meaning of a field are those of `hlmon.units`; its columns are read from
the views of the journal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from inspect import getdoc
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

import hlmon
from hlmon.units import meaning_of, unit_of

PUBLIC = {
    name: value
    for name, value in vars(hlmon).items()
    if name in hlmon.__all__ and isinstance(value, type) and issubclass(value, msgspec.Struct)
}
BASES = (hlmon.Event, hlmon.Fact, hlmon.State, hlmon.Reading)

_BLOCK = re.compile(r"(<!-- events: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_VIEW = re.compile(r"CREATE VIEW (\w+) AS SELECT\n(.*?)\nFROM events\s+WHERE kind = '(\w+)'", re.DOTALL)
_COLUMN = re.compile(r'^    (.+) AS "?(\w+)"?,?$', re.MULTILINE)
_FIELD = re.compile(r"\$\.(\w+)|\b(account|time_ms)\b")


def written(text: str) -> str:
    """The text of a page with the tables of events as they are now."""
    made = {"every": every, "stored": stored, "readings": readings, "inside": inside}
    return _BLOCK.sub(lambda block: f"{block[1]}{made[block[2]]()}{block[3]}", text)


def every() -> str:
    """The table of what all events have."""
    return _table(hlmon.Event)


def stored() -> str:
    """A section for each kind of event that the journal keeps, with its view."""
    shown = views()
    return "\n".join(
        _section(f"{cls.__name__}: `{kind}`, view `{shown[kind][0]}`", cls, shown[kind][1])
        for kind, cls in hlmon.STORED.items()
    )


def readings() -> str:
    """A section for each kind that only derivers see."""
    found = [cls for cls in PUBLIC.values() if issubclass(cls, hlmon.Reading) and cls not in BASES]
    return "\n".join(
        _section(f"{cls.__name__}: `{cls.kind}`", cls) for cls in sorted(found, key=lambda cls: cls.__name__)
    )


def inside() -> str:
    """A section for each struct that stands inside events."""
    return "\n".join(_section(cls.__name__, cls) for cls in inner_structs())


def inner_structs() -> list[type[msgspec.Struct]]:
    """The public structs that are no events and that a field of an event holds, by name."""
    found: set[type[msgspec.Struct]] = set()
    waiting = [cls for cls in PUBLIC.values() if issubclass(cls, hlmon.Event)]
    while waiting:
        for annotation in annotations(waiting.pop()).values():
            new = {each for each in _structs_in(annotation) if not issubclass(each, hlmon.Event)} - found
            found |= new
            waiting += new
    return sorted(found, key=lambda cls: cls.__name__)


def annotations(cls: type[msgspec.Struct]) -> dict[str, Any]:
    """Field -> its annotation, resolved, with unit and meaning."""
    hints = get_type_hints(cls, include_extras=True)
    return {name: hints[name] for name in cls.__struct_fields__}


def views() -> dict[str, tuple[str, dict[str, list[str]]]]:
    """Kind -> its view, and field -> the columns that show this field and no other."""
    sql = (files("hlmon.journal") / "schema.sql").read_text(encoding="utf-8")
    return {kind: (view, _columns(select)) for view, select, kind in _VIEW.findall(sql)}


def _columns(select: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for expression, column in _COLUMN.findall(select):
        fields = {inside or outside for inside, outside in _FIELD.findall(expression)}
        if len(fields) == 1:
            found.setdefault(fields.pop(), []).append(column)
    return found


def _section(title: str, cls: type[msgspec.Struct], columns: Mapping[str, list[str]] | None = None) -> str:
    return f"### {title}\n\n{getdoc(cls)}\n\n{_table(cls, columns)}"


def _table(cls: type[msgspec.Struct], columns: Mapping[str, list[str]] | None = None) -> str:
    """What all events have is told of a kind only where columns show it."""
    told = hlmon.Event.__struct_fields__ if issubclass(cls, hlmon.Reading) else ()
    head = "| field | type | default | unit | meaning |" + (" columns |" if columns else "")
    rows = [
        f"| `{field.name}` | {_type(annotation)} | {_default(field)} | {unit_of(annotation).name} | "
        f"{meaning_of(annotation)} |" + (f" {_listed(columns[field.name])} |" if columns else "")
        for field, annotation in zip(msgspec.structs.fields(cls), annotations(cls).values(), strict=True)
        if field.name not in told
    ]
    return "\n".join([head, "|---" * (head.count("|") - 1) + "|", *rows, ""]) if rows else "No fields of its own.\n"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _type(annotation: Any) -> str:
    """In the words of Python."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(inner[0])
    if origin is Literal:
        return ", ".join(f"`{word}`" for word in inner)
    if origin is dict:
        return f"dict: {_type(inner[0])} to {_type(inner[1])}"
    if origin in {list, tuple}:
        return f"{origin.__name__} of {_type(inner[0])}"
    if inner:
        return " or ".join(map(_type, inner))
    return {type(None): "None"}.get(annotation) or getattr(annotation, "__name__", str(annotation))


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default_factory is not msgspec.NODEFAULT:
        return "empty"
    return "required" if field.default is msgspec.NODEFAULT else f"`{_shown(field.default)}`"


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, int | None) else msgspec.json.encode(value).decode()
    return text.strip('"') or '""'


def _structs_in(annotation: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
    for inner in get_args(annotation):
        yield from _structs_in(inner)
