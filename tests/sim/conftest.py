"""A client of the simulated exchange for the tests of its sockets, and a hub without sockets."""

import asyncio
import json
from contextlib import AsyncExitStack

import aiohttp
import pytest

from hlmon_sim import Limits, Scenario, SimServer, VirtualClock, World
from hlmon_sim.account import Account
from hlmon_sim.hub import GREETING, Connection, Hub
from hlmon_sim.records import Fill, PositionEnd, Record

USER_A = "0x" + "aA" * 20
QUIET = Scenario(accounts=2, rate=0, trades_rate=0)
PATIENCE_SECONDS = 10


class Client:
    """A WebSocket client of a server whose time stands still."""

    def __init__(self, server: SimServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.sockets: list[aiohttp.ClientWebSocketResponse] = []

    async def connect(self) -> aiohttp.ClientWebSocketResponse:
        patience = aiohttp.ClientWSTimeout(ws_close=0.1)  # a silenced server says no goodbye
        socket = await self.session.ws_connect(self.server.ws_url, autoping=False, timeout=patience)
        self.sockets.append(socket)
        assert (await self.hear(socket)) == "Websocket connection established."
        return socket

    async def close(self) -> None:
        for socket in self.sockets:
            await socket.close()

    async def hear(self, socket: aiohttp.ClientWebSocketResponse) -> object:
        message = await asyncio.wait_for(socket.receive(), PATIENCE_SECONDS)
        if message.type is not aiohttp.WSMsgType.TEXT:
            return message.type
        try:
            return json.loads(message.data)
        except (ValueError, RecursionError):
            return message.data

    async def subscribe(self, socket, kind: str, answers: int = 2, **fields) -> list:
        await socket.send_json({"method": "subscribe", "subscription": {"type": kind} | fields})
        return [await self.hear(socket) for _ in range(answers)]

    async def ask(self, **request) -> tuple[int, object]:
        async with self.session.post(f"{self.server.url}/info", json=request) as response:
            text = await response.text()
            return response.status, json.loads(text) if response.content_type == "application/json" else text


def with_server(body, scenario: Scenario = QUIET, **options) -> None:
    async def run() -> None:
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(SimServer(scenario, clock=VirtualClock(), **options))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            client = Client(server, session)
            stack.push_async_callback(client.close)
            await body(server, client)

    asyncio.run(run())


@pytest.fixture(name="with_server")
def _with_server():
    return with_server


@pytest.fixture(name="make_net")
def _make_net() -> type["Net"]:
    return Net


@pytest.fixture
def net() -> "Net":
    return Net()


class Line:
    """One connection to a hub, and what it was sent."""

    def __init__(self, hub: Hub, ip: str = "1.2.3.4") -> None:
        self.hub = hub
        self.aborted = False
        connection = hub.connect(ip)
        assert connection is not None
        self.connection: Connection = connection

        def abort() -> None:
            self.aborted = True
            hub.disconnect(connection)

        connection.abort = abort

    def say(self, message: object) -> list:
        text = message if isinstance(message, str) else json.dumps(message)
        self.hub.receive(self.connection, text)
        return self.heard()

    def subscribe(self, kind: str, **fields) -> list:
        return self.say({"method": "subscribe", "subscription": {"type": kind} | fields})

    def unsubscribe(self, kind: str, **fields) -> list:
        return self.say({"method": "unsubscribe", "subscription": {"type": kind} | fields})

    def heard(self) -> list:
        payloads = [payload for payload, _ in self.connection.outbox]
        self.connection.outbox.clear()
        return [payload if payload == GREETING else json.loads(payload) for payload in payloads]


class Net:
    """A world, its hub, and one connection that was greeted."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.world = World(1)
        self.hub = Hub(self.world, limits or Limits())
        self.line = Line(self.hub)
        self.greeting = self.line.heard()
        self.account = self.world.add_account(USER_A)

    def pass_seconds(self, seconds: float) -> None:
        self.world.step(self.world.now_ms + int(seconds * 1000))
        self.hub.tick()


@pytest.fixture(name="make_line")
def _make_line() -> type[Line]:
    return Line


class Watched:
    """A world with everything that it published."""

    def __init__(self, seed: int = 1) -> None:
        self.world = World(seed)
        self.records: list[Record] = []
        self.world.listeners.append(self.records.extend)

    def fills(self, account: Account, coin: str) -> list[Fill]:
        return [r for r in self.records if isinstance(r, Fill) and (r.account, r.coin) == (account.address, coin)]

    def ends(self, account: Account) -> list[PositionEnd]:
        return [r for r in self.records if isinstance(r, PositionEnd) and r.account == account.address]


@pytest.fixture(scope="session")
def make_watched() -> type[Watched]:
    return Watched


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def make_client() -> type[Client]:
    return Client
