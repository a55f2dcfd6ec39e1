"""A scripted exchange on a real loopback socket, and a time that passes only when a test says so."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from websockets.asyncio.server import serve

from hlmon.contract import Settings
from hlmon.errors import Permanent
from hlmon.events import Reading, State
from hlmon.hyperliquid.clock import Clock
from hlmon.hyperliquid.feed import HyperliquidFeed

START_MS = 1_700_000_000_000
ALICE = "0x" + "a1" * 20
BOB = "0x" + "b0" * 20
CAROL = "0x" + "ca" * 20


class VirtualTime:
    """Seconds that pass by `advance` only; with `hurried`, every sleep passes at once."""

    def __init__(self, *, hurried: bool = False) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._hurried = hurried
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self.clock = Clock(
            now=lambda: self.now,
            sleep=self.sleep,
            wall=lambda: START_MS / 1000 + self.now,
            chance=lambda: 0.5,
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self._hurried:
            self.now += seconds
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            self.now, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
                await settle()
        self.now = end
        await settle()


async def settle() -> None:
    """Let everything run that can, frames on their way over the loopback included."""
    for _ in range(30):
        await asyncio.sleep(0)


async def until(condition) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("this never became true")


class Exchange:
    """The WebSocket side: acks, snapshots and refusals by script; `sockets` are the connections it accepted."""

    def __init__(self) -> None:
        self.time_ms = START_MS
        self.user_cap = 15
        self.poison: set[str] = set()
        self.refusals: dict[str, str] = {}  # stream -> text
        self.unanswered: set[str] = set()  # streams
        self.mute = False  # half open: takes everything, says nothing
        self.answers_late = False
        self.snapshots: dict[tuple[str, str], list] = {}  # (stream, user) -> rows
        self.replays: dict[str, list] = {}  # coin -> trades
        self.noise: list = []  # sent before every ack
        self.received: list[dict] = []
        self.sockets: list = []
        self.users: set[str] = set()

    @property
    def subscribed(self) -> list[tuple[str, str]]:
        asked = (m["subscription"] for m in self.received if m["method"] == "subscribe")
        return [(s["type"], s.get("user") or s.get("coin")) for s in asked]

    async def converse(self, socket) -> None:
        self.sockets.append(socket)
        self.users.clear()
        with contextlib.suppress(Exception):
            await socket.send("Websocket connection established.")
            async for text in socket:
                message = json.loads(text)
                if not self.mute:
                    await self.answer(socket, message)
                if message["method"] != "ping":
                    self.received.append(message)

    async def answer(self, socket, message) -> None:
        if message["method"] == "ping":
            await self.send("pong")
            return
        wanted = message["subscription"]
        stream, user, coin = wanted["type"], wanted.get("user"), wanted.get("coin")
        if message["method"] == "subscribe":
            if coin in self.poison:
                socket.transport.abort()
                return
            if stream in self.unanswered:
                return
            if stream in self.refusals:
                await self.send("error", self.refusals[stream])
                return
            if user and user not in self.users and len(self.users) >= self.user_cap:
                await self.send("error", f"Cannot track more than {self.user_cap} total users.")
                return
            if user:
                self.users.add(user)
        for channel, data in self.noise:
            await self.send(channel, data)
        normalised = dict(sorted(wanted.items(), reverse=True)) | {"aggregateByTime": False}
        await self.send("subscriptionResponse", {"method": message["method"], "subscription": normalised})
        if message["method"] == "subscribe":
            await self.snapshot(stream, user, coin)

    async def snapshot(self, stream, user, coin) -> None:
        rows = {
            "userFills": "fills",
            "userTwapSliceFills": "twapSliceFills",
            "userFundings": "fundings",
            "userNonFundingLedgerUpdates": "nonFundingLedgerUpdates",
            "userHistoricalOrders": "orderHistory",
        }
        if stream in rows:
            history = self.snapshots.get((stream, user), [])
            await self.send(stream, {"user": user, rows[stream]: history, "isSnapshot": True})
        elif stream == "allDexsClearinghouseState":
            await self.beat(user)
        elif stream == "spotState":
            await self.send("spotState", {"user": user, "spotState": {"balances": []}})
        elif stream == "trades" and coin in self.replays:
            await self.send("trades", self.replays[coin])

    async def beat(self, user) -> None:
        money = dict.fromkeys(("accountValue", "totalNtlPos", "totalRawUsd", "totalMarginUsed"), "0.0")
        state = {
            "marginSummary": money,
            "crossMarginSummary": money,
            "crossMaintenanceMarginUsed": "0.0",
            "withdrawable": "0.0",
            "assetPositions": [],
            "time": self.time_ms,
        }
        await self.send("allDexsClearinghouseState", {"user": user, "clearinghouseStates": [["", state]]})

    async def fills(self, user, *rows) -> None:
        await self.send("userFills", {"user": user, "fills": list(rows)})

    async def send(self, channel, data=None) -> None:
        frame = {"channel": channel} if data is None else {"channel": channel, "data": data}
        with contextlib.suppress(Exception):
            await self.sockets[-1].send(json.dumps(frame))

    def cut(self) -> None:
        self.sockets[-1].transport.abort()


def fill(time_ms: int, tid: int, **changes) -> dict:
    row = {
        "coin": "BTC",
        "px": "100.0",
        "sz": "1.0",
        "side": "B",
        "time": time_ms,
        "startPosition": "0.0",
        "dir": "Open Long",
        "closedPnl": "0.0",
        "hash": "0x" + "0" * 64,
        "oid": tid + 1_000_000,
        "crossed": True,
        "fee": "0.01",
        "feeToken": "USDC",
        "tid": tid,
        "twapId": None,
    }
    return row | changes


def trade(time_ms: int, tid: int, coin: str = "BTC") -> dict:
    return {
        "coin": coin,
        "side": "B",
        "px": "100.0",
        "sz": "1.0",
        "time": time_ms,
        "hash": "0x" + "0" * 64,
        "tid": tid,
        "users": [ALICE, BOB],
    }


class Book:
    """An ingest that keeps everything: `events` are those that were new, in the order of their admission."""

    def __init__(self) -> None:
        self.events: list = []
        self._newest: dict = {}

    def __call__(self, events) -> int:
        new = 0
        for event in events:
            if not isinstance(event, Reading):
                known = self._newest.get(event.name)
                if known is not None and not (isinstance(event, State) and event.version > known.version):
                    continue
                self._newest[event.name] = event
                new += 1
            self.events.append(event)
        return new

    def states(self, kind):
        return [event for event in self._newest.values() if event.kind == kind]

    def of(self, kind, account=None):
        return [e for e in self.events if e.kind == kind and account in {None, e.account}]

    def now(self, kind, account, key):
        return self._newest.get((kind, account, key))


class Answers:
    """The REST side, without HTTP: answers by request type, a function of the request or a value."""

    def __init__(self) -> None:
        self.failing_since = 0.0
        self.asked: list[dict] = []
        self.down = asyncio.Event()
        self.down.set()
        self.by_type: dict = {
            "userRole": {"role": "user"},
            "userAbstraction": "default",
            "meta": {
                "universe": [{"name": "BTC"}, {"name": "ETH"}, {"name": "SOL"}, {"name": "OLD", "isDelisted": True}]
            },
        }

    @property
    def failing(self) -> str:
        return "" if self.down.is_set() else "the exchange answered 502"

    async def ask(self, request):
        self.asked.append(dict(request))
        await self.down.wait()
        answer = self.by_type.get(request["type"], [])
        answer = answer(request) if callable(answer) else answer
        if isinstance(answer, Permanent):
            raise answer
        return answer

    def types(self) -> list[str]:
        return [request["type"] for request in self.asked]


class Running:
    """A feed that runs against the scripted exchange."""

    def __init__(self, exchange, time, url) -> None:
        self.exchange = exchange
        self.time = time
        self.answers = Answers()
        self.book = Book()
        self.feed: HyperliquidFeed
        self._url = url
        self._task: asyncio.Task | None = None

    async def start(self, *accounts, labels=(), coins=(), wait=True, on_frame=None) -> None:
        named = dict.fromkeys(accounts, "") | dict(labels)
        settings = Settings(name="hyperliquid", accounts=named, coins=coins, url=self._url)
        self.feed = HyperliquidFeed(settings, self.answers, clock=self.time.clock, on_frame=on_frame)
        self._task = asyncio.ensure_future(self.feed.run(self.book))
        await settle()
        if wait:
            await until(lambda: self._task.done() or self.all_in_place(coins))
            if self._task.done():
                self._task.result()

    def all_in_place(self, coins=()) -> bool:
        status = self.feed.status()
        settled = all(a.status != "pending" and not a.resuming for a in status.accounts)
        return status.connection.state == "live" and settled and len(status.coins) == len(coins)

    async def live_on(self, seconds: float) -> None:
        """Time passes, and every account shows its state every five seconds."""
        for _ in range(int(seconds // 5)):
            await self.time.advance(5)
            self.exchange.time_ms += 5000
            for user in sorted(self.exchange.users):
                await self.exchange.beat(user)
            await settle()

    def account(self, address):
        return next(a for a in self.feed.status().accounts if a.address == address)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None


@pytest.fixture
def run():
    return asyncio.run


@pytest.fixture
def watching():
    """An async context: a scripted exchange, a virtual time and a feed that is not started yet."""

    @contextlib.asynccontextmanager
    async def open_all():
        exchange, time = Exchange(), VirtualTime()
        async with serve(exchange.converse, "127.0.0.1", 0, close_timeout=0.1) as server:
            running = Running(exchange, time, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            try:
                yield running
            finally:
                await running.stop()

    return open_all


class Rest(ThreadingHTTPServer):
    """/info over HTTP: `script(payload)` returns status, headers and body."""

    daemon_threads = True

    def __init__(self) -> None:
        self.script = lambda payload: (200, {}, b"[]")
        self.payloads: list[dict] = []
        super().__init__(("127.0.0.1", 0), _Answering)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.payloads.append(payload)
        status, headers, body = self.server.script(payload)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


@pytest.fixture
def rest():
    server = Rest()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def hurried():
    return VirtualTime(hurried=True)


@pytest.fixture
def virtual_time():
    return VirtualTime()


@pytest.fixture
def tools():
    """What the tests of this directory share: rows, addresses, waiting."""

    class Tools:
        start_ms, alice, bob, carol = START_MS, ALICE, BOB, CAROL
        fill, trade, until, settle = staticmethod(fill), staticmethod(trade), staticmethod(until), staticmethod(settle)

    return Tools
