"""What is odd about a row: fields null, empty, missing or of another type, and rows that cannot be read at all.

Every kind was reported by other clients of the exchange, or is what any JSON API may send. HARMLESS are fields without
which a row can be kept; ESSENTIAL are those that identify it or move money, without which nobody can know what it says.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

from hlmon_sim.records import Json, Oddity

MISSING: Final = "(missing)"  # never a value of the exchange's
DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
MAX_INT64: Final = 2**63 - 1

Choices = Mapping[str, tuple[Any, ...]]

_NO_TEXT = (None, "", MISSING)
_NO_NUMBER = (None, "", "NaN", MISSING)
_NO_FLAG = (None, MISSING)
_ORDER: Final[Choices] = {
    "tif": (None, "", 5),
    "cloid": ("", MISSING),
    "isTrigger": _NO_FLAG,
    "triggerPx": (None, "", MISSING),
    "triggerCondition": _NO_TEXT,
    "children": _NO_FLAG,
    "isPositionTpsl": _NO_FLAG,
    "reduceOnly": _NO_FLAG,
    "orderType": _NO_TEXT,
    "origSz": (None, "", MISSING),
}

HARMLESS: Final[Mapping[str, Choices]] = {
    "Fill": {
        "hash": _NO_TEXT,
        "dir": (*_NO_TEXT, 5),
        "closedPnl": _NO_NUMBER,
        "fee": _NO_NUMBER,
        "feeToken": _NO_TEXT,
        "crossed": _NO_FLAG,
        "cloid": ("", 5),
        "builderFee": ("", None),
        "liquidation": ({"liquidatedUser": None, "markPx": None, "method": None}, "x"),
        "twapId": ("", MISSING),
    },
    "FundingPayment": {"nSamples": ("x", 24), "fundingRate": _NO_NUMBER, "szi": (None, "", MISSING)},
    "LedgerEntry": {"delta.nonce": (None, "x"), "delta.usdcValue": (None, ""), "delta.feeToken": (None, 5)},
    "OrderChange": {f"order.{name}": values for name, values in _ORDER.items()},
    "TwapChange": {"status.description": (None, 5), "state.randomize": _NO_FLAG, "state.stopPx": ("", MISSING)},
    "Trade": {"hash": _NO_TEXT, "users": (None, [], MISSING)},
    # parts of states
    "position": {
        "cumFunding": (None, MISSING, {}),
        "leverage": (None, MISSING),
        "marginUsed": _NO_NUMBER,
        "liquidationPx": ("", "NaN", MISSING),
        "maxLeverage": (None, MISSING),
        "returnOnEquity": _NO_NUMBER,
        "entryPx": (None, ""),
        "unrealizedPnl": _NO_NUMBER,
    },
    "balance": {"hold": _NO_NUMBER, "entryNtl": _NO_NUMBER, "token": (None, MISSING)},
    "order": _ORDER,
}

_TIMES: Final[tuple[Any, ...]] = (None, MISSING, "soon", -1, 0, MAX_INT64, 2**63, "a day ahead")
_WHOLE: Final[tuple[Any, ...]] = (None, 5, "x", [])
_NUMBERS: Final[tuple[Any, ...]] = (None, "", "NaN", "x", {}, MISSING)
_TRADED: Final[Choices] = {
    "": _WHOLE,
    "coin": (None, 5, MISSING),
    "side": ("X", None, 5, MISSING),
    "px": _NUMBERS,
    "sz": _NUMBERS,
    "time": _TIMES,
    "tid": (2**64 - 1, "x"),
}

ESSENTIAL: Final[Mapping[str, Choices]] = {
    "Fill": {**_TRADED, "oid": (2**64 - 1, "x")},
    "FundingPayment": {"": _WHOLE, "coin": (None, 5, MISSING), "usdc": _NUMBERS, "time": _TIMES},
    "LedgerEntry": {"": _WHOLE, "delta": (None, "x", [], MISSING), "time": _TIMES},
    "OrderChange": {
        "": _WHOLE,
        "order": (None, "x", MISSING),
        "order.oid": (None, 2**64 - 1, MISSING),
        "order.coin": (None, MISSING),
        "order.side": ("X", None),
        "status": (None, 5, MISSING),
        "statusTimestamp": _TIMES,
    },
    "Trade": _TRADED,
    "position": {"szi": _NUMBERS, "coin": (None, MISSING)},
    "balance": {"total": _NUMBERS, "coin": (None, MISSING)},
    "order": {"oid": (None, 2**64 - 1, MISSING), "side": ("X", None)},
}


def choose(chance: random.Random, choices: Choices, now_ms: int) -> Oddity:
    """One odd field out of these."""
    path = chance.choice(list(choices))
    value = chance.choice(choices[path])
    return ((path, now_ms + DAY_MS if value == "a day ahead" else value),)


def with_odd(row: Json, odd: Oddity) -> Any:
    """The row as it is sent; `row` itself stays as it is."""
    sent: Any = row
    for path, value in odd:
        sent = _replaced(sent, path.split("."), value) if path else value
    return sent


def _replaced(row: Any, path: list[str], value: Any) -> Any:
    if not isinstance(row, dict):
        return row
    name, *rest = path
    copy = dict(row)
    if rest:
        copy[name] = _replaced(copy.get(name), rest, value)
    elif value == MISSING:
        copy.pop(name, None)
    else:
        copy[name] = value
    return copy
