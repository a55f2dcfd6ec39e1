"""Linked fills, and what the deriver of closes makes of events."""

from __future__ import annotations

from decimal import Decimal
from itertools import count

from hlmon.derive.closes import Closes
from hlmon.events import Fill, PositionClosed
from hlmon.testing.builders import START_MS, make_account_state, make_fill

D = Decimal
_ids = count(1)


def trades(*signed_sizes: str, coin: str = "BTC", start: str = "0", **changes) -> list[Fill]:
    """Linked fills of these signed sizes, one a second; prices 100, 101, 102, …; fee 1 each."""
    position, fills = D(start), []
    for number, text in enumerate(signed_sizes):
        signed = D(text)
        fields = {
            "coin": coin,
            "side": "buy" if signed > 0 else "sell",
            "size": abs(signed),
            "price": D(100 + number),
            "start_position": position,
            "fee": D(1),
            "time_ms": START_MS + number * 1000,
            "trade_id": next(_ids),
        }
        fills.append(make_fill(**fields | changes))
        position += signed
    return fills


LATER = make_account_state(time_ms=START_MS + 60_000)


def closes_of(*events, deriver: Closes | None = None) -> list[PositionClosed]:
    """The closes that follow from the events; each comes back to the deriver, as it does in ingest."""
    deriver, closes = deriver or Closes(), []
    for event in events:
        for close in deriver(event):
            closes.append(close)
            assert list(deriver(close)) == []
    return closes


def only(closes: list[PositionClosed]) -> PositionClosed:
    assert len(closes) == 1, closes
    return closes[0]
