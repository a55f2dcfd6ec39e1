"""Texts of others made safe and short."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from typing import Final

from hlmon import plain_line

ELLIPSIS: Final = "…"
_BREAKS = re.compile(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")


def one_line(text: str) -> str:
    """Without line breaks, control characters and signs that turn the direction of writing."""
    return " ".join(plain_line(text).split())


def lines_of(text: str) -> list[str]:
    """Each line of the text, cleaned; blank ones at its ends are left out."""
    return [one_line(line) for line in _BREAKS.sub("\n", text).strip().split("\n")] if text.strip() else []


def units(text: str) -> int:
    """Its length as the services count it: in UTF-16, where 🚨 is two."""
    return len(text) + sum(each > "\uffff" for each in text)


def cut(text: str, limit: int) -> str:
    """The text, or as much of its beginning as fits with an ellipsis."""
    if units(text) <= limit:
        return text
    kept = text[: max(limit - 1, 0)]
    while units(kept) > limit - 1 and kept:
        kept = kept[:-1]
    return (kept.rstrip() + ELLIPSIS)[:limit]


def wrapped(line: str, width: int) -> list[str]:
    """The line in pieces of at most that width, broken between words where there are any."""
    return textwrap.wrap(line, width, break_on_hyphens=False) or [""]


def fitting(blocks: Sequence[str], limit: int, more: Callable[[int], str], separator: str = "\n") -> tuple[str, int]:
    """As many of the blocks as fit in `limit`, and how many do not; of those `more` tells in the last line."""
    whole = separator.join(blocks)
    if units(whole) <= limit:
        return whole, 0
    room = limit - units(more(len(blocks))) - units(separator)
    kept: list[str] = []
    for block in blocks:
        room -= units(block) + units(separator)
        if room < 0:
            break
        kept.append(block)
    left = len(blocks) - len(kept)
    return separator.join([*kept, more(left)]), left


def packed(lines: Sequence[str], limit: int) -> list[list[str]]:
    """The lines in as few parts as possible; no line may be longer than `limit`."""
    parts: list[list[str]] = []
    room = 0
    for line in lines:
        room -= 1 + units(line)
        if room < 0 or not parts:
            parts.append([])
            room = limit - units(line)
        parts[-1].append(line)
    return parts
