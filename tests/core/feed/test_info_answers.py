import asyncio
import contextlib
import gc
import gzip
import json
import random
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hlmon.errors import WireError
from hlmon.hyperliquid.budget import Budget
from hlmon.hyperliquid.info import LARGEST_ANSWER_BYTES, Info

MIDS = b'{"BTC":"100.5"}'
ALL_MIDS = {"type": "allMids"}

ANSWERS = {
    "allMids": {"BTC": "100.5"},
    "clearinghouseState": {"marginSummary": {}, "assetPositions": []},
    "exchangeStatus": {"time": 1, "specialStatuses": None},
    "extraAgents": [],
    "historicalOrders": [{"status": "open"}],
    "meta": {"universe": []},
    "openOrders": [],
    "outcomeMeta": {"outcomes": []},
    "perpDexs": [None],
    "spotClearinghouseState": {"balances": []},
    "spotMeta": {"universe": [], "tokens": []},
    "subAccounts": [],
    "userAbstraction": "unifiedAccount",
    "userFillsByTime": [],
    "userFunding": [{"time": 1}],
    "userNonFundingLedgerUpdates": [],
    "userRole": {"role": "user"},
    "userTwapSliceFillsByTime": [],
}
"""A request of every kind of answer, and one of its answers."""


def sent(status: str, headers: str = "", body: bytes = b"") -> object:
    return lambda socket: socket.sendall(f"HTTP/1.1 {status}\r\n{headers}\r\n".encode() + body)


def plain(status: int, body: bytes) -> tuple:
    return (status, {}, body)


FOREIGN = {
    "null": plain(200, b"null"),
    "an empty object": plain(200, b"{}"),
    "an error object": plain(200, b'{"code":-1,"msg":"overloaded"}'),
    "a number": plain(200, b"17"),
    "true": plain(200, b"true"),
    "NaN": plain(200, b"NaN"),
    "-Infinity": plain(200, b"-Infinity"),
    "a number of 100,000 digits": plain(200, b"9" * 100_000),
    "an empty body": plain(200, b""),
    "blanks": plain(200, b" \r\n\t"),
    "HTML at 200": plain(200, b"<html><body>We'll be right back</body></html>"),
    "no UTF-8": plain(200, b"\xff\xfe\x00"),
    "a byte order mark": plain(200, b"\xef\xbb\xbfnull"),
    "lists in lists": plain(200, b"[" * 200_000),
    "lists in lists, closed": plain(200, b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "objects in objects": plain(200, b'{"a":' * 100_000),
    "half an answer": plain(200, b'[{"coin":"BTC","px'),
    "two answers": plain(200, b"[] []"),
    "countless values": plain(200, b"[" + b"[]," * 2_000_000 + b"[]]"),
    "no gzip": (200, {"Content-Encoding": "gzip"}, b"[]"),
    "half a gzip": (200, {"Content-Encoding": "gzip"}, gzip.compress(b"[]" * 1000)[:-20]),
    "an encoding that nobody asked for": (200, {"Content-Encoding": "br"}, b"[]"),
    "201": plain(201, b"[]"),
    "204": plain(204, b""),
    "206": plain(206, b"[]"),
    "a redirect to itself": (307, {"Location": "/info"}, b""),
    "a redirect to nowhere": (302, {"Location": "http://127.0.0.1:9/"}, b""),
    "304": plain(304, b""),
    "400": plain(400, b"bad request"),
    "403": plain(403, b"<html>forbidden</html>"),
    "404": plain(404, b"null"),
    "407": plain(407, b""),
    "451": plain(451, b""),
    "500": plain(500, b"null"),
    "502": plain(502, b"bad gateway"),
    "530": plain(530, b"error 1033"),
    "101": sent("101 Switching Protocols", "Upgrade: x\r\n"),
    "103 and nothing more": sent("103 Early Hints", "Link: x\r\n"),
    "999": sent("999 Nonsense", "Content-Length: 2\r\n", b"[]"),
    "no HTTP": lambda socket: socket.sendall(b"SSH-2.0-OpenSSH\r\n"),
    "a header without end": lambda socket: socket.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000),
    "a thousand headers": sent("200 OK", "X: y\r\n" * 1000, b"[]"),
    "a chunk that is none": sent("200 OK", "Transfer-Encoding: chunked\r\n", b"zz\r\n[]\r\n"),
    "less than promised": sent("200 OK", "Content-Length: 1000\r\n", b"[]"),
    "a length that is none": sent("200 OK", "Content-Length: -7\r\n", b"["),
    "a close": lambda socket: None,
}
"""What comes from overload, from proxies, from broken or hostile servers."""


