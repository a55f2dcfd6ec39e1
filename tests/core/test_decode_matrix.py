"""Every field of every stream with every kind of odd value, in frames and in answers: at most its own row is lost."""

from __future__ import annotations

import contextlib
import json
import os
import random
from copy import deepcopy

import pytest

from hlmon.errors import WireError
from hlmon.hyperliquid.decode import decode_answer, decode_frame
from tests.core.account_frames import BEGIN_MS, ME

MISSING = object()
VALUES = {
    "null": None,
    "empty": "",
    "missing": MISSING,
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "text": "odd",
    "bool": True,
    "largest": 2**63 - 1,
    "larger": 2**63,
    "huge": "1e999999",
    "negative": -1,
    "fraction": 0.5,
    "object": {"a": [1, {"b": None}]},
    "list": [[[]], None],
    "deep": [[[[[[[[]]]]]]]],
    "bidi": "\u202e\x1b]52;c;eA==\x07",
}
FILL = {
    "coin": "BTC", "px": "60000", "sz": "1", "side": "B", "startPosition": "0", "dir": "Open Long", "closedPnl": "0.0",
    "hash": "0x08", "crossed": True, "fee": "0.01", "feeToken": "USDC", "twapId": None, "cloid": "0x1",
    "builderFee": "0.1", "liquidation": {"liquidatedUser": ME, "markPx": "1", "method": "market"},
}  # fmt: skip
PAYMENT = {"coin": "BTC", "usdc": "-1.0", "szi": "1", "fundingRate": "0.0000125", "nSamples": None}
ORDER = {
    "coin": "BTC", "side": "B", "limitPx": "60000", "sz": "1.0", "timestamp": BEGIN_MS, "triggerCondition": "N/A",
    "isTrigger": True, "triggerPx": "1.0", "isPositionTpsl": False, "reduceOnly": False, "orderType": "Limit",
    "origSz": "1.0", "tif": "Gtc", "cloid": None,
}  # fmt: skip


def fill(number):
    return FILL | {"time": BEGIN_MS + number, "oid": number, "tid": number}


def slice_(number):
    return {"fill": fill(number), "twapId": 7}


def payment(number):
    return {"time": BEGIN_MS + number} | PAYMENT


def paid(number):
    return {"time": BEGIN_MS + number, "hash": "0x0", "delta": {"type": "funding"} | PAYMENT}


def entry(number):
    delta = {"type": "send", "user": ME, "destination": "0x" + "b" * 40, "token": "USDC", "amount": "5", "fee": "1"}
    return {"time": BEGIN_MS + number, "hash": "0x0", "delta": delta}


def order(number):
    whole = ORDER | {"oid": number, "children": [ORDER | {"oid": 1000 + number}]}
    return {"order": whole, "status": "open", "statusTimestamp": BEGIN_MS + number}


