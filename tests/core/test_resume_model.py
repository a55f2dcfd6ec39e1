"""Reading a hole back from a model of the exchange, whatever its rows and the length of its pages are."""

from collections import Counter
from decimal import Decimal
from itertools import accumulate

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hlmon.events import Fill
from hlmon.hyperliquid.resume import Resume

ME = "0x" + "a" * 40
BEGIN_MS = 10_000
OVERLAP_MS = 50
MOST_QUESTIONS = 1000

steps = st.lists(st.sampled_from([0, 0, 0, 1, 2, 40]), min_size=1, max_size=80)
caps = st.integers(1, 50)
offsets = st.integers(-100, 800)


class Exchange:
    """Rows, each visible from some question on; pages of at most `cap` rows, of the newest `horizon` rows only."""

    def __init__(self, gaps_ms, visible_from, cap, horizon=10_000):
        times = accumulate(gaps_ms, initial=BEGIN_MS)
        self.rows = [fill(time_ms, number) for number, time_ms in enumerate(times, 1)]
        self.visible_from = visible_from
        self.cap = cap
        self.horizon = horizon
        self.asked = 0

    @property
    def newest_ms(self):
        return self.rows[-1].time_ms

    def answer(self, start_ms):
        visible = [row for row in self.rows if self.visible_from.get(row.trade_id, 0) <= self.asked]
        self.asked += 1
        assert self.asked < MOST_QUESTIONS, "does not end"
        return [row for row in visible[-self.horizon :] if row.time_ms >= start_ms][: self.cap]


def fill(time_ms, number):
    one = Decimal(1)
    return Fill(account=ME, time_ms=time_ms, coin="BTC", side="buy", price=one, size=one, trade_id=number)


def read(exchange, checkpoint_ms, **changes):
    reading = Resume(
        "userFills",
        ME,
        checkpoint_ms,
        overlap_ms=OVERLAP_MS,
        shortest_full_page=1,
        shortest_limit=exchange.cap,
        **changes,
    )
    given = []
    while (request := reading.request()) is not None:
        before_ms = reading.complete_until_ms
        given += reading.feed(exchange.answer(request["startTime"]))
        assert reading.complete_until_ms >= before_ms
    assert [row.time_ms for row in given] == sorted(row.time_ms for row in given)
    assert len({row.name for row in given}) == len(given), "a row was handed out twice"
    return reading, given


def is_stated(row, gaps):
    return any(gap.start_ms <= row.time_ms <= gap.end_ms for gap in gaps)


@settings(max_examples=300, deadline=None)
@given(steps, caps, st.none() | offsets, st.data())
def test_nothing_is_lost_and_nothing_comes_twice(gaps_ms, cap, offset, data):
    exchange = Exchange(gaps_ms, {}, cap)
    late = [row.trade_id for row in exchange.rows if row.time_ms > exchange.newest_ms - OVERLAP_MS]
    exchange.visible_from = data.draw(st.dictionaries(st.sampled_from(late), st.integers(1, 5)))
    checkpoint_ms = None if offset is None else BEGIN_MS + offset
    first, given = read(exchange, checkpoint_ms)
    exchange.asked = 10
    second, more = read(exchange, first.complete_until_ms)
    seen = {row.name for row in given + more}
    crowded = {time_ms for time_ms, rows in Counter(row.time_ms for row in exchange.rows).items() if rows > cap}
    for row in exchange.rows:
        if row.name not in seen and row.time_ms > (checkpoint_ms or 0):
            assert row.time_ms in crowded
            assert is_stated(row, first.gaps + second.gaps)


@settings(max_examples=200, deadline=None)
@given(steps, caps, offsets)
def test_pages_that_hold_more_than_a_millisecond_bring_everything_and_no_gap(gaps_ms, spare, offset):
    exchange = Exchange(gaps_ms, {}, 1)
    exchange.cap = max(Counter(row.time_ms for row in exchange.rows).values()) + spare
    reading, given = read(exchange, BEGIN_MS + offset)
    assert [row for row in exchange.rows if row.time_ms >= BEGIN_MS + offset - OVERLAP_MS] == given
    assert reading.gaps == ()


@settings(max_examples=300, deadline=None)
@given(steps, caps, offsets, st.integers(1, 40), st.lists(st.integers(0, 8), max_size=30))
def test_what_left_the_reach_of_the_exchange_is_stated_as_a_gap(gaps_ms, cap, offset, horizon, arrivals):
    exchange = Exchange(gaps_ms, {}, cap, horizon)
    newest_first = sorted({row.time_ms for row in exchange.rows}, reverse=True)
    blocks = dict(zip(newest_first, sorted(arrivals, reverse=True), strict=False))
    exchange.visible_from = {row.trade_id: blocks.get(row.time_ms, 0) for row in exchange.rows}
    checkpoint_ms = BEGIN_MS + offset
    reading, given = read(exchange, checkpoint_ms, horizon=horizon)
    seen = {row.name for row in given}
    # With more rows in one millisecond than a page holds nobody can count them, so the number proves nothing.
    assume(max(Counter(row.time_ms for row in exchange.rows).values(), default=0) <= cap)
    for row in exchange.rows:
        arrived = exchange.visible_from.get(row.trade_id, 0) < exchange.asked
        if arrived and row.time_ms > checkpoint_ms and row.name not in seen:
            assert is_stated(row, reading.gaps)


@settings(max_examples=200, deadline=None)
@given(steps, st.integers(1, 40), offsets)
def test_without_a_row_out_of_reach_there_is_no_gap(gaps_ms, horizon, offset):
    exchange = Exchange(gaps_ms, {}, 1000, horizon)
    checkpoint_ms = BEGIN_MS + offset
    reading, given = read(exchange, checkpoint_ms, horizon=horizon)
    lost = [row for row in exchange.rows if row.time_ms > checkpoint_ms and row not in given]
    if reading.gaps:
        assert lost or len(given) >= horizon
    else:
        assert not lost


@settings(max_examples=200, deadline=None)
@given(steps, caps, offsets, st.integers(1, 60), st.integers(0, 400))
def test_a_reading_that_ends_where_rows_come_live_brings_everything_before_and_the_same_gaps(
    gaps_ms, cap, offset, horizon, until
):
    exchange = Exchange(gaps_ms, {}, cap, horizon)
    whole, every = read(exchange, BEGIN_MS + offset, horizon=horizon)
    exchange.asked = 0
    reading, given = read(exchange, BEGIN_MS + offset, horizon=horizon, until_ms=BEGIN_MS + until)
    assert given == every[: len(given)]
    assert all(row.time_ms > BEGIN_MS + until for row in every[len(given) :])
    assert {gap.end_ms for gap in whole.gaps} - {gap.end_ms for gap in reading.gaps} <= {
        row.time_ms for row in every if row.time_ms > BEGIN_MS + until
    }
