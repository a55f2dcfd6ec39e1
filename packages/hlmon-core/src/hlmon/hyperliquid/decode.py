"""Bytes to events: pure, and whatever comes in, only WireError comes out.

Typed first, which is fast; what does not fit its type is read again row by row, so that an odd row costs that row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence, Set
from hashlib import sha256
from typing import Any, Final

import msgspec

from hlmon.errors import WireError
from hlmon.events import Event, Quarantined
from hlmon.hyperliquid import decode_rows as slow
from hlmon.hyperliquid import wire, wire_frames
from hlmon.hyperliquid.decode_account import account_state_from, sent_time, spot_state_from
from hlmon.hyperliquid.decode_fills import fills_from, trades_from, twap_fills_from
from hlmon.hyperliquid.decode_json import UNREADABLE, all_finite
from hlmon.hyperliquid.decode_orders import agents_from, open_orders_from, orders_from, twaps_from
from hlmon.hyperliquid.decode_rows import Answer, fundings_from, kept_whole, ledger_entries_from
from hlmon.hyperliquid.frames import Ack, Events, Frame, Greeting, Ignored, Pong
from hlmon.hyperliquid.refusals import refusal_from
from hlmon.hyperliquid.requests import HISTORY_REQUESTS, Subscription
from hlmon.hyperliquid.wire import EARLIEST_MS, LATEST_MS
from hlmon.hyperliquid.wire_reader import Odd

_GREETING = "Websocket connection established."
_ADDRESS: Final = re.compile("0[xX][0-9a-fA-F]{40}")
_REFUSED: Final = (WireError, *UNREADABLE)

_strict = msgspec.json.Decoder(wire_frames.AnyFrame)
_lenient = msgspec.json.Decoder(wire_frames.AnyFrame, strict=False)
_envelope = msgspec.json.Decoder(wire_frames.Envelope)
_raw_rows = msgspec.json.Decoder(list[msgspec.Raw])
_raw_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode_frame(frame: bytes | str, *, clock_ms: int, latest_ms: int = LATEST_MS) -> Frame:
    """What one frame says. `clock_ms` is the exchange's present time, for frames that have no time or an odd one.

    A row later than `latest_ms` is odd. Raises WireError for what is no JSON, names no account where it must, or has
    another shape than its channel; an unknown channel is `Ignored`.
    """
    try:
        decoded = _strict.decode(frame)
        return _FRAMES[type(decoded)](decoded, clock_ms, latest_ms)
    except _REFUSED as error:
        return _second_look(frame, clock_ms, latest_ms, error)


def _second_look(frame: bytes | str, clock_ms: int, latest_ms: int, error: Exception) -> Frame:
    """The rare frames: the greeting, other channels, and those that do not fit their type."""
    if frame in (_GREETING, _GREETING.encode()):
        return Greeting()
    try:
        envelope = _envelope.decode(frame)
        channel = envelope.channel
        if channel == "trades":
            return _odd_trades(envelope.data, clock_ms, latest_ms)
        if channel in _ACCOUNT_STREAMS:
            return _odd_frame(channel, frame, envelope.data, clock_ms, latest_ms)
        if channel not in _CHANNELS:
            return Ignored(channel)
        decoded = _lenient.decode(frame)
        return _FRAMES[type(decoded)](decoded, clock_ms, latest_ms)
    except _REFUSED:
        raise WireError(f"not a frame of the exchange: {error}") from error


def _odd_frame(stream: str, frame: bytes | str, data: msgspec.Raw, clock_ms: int, latest_ms: int) -> Events:
    """A frame of an account, part by part; raises one of _REFUSED if it does not say whose it is."""
    fields = _raw_fields.decode(data)
    account = _address(msgspec.json.decode(fields.get("user", b"null")))
    is_snapshot = bytes(fields.get("isSnapshot", b"")) == b"true"
    events: Sequence[Event] = ()
    sent_ms, name = None, stream
    try:
        if (rows := slow.ROWS.get(stream)) is not None:
            raws = _raw_rows.decode(fields.get(rows.field, b"null"))
            events, odd = slow.rows_one_by_one(rows.in_frame, rows.events, account, raws, latest_ms)
            unread = slow.unread_rows(odd, account=account, stream=stream, clock_ms=clock_ms)
        else:
            parts = {field: msgspec.json.decode(raw) for field, raw in fields.items()}
            if stream == "openOrders":
                name = slow.open_orders_stream(parts.get("dex"))
            state, sent_ms, odd = _state_in_parts(stream, account, parts, clock_ms, latest_ms)
            events = () if state is None else (state,)
            unread = slow.unread_parts(odd, account=account, stream=stream, clock_ms=clock_ms)
    except _REFUSED as error:
        raw = frame.encode() if isinstance(frame, str) else frame
        unread = (quarantined(raw, str(error), time_ms=clock_ms, account=account, stream=stream),)
    oldest_ms, newest_ms = (events[0].time_ms, events[-1].time_ms) if events else (None, None)
    return Events(account, name, is_snapshot, tuple(events), oldest_ms, newest_ms, unread, sent_ms)


def _state_in_parts(
    stream: str, account: str, data: dict[str, Any], clock_ms: int, latest_ms: int
) -> tuple[Event | None, int | None, list[Odd]]:
    """What can be read of the present state of something, the time that it gives itself, and what cannot be read."""
    if stream == "spotState":
        return slow.spot_state_in_parts(account, data.get("spotState"), clock_ms)
    if stream == "openOrders":
        return slow.open_orders_in_parts(account, data.get("dex") or "", data.get("orders"), clock_ms)
    if stream == "extraAgents":
        return slow.agents_in_parts(account, data.get("agents"), clock_ms)
    one_dex = [[data.get("dex") or "", data.get("clearinghouseState")]]
    dexes = one_dex if stream == "clearinghouseState" else data.get("clearinghouseStates")
    return slow.account_state_in_parts(account, dexes, clock_ms, latest_ms)


def _odd_trades(data: msgspec.Raw, clock_ms: int, latest_ms: int) -> Events:
    def readings(_account: str, rows: Sequence[wire.Trade], _extras: object) -> list[Any]:
        return trades_from(rows)

    found, odd = slow.rows_one_by_one(slow.TRADES, readings, "", _raw_rows.decode(data), latest_ms)
    coins = [reading.coin for reading in found] + [coin for row in odd if (coin := _coin(row.payload))]
    stream = f"trades:{coins[0]}" if coins else "trades"
    return _trade_events(stream, found, slow.unread_rows(odd, account="", stream=stream, clock_ms=clock_ms))


def _coin(payload: bytes) -> str:
    sent = msgspec.json.decode(payload)
    coin = sent.get("coin") if isinstance(sent, dict) else None
    return coin if isinstance(coin, str) else ""


def decode_answer(
    request: str,
    account: str,
    body: Any,
    *,
    clock_ms: int,
    latest_ms: int = LATEST_MS,
    known: Set[str] = frozenset(),
) -> Answer:
    """The events of an /info answer (bytes, or parsed already) to a request of this type, oldest first.

    `clock_ms` and `latest_ms` as in `decode_frame`; `known` are the digests of rows that are the exchange's although
    they cannot be read: a list without any object is believed only if it holds nothing else. Raises WireError for an
    answer of another shape, KeyError for a request that has no events.
    """
    decoder, events_from = _ANSWERS[request]
    account = account.lower()
    try:
        text = body if isinstance(body, bytes) else msgspec.json.encode(body)
        try:
            events = list(events_from(account, decoder.decode(text), clock_ms))
            if events and request in _STREAM_OF:
                _in_time(events, latest_ms)
            return Answer(events)
        except _REFUSED:
            return _odd_answer(request, account, text, clock_ms=clock_ms, latest_ms=latest_ms, known=known)
    except _REFUSED as error:
        raise WireError(f"an answer to {request} that makes no sense: {error}") from error


def _odd_answer(request: str, account: str, text: bytes, *, clock_ms: int, latest_ms: int, known: Set[str]) -> Answer:
    if (stream := _STREAM_OF.get(request)) is not None:
        rows = slow.ROWS[stream]
        events, odd = slow.rows_one_by_one(rows.in_answer, rows.events, account, _raw_rows.decode(text), latest_ms)
        unread = slow.unread_rows(odd, account=account, stream=stream, request=request, clock_ms=clock_ms)
        is_own = (
            events or any(row.payload.startswith(b"{") for row in odd) or all(row.digest in known for row in unread)
        )
        if not is_own:
            raise WireError("no rows")
        return Answer(events, unread)
    sent = msgspec.json.decode(text)
    if request == "orderStatus":
        return Answer(slow.order_in_answer(account, sent))
    stream, field = _STATES[request]
    state, _, odd = _state_in_parts(stream, account, {field: sent}, clock_ms, latest_ms)
    if state is None:
        raise WireError(odd[0].reason if odd else "no state")
    return Answer([state], slow.unread_parts(odd, account=account, stream=stream, request=request, clock_ms=clock_ms))


def quarantined(raw: bytes, reason: str, *, time_ms: int, account: str = "", stream: str = "") -> Quarantined:
    """What to keep of a frame or an answer that raised WireError, so that it can be looked at and replayed."""
    return kept_whole(raw, reason, sha256(raw).hexdigest(), time_ms=time_ms, account=account, stream=stream)


def _address(user: Any) -> str:
    if not isinstance(user, str) or _ADDRESS.fullmatch(user) is None:
        raise WireError(f"{str(user)[:60]!r} is no address")
    return user.lower()


def _in_time(events: Sequence[Event], latest_ms: int) -> None:
    if events[-1].time_ms > latest_ms or events[0].time_ms < EARLIEST_MS:
        raise WireError("a time that cannot be")


def _events(data: wire_frames.Data, stream: str, events: Sequence[Event], latest_ms: int) -> Events:
    if not events:
        return Events(data.user.lower(), stream, data.is_snapshot is True, (), None, None)
    _in_time(events, latest_ms)
    return Events(
        data.user.lower(),
        stream,
        data.is_snapshot is True,
        tuple(events),
        events[0].time_ms,
        events[-1].time_ms,
    )


def _fills(frame: wire_frames.FillsFrame, _clock_ms: int, latest_ms: int) -> Events:
    data = frame.data
    return _events(data, "userFills", fills_from(_address(data.user), data.fills), latest_ms)


def _twap_fills(frame: wire_frames.TwapSliceFillsFrame, _clock_ms: int, latest_ms: int) -> Events:
    data = frame.data
    fills = twap_fills_from(_address(data.user), data.twap_slice_fills)
    return _events(data, "userTwapSliceFills", fills, latest_ms)


def _fundings(frame: wire_frames.FundingsFrame, _clock_ms: int, latest_ms: int) -> Events:
    data = all_finite(frame.data)
    return _events(data, "userFundings", fundings_from(_address(data.user), data.fundings), latest_ms)


def _ledger(frame: wire_frames.LedgerUpdatesFrame, _clock_ms: int, latest_ms: int) -> Events:
    data = frame.data
    entries = ledger_entries_from(_address(data.user), data.non_funding_ledger_updates)
    return _events(data, "userNonFundingLedgerUpdates", entries, latest_ms)


def _orders(frame: wire_frames.OrderHistoryFrame, _clock_ms: int, latest_ms: int) -> Events:
    data = all_finite(frame.data)
    return _events(data, "userHistoricalOrders", orders_from(_address(data.user), data.order_history), latest_ms)


def _open_orders(frame: wire_frames.OpenOrdersFrame, clock_ms: int, _latest_ms: int) -> Events:
    data, dex = all_finite(frame.data), frame.data.dex or ""
    listed = open_orders_from(_address(data.user), dex, data.orders, clock_ms)
    return Events(listed.account, slow.open_orders_stream(dex), False, (listed,), clock_ms, clock_ms)


def _twaps(frame: wire_frames.TwapHistoryFrame, _clock_ms: int, latest_ms: int) -> Events:
    data = all_finite(frame.data)
    return _events(data, "userTwapHistory", twaps_from(_address(data.user), data.history), latest_ms)


def _all_dexs(frame: wire_frames.AllDexsStateFrame, clock_ms: int, latest_ms: int) -> Events:
    data = all_finite(frame.data)
    return _account_state("allDexsClearinghouseState", data.user, data.clearinghouse_states, clock_ms, latest_ms)


def _one_dex(frame: wire_frames.DexStateFrame, clock_ms: int, latest_ms: int) -> Events:
    data = all_finite(frame.data)
    dexes = [(data.dex or "", data.clearinghouse_state)]
    return _account_state("clearinghouseState", data.user, dexes, clock_ms, latest_ms)


def _account_state(
    stream: str, user: str, dexes: list[tuple[str, wire.MarginState]], clock_ms: int, latest_ms: int
) -> Events:
    account = _address(user)
    state = account_state_from(account, dexes, clock_ms, latest_ms)
    at_ms = state.time_ms
    return Events(account, stream, False, (state,), at_ms, at_ms, sent_ms=sent_time(dexes))


def _spot(frame: wire_frames.SpotStateFrame, clock_ms: int, _latest_ms: int) -> Events:
    data = all_finite(frame.data)
    state = spot_state_from(_address(data.user), data.spot_state, clock_ms)
    return Events(state.account, "spotState", False, (state,), clock_ms, clock_ms)


def _trades(frame: wire_frames.TradesFrame, _clock_ms: int, latest_ms: int) -> Events:
    readings = trades_from(frame.data)
    seen = _trade_events(f"trades:{readings[0].coin}" if readings else "trades", readings)
    if seen.newest_ms is not None and seen.newest_ms > latest_ms:
        raise WireError(f"a time that cannot be: {seen.newest_ms}")
    return seen


def _trade_events(stream: str, readings: Sequence[Any], unread: tuple[Quarantined, ...] = ()) -> Events:
    if not readings:
        return Events("", stream, False, (), None, None, unread)
    oldest_ms = min([reading.trades[0].time_ms for reading in readings])
    newest_ms = max([reading.time_ms for reading in readings])
    return Events("", stream, False, tuple(readings), oldest_ms, newest_ms, unread)


def _ack(frame: wire_frames.AckFrame, _clock_ms: int, _latest_ms: int) -> Ack:
    return Ack(frame.data.method, Subscription.read(frame.data.subscription))


_FRAMES: Final[dict[type, Callable[[Any, int, int], Frame]]] = {
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
    wire_frames.ErrorFrame: lambda frame, *_: refusal_from(frame.data),
    wire_frames.PongFrame: lambda *_: Pong(),
}
_CHANNELS: Final = frozenset(shape.__struct_config__.tag for shape in _FRAMES)  # type: ignore[attr-defined]


_ACCOUNT_STREAMS: Final = frozenset(
    {*slow.ROWS, "allDexsClearinghouseState", "clearinghouseState", "spotState", "openOrders"}
)
_STATES: Final = {
    "clearinghouseState": ("clearinghouseState", "clearinghouseState"),
    "spotClearinghouseState": ("spotState", "spotState"),
    "frontendOpenOrders": ("openOrders", "orders"),
    "extraAgents": ("extraAgents", "agents"),
}
_STREAM_OF: Final = {
    **{request: stream for stream, request in HISTORY_REQUESTS.items()},
    "userFills": "userFills",
    "userTwapSliceFills": "userTwapSliceFills",
}


def _checked(events_from: Callable[[str, Any], Sequence[Event]]) -> Callable[[str, Any, int], Sequence[Event]]:
    """For rows whose numbers are checked as they become events."""
    return lambda account, rows, _clock_ms: events_from(account, rows)


def _unchecked(events_from: Callable[[str, Any], Sequence[Event]]) -> Callable[[str, Any, int], Sequence[Event]]:
    return lambda account, rows, _clock_ms: events_from(account, all_finite(rows))


def _read_order(account: str, row: wire.OrderAnswer, _clock_ms: int) -> Sequence[Event]:
    return orders_from(account, [all_finite(row.order)]) if row.order is not None else ()


def _read_open_orders(account: str, rows: list[wire.Order], clock_ms: int) -> Sequence[Event]:
    return [open_orders_from(account, "", all_finite(rows), clock_ms)]


def _read_agents(account: str, rows: list[wire.Agent] | None, clock_ms: int) -> Sequence[Event]:
    return [agents_from(account, rows or (), clock_ms)]


def _read_main_dex(account: str, row: wire.MarginState, clock_ms: int) -> Sequence[Event]:
    return [account_state_from(account, [("", all_finite(row))], clock_ms)]


def _read_spot(account: str, row: wire.SpotBalances, clock_ms: int) -> Sequence[Event]:
    return [spot_state_from(account, all_finite(row), clock_ms)]


_Read = tuple[msgspec.json.Decoder[Any], Callable[[str, Any, int], Iterable[Event]]]
_fill_rows: Final[_Read] = (msgspec.json.Decoder(list[wire.Fill]), _checked(fills_from))
_twap_rows: Final[_Read] = (msgspec.json.Decoder(list[wire.TwapSliceFill]), _checked(twap_fills_from))

_ANSWERS: Final[dict[str, _Read]] = {
    "userFills": _fill_rows,
    "userFillsByTime": _fill_rows,
    "userTwapSliceFills": _twap_rows,
    "userTwapSliceFillsByTime": _twap_rows,
    "userFunding": (msgspec.json.Decoder(list[wire.FundingAnswer]), _unchecked(fundings_from)),
    "userNonFundingLedgerUpdates": (msgspec.json.Decoder(list[wire.LedgerUpdate]), _checked(ledger_entries_from)),
    "historicalOrders": (msgspec.json.Decoder(list[wire.OrderStatus]), _unchecked(orders_from)),
    "orderStatus": (msgspec.json.Decoder(wire.OrderAnswer), _read_order),
    "frontendOpenOrders": (msgspec.json.Decoder(list[wire.Order]), _read_open_orders),
    "extraAgents": (msgspec.json.Decoder(list[wire.Agent] | None), _read_agents),
    "clearinghouseState": (msgspec.json.Decoder(wire.MarginState), _read_main_dex),
    "spotClearinghouseState": (msgspec.json.Decoder(wire.SpotBalances), _read_spot),
}
