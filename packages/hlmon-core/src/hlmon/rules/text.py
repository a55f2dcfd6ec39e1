"""Figures as people read them: 1,234.56 USDC, +2.3 %, 3 h 12 min. Pure functions."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple

_UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))


class Shown(NamedTuple):
    """A value of an alert: its text, and what it is for templates that format it themselves. Unknown is no text."""

    text: str
    value: Decimal | str | None = None

    def __format__(self, spec: str) -> str:
        """The text; with a format, the number in it."""
        return format(self.value, spec) if spec and self.value is not None else self.text


UNKNOWN: Final = Shown("")


def word(text: str) -> Shown:
    """Text as it is."""
    return Shown(text, text)


def plain(number: Decimal | int | None) -> Shown:
    """An exact number with thousands separators and without trailing zeros: `1,200.5`."""
    if number is None:
        return UNKNOWN
    number = Decimal(number)
    text = f"{number:,f}"
    return Shown(text.rstrip("0").rstrip(".") if "." in text else text, number)


def price(number: Decimal | None) -> Shown:
    """A price to six significant figures; whole digits are never cut."""
    if number is None:
        return UNKNOWN
    return plain(Decimal(f"{number:.6g}") if abs(number) < 100_000 else round(number, 1))._replace(value=number)


def money(amount: Decimal | None, unit: str = "USDC", *, signed: bool = False) -> Shown:
    """An amount to the cent: `1,234.56 USDC`, `+900.00 USDC` when signed."""
    if amount is None:
        return UNKNOWN
    return Shown(f"{amount:{'+' if signed and amount else ''},.2f} {unit}", amount)


def tokens(amount: Decimal | None, unit: str) -> Shown:
    """An amount of any token: dollars to the cent, others to eight significant figures."""
    if amount is None or unit.startswith("USD"):
        return money(amount, unit)
    return Shown(f"{plain(Decimal(f'{amount:.8g}')).text} {unit}", amount)


def percent(number: Decimal | None) -> Shown:
    """A share of 100 to a tenth: `85.2 %`."""
    return UNKNOWN if number is None else Shown(f"{number:,.1f} %", number)


def span(duration_ms: int | None) -> Shown:
    """The two largest units of a time span, e.g. `3 h 12 min`; its value is in seconds."""
    if duration_ms is None:
        return UNKNOWN
    parts: list[str] = []
    rest_ms = max(duration_ms, 0)
    for unit_ms, unit in _UNITS:
        count, rest_ms = divmod(rest_ms, unit_ms)
        if count or parts:
            parts.append(f"{count} {unit}")
    return Shown(" ".join(parts[:2]) or "under 1 s", Decimal(duration_ms) / 1000)


def moment(time_ms: int | None) -> Shown:
    """A time in UTC to the second."""
    if time_ms is None:
        return UNKNOWN
    return word(datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"))


def short_address(address: str) -> str:
    """Enough of an address to tell it from others: `0x1234…cdef`."""
    return f"{address[:6]}…{address[-4:]}" if len(address) > 12 else address
