"""Rows of the journal's table and the events in them."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Sequence, Set
from decimal import Decimal
from typing import Any, Final

import msgspec

from hlmon.errors import HlmonError
from hlmon.events import STORED, Event, Fact, Name, State, decode

BY_NAME: Final = "FROM events WHERE kind = ? AND account = ? AND key = ?"
MOVE_CURSOR: Final = (
    "INSERT INTO cursors (name, seq) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = max(seq, excluded.seq)"
)

_STATE_KINDS: Final = frozenset(kind for kind, cls in STORED.items() if issubclass(cls, State))
_COMPLETED_KINDS: Final = frozenset(
    kind for kind, cls in STORED.items() if issubclass(cls, Fact) and cls.version is not Fact.version
)
"""Of facts that may be told again with more in them."""

_LOG = logging.getLogger(__name__)


def without_old_states(
    connection: sqlite3.Connection, events: Sequence[Event]
) -> tuple[Sequence[Event], list[tuple[int]]]:
    """The events without states that are no news, each state once, and the numbers of the rows that they replace.

    A fact that says more than the stored one of its name replaces it like a newer state.
    """
    states: list[State | Fact] = [
        event  # type: ignore[misc]  # no call for each of them: most are fills
        for event in events
        if (kind := event.kind) in _STATE_KINDS or (kind in _COMPLETED_KINDS and event.version)  # type: ignore[attr-defined]
    ]
    if not states:
        return events, []
    newest: dict[Name, State | Fact] = {}
    for state in states:
        other = newest.get(state.name)
        if other is None or state.version > other.version:
            newest[state.name] = state
    superseded: list[tuple[int]] = []
    for name, state in list(newest.items()):
        for seq, body in connection.execute(f"SELECT seq, body {BY_NAME}", name):
            version = version_in(name[0], body)
            if version is None or state.version > version:
                superseded.append((seq,))
            else:
                del newest[name]
    told = {state.name for state in states}
    return [event for event in events if not _may_repeat(event, told) or newest.get(event.name) is event], superseded


def _may_repeat(event: Event, told: Set[Name]) -> bool:
    """Whether another event of its name is among those told or stored."""
    return event.kind in _STATE_KINDS or (event.kind in _COMPLETED_KINDS and event.name in told)


def has_text(body: bytes, text: bytes) -> bool:
    """`text in body`, a tenth of a microsecond per row rather than one: its first byte is rare, and found by memchr."""
    at = body.find(text[:1])
    while at >= 0 and not body.startswith(text, at):
        at = body.find(text[:1], at + 1)
    return at >= 0


def check_finite(events: Iterable[Event]) -> None:
    """Raise ValueError for the first that has a number which is none: no view, sum or comparison could use it."""
    for event in events:
        if not _is_finite(event):
            raise ValueError(f"an event of kind {event.kind} has a number that is not finite")


def _is_finite(value: Any) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite()
    if isinstance(value, msgspec.Struct):
        return all(_is_finite(getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    return not isinstance(value, list | tuple) or all(map(_is_finite, value))


def decoded(seq: int, kind: str, body: str) -> Event | None:
    """The event in a row; None, with a warning, if this hlmon does not understand it."""
    try:
        return decode(kind, body)
    except HlmonError as error:
        _LOG.warning("journal entry %d cannot be read and is left out: %s", seq, error)
        return None


def version_in(kind: str, body: str) -> int | None:
    """The version of the event in a row."""
    event = decoded(0, kind, body)
    return event.version if isinstance(event, State | Fact) else None