def test_every_answer_that_is_not_the_exchanges_is_asked_again_whatever_was_asked(rest, hurried):
    for name, foreign in FOREIGN.items():
        for kind, right in ANSWERS.items():
            if name == "null" and kind in {"subAccounts", "extraAgents"}:
                continue  # there it says "none"
            if name == "an error object" and kind == "allMids":
                continue  # only its reader can tell
            script = [foreign, plain(200, json.dumps(right).encode())]
            rest.script = lambda _, script=script: script.pop(0)
            started = hurried.now
            assert ask(rest, hurried, {"type": kind}) == right, f"{name} to {kind}"
            assert hurried.now - started < 5, f"{name} to {kind}"
            assert script == [], f"{name} to {kind}"


@pytest.mark.parametrize("foreign", ["400", "a close", "a header without end", "less than promised", "204"])
def test_closing_closes_the_connection_whatever_was_answered_before(rest, hurried, foreign):
    script = [FOREIGN[foreign], plain(200, MIDS)]
    rest.script = lambda _: script.pop(0)
    gc.disable()  # which would come by in the end
    try:
        before = open_sockets()
        assert ask(rest, hurried, ALL_MIDS) == {"BTC": "100.5"}
        deadline = time.monotonic() + 5
        while (left := open_sockets() - before) and time.monotonic() < deadline:
            time.sleep(0.001)  # the server's side closes when it sees that the other one did
    finally:
        gc.enable()
    assert left == 0


def open_sockets():
    return len(list(Path("/dev/fd").iterdir()))


def ask(rest, hurried, request, budget=None, read=json.loads, **options):
    async def live():
        info = Info(rest.url, budget or Budget(1200, clock=hurried.clock), clock=hurried.clock, **options)
        with contextlib.closing(info):
            answer = await info.ask(request, read)
        assert info.failing == ""
        return answer

    return asyncio.run(live())


def test_an_answer_is_the_json_of_the_body(rest, hurried):
    rest.script = lambda payload: (200, {}, json.dumps({"universe": [payload]}).encode())
    request = {"type": "meta", "dex": "xyz"}
    assert ask(rest, hurried, request) == {"universe": [request]}


def test_without_a_reader_an_answer_is_its_json(rest, hurried):
    rest.script = lambda _: (200, {}, MIDS)
    info = Info(rest.url, Budget(1200, clock=hurried.clock), clock=hurried.clock)
    with contextlib.closing(info):
        assert asyncio.run(info.ask(ALL_MIDS)) == {"BTC": "100.5"}


def test_a_compressed_answer_is_read(rest, hurried):
    rest.script = lambda _: (200, {"Content-Encoding": "gzip"}, gzip.compress(MIDS))
    assert ask(rest, hurried, ALL_MIDS) == {"BTC": "100.5"}


def test_null_is_an_answer_where_it_says_none(rest, hurried):
    rest.script = lambda _: (200, {}, b"null")
    for kind in ("subAccounts", "subAccounts2", "vaultDetails", "settledOutcome"):
        assert ask(rest, hurried, {"type": kind}) is None


@pytest.mark.parametrize("refusal", [WireError, ValueError, KeyError, RecursionError, StopIteration, SystemExit])
def test_an_answer_that_its_reader_refuses_is_asked_again_whatever_the_reader_raises(rest, hurried, refusal):
    refusals = [refusal("no"), refusal("no")]

    def read(body):
        if refusals:
            raise refusals.pop()
        return body

    rest.script = lambda _: (200, {}, MIDS)
    assert ask(rest, hurried, ALL_MIDS, read=read) == MIDS
    assert len(rest.payloads) == 3


def test_odd_rows_are_an_answer(rest, hurried):
    rest.script = lambda _: (200, {}, b'[null,{},7,{"a":{"b":1e999}}]')
    assert ask(rest, hurried, {"type": "userFillsByTime"}, read=len) == 29


@pytest.mark.parametrize("seed", [1, 2, 3, random.randrange(2**32)])
def test_whatever_bytes_come_the_question_goes_on(rest, hurried, seed):
    chance = random.Random(seed)
    pieces = [b"[", b"]", b"{", b"}", b'"', b",", b":", b"null", b"1e999", b"\\ud800", b"\xff", b"-", b"NaN", b'"role"']
    for kind, right in ANSWERS.items():
        bodies = [b"".join(chance.choices(pieces, k=chance.randrange(12))) for _ in range(20)]
        script = [plain(chance.choice([200, 200, 200, 503]), body) for body in bodies]
        script += [plain(200, json.dumps(right).encode())] * 2
        rest.script = lambda _, script=script: script.pop(0)
        ask(rest, hurried, {"type": kind}, read=lambda _: None)


