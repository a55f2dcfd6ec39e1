"""Bytes to events: pure, and whatever comes in, only WireError comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from hlmon.errors import WireError
from hlmon.events import Event, Quarantined
from hlmon.hyperliquid import wire, wire_frames
from hlmon.hyperliquid.decode_account import (
    account_state_from,
    funding_from,
    spot_state_from,
)
from hlmon.hyperliquid.decode_fills import fills_from, trades_from, twap_fills_from
from hlmon.hyperliquid.decode_json import UNREADABLE, all_finite, reader
from hlmon.hyperliquid.decode_ledger import ledger_from
from hlmon.hyperliquid.decode_orders import agents_from, open_orders_from, orders_from, twaps_from
from hlmon.hyperliquid.frames import Ack, Events, Frame, Greeting, Ignored, Pong
from hlmon.hyperliquid.refusals import refusal_from
from hlmon.hyperliquid.requests import Subscription

KEPT_CHARACTERS: Final = 16_384
_GREETING = "Websocket connection established."

_strict = msgspec.json.Decoder(wire_frames.AnyFrame)
_lenient = msgspec.json.Decoder(wire_frames.AnyFrame, strict=False)
_envelope = msgspec.json.Decoder(wire_frames.Envelope)


def decode_frame(frame: bytes | str, *, clock_ms: int) -> Frame:
    """What one frame says. `clock_ms` is the largest exchange time seen so far, for frames that have no time.

    Raises WireError for what is no JSON or has another shape than its channel; an unknown channel is `Ignored`.
    """
    try:
        decoded = _strict.decode(frame)
        return _FRAMES[type(decoded)](decoded, clock_ms)
    except WireError:
        raise
    except UNREADABLE as error:
        return _second_look(frame, clock_ms, error)


def _second_look(frame: bytes | str, clock_ms: int, error: Exception) -> Frame:
    """The rare frames: the greeting, other channels, and numbers that some layer turned into text."""
    if frame in (_GREETING, _GREETING.encode()):
        return Greeting()
    try:
        channel = _envelope.decode(frame).channel
        if channel not in _CHANNELS:
            return Ignored(channel)
        decoded = _lenient.decode(frame)
        return _FRAMES[type(decoded)](decoded, clock_ms)
    except UNREADABLE:
        raise WireError(f"not a frame of the exchange: {error}") from error


def decode_answer(request: str, account: str, body: Any, *, clock_ms: int) -> list[Event]:
    """The events of an /info answer (bytes, or parsed already) to a request of this type, oldest first.

    `clock_ms` as in `decode_frame`. Raises WireError for an answer of another shape, KeyError for a request that has no
    events.
    """
    read, events_from = _ANSWERS[request]
    rows = read(body)
    try:
        return list(events_from(account.lower(), rows, clock_ms))
    except UNREADABLE as error:
        raise WireError(f"an answer to {request} that makes no sense: {error}") from error


def quarantined(raw: bytes, reason: str, *, time_ms: int, account: str = "") -> Quarantined:
    """What to keep of a frame or an answer that raised WireError, so that it can be looked at and replayed."""
    digest = sha256(raw).hexdigest()[:32]
    text = raw[: 4 * KEPT_CHARACTERS].decode(errors="replace")[:KEPT_CHARACTERS]
    return Quarantined(account=account, time_ms=time_ms, origin="wire", reason=reason, digest=digest, payload=text)


def _events(data: wire_frames.Data, stream: str, events: Sequence[Event]) -> Events:
    return Events(
        data.user.lower(),
        stream,
        data.is_snapshot is True,
        tuple(events),
        events[0].time_ms if events else None,
        events[-1].time_ms if events else None,
    )


def _fills(frame: wire_frames.FillsFrame, _clock_ms: int) -> Events:
    data = frame.data
    return _events(data, "userFills", fills_from(data.user.lower(), data.fills))


def _twap_fills(frame: wire_frames.TwapSliceFillsFrame, _clock_ms: int) -> Events:
    data = frame.data
    return _events(data, "userTwapSliceFills", twap_fills_from(data.user.lower(), data.twap_slice_fills))


def _fundings(frame: wire_frames.FundingsFrame, _clock_ms: int) -> Events:
    data = all_finite(frame.data)
    account = data.user.lower()
    return _events(data, "userFundings", _oldest_first([funding_from(account, row.time, row) for row in data.fundings]))


def _ledger(frame: wire_frames.LedgerUpdatesFrame, _clock_ms: int) -> Events:
    data = frame.data
    account = data.user.lower()
    entries = [ledger_from(account, row) for row in data.non_funding_ledger_updates]
    return _events(data, "userNonFundingLedgerUpdates", _oldest_first(entries))


def _orders(frame: wire_frames.OrderHistoryFrame, _clock_ms: int) -> Events:
    data = all_finite(frame.data)
    return _events(data, "userHistoricalOrders", orders_from(data.user.lower(), data.order_history))


def _open_orders(frame: wire_frames.OpenOrdersFrame, clock_ms: int) -> Events:
    data, dex = all_finite(frame.data), frame.data.dex or ""
    listed = open_orders_from(data.user.lower(), dex, data.orders, clock_ms)
    return _events(data, f"openOrders:{dex}" if dex else "openOrders", [listed])


def _twaps(frame: wire_frames.TwapHistoryFrame, _clock_ms: int) -> Events:
    data = all_finite(frame.data)
    return _events(data, "userTwapHistory", twaps_from(data.user.lower(), data.history))


def _all_dexs(frame: wire_frames.AllDexsStateFrame, clock_ms: int) -> Events:
    data = all_finite(frame.data)
    state = account_state_from(data.user.lower(), data.clearinghouse_states, clock_ms)
    return _events(data, "allDexsClearinghouseState", [state])


def _one_dex(frame: wire_frames.DexStateFrame, clock_ms: int) -> Events:
    data = all_finite(frame.data)
    state = account_state_from(data.user.lower(), [(data.dex or "", data.clearinghouse_state)], clock_ms)
    return _events(data, "clearinghouseState", [state])


def _spot(frame: wire_frames.SpotStateFrame, clock_ms: int) -> Events:
    data = all_finite(frame.data)
    return _events(data, "spotState", [spot_state_from(data.user.lower(), data.spot_state, clock_ms)])


def _trades(frame: wire_frames.TradesFrame, _clock_ms: int) -> Events:
    readings = trades_from(frame.data)
    if not readings:
        return Events("", "trades", False, (), None, None)
    oldest_ms = min([reading.trades[0].time_ms for reading in readings])
    newest_ms = max([reading.time_ms for reading in readings])
    return Events("", f"trades:{readings[0].coin}", False, tuple(readings), oldest_ms, newest_ms)


def _ack(frame: wire_frames.AckFrame, _clock_ms: int) -> Ack:
    return Ack(frame.data.method, Subscription.read(frame.data.subscription))


_FRAMES: Final[dict[type, Callable[[Any, int], Frame]]] = {
    wire_frames.FillsFrame: _fills,
    wire_frames.TwapSliceFillsFrame: _twap_fills,
    wire_frames.FundingsFrame: _fundings,
    wire_frames.LedgerUpdatesFrame: _ledger,
    wire_frames.OrderHistoryFrame: _orders,
    wire_frames.OpenOrdersFrame: _open_orders,
    wire_frames.TwapHistoryFrame: _twaps,
    wire_frames.AllDexsStateFrame: _all_dexs,
    wire_frames.DexStateFrame: _one_dex,
    wire_frames.SpotStateFrame: _spot,
    wire_frames.TradesFrame: _trades,
    wire_frames.AckFrame: _ack,
    wire_frames.ErrorFrame: lambda frame, _clock_ms: refusal_from(frame.data),
    wire_frames.PongFrame: lambda _frame, _clock_ms: Pong(),
}
_CHANNELS: Final = frozenset(shape.__struct_config__.tag for shape in _FRAMES)  # type: ignore[attr-defined]


def _oldest_first(events: list[Any]) -> list[Any]:
    return sorted(events, key=lambda event: event.time_ms)


def _read_fills(account: str, rows: list[wire.Fill], _clock_ms: int) -> Sequence[Event]:
    return fills_from(account, rows)


def _read_twap_fills(account: str, rows: list[wire.TwapSliceFill], _clock_ms: int) -> Sequence[Event]:
    return twap_fills_from(account, rows)


def _read_fundings(account: str, rows: list[wire.FundingAnswer], _clock_ms: int) -> Sequence[Event]:
    return _oldest_first([funding_from(account, row.time, row.delta) for row in rows])


def _read_ledger(account: str, rows: list[wire.LedgerUpdate], _clock_ms: int) -> Sequence[Event]:
    return _oldest_first([ledger_from(account, row) for row in rows])


def _read_orders(account: str, rows: list[wire.OrderStatus], _clock_ms: int) -> Sequence[Event]:
    return orders_from(account, rows)


def _read_order(account: str, row: wire.OrderAnswer, _clock_ms: int) -> Sequence[Event]:
    return orders_from(account, [row.order]) if row.order is not None else ()


def _read_open_orders(account: str, rows: list[wire.Order], clock_ms: int) -> Sequence[Event]:
    return [open_orders_from(account, "", rows, clock_ms)]


def _read_agents(account: str, rows: list[wire.Agent] | None, clock_ms: int) -> Sequence[Event]:
    return [agents_from(account, rows or (), clock_ms)]


def _read_main_dex(account: str, row: wire.MarginState, clock_ms: int) -> Sequence[Event]:
    return [account_state_from(account, [("", row)], clock_ms)]


def _read_spot(account: str, row: wire.SpotBalances, clock_ms: int) -> Sequence[Event]:
    return [spot_state_from(account, row, clock_ms)]


_Read = tuple[Callable[[Any], Any], Callable[[str, Any, int], Sequence[Event]]]
_fill_rows: Final[_Read] = (reader(list[wire.Fill]), _read_fills)
_twap_rows: Final[_Read] = (reader(list[wire.TwapSliceFill]), _read_twap_fills)

_ANSWERS: Final[dict[str, _Read]] = {
    "userFills": _fill_rows,
    "userFillsByTime": _fill_rows,
    "userTwapSliceFills": _twap_rows,
    "userTwapSliceFillsByTime": _twap_rows,
    "userFunding": (reader(list[wire.FundingAnswer]), _read_fundings),
    "userNonFundingLedgerUpdates": (reader(list[wire.LedgerUpdate]), _read_ledger),
    "historicalOrders": (reader(list[wire.OrderStatus]), _read_orders),
    "orderStatus": (reader(wire.OrderAnswer), _read_order),
    "frontendOpenOrders": (reader(list[wire.Order]), _read_open_orders),
    "extraAgents": (reader(list[wire.Agent] | None), _read_agents),
    "clearinghouseState": (reader(wire.MarginState), _read_main_dex),
    "spotClearinghouseState": (reader(wire.SpotBalances), _read_spot),
}
