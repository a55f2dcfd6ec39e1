"""Whatever frames come through a real socket, the source goes on: the next good fill is stored."""

import asyncio
import json
import random
import struct
import zlib

import pytest

from hlmon.errors import JournalError
from hlmon.hyperliquid.connection import LARGEST_FRAME_BYTES

VALUES = [None, True, -1, 2**63, 2**70, 1e308, "", "NaN", "1e999", "\ud800", "0x", [], {}, [[]], {"": {}}, "x" * 1000]


def raw_frame(opcode: int, payload: bytes, *, bits: int = 0x80, length: int | None = None) -> bytes:
    """A WebSocket frame as a server sends it, or a broken one: `length` is what its header says."""
    return bytes([bits | opcode, 127]) + struct.pack(">Q", len(payload) if length is None else length) + payload


DEFLATED = zlib.compressobj(9, zlib.DEFLATED, -15)
BOMB = DEFLATED.compress(b"[" * 50_000_000) + DEFLATED.flush()

WIRE = {
    "no JSON": raw_frame(1, b"<html>"),
    "nothing": raw_frame(1, b""),
    "no UTF-8": raw_frame(1, b"\xff\xfe"),
    "bytes": raw_frame(2, b'{"channel":"pong"}'),
    "lists in lists": raw_frame(1, b"[" * 200_000),
    "lists in a channel": raw_frame(1, b'{"channel":"userFills","data":' + b"[" * 200_000),
    "objects in an unknown channel": raw_frame(1, b'{"channel":"x","data":' + b'{"a":' * 200_000),
    "a number without end": raw_frame(1, b'{"channel":"userFills","data":' + b"9" * 500_000 + b"}"),
    "NaN": raw_frame(1, b'{"channel":"userFills","data":NaN}'),
    "a compressed bomb": raw_frame(1, BOMB, bits=0xC0),
    "more than the largest frame": raw_frame(1, b"[", length=LARGEST_FRAME_BYTES + 1),
    "a length beyond all bounds": raw_frame(1, b"", length=2**63),
    "an unknown opcode": raw_frame(11, b"?"),
    "a continuation of nothing": raw_frame(0, b"x"),
    "a close of no kind": raw_frame(8, b"\x00"),
    "a close with a wrong code": raw_frame(8, struct.pack(">H", 999) + b"\xff"),
    "a close": raw_frame(8, struct.pack(">H", 1013) + b"try again"),
    "a large ping": raw_frame(9, b"x" * 1000),
    "a masked frame": b"\x81\x81\x00\x00\x00\x00x",
    "HTTP": b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
}


async def goes_on(running, tools, tid):
    """The feed still runs, and a fill sent now is stored."""
    row = tools.fill(tools.start_ms + tid, tid)
    for _ in range(40):
        if not running._task.done() and running.all_in_place():
            await running.exchange.fills(tools.alice, row)
            await tools.settle()
        if any(fill.trade_id == tid for fill in running.book.of("fill")):
            return
        await asyncio.sleep(0.005)
        await running.time.advance(1)
        running.exchange.time_ms += 1000
        await running.exchange.beat(tools.alice)
    assert not running._task.done(), running._task
    raise AssertionError(running.feed.status())


@pytest.mark.parametrize("name", WIRE)
def test_no_bytes_on_the_socket_end_the_source(watching, tools, run, name):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            running.exchange.sockets[-1].transport.write(WIRE[name])
            await asyncio.sleep(0.05)
            await goes_on(running, tools, 7)

    run(live())


def mutated(chance: random.Random, value):
    """The value with something of it changed, left out or nested."""
    if chance.random() < 0.15:
        return chance.choice(VALUES)
    if isinstance(value, dict):
        kept = {key: mutated(chance, inner) for key, inner in value.items() if chance.random() > 0.05}
        return kept | ({chance.choice(["user", "time", "x"]): chance.choice(VALUES)} if chance.random() < 0.1 else {})
    if isinstance(value, list):
        return [mutated(chance, inner) for inner in value] * chance.choice([1, 1, 1, 2])
    return value


