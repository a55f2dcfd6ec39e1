"""Two reference sources keep the source contract, and what a wrong source feeds is caught by the case about it."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import contextmanager
from decimal import Decimal
from functools import cached_property
from typing import ClassVar

import msgspec
import pytest
from msgspec.structs import replace

from hlmon.contract import SourceFactory
from hlmon.errors import ConfigError
from hlmon.events import Checkpoint, Fact, Fill, Order
from hlmon.status import SourceStatus
from hlmon.testing import BrokenPromise, SourceContract
from hlmon.testing.builders import ALICE, START_MS, make_market_trades

KEY = "correct-horse-battery"
TEXT = r"(?s)^promise: .+\n  because: .+\n  seen: .*"


class Exchange:
    """The other side: two orders and their six fills, told in three pages, unless it is out of reach."""

    def __init__(self) -> None:
        self.reachable = True
        self.pages = [[1, 2], [3, 4], [5, 6]]


class Reader:
    """A reference: it reads everything, each time, and ends."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    async def run(self, ingest, /):
        await self.reach()
        for page in self.exchange.pages:
            self.feed(ingest, page)
            await self.turn()

    async def reach(self):
        if not self.exchange.reachable:
            raise OSError("the exchange is out of reach")

    def feed(self, ingest, numbers):
        ingest(event for number in numbers for event in self.events(number))

    async def turn(self):
        await asyncio.sleep(0)

    def events(self, number):
        common = {"account": ALICE, "time_ms": START_MS + number * 1000, "coin": "BTC", "side": "buy"}
        numbers = {"price": Decimal("100.5"), "size": Decimal(number), "order_id": number % 2}
        order = {"remaining": Decimal(0), "status": "open", "created_ms": START_MS}
        return [Fill(**common, **numbers, trade_id=number), Order(**common, **numbers, **order)]


class Follower(Reader):
    """The other reference: it goes on from its checkpoint, waits for more, and says how it is."""

    def __init__(self, exchange):
        super().__init__(exchange)
        self.newest_ms = 0

    async def run(self, ingest, /):
        self.newest_ms = max((mark.time_ms for mark in ingest.states("checkpoint")), default=0)
        try:
            await super().run(ingest)
            await self.wait(ingest)
        finally:
            self.close()

    def feed(self, ingest, numbers):
        news = [event for number in numbers for event in self.events(number) if event.time_ms > self.newest_ms]
        if news:
            self.newest_ms = news[-1].time_ms
            self.hand_over(ingest, news, Checkpoint(account=ALICE, time_ms=self.newest_ms, stream="fills"))

    def hand_over(self, ingest, news, mark):
        ingest([*news, mark])

    async def wait(self, ingest):
        await asyncio.get_running_loop().create_future()

    def close(self):
        pass

    def status(self):
        return SourceStatus(counters={"newest_ms": self.newest_ms})


class ExchangeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    market: str = "spot"


class ReaderContract(SourceContract):
    secrets = (KEY,)
    source: ClassVar[type[Reader]] = Reader
    holds: ClassVar = {"fill": 6, "order": 2}
    refusal: ClassVar[str] = "no such market"
    proves_config: ClassVar[bool] = True
    proves_reach: ClassVar[bool] = True

    @cached_property
    def exchange(self):
        return Exchange()

    def factory(self):
        return SourceFactory(name="exchange", config=ExchangeConfig, open=self.open_source)

    @contextmanager
    def open_source(self, config, _settings):
        if self.proves_config and config.market != "spot":
            raise ConfigError(self.refusal)
        if self.proves_reach and not self.exchange.reachable:
            raise ConfigError("the exchange is out of reach")
        yield self.source(self.exchange)

    def config(self):
        return ExchangeConfig()

    def expected(self):
        return self.holds

    def wrong_configs(self):
        return {"an unknown market": ExchangeConfig(market="none")}

    @contextmanager
    def outage(self):
        self.exchange.reachable = False
        yield
        self.exchange.reachable = True


class FollowerContract(ReaderContract):
    source = Follower
    holds: ClassVar = {"fill": 6, "order": 2, "checkpoint": 1}


class TestReader(ReaderContract):
    """The reference passes every case."""


class TestFollower(FollowerContract):
    """So does the other one."""


class ReadsForDerivers(Reader):
    def events(self, number):
        return [make_market_trades(time_ms=START_MS + number)]


class TestReadings(ReaderContract):
    """Nothing is stored of readings, so nothing is asked about it."""

    source = ReadsForDerivers
    holds: ClassVar = {"trades": 6}


