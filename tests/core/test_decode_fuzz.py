"""Whatever comes in, only WireError comes out, and no number in an event is none."""

import contextlib
import json
from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from hlmon.errors import WireError
from hlmon.events import Event
from hlmon.hyperliquid.decode import decode_answer, decode_frame
from hlmon.hyperliquid.decode_market import (
    decode_meta,
    decode_mids,
    decode_outcome_meta,
    decode_perp_dexs,
    decode_spot_meta,
)
from hlmon.hyperliquid.decode_role import decode_account_mode, decode_role

USER = "0x" + "a" * 40
TIME = 1_796_000_000_005
FILL = {
    "coin": "BTC",
    "px": "1.5",
    "sz": "2.0",
    "side": "A",
    "time": TIME,
    "startPosition": "2.0",
    "dir": "Close Long",
    "closedPnl": "0.5",
    "hash": "0x00",
    "oid": 1,
    "crossed": True,
    "fee": "0.1",
    "tid": 2,
    "builderFee": "0.1",
    "liquidation": {"liquidatedUser": USER, "markPx": "1.5", "method": "market"},
}
FUNDING = {"coin": "BTC", "usdc": "1", "szi": "1", "fundingRate": "0.1"}
LEDGER = {"time": TIME, "hash": "0x", "delta": {"type": "withdraw", "usdc": "5", "fee": "1", "user": USER}}
ORDER = {"coin": "BTC", "side": "B", "limitPx": "1", "sz": "1", "oid": 1, "timestamp": TIME, "isTrigger": True}
ORDER_STATUS = {"order": ORDER | {"children": [ORDER]}, "status": "open", "statusTimestamp": TIME}
POSITION = {"coin": "BTC", "szi": "1", "leverage": {"type": "cross", "value": 5}, "cumFunding": {"sinceOpen": "1"}}
STATE = {"marginSummary": {"accountValue": "1"}, "assetPositions": [{"position": POSITION}], "time": TIME}
SPOT = {"balances": [{"coin": "USDC", "total": "1", "hold": "1"}]}
FRAMES = [
    {"channel": channel, "data": {"user": USER, "isSnapshot": True} | data}
    for channel, data in [
        ("userFills", {"fills": [FILL, FILL | {"side": "B"}]}),
        ("userTwapSliceFills", {"twapSliceFills": [{"fill": FILL, "twapId": 3}]}),
        ("userFundings", {"fundings": [FUNDING | {"time": TIME}]}),
        ("userNonFundingLedgerUpdates", {"nonFundingLedgerUpdates": [LEDGER]}),
        ("userHistoricalOrders", {"orderHistory": [ORDER_STATUS]}),
        ("allDexsClearinghouseState", {"clearinghouseStates": [["", STATE]]}),
        ("clearinghouseState", {"dex": "", "clearinghouseState": STATE}),
        ("spotState", {"spotState": SPOT}),
    ]
] + [
    {"channel": "trades", "data": [{"coin": "BTC", "side": "A", "px": "1", "sz": "1", "time": TIME, "tid": 1}]},
    {"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": {"type": "trades"}}},
    {"channel": "error", "data": 'Already subscribed: {"type":"trades"}'},
    {"channel": "pong"},
]
ANSWERS = {
    "userFills": [FILL],
    "userTwapSliceFills": [{"fill": FILL, "twapId": 3}],
    "userFunding": [{"time": TIME, "delta": FUNDING}],
    "userNonFundingLedgerUpdates": [LEDGER],
    "historicalOrders": [ORDER_STATUS],
    "clearinghouseState": STATE,
    "spotClearinghouseState": SPOT,
}
MARKETS = [
    (decode_meta, {"universe": [{"name": "BTC", "isDelisted": True}]}),
    (decode_spot_meta, {"tokens": [{"name": "USDC", "index": 0}], "universe": [{"name": "@1", "tokens": [1, 0]}]}),
    (decode_outcome_meta, {"outcomes": [{"outcome": 1}]}),
    (decode_perp_dexs, [None, {"name": "xyz"}]),
    (decode_mids, {"BTC": "1.5"}),
    (decode_role, {"role": "agent", "data": {"user": USER}}),
    (decode_account_mode, "default"),
]

odd_numbers = st.sampled_from(
    ["NaN", "-nan", "sNaN", "Infinity", "-inf", "1e999999", "-9e999999", "1e-999999", "", "-"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | odd_numbers
trees = st.recursive(
    scalars, lambda child: st.lists(child, max_size=4) | st.dictionaries(st.text(max_size=5), child, max_size=4)
)


@st.composite
def mutated(draw, value):
    """The value with one node somewhere inside it replaced, removed or repeated."""
    if not value or not isinstance(value, dict | list) or draw(st.integers(0, 5)) == 0:
        return draw(trees)
    copy = value.copy()
    at = draw(st.sampled_from(sorted(copy) if isinstance(copy, dict) else range(len(copy))))
    change = draw(st.sampled_from(["inside", "inside", "inside", "remove", "repeat"]))
    if change == "remove":
        del copy[at]
    elif change == "repeat" and isinstance(copy, list):
        copy.append(copy[at])
    else:
        copy[at] = draw(mutated(copy[at]))
    return copy


def numbers(value):
    if isinstance(value, Decimal):
        yield value
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from numbers(getattr(value, field))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from numbers(item)


def check(events):
    for event in events:
        assert isinstance(event, Event)
        assert all(number.is_finite() for number in numbers(event))


def try_frame(frame):
    with contextlib.suppress(WireError):
        check(getattr(decode_frame(frame, clock_ms=1), "events", ()))


@given(st.binary() | st.text())
def test_any_bytes_and_any_text(frame):
    try_frame(frame)


@given(trees)
def test_any_json(value):
    try_frame(json.dumps(value))
    for request in ANSWERS:
        with contextlib.suppress(WireError):
            check(decode_answer(request, USER, value, clock_ms=1).events)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(FRAMES).flatmap(mutated), st.booleans())
def test_frames_with_a_node_changed(frame, as_bytes):
    text = json.dumps(frame)
    try_frame(text.encode() if as_bytes else text)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(FRAMES), st.data())
def test_frames_with_a_byte_changed(frame, data):
    body = bytearray(json.dumps(frame).encode())
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try_frame(bytes(body))


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(sorted(ANSWERS)), st.data())
def test_answers_with_a_node_changed(request, data):
    body = data.draw(mutated(ANSWERS[request]))
    with contextlib.suppress(WireError):
        check(decode_answer(request, USER, body, clock_ms=1).events)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(MARKETS), st.data())
def test_answers_about_markets_with_a_node_changed(case, data):
    decode, body = case
    with contextlib.suppress(WireError):
        decode(data.draw(mutated(body)))


def test_the_unchanged_frames_and_answers_decode():
    for frame in FRAMES:
        decode_frame(json.dumps(frame), clock_ms=1)
    for request, body in ANSWERS.items():
        answer = decode_answer(request, USER, body, clock_ms=1)
        assert answer.events
        assert not answer.unread
    for decode, body in MARKETS:
        assert decode(body) is not None