def twap(number):
    state = {"coin": "BTC", "user": ME, "side": "B", "sz": "1", "executedSz": "0", "minutes": 5, "timestamp": BEGIN_MS}
    status = {"status": "finished", "description": "x"}
    return {"time": BEGIN_MS // 1000 + number, "state": state, "status": status, "twapId": number}


def trade(number):
    return {"coin": "BTC", "side": "B", "px": "1", "sz": "1", "time": BEGIN_MS + number, "hash": "0x", "tid": number}


FRAMES = {
    "userFills": ("fills", fill),
    "userTwapSliceFills": ("twapSliceFills", slice_),
    "userFundings": ("fundings", payment),
    "userNonFundingLedgerUpdates": ("nonFundingLedgerUpdates", entry),
    "userHistoricalOrders": ("orderHistory", order),
    "userTwapHistory": ("history", twap),
    "trades": ("", trade),
}
ANSWERS = {
    "userFillsByTime": fill,
    "userTwapSliceFillsByTime": slice_,
    "userFunding": paid,
    "userNonFundingLedgerUpdates": entry,
    "historicalOrders": order,
}


def paths_in(row, path=()):
    """The way to every field of a row, however deep."""
    for key, value in row.items() if isinstance(row, dict) else enumerate(row):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from paths_in(value, (*path, key))


def changed(row, path, value):
    row = deepcopy(row)
    at = row
    for key in path[:-1]:
        at = at[key]
    if value is MISSING:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return row


def from_frame(stream, rows):
    data = rows if stream == "trades" else {"user": ME, FRAMES[stream][0]: rows}
    frame = decode_frame(json.dumps({"channel": stream, "data": data}), clock_ms=BEGIN_MS)
    events = [trade for reading in frame.events for trade in reading.trades] if stream == "trades" else frame.events
    return list(events), frame.unread


def from_answer(request, rows):
    answer = decode_answer(request, ME, json.dumps(rows).encode(), clock_ms=BEGIN_MS)
    return answer.events, answer.unread


CASES = [(from_frame, stream, row) for stream, (_, row) in FRAMES.items()]
CASES += [(from_answer, request, row) for request, row in ANSWERS.items()]


def check_that_the_others_are_read(read, name, row, odd):
    good, _ = read(name, [row(1), row(3)])
    events, unread = read(name, [row(1), odd, row(3)])
    assert [event for event in good if event not in events] == [], "a good row was lost"
    for kept in unread:
        assert kept.unit == "row"
        json.loads(kept.payload)
    if len(events) == len(good):  # then the odd row itself is in quarantine, whole
        assert any(json.loads(kept.payload) == json.loads(json.dumps(odd)) for kept in unread)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize(("read", "name", "row"), CASES, ids=[f"{case[0].__name__}-{case[1]}" for case in CASES])
def test_an_odd_field_costs_at_most_its_row(read, name, row, value):
    for path in paths_in(row(2)):
        check_that_the_others_are_read(read, name, row, changed(row(2), path, value))


@pytest.mark.parametrize(
    ("stream", "request_type"), [("userFills", "userFillsByTime"), ("userFundings", "userFunding")]
)
def test_a_row_that_cannot_be_read_has_the_same_name_in_a_frame_and_in_an_answer(stream, request_type):
    in_frame, in_answer = FRAMES[stream][1], ANSWERS[request_type]
    for path in paths_in(in_frame(2)):
        inside = ("delta", *path) if "delta" in in_answer(2) and path != ("time",) else path
        (_, streamed), (_, asked) = (
            from_frame(stream, [in_frame(1), changed(in_frame(2), path, "odd")]),
            from_answer(request_type, [in_answer(1), changed(in_answer(2), inside, "odd")]),
        )
        assert [kept.name for kept in streamed] == [kept.name for kept in asked], path


@pytest.mark.parametrize("odd", [None, "", 5, [], "NaN", {}, {"a": 1}, True, [{}]], ids=json.dumps)
@pytest.mark.parametrize(("read", "name", "row"), CASES, ids=[f"{case[0].__name__}-{case[1]}" for case in CASES])
def test_what_is_no_row_at_all_costs_itself(read, name, row, odd):
    check_that_the_others_are_read(read, name, row, odd)


def test_null_empty_and_missing_are_the_same_for_every_field():
    for read, name, row in CASES:
        for path in paths_in(row(2)):
            told = []
            for value in (None, "", MISSING):
                if value is MISSING and isinstance(path[-1], int):
                    continue
                events, unread = read(name, [row(1), changed(row(2), path, value)])
                told.append((events, len(unread)))
            assert "delta" in path or all(one == told[0] for one in told), (name, path, told)


@pytest.mark.parametrize("seed", [1, 2, 3, random.SystemRandom().randrange(10**6)])
def test_any_number_of_odd_fields_in_any_rows_costs_those_rows(seed):
    chance = random.Random(seed)
    for _ in range(int(os.environ.get("ROUNDS", "300"))):
        read, name, row = chance.choice(CASES)
        rows = [row(number) for number in range(1, 9)]
        odd = set(chance.sample(range(8), chance.randint(0, 4)))
        for index in odd:
            for _ in range(chance.randint(1, 3)):
                paths = list(paths_in(rows[index])) if isinstance(rows[index], dict) else []
                if paths:
                    rows[index] = changed(rows[index], chance.choice(paths), chance.choice(list(VALUES.values())))
        good, _ = read(name, [each for index, each in enumerate(rows) if index not in odd])
        events, _ = read(name, rows)
        assert [event for event in good if event not in events] == [], rows


STATE = {
    "marginSummary": {"accountValue": "100.5", "totalNtlPos": "50", "totalRawUsd": "1", "totalMarginUsed": "10"},
    "crossMarginSummary": {"accountValue": "90.5"},
    "crossMaintenanceMarginUsed": "2.5",
    "withdrawable": "80",
    "assetPositions": [
        {
            "type": "oneWay",
            "position": {
                "coin": coin, "szi": "-2.5", "leverage": {"type": "isolated", "value": 20, "rawUsd": "95.1"},
                "entryPx": "20.1", "positionValue": "50", "unrealizedPnl": "-0.8", "returnOnEquity": "-9.2",
                "liquidationPx": None, "marginUsed": "10", "maxLeverage": 40, "cumFunding": {"sinceOpen": "0.25"},
            },
        }
        for coin in ("BTC", "SOL")
    ],
    "time": BEGIN_MS,
}  # fmt: skip


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_an_odd_field_of_a_state_costs_at_most_its_position_or_its_dex(value):
    for path in paths_in(STATE):
        dexes = [["", changed(STATE, path, value)], ["xyz", STATE]]
        data = {"user": ME, "clearinghouseStates": dexes}
        seen = decode_frame(json.dumps({"channel": "allDexsClearinghouseState", "data": data}), clock_ms=BEGIN_MS)
        (state,) = seen.events
        by_dex = {dex.dex: dex for dex in state.dexes}
        assert (len(by_dex["xyz"].positions), by_dex["xyz"].complete) == (2, True)
        if "" not in by_dex or not by_dex[""].complete:
            assert seen.unread
        if path[0] == "assetPositions" and len(path) > 1:
            assert any(
                position.coin != STATE["assetPositions"][path[1]]["position"]["coin"]
                for position in by_dex[""].positions
            )
        with contextlib.suppress(WireError):
            (alone,) = decode_answer("clearinghouseState", ME, dexes[0][1], clock_ms=BEGIN_MS).events
            assert alone.dexes == (by_dex[""],)


BALANCES = [
    {"coin": coin, "token": 0, "total": "100.5", "hold": "49.5", "entryNtl": "1.0", "borrowed": "2", "spotHold": "3"}
    for coin in ("USDC", "HYPE")
]


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_an_odd_field_of_a_balance_costs_at_most_that_balance(value):
    for path in paths_in(BALANCES[0]):
        sent = {"balances": [changed(BALANCES[0], path, value), BALANCES[1]]}
        seen = decode_frame(
            json.dumps({"channel": "spotState", "data": {"user": ME, "spotState": sent}}), clock_ms=BEGIN_MS
        )
        (state,) = seen.events
        assert "HYPE" in {balance.coin for balance in state.balances}
        assert state.complete == (len(state.balances) == 2) == (not seen.unread)
        assert decode_answer("spotClearinghouseState", ME, sent, clock_ms=BEGIN_MS).events == [state]
