"""Reading an account's hole back, whatever came before, over the socket and over REST, in whatever pieces."""

import asyncio
import contextlib
from collections import Counter
from types import SimpleNamespace
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from hlmon.hyperliquid import recovery as recovering
from hlmon.hyperliquid.clock import REAL_TIME
from hlmon.hyperliquid.decode import decode_answer
from hlmon.hyperliquid.frames import Events
from hlmon.hyperliquid.reading import Surroundings
from hlmon.hyperliquid.recovery import History, Recovery
from hlmon.hyperliquid.requests import HISTORY_REQUESTS

ME = "0x" + "a" * 40
BEGIN_MS = 1_796_000_000_000
STREAMS = {"userFills": "fill", "userTwapSliceFills": "slice", "userFundings": "funding"}
FILL = {"coin": "BTC", "side": "B", "px": "1", "sz": "1"}
FUNDING = {"usdc": "1", "szi": "1", "fundingRate": "0.1"}


def row(stream, time_ms, number):
    if stream == "userFundings":
        return {"time": time_ms, "delta": FUNDING | {"coin": f"C{number}"}}
    fill = FILL | {"time": time_ms, "tid": number}
    return fill if stream == "userFills" else {"fill": fill, "twapId": 3}


class Exchange:
    """The rows of one account: those until `since_ms` are past, the others come live while questions are asked."""

    def __init__(self, rows, since_ms, page_rows, snapshot_rows):
        self.rows = rows  # (time_ms, stream, number), by time
        self.now_ms = self.since_ms = since_ms
        self.page_rows = page_rows
        self.snapshot_rows = snapshot_rows

    def visible(self, stream):
        return [row(*one) for one in self._of(stream, self.now_ms)]

    def answer(self, request):
        stream = next(name for name, kind in HISTORY_REQUESTS.items() if kind == request["type"])
        if stream not in STREAMS:
            return []
        found = self._of(stream, self.now_ms)
        return [row(*one) for one in found if one[1] >= request["startTime"]][: self.page_rows]

    def snapshot(self, stream):
        past = [row(*one) for one in self._of(stream, self.since_ms)] if stream in STREAMS else []
        return frame(stream, past[max(0, len(past) - self.snapshot_rows) :], is_snapshot=True)

    def live(self, until_ms):
        """The frames of what happens up to then."""
        coming = [one for one in self.rows if self.now_ms < one[0] <= until_ms]
        self.now_ms = max(self.now_ms, until_ms)
        return [frame(stream, [row(stream, time_ms, number)]) for time_ms, stream, number in coming]

    def _of(self, stream, until_ms):
        return [(s, time_ms, number) for time_ms, s, number in self.rows if s == stream and time_ms <= until_ms]


def frame(stream, rows, *, is_snapshot=False):
    events = tuple(decode_answer(HISTORY_REQUESTS[stream], ME, rows, clock_ms=1).events)
    times = [event.time_ms for event in events]
    return Events(ME, stream, is_snapshot, events, min(times, default=None), max(times, default=None))


class Ingest:
    """New events, in the order in which they came."""

    def __init__(self):
        self.facts = {}

    def __call__(self, events):
        before = len(self.facts)
        for event in events:
            self.facts.setdefault(event.name, event)
        return len(self.facts) - before


def missing(exchange, ingest, stream, until_ms):
    events = frame(stream, exchange.visible(stream)).events
    return [event for event in events if event.time_ms <= until_ms and event.name not in ingest.facts]


