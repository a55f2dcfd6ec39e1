"""Rules tried out: on events that were made up or read from a file, and on what a journal holds. Nothing is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from hlmon.contract import Deriver
from hlmon.errors import ConfigError
from hlmon.events import STORED, Alert, Event, Reading
from hlmon.fields import nearest
from hlmon.journal import Journal
from hlmon.rules.config import ConditionConfig
from hlmon.rules.expression import KINDS

NOT_KEPT: Final = frozenset(
    {"liquidation_distance", "position_without_stop", "twap", "exchange_halt", "agent_expiry", "stream", "delivery"}
)
"""Types that live on readings, which no journal keeps."""

_NAMES_OF_EVERY_EVENT: Final = ("account", "time_ms")


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One opened rule, with the kinds of event that it wants."""

    name: str
    type: str
    config: Any
    kinds: frozenset[str]
    rule: Deriver

    @property
    def is_replayable(self) -> bool:
        """Whether a journal holds what it lives on."""
        event = getattr(self.config, "event", "")
        return self.type not in NOT_KEPT and (event in STORED or self.type != "expression")

    def take(self, events: Iterable[Event]) -> Iterator[Alert]:
        """The alerts about these events; each comes back to the rule, as ingest would give it back."""
        for event in events:
            for alert in self.rule(event):
                if isinstance(alert, Alert):
                    yield alert
                    tuple(self.rule(alert))

    def try_out(self, events: Sequence[Event]) -> list[Alert]:
        """The alerts about these events; a condition that must hold for a while sees the last one again then."""
        alerts = list(self.take(events))
        if not alerts and events and isinstance(self.config, ConditionConfig) and self.config.for_seconds:
            later_ms = events[-1].time_ms + int(self.config.for_seconds * 1000)
            alerts = list(self.take([msgspec.structs.replace(events[-1], time_ms=later_ms)]))
        return alerts


def backtest(journal: Journal, tried: Sequence[Tried], since_ms: int) -> Iterator[Alert]:
    """What the rules would have said since then, in the order of the journal.

    They see the whole journal, so that they know at every event what they would have known.
    """
    replayed = [each for each in tried if each.is_replayable]
    kinds = frozenset[str]().union(*(each.kinds for each in replayed)) & STORED.keys() - {"alert"}
    seq = 0
    while kinds and (entries := journal.read_after(seq, kinds=kinds)):
        seq = entries[-1].seq
        for entry in entries:
            for each in replayed:
                if entry.event.kind in each.kinds:
                    yield from (alert for alert in each.take([entry.event]) if alert.time_ms >= since_ms)


def read_events(lines: Iterable[bytes]) -> list[Event]:
    """Events as `encode` and the sink "jsonl" write them, readings too. Raises ConfigError naming the line."""
    events = []
    for number, line in enumerate(lines, 1):
        try:
            table = msgspec.json.decode(line)
            events.append(msgspec.convert(table, _kind(table.get("kind", "")), strict=False))
        except (msgspec.MsgspecError, AttributeError, ConfigError) as error:
            raise ConfigError(f"line {number}: not an event: {error}") from None
    return events


def make_event(kind: str, values: Mapping[str, str], *, account: str, time_ms: int) -> Event:
    """An event of this kind with these values, given as text; what is required and not given is made up.

    Raises ConfigError for an unknown kind or field and for a value of the wrong type.
    """
    cls = _kind(kind)
    hints = get_type_hints(cls)
    for name in values:
        if name not in cls.__struct_fields__:
            raise ConfigError(f"{kind} has no field {name!r}{nearest(name, cls.__struct_fields__)}")
    table: dict[str, Any] = {"account": account, "time_ms": time_ms}
    for field in msgspec.structs.fields(cls):
        if field.name in values:
            table[field.name] = _value(values[field.name], hints[field.name])
        elif field.required and field.name not in _NAMES_OF_EVERY_EVENT:
            table[field.name] = _made_up(hints[field.name])
    try:
        return msgspec.convert(table | {"kind": kind}, cls, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{kind}: {error}") from None


def is_reading(kind: str) -> bool:
    """Whether events of this kind are never stored."""
    return issubclass(_kind(kind), Reading)


def _kind(kind: str) -> type[Event]:
    if kind not in KINDS:
        raise ConfigError(f"unknown kind of event {kind!r}{nearest(kind, KINDS)}")
    return KINDS[kind]


def _value(text: str, type_: Any) -> Any:
    """Text stays text where the field is one; else it is read as JSON, if it is that."""
    if type_ is str or get_origin(type_) is Literal:
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.MsgspecError:
        return text


def _made_up(type_: Any) -> Any:
    if get_origin(type_) in {Union, UnionType}:
        type_ = next(each for each in get_args(type_) if each is not NoneType)
    if get_origin(type_) is Literal:
        return get_args(type_)[0]
    plain: dict[Any, Any] = {str: "BTC", int: 1, float: 1, Decimal: 1, bool: False}
    return plain.get(type_, {} if get_origin(type_) is dict else [])
