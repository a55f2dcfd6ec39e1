"""Values as PostgreSQL and JSON take them. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

_EPOCH: Final = datetime(1970, 1, 1)  # of UTC; without a zone it is faster, and the text names it
_NUL: Final = "\0"
_NUL_SYMBOL: Final = "\N{SYMBOL FOR NULL}"


def iso(time_ms: int) -> str:
    """UTC milliseconds as PostgreSQL reads them."""
    return (_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds") + "Z"


def iso_or_none(time_ms: int | None) -> str | None:
    """The same of a time that may be unknown."""
    return None if time_ms is None else iso(time_ms)


def text(value: Decimal | None) -> str | None:
    """Every digit of the number."""
    return None if value is None else str(value)


def clean(value: str) -> str:
    """PostgreSQL's text holds every character but one."""
    return value.replace(_NUL, _NUL_SYMBOL) if _NUL in value else value


def clean_json(value: Any) -> Any:
    """The same of every text inside."""
    if isinstance(value, dict):
        return {clean(name): clean_json(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [clean_json(entry) for entry in value]
    return clean(value) if isinstance(value, str) else value
