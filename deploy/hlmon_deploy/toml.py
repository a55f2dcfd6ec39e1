"""Tables to TOML, for configs that are changed on their way into a container; tomllib only reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(document: Mapping[str, Any]) -> str:
    """The document as TOML text that reads back as the same document; it has tables, lists and plain values."""
    return "".join(_table(document, ()))


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    nested = {name: value for name, value in table.items() if isinstance(value, Mapping) or _is_tables(value)}
    for name, value in table.items():
        if name not in nested:
            yield f"{_key(name)} = {_value(value)}\n"
    for name, value in nested.items():
        inner = (*path, name)
        heading = ".".join(map(_key, inner))
        if isinstance(value, Mapping):
            if not value or not all(isinstance(each, Mapping) for each in value.values()):
                yield f"\n[{heading}]\n"
            yield from _table(value, inner)
        else:
            for each in value:
                yield f"\n[[{heading}]]\n"
                yield from _table(each, inner)


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(name)} = {_value(each)}" for name, each in value.items()) + "}"
    if isinstance(value, int | float):
        return repr(value)
    return str(value.isoformat())  # dates and times, the only other values there are
