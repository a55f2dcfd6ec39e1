"""The ground truth: one JSON object a line, of everything that truly happened, for comparison with what was observed.

Each line has `what`, `time` (exchange time, ms) and, where it belongs to one, `account`:

- `account`: role, mode, master; `agent`: address and master.
- `fill`: `stream` (userFills or userTwapSliceFills), `fill` as on the wire, `twapId`. In execution order.
- `funding`: `funding` as in the userFundings stream. `ledger`: `hash`, `delta`. `order`: `status`, `order` as on the
  wire; the last line of an oid is its final status. `twap`: `twapId`, `status`, `state`.
- `close`: a perp position ended: coin, side, size (largest), opened, closed, cause, gross, fees, funding (+ received),
  net, fills, tid (of the closing fill; 0 never).
- `trade`: as on the wire.
- `unread`: a row that cannot be read: `stream`, and how it is sent: `row` in frames, `answer` over REST.
- `rename`: a dex and its coins got another name: `old`, `new`. `fault`: harm began: `kind`.

An order that no history shows is `hidden`. Harmless odd fields are as sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from hlmon_sim import render
from hlmon_sim.numbers import text
from hlmon_sim.records import (
    DexRenamed,
    FaultBegun,
    Fill,
    FundingPayment,
    Json,
    LedgerEntry,
    OrderChange,
    PositionEnd,
    Record,
    Trade,
    TwapChange,
)
from hlmon_sim.world import World


class Truth:
    """Writes what happens in a world to a file; each block is handed to the system at once, so a kill loses nothing."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def __enter__(self) -> Truth:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def follow(self, world: World) -> None:
        """Write the accounts that are there, and from now on everything that happens."""
        lines: list[Json] = [{"what": "account", "time": world.now_ms} | a.facts() for a in world.accounts.values()]
        for agent, master in world.agents.items():
            lines.append({"what": "agent", "time": world.now_ms, "account": agent, "master": master})
        self._write(lines)
        world.listeners.append(self._note)

    def _note(self, records: Sequence[Record]) -> None:
        self._write([line(record) for record in records])

    def _write(self, lines: Sequence[Json]) -> None:
        known = [msgspec.json.encode(entry) + b"\n" for entry in lines if entry]
        if known:
            self._file.write(b"".join(known))


def line(record: Record) -> Json:
    """The record as a line of the truth; empty for what is not kept."""
    if not record.is_readable:
        return {"what": "unread", "time": record.time_ms} | _unread(record)
    if isinstance(record, DexRenamed):
        return {"what": "rename", "time": record.time_ms, "old": record.old, "new": record.new}
    if isinstance(record, FaultBegun):
        return {"what": "fault", "time": record.time_ms, "kind": record.kind}
    if isinstance(record, Trade):
        return {"what": "trade", "time": record.time_ms, "trade": render.trade(record)}
    if isinstance(record, Fill | FundingPayment | LedgerEntry | OrderChange | TwapChange | PositionEnd):
        what, facts = _facts(record)
        return {"what": what, "time": record.time_ms, "account": record.account} | facts
    return {}


def _facts(
    record: Fill | FundingPayment | LedgerEntry | OrderChange | TwapChange | PositionEnd,
) -> tuple[str, Json]:
    match record:
        case Fill():
            stream = "userFills" if record.twap_id is None else "userTwapSliceFills"
            return "fill", {"stream": stream, "fill": render.fill(record), "twapId": record.twap_id}
        case FundingPayment():
            return "funding", {"funding": render.funding(record)}
        case LedgerEntry():
            return "ledger", render.ledger(record)
        case OrderChange():
            hidden = {"hidden": True} if record.is_hidden else {}
            return "order", {"status": record.status, "order": record.order} | hidden
        case TwapChange():
            return "twap", {"twapId": record.twap_id, "status": record.status, "state": record.state}
        case PositionEnd():
            return "close", _close(record)


def _unread(record: Record) -> Json:
    stream, draw, draw_answer = _UNREAD[type(record)]
    account = {"account": record.account} if hasattr(record, "account") else {}
    return {"stream": stream, "row": draw(record), "answer": draw_answer(record)} | account


_UNREAD: dict[type[Record], tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    Fill: ("userFills", render.fill, render.fill),
    FundingPayment: ("userFundings", render.funding, render.funding_delta),
    LedgerEntry: ("userNonFundingLedgerUpdates", render.ledger, render.ledger),
    OrderChange: ("userHistoricalOrders", render.order_change, render.order_change),
    Trade: ("trades", render.trade, render.trade),
}


def _close(record: PositionEnd) -> Json:
    return {
        "coin": record.coin,
        "side": record.side,
        "size": text(record.size),
        "opened": record.opened_ms,
        "closed": record.time_ms,
        "cause": record.cause,
        "gross": text(record.gross),
        "fees": text(record.fees),
        "funding": text(record.funding),
        "net": text(record.gross - record.fees + record.funding),
        "fills": record.fills,
        "tid": record.trade_id,
    }