class SkipsTheLastPage(Reader):
    def feed(self, ingest, numbers):
        super().feed(ingest, [number for number in numbers if number < 5])


class TellsAFillThatWasNot(Reader):
    def feed(self, ingest, numbers):
        super().feed(ingest, [number + 100 for number in numbers if number == 1] + numbers)


class FailsAtItsEnd(Reader):
    async def run(self, ingest, /):
        await super().run(ingest)
        for _ in range(10):
            await self.turn()
        raise EOFError("no more pages")


class FeedsFromAThread(Reader):
    async def run(self, ingest, /):
        await asyncio.to_thread(self.feed, ingest, itertools.chain(*self.exchange.pages))


class CountsInFloats(Reader):
    def events(self, number):
        return [replace(event, price=float(event.price)) for event in super().events(number)]


class Deposit(Fact, frozen=True, kw_only=True):
    kind = "deposit"

    @property
    def key(self):
        return str(self.time_ms)


class InventsAFact(Reader):
    def events(self, number):
        return [*super().events(number), Deposit(time_ms=START_MS)]


class HasNoKey(Reader):
    def events(self, number):
        return [*super().events(number), Checkpoint(account=ALICE, time_ms=START_MS, stream="")]


class TellsSeconds(Reader):
    def events(self, number):
        return [replace(event, time_ms=event.time_ms // 1000) for event in super().events(number)]


class ShoutsAddresses(Reader):
    def events(self, number):
        return [replace(event, account=ALICE.upper().replace("X", "x")) for event in super().events(number)]


class NumbersItsFills(Reader):
    numbers = itertools.count(1)

    def events(self, number):
        fill, order = super().events(number)
        return [replace(fill, trade_id=next(self.numbers)), order]


class TellsTheTimeOfReading(Reader):
    def events(self, number):
        fill, order = super().events(number)
        return [replace(fill, time_ms=int(time.time()) * 1000), order]


def contract_of(source_type: type[Reader], **changes: object) -> ReaderContract:
    base = FollowerContract if issubclass(source_type, Follower) else ReaderContract
    fields = {"source": source_type, "patience_seconds": 0.2} | changes
    return type(f"{source_type.__name__}Contract", (base,), fields)()


FEEDS = "test_it_feeds_what_its_input_holds"
LOOP = "test_it_feeds_from_the_event_loop"
EXACT = "test_it_feeds_only_what_can_be_stored_exactly"
TIMES = "test_times_are_utc_milliseconds"
ADDRESSES = "test_addresses_are_lower_case"
NAMES = "test_the_same_input_gives_the_same_names"

WRONG_FEEDS = [
    (contract_of(SkipsTheLastPage), FEEDS, "'fill': 4"),
    (contract_of(TellsAFillThatWasNot), FEEDS, "'fill': 7"),
    (contract_of(FailsAtItsEnd), FEEDS, "EOFError: no more pages"),
    (contract_of(Reader, holds={}), FEEDS, r"expected\(\) is empty"),
    (contract_of(FeedsFromAThread), LOOP, "asyncio_0"),
    (contract_of(CountsInFloats), EXACT, r'"price":100.5.* comes back as .*"price":"100.5"'),
    (contract_of(InventsAFact), EXACT, "'deposit' is a Deposit"),
    (contract_of(HasNoKey), EXACT, "Checkpoint"),
    (contract_of(TellsSeconds), TIMES, rf"\('fill', {START_MS // 1000 + 1}\)"),
    (contract_of(ShoutsAddresses), ADDRESSES, "0xA1A1"),
    (contract_of(NumbersItsFills), NAMES, "missing: .*; more: .*"),
    (contract_of(TellsTheTimeOfReading), NAMES, "missing: .*; more: .*"),
]


@pytest.mark.parametrize(
    ("contract", "case", "seen"),
    WRONG_FEEDS,
    ids=[f"{type(c).__name__}-{n}" for n, (c, _, _) in enumerate(WRONG_FEEDS)],
)
def test_what_a_wrong_source_feeds_is_caught_by_the_case_about_it(contract, case, seen):
    with pytest.raises(BrokenPromise, match=TEXT + seen):
        getattr(contract, case)()


def test_of_readings_nothing_is_stored_and_so_nothing_is_killed():
    with pytest.raises(pytest.skip.Exception, match="readings only"):
        contract_of(ReadsForDerivers, holds={"trades": 6}).test_a_kill_at_any_moment_loses_nothing()
