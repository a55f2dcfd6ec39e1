"""The events that `hlmon cost` counts are those that a monitor really writes."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter
from contextlib import ExitStack, suppress

import msgspec
import pytest

from hlmon.builtin import hlmon_derivers
from hlmon.contract import Settings
from hlmon.cost import OPEN_POSITIONS, Usage, events_per_day
from hlmon.delivery import follow_sink
from hlmon.hyperliquid.clock import Clock
from hlmon.hyperliquid.feed import HyperliquidFeed
from hlmon.ingest import Ingest
from hlmon.journal import Journal
from hlmon.plugins import load_catalogue
from hlmon_sim import Scenario, SimServer, VirtualClock
from hlmon_sim.rest_market import answer

USER = "0x" + "a1" * 20
START_MS = 1_790_000_000_000 + 2_000  # no delivery falls on a full minute, as it is in life
COINS = ("BTC", "ETH", "SOL", "HYPE")
TRADES_PER_HOUR = 20
TOLERANCE = 0.02
PATIENCE_SECONDS = 120


class Counting:
    """Counts the events that it is brought, by kind."""

    def __init__(self) -> None:
        self.written: Counter[str] = Counter()

    def write(self, events):
        self.written.update(event.kind for event in events)

    def load_checkpoints(self):
        return ()


class Time:
    """The monitor's time, which is the exchange's and passes with it."""

    def __init__(self, exchange_clock: VirtualClock) -> None:
        self._now = lambda: exchange_clock.now_ms / 1000
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self.clock = Clock(now=self._now, sleep=self.sleep, wall=self._now, chance=lambda: 0.5)

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now() + seconds, next(self._order), woken))
        await woken

    async def wake(self) -> None:
        while self._sleepers and self._sleepers[0][0] <= self._now():
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():
                woken.set_result(None)
        for _ in range(5):
            await asyncio.sleep(0)


class Rest:
    """The REST side of a simulated exchange, without HTTP."""

    failing, failing_since, plenty = "", 0.0, True

    def __init__(self, server: SimServer) -> None:
        self._server = server

    async def ask(self, request, read=msgspec.json.decode):
        rows = answer(self._server.world, self._server.scenario.limits, dict(request))
        return read(msgspec.json.encode(rows))


class Monitor:
    """The real feed, derivers, journal and follower on a simulated exchange; a call of the sink after each linger."""

    def __init__(self, server: SimServer, journal: Journal, sink: Counting, factory, stack: ExitStack) -> None:
        self._exchange = server
        self._time = Time(server.clock)
        settings = Settings(name="measured", accounts={USER: ""}, coins=("BTC",), url=server.url)
        derivers = [
            (each.name, each.kinds, stack.enter_context(each.open(each.config(), settings)))
            for each in hlmon_derivers()
            if each.always or each.name == "position_closed"
        ]
        self._ingest = Ingest(journal, derivers)
        self._feed = HyperliquidFeed(settings, Rest(server), clock=self._time.clock, on_frame=self._hear)
        self._follower = follow_sink("count", journal, sink, factory, quarantine=pytest.fail)
        self._linger_s = factory.linger_ms // 1000
        self._last_frame = b""

    def _hear(self, raw: bytes) -> None:
        self._last_frame = raw

    async def start(self) -> asyncio.Task[None]:
        task = asyncio.ensure_future(self._feed.run(self._ingest))
        while not self._in_place():
            await self._pass_second()
            await asyncio.sleep(0.05)  # sockets take real time
        return task

    def _in_place(self) -> bool:
        status = self._feed.status()
        ready = all(account.status == "watched" and not account.resuming for account in status.accounts)
        return ready and bool(status.coins)

    async def _pass_second(self) -> None:
        await self._exchange.advance(1)
        await self._time.wake()

    async def linger(self, script) -> None:
        """As long as the sink is left alone, then one call of it. A second's last frame tells its trade."""
        for _ in range(self._linger_s):
            await self._pass_second()
            next(script)
            told = b'"time":%d' % self._exchange.world.now_ms
            while not (self._last_frame.startswith(b'{"channel":"trades"') and told in self._last_frame):
                await asyncio.sleep(0)
        self._ingest.flush()
        while self._follower.deliver_next():
            pass


def play(world, account):
    """Second by second: one position is closed and another opened, by orders that rest and are filled in two parts."""
    for number in itertools.count():
        closes, opens = COINS[number % len(COINS)], COINS[(number + OPEN_POSITIONS) % len(COINS)]
        orders = []
        for second in range(2 * 3600 // TRADES_PER_HOUR):
            if second == 20:
                orders = [
                    world.place(account, coin, size, world.market.price(coin))
                    for coin, size in ((closes, -2), (opens, 2))
                ]
            elif second in {40, 60}:
                for order in orders:
                    world.fill_order(order, 1)
            world.background("BTC", "0.1")
            yield


async def watch_an_hour(journal: Journal, factory) -> Counter[str]:
    """How many events of each kind a sink is brought in an hour that begins when everything is in place."""
    sink, clock = Counting(), VirtualClock(START_MS)
    exchange = SimServer(Scenario(accounts=0, rate=0, trades_rate=0, speed=1), clock=clock)
    account = exchange.world.add_account(USER, usdc=10_000_000)
    for coin in COINS[:OPEN_POSITIONS]:
        exchange.world.open(account, coin, 2)
    async with asyncio.timeout(PATIENCE_SECONDS), exchange:
        with ExitStack() as stack:
            monitor = Monitor(exchange, journal, sink, factory, stack)
            feed = await monitor.start()
            script = play(exchange.world, account)
            await monitor.linger(script)
            sink.written.clear()
            for _ in range(3_600_000 // factory.linger_ms):
                await monitor.linger(script)
            feed.cancel()
            with suppress(asyncio.CancelledError):
                await feed
    return sink.written


def test_an_hour_of_an_account_is_written_as_often_as_the_estimate_says(tmp_path):
    factory = load_catalogue().sink("dynamodb")
    with Journal.open(tmp_path / "hlmon.db") as journal:
        written = asyncio.run(watch_an_hour(journal, factory))
    day = events_per_day(Usage(trades_per_day=24 * TRADES_PER_HOUR, coins=1), factory.linger_ms)
    assert written == {kind: pytest.approx(number / 24, rel=TOLERANCE, abs=1) for kind, number in day.items()}
