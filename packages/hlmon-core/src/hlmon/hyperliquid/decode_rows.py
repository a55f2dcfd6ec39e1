"""The slow way: what a frame or an answer that does not fit its type says, row by row and part by part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec

from hlmon.errors import WireError
from hlmon.events import AccountState, Agents, Event, OpenOrders, Quarantined, SpotState
from hlmon.events.records import QuarantineUnit
from hlmon.hyperliquid import wire
from hlmon.hyperliquid.decode_account import account_state_from, funding_from, spot_state_from
from hlmon.hyperliquid.decode_fills import fills_from, twap_fills_from
from hlmon.hyperliquid.decode_json import UNREADABLE
from hlmon.hyperliquid.decode_ledger import ledger_from
from hlmon.hyperliquid.decode_orders import agents_from, open_orders_from, orders_from, twaps_from
from hlmon.hyperliquid.wire_reader import Extra, Odd, RowReader, time_in, with_extras

KEPT_BYTES: Final = 65_536
"""Of one row, frame or answer: far more than any row that was seen, and less than a store takes in one item."""

HOUR_MS: Final = 3_600_000

_REFUSED: Final = (WireError, *UNREADABLE)
_canonical = msgspec.json.Encoder(order="sorted")


class Rows(NamedTuple):
    """How the rows of one stream become events; `field` is their place in the data of a frame."""

    field: str
    in_frame: RowReader
    in_answer: RowReader
    events: Callable[[str, Sequence[Any], Sequence[Extra]], list[Any]]


class Answer(NamedTuple):
    """What an /info answer says: its events, oldest first, and the rows that could not be read, whole."""

    events: list[Event]
    unread: tuple[Quarantined, ...] = ()


def _oldest_first(events: list[Any]) -> list[Any]:
    return sorted(events, key=lambda event: event.time_ms)


def fundings_from(
    account: str, rows: Iterable[wire.Funding | wire.FundingAnswer], extras: Sequence[Extra] = ()
) -> list[Any]:
    """Payments of a frame or an answer, oldest first.

    Of several of one coin and time the first by content keeps the short name, whatever order they come in.
    """
    found = [funding_from(account, row.time, row.delta if isinstance(row, wire.FundingAnswer) else row) for row in rows]
    found = with_extras(found, extras)
    if len({(each.time_ms, each.coin) for each in found}) == len(found):
        return _oldest_first(found)
    found.sort(key=lambda each: (each.time_ms, each.coin, each.content))
    equal: Counter[Any] = Counter()
    named = []
    for each in found:
        short, whole = (each.time_ms, each.coin), (each.time_ms, each.coin, *each.content)
        named.append(each.as_further(equal[whole]) if equal[short] else each)
        equal[short] += 1
        equal[whole] += 1
    return _oldest_first(named)


def ledger_entries_from(account: str, rows: Iterable[wire.LedgerUpdate], _extras: object = ()) -> list[Any]:
    """Entries of a frame or an answer, oldest first; those that are equal in everything are told apart by number."""
    entries = _oldest_first([ledger_from(account, row) for row in rows])
    if len({entry.entry_id for entry in entries}) == len(entries):
        return entries
    equal: Counter[str] = Counter()
    for index, entry in enumerate(entries):
        if equal[entry.key]:
            entries[index] = msgspec.structs.replace(entry, ordinal=equal[entry.key])
        equal[entry.key] += 1
    return entries


_fill = RowReader(wire.Fill)
_slice = RowReader(wire.TwapSliceFill)
_ledger = RowReader(wire.LedgerUpdate)
_order = RowReader(wire.OrderStatus)
_twap = RowReader(wire.TwapChange)

FILLS: Final = Rows("fills", _fill, _fill, fills_from)
TRADES: Final = RowReader(wire.Trade)
ROWS: Final[dict[str, Rows]] = {
    "userFills": FILLS,
    "userTwapSliceFills": Rows("twapSliceFills", _slice, _slice, twap_fills_from),
    "userFundings": Rows("fundings", RowReader(wire.Funding), RowReader(wire.FundingAnswer), fundings_from),
    "userNonFundingLedgerUpdates": Rows("nonFundingLedgerUpdates", _ledger, _ledger, ledger_entries_from),
    "userHistoricalOrders": Rows("orderHistory", _order, _order, orders_from),
    "userTwapHistory": Rows("history", _twap, _twap, twaps_from),
}
_state = RowReader(wire.MarginState)
_balances = RowReader(wire.SpotBalances)
_open_order = RowReader(wire.Order)
_order_answer = RowReader(wire.OrderAnswer)
_agent = RowReader(wire.Agent)


def rows_one_by_one(
    reader: RowReader,
    events_from: Callable[[str, Sequence[Any], Sequence[Extra]], list[Any]],
    account: str,
    raws: Iterable[msgspec.Raw],
    latest_ms: int,
) -> tuple[list[Any], list[Odd]]:
    """The events of what can be read, oldest first, and what cannot be; a row without a time gets its neighbour's."""
    rows: list[Any] = []
    extras: list[Extra] = []
    odd: list[Odd] = []
    near_ms: int | None = None
    for raw in raws:
        sent: Any = None
        inside: list[Odd] = []
        try:
            sent = msgspec.json.decode(raw)
            row, extra = reader.read(sent, inside)
            for event in events_from(account, [row], [extra]):
                near_ms = _possible(event.time_ms, latest_ms)
        except _REFUSED as error:
            inside = [Odd(bytes(raw), str(error), time_in(sent))]
        else:
            rows.append(row)
            extras.append(extra)
        odd += [_placed(each, near_ms, latest_ms) for each in inside]
    events = events_from(account, rows, extras)
    first_ms = events[0].time_ms if events else None
    return events, [each._replace(time_ms=each.time_ms or first_ms) for each in odd]


