"""Values as people read them: times, spans, numbers, addresses."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Final

UNKNOWN: Final = "–"

_SPANS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def span(milliseconds: float) -> str:
    """A length of time by its two largest units: `3 h 12 min`, `45 s`."""
    seconds = max(0, int(milliseconds / 1000))
    for (size, unit), (smaller, smaller_unit) in pairwise(_SPANS):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            return f"{whole} {unit} {rest // smaller} {smaller_unit}" if rest // smaller else f"{whole} {unit}"
    return f"{seconds} s"


def short_span(milliseconds: float) -> str:
    """A length of time by its largest unit: `3 h`."""
    seconds = max(0, int(milliseconds / 1000))
    size, unit = next(((size, unit) for size, unit in _SPANS if seconds >= size), (1, "s"))
    return f"{seconds // size} {unit}"


def ago(time_ms: int, now_ms: int, word: str = " ago") -> str:
    """How long ago, by the largest unit; `now` within two seconds, a dash if the time is unknown (0)."""
    if not time_ms:
        return UNKNOWN
    return "now" if now_ms - time_ms < 2_000 else f"{short_span(now_ms - time_ms)}{word}"


def utc(time_ms: int | None) -> str:
    """A time in UTC to the second; a dash if there is none."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") if time_ms else UNKNOWN


def number(value: Decimal | None) -> str:
    """An exact decimal with thousands separators and without trailing zeros."""
    if value is None:
        return UNKNOWN
    text = f"{value:,f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def price(value: Decimal | None) -> str:
    """A price to five significant figures at least, as the exchange quotes it; whole digits are never cut."""
    if value is None:
        return UNKNOWN
    places = max(0, 4 - value.adjusted()) if value else 0
    return number(round(value, places))


def money(value: Decimal | None, *, signed: bool = False) -> str:
    """An amount in dollars: cents up to a thousand, whole dollars above, millions as `1.23 M`."""
    if value is None:
        return UNKNOWN
    size = abs(value)
    if size < Decimal("0.005"):
        return "0.00"
    sign = "+" if signed and value > 0 else ""
    if size >= 10_000_000:
        return f"{sign}{value / 1_000_000:,.1f} M"
    return f"{sign}{value:,.0f}" if size >= 1_000 else f"{sign}{value:,.2f}"


def short_address(address: str) -> str:
    """Enough of an address to tell it from others: `0x1234…cdef`."""
    return f"{address[:6]}…{address[-4:]}" if len(address) > 12 else address
