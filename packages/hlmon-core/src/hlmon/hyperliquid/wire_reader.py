"""Reads what does not fit its type exactly, field by field: one odd row costs that row, one odd part that part.

- null, "" and a field that is missing are the same: the field's default. Without a default the row is odd.
- A number that is none ("NaN", "Infinity") is the default of a field that has one, else the row is odd.
- A number that does not fit (text, a negative id, more digits than a column holds) makes the row odd.
- Another field of a wrong type takes its default; what came is kept with the fields that hlmon does not know.
- An odd element of a list inside a row costs that element.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin

import msgspec

from hlmon.errors import WireError
from hlmon.events import Fill, Funding
from hlmon.hyperliquid.decode_json import UNREADABLE, fits
from hlmon.hyperliquid.wire import EARLIEST_MS, Row

Extra = dict[str, Any]
"""What came with a row and has no field, by the exchange's names."""


_Kept = TypeVar("_Kept", Fill, Funding)


class Odd(NamedTuple):
    """Something that could not be read, as it came; `path` says where in its row it stood, "" for the row itself."""

    payload: bytes
    reason: str
    time_ms: int | None = None
    path: str = ""


def with_extras(events: list[_Kept], extras: Sequence[Extra]) -> list[_Kept]:
    """The events of as many rows, each with what came with its row and has no field."""
    if not any(extras):
        return events
    replace = msgspec.structs.replace
    return [replace(event, extra=extra) if extra else event for event, extra in zip(events, extras, strict=True)]


class _Field(NamedTuple):
    name: str
    type: Any
    required: bool
    is_number: bool
    reader: RowReader | None  # of a row inside
    is_list: bool


class RowReader:
    """Reads one shape of row from JSON that is parsed already."""

    def __init__(self, shape: type[Row]) -> None:
        self.shape = shape
        self._fields = {field.encode_name: _field(field, self) for field in msgspec.structs.fields(shape)}
        self._required = {name for name, field in self._fields.items() if field.required}

    def read(self, sent: Any, odd: list[Odd], path: str = "") -> tuple[Any, Extra]:
        """The row, and what came with it and has no field; elements of lists that are odd are added to `odd`.

        Raises WireError for an odd row.
        """
        if not isinstance(sent, dict):
            raise WireError(f"no object but {str(sent)[:100]!r}")
        values: dict[str, Any] = {}
        extra: Extra = {}
        for key, value in sent.items():
            field = self._fields.get(key)
            if value is None or value == "":
                continue
            if field is None:
                extra[key] = value
                continue
            try:
                if not (field.is_number and not field.required and _is_no_number(value)):
                    values[field.name] = _value(field, value, odd, f"{path}.{key}" if path else key, extra)
            except (WireError, *UNREADABLE) as error:
                if field.required or field.is_number:
                    raise WireError(f"{key}: {error}") from error
                extra[key] = value
        missing = [name for name in self._required if self._fields[name].name not in values]
        if missing:
            raise WireError(f"without {', '.join(sorted(missing))}")
        return self.shape(**values), extra

    def read_element(self, item: Any, odd: list[Odd], path: str) -> list[tuple[Any, Extra]]:
        """The row and what has no field, or nothing and one more in `odd`."""
        try:
            return [self.read(item, odd, path)]
        except (WireError, *UNREADABLE) as error:
            odd.append(Odd(msgspec.json.encode(item), str(error), time_in(item), path))
            return []


def time_in(sent: Any) -> int | None:
    """The time that a row gives itself, wherever it stands in it; None if it is none or impossible."""
    if not isinstance(sent, dict):
        return None
    for key in ("time", "statusTimestamp"):
        value = sent.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value >= EARLIEST_MS:
            return value
    return time_in(sent.get("fill"))


def _value(field: _Field, value: Any, odd: list[Odd], path: str, extra: Extra) -> Any:
    if field.reader is None:
        found = msgspec.convert(value, field.type, strict=False)
        if isinstance(found, Decimal) and not fits(found):
            raise WireError(f"{str(value)[:100]!r} is no number that can be kept")
        return found
    if not field.is_list:
        row, inside = field.reader.read(value, odd, path)
        if field.required:  # the row is a wrapper of this one
            extra |= inside
        elif inside:
            extra[path.rpartition(".")[2]] = inside
        return row
    if not isinstance(value, list):
        raise WireError("no list")
    return [row for item in value for row, _ in field.reader.read_element(item, odd, path)]


def _is_no_number(value: Any) -> bool:
    """Whether this is the text of a number that is none, such as "NaN"."""
    try:
        return isinstance(value, str) and not Decimal(value).is_finite()
    except InvalidOperation:
        return False


def _field(field: msgspec.structs.FieldInfo, owner: RowReader) -> _Field:
    kinds = [kind for kind in get_args(field.type) if kind is not type(None)]
    kind = kinds[0] if type(None) in get_args(field.type) else field.type
    is_list = get_origin(kind) is list
    inner = get_args(kind)[0] if is_list else kind
    bare = get_args(inner)[0] if get_origin(inner) is Annotated else inner
    is_row = isinstance(inner, type) and issubclass(inner, Row)
    reader = None if not is_row else owner if inner is owner.shape else RowReader(inner)
    return _Field(field.name, field.type, field.required, bare in {int, Decimal}, reader, is_list)