async def read_back(exchange, checkpoint_ms, order, steps):
    """Run one recovery; `steps` are the milliseconds that pass before each answer."""
    ingest, history = Ingest(), History({}, {})
    if checkpoint_ms is not None:
        history.complete_ms |= dict.fromkeys(HISTORY_REQUESTS, checkpoint_ms)
        for stream in STREAMS:
            ingest(e for e in frame(stream, exchange.visible(stream)).events if e.time_ms <= checkpoint_ms)
    known = len(ingest.facts)
    steps = iter(steps)

    async def ask(request):
        for live in exchange.live(exchange.now_ms + next(steps, 0)):
            recovery.take(live)
        for stream in STREAMS:  # broken off here, nothing would be lost
            assert missing(exchange, ingest, stream, history.complete_ms.get(stream, 0)) == []
        return exchange.answer(request)

    info = SimpleNamespace(ask=ask, failing="")
    recovery = Recovery(ME, history, around_of(exchange, ingest, info), lambda _: None)
    for stream in order:
        recovery.take(exchange.snapshot(stream))
    recovery.seen(exchange.since_ms)
    await recovery.run()
    for live in exchange.live(exchange.now_ms + 1000):
        recovery.take(live)
    for stream in STREAMS:
        assert missing(exchange, ingest, stream, exchange.now_ms) == []
    return [fact for fact in list(ingest.facts.values())[known:] if fact.kind not in {"gap", "checkpoint"}]


def around_of(exchange, ingest, info):
    return Surroundings(info, ingest, REAL_TIME, lambda: exchange.now_ms, lambda *_: None)


@st.composite
def pasts(draw):
    """An exchange with a page longer than any millisecond, and a time until which all is stored."""
    pairs = st.tuples(st.sampled_from([0, 0, 1, 2, 30]), st.sampled_from(sorted(STREAMS)))
    rows, time_ms = [], BEGIN_MS
    for number, (pause_ms, stream) in enumerate(draw(st.lists(pairs, min_size=1, max_size=60)), 1):
        time_ms += pause_ms
        rows.append((time_ms, stream, number))
    longest = max(Counter(time_ms for time_ms, _, _ in rows).values())
    since = draw(st.integers(0, 150))
    exchange = Exchange(rows, BEGIN_MS + since, longest + draw(st.integers(1, 10)), draw(st.integers(1, 20)))
    return exchange, draw(st.none() | st.integers(BEGIN_MS - 10, exchange.since_ms))


@settings(max_examples=300, deadline=None)
@given(pasts(), st.permutations(sorted(HISTORY_REQUESTS)), st.lists(st.integers(0, 60), max_size=10))
def test_facts_reach_ingest_by_time_checkpoints_run_behind_them_and_nothing_stays_held(past, order, steps):
    exchange, checkpoint_ms = past
    with patch.object(recovering, "SHORT_SNAPSHOT", 1):
        facts = asyncio.run(read_back(exchange, checkpoint_ms, order, steps))
    assert [fact.time_ms for fact in facts] == sorted(fact.time_ms for fact in facts)


class Reading:
    """A recovery of fills alone, driven by hand: the other streams have no past."""

    def __init__(self, exchange, checkpoint_ms, *, live_first=()):
        self.exchange, self.ingest, self.asked = exchange, Ingest(), []
        self.history = History(dict.fromkeys(HISTORY_REQUESTS, checkpoint_ms), {})
        info = SimpleNamespace(ask=self.ask, failing="")
        self.recovery = Recovery(ME, self.history, around_of(exchange, self.ingest, info), lambda _: None)
        for time_ms, number in live_first:
            self.recovery.take(frame("userFills", [row("userFills", time_ms, number)]))
        for stream in HISTORY_REQUESTS:
            self.recovery.take(exchange.snapshot(stream))
        self.recovery.seen(exchange.since_ms)

    async def ask(self, request):
        if request["type"] == "userFillsByTime":
            self.asked.append(request["startTime"] - BEGIN_MS)
        return self.exchange.answer(request)

    @property
    def fills(self):
        return [fact.trade_id for fact in self.ingest.facts.values() if fact.kind == "fill"]

    @property
    def gaps(self):
        found = [fact for fact in self.ingest.facts.values() if fact.kind == "gap" and not fact.healed]
        return [(gap.stream, gap.start_ms - BEGIN_MS, gap.end_ms - BEGIN_MS) for gap in found]


def fills_at(*offsets_ms):
    return [(BEGIN_MS + offset_ms, "userFills", number) for number, offset_ms in enumerate(offsets_ms, 1)]


