"""From JSON to typed rows; whatever comes in, only WireError comes out."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec

from hlmon.errors import WireError

UNREADABLE: Final = (ValueError, TypeError, ArithmeticError, RecursionError)
"""What unreadable input may raise: bad JSON, another shape, text that is no UTF-8, numbers beyond all bounds."""

MOST_DIGITS: Final = 36
"""Before and behind the point: DynamoDB keeps 38 in a number, see AWS's "Supported data types"."""


def reader(shape: Any) -> Callable[[Any], Any]:
    """A function from a body (bytes, or JSON that is parsed already) to `shape`.

    Layers between the exchange and hlmon may have turned numbers into text, so what does not fit is read once more
    leniently.
    """
    strict, lenient = msgspec.json.Decoder(shape), msgspec.json.Decoder(shape, strict=False)

    def read(body: Any) -> Any:
        try:
            text = body if isinstance(body, bytes) else msgspec.json.encode(body)
            try:
                rows = strict.decode(text)
            except msgspec.ValidationError:
                rows = lenient.decode(text)
        except UNREADABLE as error:
            raise WireError(f"not readable as {shape}: {error}") from error
        return all_finite(rows)

    return read


def all_finite(rows: Any) -> Any:
    """The rows themselves; WireError if a number among them is none."""
    if not _is_finite(rows):
        raise WireError(f"a number that is none in {str(rows)[:500]}")
    return rows


def fits(number: Decimal) -> bool:
    """Whether it is a number, and one that every store can keep."""
    return number.is_finite() and -MOST_DIGITS <= number.adjusted() <= MOST_DIGITS


def _is_finite(value: Any) -> bool:
    if isinstance(value, Decimal):
        return fits(value)
    if isinstance(value, msgspec.Struct):
        return all(_is_finite(getattr(value, field)) for field in value.__struct_fields__)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_finite, value))
    return True
