"""Arithmetic that every deriver does alike."""

from __future__ import annotations

from decimal import Context, Decimal

_DIGITS = Context(prec=15)


def ratio(numerator: Decimal, denominator: Decimal) -> Decimal:
    """The quotient at 15 significant digits, so that an endless fraction stays short in stores."""
    return _DIGITS.divide(numerator, denominator)


def dex_of(coin: str) -> str:
    """The perp dex that a coin belongs to: "xyz" for `xyz:SILVER`, "" (the main one) for `BTC`."""
    return coin.partition(":")[0] if ":" in coin else ""