def good_frames(tools):
    user = tools.alice
    order = {"coin": "BTC", "side": "B", "limitPx": "1.0", "sz": "1.0", "oid": 5, "timestamp": tools.start_ms}
    flat = {"marginSummary": {"accountValue": "1.0"}, "assetPositions": [], "time": tools.start_ms}
    subscription = {"type": "userFills", "user": user}
    return [
        ("userFills", {"user": user, "fills": [tools.fill(tools.start_ms, 1)], "isSnapshot": True}),
        (
            "userTwapSliceFills",
            {"user": user, "twapSliceFills": [{"fill": tools.fill(tools.start_ms, 2), "twapId": 3}]},
        ),
        ("userFundings", {"user": user, "fundings": [{"time": tools.start_ms, "coin": "BTC", "usdc": "1.0"}]}),
        (
            "userNonFundingLedgerUpdates",
            {"user": user, "nonFundingLedgerUpdates": [{"time": 1, "hash": "0x", "delta": {"type": "deposit"}}]},
        ),
        ("userHistoricalOrders", {"user": user, "orderHistory": [{"order": order, "status": "open"}]}),
        ("openOrders", {"dex": "", "user": user, "orders": [order]}),
        ("allDexsClearinghouseState", {"user": user, "clearinghouseStates": [["", flat], ["xyz", flat]]}),
        ("clearinghouseState", {"user": user, "dex": "xyz", "clearinghouseState": flat}),
        ("spotState", {"user": user, "spotState": {"balances": [{"coin": "USDC", "token": 0, "total": "1.0"}]}}),
        ("trades", [tools.trade(tools.start_ms, 4)]),
        ("subscriptionResponse", {"method": "subscribe", "subscription": subscription}),
        ("error", "Already subscribed: " + json.dumps({"method": "subscribe", "subscription": subscription})),
        ("error", "Cannot track more than 15 total users."),
        ("pong", None),
    ]


@pytest.mark.parametrize("seed", [1, 2, 3, random.randrange(2**32)])
def test_no_frames_end_the_source(watching, tools, run, seed):
    async def live():
        chance = random.Random(seed)
        async with watching() as running:
            await running.start(tools.alice)
            for _ in range(300):
                channel, data = chance.choice(good_frames(tools))
                frame = mutated(chance, {"channel": channel, "data": data})
                text = json.dumps(frame).encode()
                if chance.random() < 0.1:
                    at = chance.randrange(len(text))
                    text = text[:at] + bytes([chance.randrange(256)]) + text[at + 1 :]
                running.feed._receive(text)
            await tools.settle()
            await goes_on(running, tools, 777)
            assert len(running.feed.status().counters) < 150

    run(live())


def test_a_frame_that_cannot_be_handled_is_kept_and_counted_and_the_connection_goes_on(watching, tools, run):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            account = running.feed._accounts[tools.alice]
            handle, frames = account.receive, []

            def fails_once(frame, around):
                frames.append(frame)
                if len(frames) == 1:
                    raise KeyError("a fault of the program")
                handle(frame, around)

            account.receive = fails_once
            await running.exchange.fills(tools.alice, tools.fill(tools.start_ms, 1))
            await tools.until(lambda: running.book.of("quarantine"))
            assert running.feed.status().counters["quarantined"] == 1
            assert '"tid": 1' in running.book.of("quarantine")[0].payload
            await goes_on(running, tools, 2)
            assert running.feed.status().connection.reconnects == 0

    run(live())


@pytest.mark.parametrize("place", ["receive", "lost", "opened"])
def test_whatever_the_host_of_a_connection_raises_the_next_one_is_opened(watching, tools, run, place):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            connection, failures = running.feed._connection, [RuntimeError("a fault"), ValueError("another")]
            whole = getattr(connection, f"_{place}")

            def fails(*arguments):
                if failures:
                    raise failures.pop()
                return whole(*arguments)

            setattr(connection, f"_{place}", fails)
            running.exchange.cut()
            await goes_on(running, tools, 3)
            assert len(failures) < 2

    run(live())


def test_work_beside_the_socket_that_fails_begins_again_and_is_told(watching, tools, run):
    async def live():
        async with watching() as running:
            failures = [RuntimeError("a fault"), ExceptionGroup("several", [TypeError("of work"), ValueError("x")])]
            await running.start(tools.alice, wait=False)
            questions = running.feed._questions
            settle = questions._settle

            async def fails(account):
                if failures:
                    raise failures.pop()
                await settle(account)

            questions._settle = fails
            running.feed._accounts[tools.alice].modes.is_due = lambda now: True
            await running.live_on(40)
            assert failures == []
            assert any("account modes" in problem for problem in running.feed.status().problems)
            await goes_on(running, tools, 3)

    run(live())


def test_a_journal_that_fails_ends_the_source(watching, tools, run):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)

            def full(events):
                raise JournalError("the disk is full")

            running.feed._ingest = full
            await running.exchange.send("nonsense", {"a": 1})
            running.exchange.sockets[-1].transport.write(raw_frame(1, b"<html>"))
            with pytest.raises(JournalError):
                await running._task
            running._task = None

    run(live())