def test_reading_ends_where_the_rows_of_the_snapshot_begin():
    async def live():
        exchange = Exchange(fills_at(*range(1000)), BEGIN_MS + 1000, page_rows=400, snapshot_rows=300)
        reading = Reading(exchange, BEGIN_MS)
        await reading.recovery.run()
        assert reading.asked == [-60_000, 399]  # and not 798, since the snapshot begins at 700
        assert reading.fills == list(range(1, 1001))

    asyncio.run(live())


def test_a_snapshot_does_not_hide_that_rows_before_the_first_page_are_out_of_reach():
    async def live():
        exchange = Exchange(fills_at(*range(70_000, 80_000)), BEGIN_MS + 90_000, page_rows=2000, snapshot_rows=2000)
        reading = Reading(exchange, BEGIN_MS)
        await reading.recovery.run()
        assert reading.gaps == [("userFills", 0, 70_000)]
        assert reading.fills == list(range(1, 10_001))

    asyncio.run(live())


def test_the_checkpoint_stays_before_rows_that_may_be_out_of_reach_until_all_are_counted():
    async def live():
        exchange = Exchange(fills_at(*range(70_000, 71_000)), BEGIN_MS + 90_000, page_rows=400, snapshot_rows=100)
        reading = Reading(exchange, BEGIN_MS)

        async def broken_off(request):
            if reading.asked:
                raise ConnectionAbortedError
            return await Reading.ask(reading, request)

        reading.recovery._around.info.ask = broken_off
        with contextlib.suppress(ConnectionAbortedError):
            await reading.recovery.run()
        assert reading.fills[0] == 1
        assert reading.history.complete_ms["userFills"] == BEGIN_MS

    asyncio.run(live())


def test_inside_a_millisecond_rows_of_rest_come_before_those_of_the_snapshot_and_live_ones_last():
    async def live():
        rows = fills_at(*[5] * 3, *range(6, 105))
        exchange = Exchange(rows, BEGIN_MS + 200, page_rows=500, snapshot_rows=100)  # of the first three it has one
        reading = Reading(exchange, BEGIN_MS, live_first=[(BEGIN_MS + 5, 999)])
        assert reading.fills == []
        await reading.recovery.run()
        assert reading.fills == [1, 2, 3, 999, *range(4, 103)]

    asyncio.run(live())


def test_what_comes_live_ends_the_reading_of_an_account_that_never_rests():
    async def live():
        exchange = Exchange(fills_at(*range(0, 5000, 10)), BEGIN_MS + 95, page_rows=500, snapshot_rows=0)
        reading = Reading(exchange, BEGIN_MS)

        async def ask(request):
            for frame_ in exchange.live(exchange.now_ms + 100):
                reading.recovery.take(frame_)
            return await Reading.ask(reading, request)

        reading.recovery._around.info.ask = ask
        await reading.recovery.run()
        assert len(reading.asked) == 1
        assert sorted(reading.fills)[:20] == list(range(1, 21))

    asyncio.run(live())


def test_a_live_frame_is_passed_on_whole_and_at_once_while_history_is_read_that_nothing_waits_for():
    async def live():
        exchange = Exchange(fills_at(*range(5)), BEGIN_MS + 90_000, page_rows=500, snapshot_rows=5)
        taken, told = [], []
        recovery = Recovery(ME, History(), around_of(exchange, taken.append, SimpleNamespace()), told.append)
        early = frame("userFills", [row("userFills", BEGIN_MS + 90_001, 6)])
        recovery.take(early)
        assert early.events not in taken  # the snapshot may be long
        for stream in STREAMS:
            recovery.take(exchange.snapshot(stream))
        rows = [row("userFills", BEGIN_MS + 90_002, number) for number in (7, 8, 9)]
        with patch.object(Recovery, "_release", side_effect=AssertionError("nothing changed that could let more pass")):
            recovery.take(frame("userFills", rows))
        assert [event.trade_id for event in taken[-1]] == [7, 8, 9]
        assert [event.trade_id for event in told[-1]] == [7, 8, 9]

    asyncio.run(live())