def unread_rows(
    odd: Iterable[Odd], *, account: str, stream: str, request: str = "", clock_ms: int
) -> tuple[Quarantined, ...]:
    """What to keep of rows that could not be read; the same row has the same name in a frame and in an answer."""
    equal: Counter[str] = Counter()
    kept = []
    for row in odd:
        digest = sha256(_comparable(row.payload) + row.path.encode()).hexdigest()
        equal[digest] += 1
        if equal[digest] > 1:  # rows that agree in everything are as many facts
            digest = sha256(f"{digest}:{equal[digest]}".encode()).hexdigest()
        kept.append(
            kept_whole(
                row.payload,
                f"{row.path}: {row.reason}" if row.path else row.reason,
                digest,
                time_ms=row.time_ms or clock_ms,
                account=account,
                stream=stream,
                request=request,
                unit="row",
            )
        )
    return tuple(kept)


def kept_whole(
    raw: bytes,
    reason: str,
    digest: str,
    *,
    time_ms: int,
    account: str = "",
    stream: str = "",
    request: str = "",
    unit: QuarantineUnit = "frame",
) -> Quarantined:
    """What to keep of something that was not understood, so that it can be looked at and read again."""
    return Quarantined(
        account=account,
        time_ms=time_ms,
        origin="wire",
        reason=reason[:1000],
        digest=digest[:32],
        payload=raw[:KEPT_BYTES].decode(errors="replace"),
        stream=stream,
        request=request,
        unit=unit,
    )


def account_state_in_parts(
    account: str, dexes: Any, clock_ms: int, latest_ms: int
) -> tuple[AccountState | None, int | None, list[Odd]]:
    """The readable dexes and positions of `[[dex, state], …]`, the time that they give themselves, and the rest."""
    if not isinstance(dexes, list):
        raise WireError("no list of dexes")
    states: list[tuple[str, wire.MarginState]] = []
    incomplete: set[str] = set()
    odd: list[Odd] = []
    times: list[int] = []
    for item in dexes:
        try:
            dex, sent = item
            if not isinstance(dex or "", str):
                raise WireError("a dex without a name")
            state, inside = _dex_in_parts(sent, times)
        except _REFUSED as error:
            name = item[0] if isinstance(item, list) and item else "?"
            odd.append(Odd(msgspec.json.encode(item), str(error), path=f"dex {name!r}"))
            continue
        states.append((dex or "", state))
        if inside:
            incomplete.add(dex or "")
            odd += [part._replace(path=f"dex {dex!r}, {part.path}") for part in inside]
    sent_ms = max(times, default=None)
    if not states:
        return None, sent_ms, odd
    return account_state_from(account, states, clock_ms, latest_ms, incomplete), sent_ms, odd