@pytest.mark.parametrize("slow", ["header", "body", "chunk", "nothing at all"])
def test_an_answer_that_comes_drop_by_drop_ends_at_the_deadline_and_its_thread_too(rest, hurried, slow):
    heads = {
        "header": b"HTTP/1.1 200 OK\r\n" + b"X-Long: 1\r\n" * 50,
        "body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        "chunk": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0000",
        "nothing at all": b"",
    }
    ended = threading.Event()

    def drop_by_drop(socket):
        socket.settimeout(5)
        try:
            if slow == "header":
                for byte in heads[slow]:
                    socket.sendall(bytes([byte]))
                    time.sleep(0.02)
            socket.sendall(heads[slow])
            while slow != "nothing at all":
                socket.sendall(b"0")
                time.sleep(0.02)
            assert socket.recv(1) == b""
        finally:
            ended.set()

    script = [drop_by_drop, (200, {}, MIDS)]
    rest.script = lambda _: script.pop(0)
    started = time.monotonic()
    assert ask(rest, hurried, ALL_MIDS, deadline=0.3) == {"BTC": "100.5"}
    assert time.monotonic() - started < 3
    assert ended.wait(5)
    assert ends([thread for thread in threading.enumerate() if thread.name == "hlmon-info"])


def ends(threads):
    for thread in threads:
        thread.join(5)
    return not any(thread.is_alive() for thread in threads)


def test_a_question_that_is_given_up_leaves_no_thread_behind(rest, hurried):
    asked, answer = threading.Event(), threading.Event()

    def wait(socket):
        asked.set()
        answer.wait(5)

    rest.script = lambda _: wait

    async def live():
        question = asyncio.ensure_future(Info(rest.url, Budget(1200), clock=hurried.clock).ask(ALL_MIDS))
        while not asked.is_set():
            await asyncio.sleep(0.001)
        question.cancel()
        with pytest.raises(asyncio.CancelledError):
            await question

    asyncio.run(live())
    assert ends([thread for thread in threading.enumerate() if thread.name == "hlmon-info"])
    answer.set()


BOMBED = """
import asyncio, gzip, resource, sys
from hlmon.hyperliquid.budget import Budget
from hlmon.hyperliquid.info import Info

async def live():
    info = Info(sys.argv[1], Budget(1200))
    await info.ask({"type": "allMids"})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await info.ask({"type": "userFillsByTime"})
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

asyncio.run(live())
"""


@pytest.mark.parametrize(("status", "filling"), [(200, b" "), (200, b"[],"), (200, b'{"a":"b"},'), (503, b"0")])
def test_a_bomb_is_defused_while_it_is_unpacked(rest, status, filling):
    size = 12 * LARGEST_ANSWER_BYTES
    bomb = gzip.compress(b"[" + filling * (size // len(filling)), 1)
    script = [(200, {}, MIDS), (status, {"Content-Encoding": "gzip"}, bomb), (200, {}, b"[]")]
    rest.script = lambda _: script.pop(0)
    run = subprocess.run([sys.executable, "-c", BOMBED, rest.url], capture_output=True, text=True, check=True)
    kilobytes = int(run.stdout)
    assert kilobytes < 4 * LARGEST_ANSWER_BYTES / 1024
    assert script == []


@pytest.mark.parametrize("headers", ["Content-Length: 999999999999\r\n", "Transfer-Encoding: chunked\r\n", ""])
def test_an_answer_without_end_is_cut_off(rest, hurried, headers):
    def endless(socket):
        socket.sendall(f"HTTP/1.1 200 OK\r\n{headers}\r\n".encode())
        piece = b" " * 65536
        while True:
            socket.sendall(b"10000\r\n" + piece + b"\r\n" if "chunked" in headers else piece)

    script = [endless, (200, {}, MIDS)]
    rest.script = lambda _: script.pop(0)
    assert ask(rest, hurried, ALL_MIDS) == {"BTC": "100.5"}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2**21


def test_a_redirect_is_not_followed(rest, hurried):
    script = [(307, {"Location": f"{rest.url}/elsewhere"}, b""), (200, {}, MIDS)]
    rest.script = lambda _: script.pop(0)
    ask(rest, hurried, ALL_MIDS)
    assert rest.paths == ["/info", "/info"]
