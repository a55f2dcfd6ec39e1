"""How the exchange writes and rounds numbers."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

ZERO = Decimal(0)
_UNITS = tuple(Decimal(1).scaleb(-digits) for digits in range(13))


def text(value: Decimal) -> str:
    """The exchange's text of a number: no exponent, no needless digits, but always a decimal point ("10.0")."""
    if not value:
        return "0.0"
    written = f"{value.normalize():f}"
    return written if "." in written else written + ".0"


def cut(value: Decimal, digits: int) -> Decimal:
    """The value with at most so many decimals, the rest dropped (towards zero), as the exchange does with amounts."""
    return value.quantize(_UNITS[digits], ROUND_DOWN)


def unit(digits: int) -> Decimal:
    """The smallest amount with so many decimals."""
    return _UNITS[digits]


def sign(value: Decimal) -> int:
    """-1, 0 or 1."""
    return (value > 0) - (value < 0)