def _dex_in_parts(sent: Any, times: list[int]) -> tuple[wire.MarginState, list[Odd]]:
    if not isinstance(sent, dict):
        raise WireError("no state")
    odd: list[Odd] = []
    fields = dict(sent)
    time_ms = fields.pop("time", None)
    if isinstance(time_ms, int) and not isinstance(time_ms, bool):
        times.append(time_ms)
        if wire.EARLIEST_MS <= time_ms <= wire.LATEST_MS:
            fields["time"] = time_ms
    if not isinstance(fields.get("assetPositions"), list):
        odd.append(Odd(msgspec.json.encode(fields.get("assetPositions")), "no list", path="assetPositions"))
        fields["assetPositions"] = []
    return _state.read(fields, odd)[0], odd


def spot_state_in_parts(account: str, sent: Any, clock_ms: int) -> tuple[SpotState, None, list[Odd]]:
    """The readable balances, no time, and the other balances."""
    odd: list[Odd] = []
    row, _ = _balances.read(sent, odd)
    return spot_state_from(account, row, clock_ms, complete=not odd), None, odd


def open_orders_stream(dex: Any) -> str:
    """The name of the stream of one dex's open orders."""
    return f"openOrders:{dex}" if dex else "openOrders"


def open_orders_in_parts(account: str, dex: Any, sent: Any, clock_ms: int) -> tuple[OpenOrders, None, list[Odd]]:
    """The readable orders, no time, and the other orders."""
    if not isinstance(dex, str):
        raise WireError("a dex without a name")
    rows, odd, extras = _list_in_parts(_open_order, sent, "orders")
    return open_orders_from(account, dex, rows, clock_ms, extras, complete=not odd), None, odd


def agents_in_parts(account: str, sent: Any, clock_ms: int) -> tuple[Agents, None, list[Odd]]:
    """The readable API wallets, no time, and the others."""
    rows, odd, _ = _list_in_parts(_agent, sent, "agents")
    return agents_from(account, rows, clock_ms, complete=not odd), None, odd


def order_in_answer(account: str, sent: Any) -> list[Event]:
    """The order of an answer to `orderStatus`; raises WireError if there is one that cannot be read."""
    row, _ = _order_answer.read(sent, [])
    if row.status != "order" and sent.get("order") is None:
        return []
    order, extra = _order.read(sent.get("order"), [])
    return list(orders_from(account, [order], [extra]))


def _list_in_parts(reader: RowReader, sent: Any, path: str) -> tuple[list[Any], list[Odd], list[Extra]]:
    if not isinstance(sent, list):
        raise WireError("no list")
    odd: list[Odd] = []
    found = [read for item in sent for read in reader.read_element(item, odd, path)]
    return [row for row, _ in found], odd, [extra for _, extra in found]


def unread_parts(odd: Iterable[Odd], *, account: str, stream: str, request: str = "", clock_ms: int) -> Any:
    """What to keep of parts of a state that could not be read: each once an hour, since states come again and again."""
    time_ms = clock_ms // HOUR_MS * HOUR_MS
    return tuple(
        kept_whole(
            part.payload,
            f"{part.path}: {part.reason}" if part.path else part.reason,
            sha256(f"{stream}:{part.path}:{_subject(part.payload)}".encode()).hexdigest(),
            time_ms=time_ms,
            account=account,
            stream=stream,
            request=request,
            unit="row",
        )
        for part in odd
    )


def _subject(payload: bytes) -> str:
    """What a part of a state is about: a coin, an order, a wallet."""
    sent = msgspec.json.decode(payload)
    inner = sent.get("position", sent) if isinstance(sent, dict) else {}
    return str([inner.get(key) for key in ("coin", "oid", "address")]) if isinstance(inner, dict) else ""


def _placed(odd: Odd, near_ms: int | None, latest_ms: int) -> Odd:
    time_ms = odd.time_ms
    return odd if time_ms is not None and time_ms <= latest_ms else odd._replace(time_ms=near_ms)


def _possible(time_ms: int, latest_ms: int) -> int:
    if not wire.EARLIEST_MS <= time_ms <= latest_ms:
        raise WireError(f"a time that cannot be: {time_ms}")
    return time_ms


def _comparable(payload: bytes) -> bytes:
    """What is the same of one row in a frame and in an answer, where payments of funding are wrapped."""
    try:
        sent = msgspec.json.decode(payload)
        if isinstance(sent, dict) and isinstance(inner := sent.get("delta"), dict) and inner.get("type") == "funding":
            sent = {"time": sent.get("time")} | {key: value for key, value in inner.items() if key != "type"}
        return _canonical.encode(sent)
    except UNREADABLE:
        return payload
