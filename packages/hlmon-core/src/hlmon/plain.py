"""Text from outside, made safe to show: in a terminal, a log, a message. Pure.

Names of coins and dexes, directions, refusals, errors of services and plugins, and the user's own labels may hold
anything. What is stored stays exact; what is shown goes through here.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec.structs import replace

from hlmon.events import Alert

_BREAKS: Final = re.compile("\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0d\uffa0\U000e0100-\U000e01ef]"
)
"""Signs that count as printable and show nothing: fillers and selectors, but for those of text and emoji."""
_UNSAFE_IN_JSON: Final = re.compile("[^\n\x20-\x7e]")


def plain_line(text: str) -> str:
    """The text on one line, with nothing that acts instead of being shown.

    Control characters (so that no escape sequence begins), signs that turn the direction of writing or show nothing,
    surrogates, blanks of every kind and what Unicode has not assigned become spaces.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_safe, text))


def plain_text(text: str) -> str:
    """As `plain_line`, with the line breaks kept as line feeds."""
    return "\n".join(plain_line(line) for line in _BREAKS.sub("\n", text).split("\n"))


def plain_json(document: str) -> str:
    """A JSON document with the same value, in which everything that `plain_text` would replace is escaped."""
    return _UNSAFE_IN_JSON.sub(lambda found: found[0] if _safe(found[0]) == found[0] else _escape(found[0]), document)


def plain_alert(alert: Alert) -> Alert:
    """The alert with plain texts: only its body has lines. Its key changes with its subject."""
    return replace(
        alert,
        rule=plain_line(alert.rule),
        subject=plain_line(alert.subject),
        title=plain_line(alert.title),
        body=plain_text(alert.body),
        details=_plain_texts(alert.details),
        labels=_plain_texts(alert.labels),
        cause=alert.cause and (alert.cause[0], alert.cause[1], plain_line(alert.cause[2])),
    )


def _plain_texts(texts: dict[str, str]) -> dict[str, str]:
    return {plain_line(name): plain_line(text) for name, text in texts.items()}


def _safe(character: str) -> str:
    return character if character.isprintable() and not _INVISIBLE.match(character) else " "


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
