"""A feed that runs against the scripted exchange, and what it admitted."""

from __future__ import annotations

import asyncio
import contextlib

from hlmon.contract import Settings
from hlmon.events import Reading, State
from hlmon.hyperliquid.feed import HyperliquidFeed
from tests.core.feed.rest import Answers
from tests.core.feed.virtual_time import settle, until


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

    def unended_orders(self):
        return [order for order in self.states("order") if not order.has_ended]

    def of(self, kind, account=None):
        return [e for e in self.events if e.kind == kind and account in {None, e.account}]

    def now(self, kind, account, key):
        return self._newest.get((kind, account, key))


class Running:
    """A feed that runs against the scripted exchange."""

    def __init__(self, exchange, time, url) -> None:
        self.exchange = exchange
        self.time = time
        self.answers = Answers()
        self.answers.by_type["exchangeStatus"] = lambda _: {"time": exchange.time_ms, "specialStatuses": None}
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
                if user in self.exchange.usdc:
                    await self.exchange.spot_state(user)
            await settle()

    def account(self, address):
        return next(a for a in self.feed.status().accounts if a.address == address)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
