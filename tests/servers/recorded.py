"""What was recorded at the real exchange, where the recordings are beside the checkout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hlmon import Event
from hlmon.hyperliquid.decode import decode_answer

RECORDED = Path(__file__).resolve().parents[2].parent / "shared/hyperliquid/recorded"
NOT_HERE = "the recordings are not beside this checkout"
STORED_ANSWERS = (
    "userFills",
    "userFillsByTime",
    "userTwapSliceFills",
    "userFunding",
    "userNonFundingLedgerUpdates",
    "historicalOrders",
)
ACCOUNT = "0x" + "a" * 40


def _lines(pattern: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(RECORDED.glob(pattern)):
        for line in path.read_text().splitlines():
            yield path.stem.partition("_")[2], json.loads(line)


def amounts() -> set[str]:
    """Every text that is a number."""
    return {text for _, line in _lines("*.jsonl") for text in _amounts_of(line)}


def _amounts_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _amounts_of(entry)
    elif isinstance(value, str) and value.replace(".", "", 1).lstrip("-").isdigit():
        yield value


def payloads(request: str) -> list[Any]:
    """Every answer to this request, as it came."""
    return [line["payload"] for name, line in _lines("rest_*.jsonl") if name == request]


def events() -> list[Event]:
    """The first telling of every fill, order, funding payment and ledger entry."""
    found: dict[tuple[str, str, str], Event] = {}
    for name, line in _lines("rest_*.jsonl"):
        if name in STORED_ANSWERS:
            account = line.get("request", {}).get("user", ACCOUNT)
            for event in decode_answer(name, account, json.dumps(line["payload"]).encode(), clock_ms=1).events:
                found.setdefault(event.name, event)
    return list(found.values())
