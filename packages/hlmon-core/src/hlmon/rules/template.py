"""Titles and bodies that users write: `{name}` or `{name:format}` over the values of an alert, and nothing more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from string import Formatter

from hlmon.fields import nearest
from hlmon.rules.text import Shown


class Template:
    """A text with names in braces. Raises ValueError if it is malformed or asks for anything but a known name.

    `words` are the names of texts, `numbers` those of numbers, which may be given a format: `{price:,.2f}`.
    """

    def __init__(self, text: str, words: Collection[str], numbers: Collection[str]) -> None:
        self._parts = list(Formatter().parse(text))  # raises ValueError
        for _, name, spec, conversion in self._parts:
            if name is not None:
                _check(name, spec or "", conversion, words, numbers)

    def render(self, values: Mapping[str, Shown]) -> str:
        """The text; a value that is not known leaves nothing in its place."""
        return "".join(
            literal + ("" if name is None or name not in values else format(values[name], spec or ""))
            for literal, name, spec, _ in self._parts
        )


def _check(name: str, spec: str, conversion: str | None, words: Collection[str], numbers: Collection[str]) -> None:
    if conversion:
        raise ValueError(f"{{{name}!{conversion}}}: a name must stand alone, without !{conversion}")
    if name not in words and name not in numbers:
        raise ValueError(f"unknown name {name!r}{nearest(name, {*words, *numbers})}")
    try:
        format(Decimal(1) if name in numbers else "text", spec)
    except ValueError:
        raise ValueError(f"{{{name}:{spec}}}: not a format for a {'number' if name in numbers else 'text'}") from None
