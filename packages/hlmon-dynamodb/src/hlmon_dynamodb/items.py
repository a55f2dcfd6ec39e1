"""Events as items, purely.

Every field is an attribute of its own name: decimals and integers are numbers (N), never floats. A decimal that
DynamoDB cannot hold exactly (more than 38 digits) is kept as text (S). Free-form tables are JSON text. A field that is
at its default is left out if that is nothing, empty text or an empty table. Added to them: `kind`, `version` of a
state and of a fact that says more, the key attributes of the table, `expires_at` where items expire.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

import msgspec

from hlmon import STORED, AccountInfo, Checkpoint, Cvd, Event, Fact, Gap, HlmonError, Order, Position, State
from hlmon_dynamodb.tables import MARKET, TABLE_OF, TTL_ATTRIBUTE

Attribute = dict[str, Any]
Item = dict[str, Attribute]

_SECONDS_PER_DAY: Final = 86_400
_EXACT: Final = decimal.Context(
    prec=38,
    Emin=-130,
    Emax=125,
    traps=[decimal.Inexact, decimal.Overflow, decimal.Subnormal, decimal.InvalidOperation],
)
"""What DynamoDB's numbers hold."""

_EMPTY: Final[tuple[object, ...]] = (None, "", {})


class _Kind:
    """How the fields of one kind of event become attributes."""

    def __init__(self, event_type: type[Event]) -> None:
        hints = get_type_hints(event_type)
        fields = msgspec.structs.fields(event_type)
        self.type = event_type
        self.names = [field.name for field in fields]
        self.nothing = {field.name: _default(field) for field in fields if _default(field) in _EMPTY}
        self.integers = {name for name in self.names if int in _members(hints[name])}
        self.json = {name for name in self.names if any(get_origin(part) is dict for part in _members(hints[name]))}


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if isinstance(hint, UnionType) or NoneType in get_args(hint) else (hint,)


_KINDS: Final[Mapping[str, _Kind]] = {kind: _Kind(event_type) for kind, event_type in STORED.items()}


def item_of(event: Event, ttl_days: int | None = None) -> Item:
    """The whole item. With `ttl_days` it expires so many days after its time, unless it is a state that still holds."""
    kind = _KINDS[event.kind]
    item: Item = {"kind": {"S": event.kind}}
    for name, value in zip(kind.names, msgspec.structs.astuple(event), strict=True):
        if value or name not in kind.nothing or value != kind.nothing[name]:
            item[name] = {"S": _json_text(value)} if name in kind.json else _attribute(value)
    if isinstance(event, State) or (isinstance(event, Fact) and event.version):
        item["version"] = {"N": str(event.version)}
    if ttl_days is not None and not _still_holds(event):
        item[TTL_ATTRIBUTE] = {"N": str(event.time_ms // 1000 + ttl_days * _SECONDS_PER_DAY)}
    return item | key_of(event)


def key_of(event: Event) -> Item:
    """The two attributes that name the event's item in its table, the partition first."""
    table = TABLE_OF[event.kind]
    account = event.account or MARKET
    match event:
        case Cvd():
            series = f"{event.coin}:{event.interval_ms}"
            values: tuple[str, str] = (f"{series}:{event.account}" if event.account else series, str(event.start_ms))
        case Gap() | Checkpoint() | AccountInfo():
            values = (event.kind, f"{account}:{event.key}")
        case _ if table.name == "events":
            values = (f"{event.kind}:{account}", event.key)
        case _:
            values = (account, event.key)
    partition, sort = table.partition, table.sort
    return {partition.name: {partition.type: values[0]}, sort.name: {sort.type: values[1]}}


def event_of(item: Mapping[str, Any]) -> Event:
    """The event that `item_of` was given. Raises HlmonError for an item that is not of hlmon."""
    try:
        kind = _KINDS[item["kind"]["S"]]
        fields = {name: _value(item[name], kind, name) for name in kind.names if name in item}
        if fields.get("account") == MARKET:
            fields["account"] = ""
        return msgspec.convert(fields, kind.type)
    except (KeyError, ValueError, TypeError, msgspec.MsgspecError) as error:
        raise HlmonError(f"not an item of hlmon: {error}") from error


def _still_holds(event: Event) -> bool:
    """Whether what the state says may be true for longer than any number of days."""
    match event:
        case Position() | Checkpoint() | AccountInfo():
            return True
        case Order():
            return not event.has_ended and event.status != "unknown"
        case Gap():
            return event.end_ms is None
    return False


def _attribute(value: Any) -> Attribute:
    return _MAKERS.get(type(value), _table)(value)


def _table(value: Any) -> Attribute:
    if isinstance(value, msgspec.Struct):
        return {"M": {name: _attribute(getattr(value, name)) for name in value.__struct_fields__}}
    raise TypeError(f"an event has a field of type {type(value).__name__}, which has no attribute")


def _number(value: Decimal) -> Attribute:
    """The number, or its digits as text where N would round or refuse them."""
    try:
        exact = _EXACT.create_decimal(value)
    except decimal.DecimalException:
        return {"S": str(value)}
    if not exact.is_finite():
        return {"S": str(value)}
    return {"N": str(exact) if exact else "0"}


_MAKERS: Final[Mapping[type, Callable[[Any], Attribute]]] = {
    str: lambda value: {"S": value},
    bool: lambda value: {"BOOL": value},
    int: lambda value: {"N": str(value)},
    Decimal: _number,
    tuple: lambda value: {"L": [_attribute(part) for part in value]},
}


def _json_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _value(attribute: Mapping[str, Any], kind: _Kind, name: str) -> Any:
    ((_, stored),) = attribute.items()
    if name in kind.json:
        return msgspec.json.decode(stored)
    if name in kind.integers:
        return int(stored)
    return _plain(attribute)


def _plain(attribute: Mapping[str, Any]) -> Any:
    """Text, bool, list or table; a number stays text, which msgspec makes the field's exact Decimal."""
    ((type_name, stored),) = attribute.items()
    if type_name == "L":
        return [_plain(part) for part in stored]
    if type_name == "M":
        return {part: _plain(inner) for part, inner in stored.items()}
    return stored
