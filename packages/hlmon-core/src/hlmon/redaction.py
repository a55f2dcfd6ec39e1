"""Values of secrets in texts: found in whatever way they are encoded there, and replaced by their reference."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec

_SHORTEST_REDACTED: Final = 4  # shorter ones would turn up in innocent text
_SHORTEST_PATH: Final = 16  # a shorter path of a URL may be a word of the text, unless it begins with its slash
_LATIN_1, _BASIC_PLANE = 0x100, 0xFFFF
_QUOTED: Final = "\"'\\/"
_NAMED: Final = {
    "\n": (r"\\+n",),
    "\r": (r"\\+r",),
    "\t": (r"\\+t",),
    "\b": (r"\\+b",),
    "\f": (r"\\+f",),
    " ": (r"\+",),
    "&": ("&amp;",),
    "<": ("&lt;",),
    ">": ("&gt;",),
    '"': ("&quot;",),
}
"""What single characters are written as besides their number; a blank is a plus sign in a query."""

_revealed: dict[str, str] = {}  # reference -> its last value; one entry per secret of the config


def remember(reference: str, value: str) -> None:
    """From now on `redact` replaces this value, and no longer what the reference led to before."""
    _revealed[reference] = value


def redact(text: str) -> str:
    """The text with every secret value that was ever revealed replaced by its reference: the last line of defence.

    A value is found as it is and in the usual encodings of its characters: quoted, with escapes of JSON, of Python's
    repr, of URLs or of HTML. Give it the text itself, not a document of it, whose syntax it does not know.
    """
    pattern, references = _pattern(tuple(_revealed.copy().items()))  # which other threads may add to
    if pattern is None:
        return text
    return pattern.sub(lambda found: f"[{references[(found.lastindex or 1) - 1]}]", text)


def redacted(value: Any, text_of: Callable[[object], str] = str) -> Any:
    """The value as plain data for JSON, in which every text, key and number is redacted; `text_of` for what is neither.

    Raises whatever a value of a strange type raises, and RecursionError for endless nesting.
    """
    plain = msgspec.to_builtins(value, builtin_types=(bytes, bytearray), str_keys=True, enc_hook=text_of)
    return _redacted(plain)


def _redacted(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {redact(str(key)): _redacted(value) for key, value in plain.items()}
    if isinstance(plain, list | tuple | set | frozenset):
        return [_redacted(value) for value in plain]
    if plain is None or isinstance(plain, bool):
        return plain
    text = plain.decode("utf-8", "backslashreplace") if isinstance(plain, bytes | bytearray) else str(plain)
    shown = redact(text)
    return shown if isinstance(plain, str | bytes | bytearray) or shown != text else plain


@lru_cache(maxsize=4)
def _pattern(revealed: tuple[tuple[str, str], ...]) -> tuple[re.Pattern[str] | None, list[str]]:
    """One expression that finds every value, and the reference of each of its groups."""
    forms = sorted(
        ((form, reference) for reference, value in revealed for form in _forms(value)),
        key=lambda form: -len(form[0]),  # the longest first: one may contain another
    )
    if not forms:
        return None, []
    groups = "|".join(f"({''.join(map(_spellings, form))})" for form, _ in forms)
    return re.compile(groups), [reference for _, reference in forms]


def _forms(value: str) -> list[str]:
    """A value as it may be shown: whole; of a URL also without its host, unless that is a mere word of the text."""
    forms = [value]
    if value.startswith(("https://", "http://")):
        rest = "/".join(value.split("/")[3:])
        forms.append(rest if len(rest) >= _SHORTEST_PATH else f"/{rest}")
    return [form for form in forms if len(form) >= _SHORTEST_REDACTED]


def _spellings(character: str) -> str:
    """An expression for one character as it is and as encodings write it, quoted however often."""
    utf_8 = character.encode("utf-8", "surrogatepass")
    utf_16 = character.encode("utf-16-be", "surrogatepass")
    units = "".join(rf"\\+u(?i:{utf_16[at]:02x}{utf_16[at + 1]:02x})" for at in range(0, len(utf_16), 2))
    ways = [
        rf"\\*{re.escape(character)}" if character in _QUOTED else re.escape(character),
        units,
        "".join(f"%(?i:{byte:02x})" for byte in utf_8),
        "".join(rf"\\+x(?i:{byte:02x})" for byte in utf_8),
        rf"&\#(?:{ord(character)}|x0*(?i:{ord(character):x}));",
    ]
    if ord(character) < _LATIN_1:
        ways.append(rf"\\+x(?i:{ord(character):02x})")
    if ord(character) > _BASIC_PLANE:
        ways.append(rf"\\+U(?i:{ord(character):08x})")
    ways += _NAMED.get(character, ())
    return f"(?:{'|'.join(ways)})"
