"""The exchange on a real socket: POST /info and WebSocket /ws on one port."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

import msgspec
from aiohttp import WSMsgType, web

from hlmon_sim import rest_market
from hlmon_sim.faults import Faults, Planned
from hlmon_sim.hub import Connection, Hub
from hlmon_sim.limits import base_weight, row_weight
from hlmon_sim.rest import UNPROCESSABLE, Unprocessable
from hlmon_sim.scenario import Scenario, populate
from hlmon_sim.traffic import Traffic
from hlmon_sim.truth import Truth
from hlmon_sim.world import World

JSON = "application/json"
LONGEST_STEP_MS = 5_000


def system_clock() -> int:
    """Now, in ms."""
    return time.time_ns() // 1_000_000


class VirtualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now_ms: int = 1_790_000_000_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        """Now, in ms."""
        return self.now_ms


class SimServer:
    """A simulated exchange, from `async with` to its end.

    With the system's clock it runs by itself. With a VirtualClock time stands still but for `advance`, so that the same
    seed and steps give the same history. `world` lets things happen by name, `faults` does harm.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], int] = system_clock,
        plan: Iterable[Planned] = (),
        truth: Path | None = None,
        tick_seconds: float = 0.05,
    ) -> None:
        self.scenario = scenario or Scenario()
        self.host = host
        self.port = port
        self.clock = clock
        self._tick_seconds = tick_seconds
        self._stack = contextlib.ExitStack()
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._pump: asyncio.Task[None] | None = None
        self._foreign: set[asyncio.Task[web.StreamResponse]] = set()  # some of them would never end
        self.world = self._new_world(truth)
        self.hub = Hub(self.world, self.scenario.limits)
        self.faults = Faults(self.hub, self.scenario.seed, plan)

    def _new_world(self, truth: Path | None) -> World:
        scenario = self.scenario
        now_ms = self.clock() + int(scenario.skew_seconds * 1000)
        past_ms = scenario.history_ms if scenario.history else 0
        world = World(scenario.seed, now_ms - past_ms)
        world.ahead_ms = int(scenario.skew_seconds * 1000)
        populate(world, scenario.accounts)
        if truth is not None:
            self._stack.enter_context(writer := Truth(truth))
            writer.follow(world)
        rates = {"rate": scenario.rate, "trades_rate": scenario.trades_rate}
        self.traffic = Traffic(world, scenario.seed, **rates)
        if scenario.history:
            self.traffic.history(scenario.history, now_ms - past_ms, now_ms)
        world.set_speed(scenario.speed)
        return world

    @property
    def url(self) -> str:
        """The REST base; the WebSocket is at its `/ws`."""
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Where the WebSocket is."""
        return f"ws://{self.host}:{self.port}/ws"

    @property
    def addresses(self) -> list[str]:
        """The accounts that trade."""
        return list(self.world.accounts)

    async def __aenter__(self) -> SimServer:
        app = web.Application(client_max_size=2**20)
        app.router.add_post("/info", self._info)
        app.router.add_get("/ws", self._websocket)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        self.faults.begin(self.clock() + self.world.ahead_ms)  # making a long history took its time
        await self._listen()
        if not isinstance(self.clock, VirtualClock):
            self._pump = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pump is not None:
            self._pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pump
        for connection in list(self.hub.connections):
            connection.abort()
        for answering in list(self._foreign):
            answering.cancel()
        await asyncio.gather(*self._foreign, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        self._stack.close()

    async def _listen(self) -> None:
        if self._runner is None:
            raise RuntimeError("the server is not running")
        self._site = web.TCPSite(self._runner, self.host, self.port, reuse_address=True)
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    async def _run(self) -> None:
        while True:
            await self.step()
            await asyncio.sleep(self._tick_seconds)

    async def advance(self, seconds: float) -> None:
        """Move a virtual clock and do everything that is due by then."""
        if not isinstance(self.clock, VirtualClock):
            raise TypeError("only a virtual clock can be moved")
        self.clock.now_ms += int(seconds * 1000)
        await self.step()

    async def step(self) -> None:
        """Do everything that is due by the clock's time."""
        now_ms = self.clock() + self.world.ahead_ms
        if now_ms - self.world.now_ms > LONGEST_STEP_MS and not isinstance(self.clock, VirtualClock):
            self.world.set_time(now_ms)  # its clock jumped: nobody traded meanwhile
        self.traffic.step(now_ms)
        self.faults.tick()
        self.hub.tick()
        until_ms = self.faults.down_until_ms
        if until_ms is not None and self._site is not None:
            await self._site.stop()
            self._site = None
        elif until_ms is not None and self.world.now_ms >= until_ms:
            self.faults.down_until_ms = None
            await self._listen()

    # REST

    async def _info(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if self.faults.rest_latency_ms:
            await asyncio.sleep(self.faults.rest_latency_ms / 1000)
        if self.faults.down_until_ms is not None:
            _abort(request)
            return web.Response(status=503)
        if self.faults.foreign is not None:
            own = self._answer(request.remote or "", body).body
            answering = asyncio.create_task(self.faults.foreign.answer(request, own if isinstance(own, bytes) else b""))
            self._foreign.add(answering)
            answering.add_done_callback(self._foreign.discard)
            return await answering
        if status := self.faults.rest_status:
            storm = "null" if status == 429 else "<html><body><h1>502 Bad Gateway</h1></body></html>"
            return web.Response(status=status, text=storm, content_type=JSON if status == 429 else "text/html")
        return self._answer(request.remote or "", body)

    def _answer(self, ip: str, body: bytes) -> web.Response:
        weight, now_ms = self.hub.guest(ip).weight, self.world.now_ms
        try:
            kind, asked = rest_market.parse(body)
            if not weight.take(now_ms, base_weight(kind)):
                return web.Response(status=429, text="null", content_type=JSON)
            data = self.hub.answer(kind, asked)
        except Unprocessable:
            return web.Response(status=422, text=UNPROCESSABLE)
        weight.charge(now_ms, row_weight(kind, len(data) if isinstance(data, list) else 0))
        return web.Response(body=msgspec.json.encode(data), content_type=JSON)

    # WebSocket

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if self.faults.down_until_ms is not None:
            _abort(request)
            return web.Response(status=503)
        connection = self.hub.connect(request.remote or "")
        if connection is None:
            return web.Response(status=429, text="null", content_type=JSON)
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=2**20)
        gone, wake = asyncio.Event(), asyncio.Event()

        def abort() -> None:
            self.hub.disconnect(connection)
            gone.set()
            _abort(request)

        connection.abort, connection.wake = abort, wake.set
        wake.set()
        await socket.prepare(request)
        writer = asyncio.create_task(_write(socket, connection, wake))
        try:
            await self._read(socket, connection, gone)
        finally:
            self.hub.disconnect(connection)
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await writer
        return socket

    async def _read(self, socket: web.WebSocketResponse, connection: Connection, gone: asyncio.Event) -> None:
        while not gone.is_set():
            message = await socket.receive()
            if message.type in {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}:
                return
            if connection.silent:
                continue
            if message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                text = message.data if isinstance(message.data, str) else message.data.decode(errors="replace")
                self.hub.receive(connection, text)


async def _write(socket: web.WebSocketResponse, connection: Connection, wake: asyncio.Event) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            await wake.wait()
            wake.clear()
            while connection.outbox:
                payload, is_binary = connection.outbox.popleft()
                data = payload.encode() if isinstance(payload, str) else payload
                await socket.send_frame(data, WSMsgType.BINARY if is_binary else WSMsgType.TEXT)


def _abort(request: web.Request) -> None:
    """Cut the TCP connection without any farewell."""
    if request.transport is not None:
        request.transport.abort()
