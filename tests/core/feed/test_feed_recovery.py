import asyncio

import pytest

from hlmon.errors import Permanent
from hlmon.events import Checkpoint

STREAMS = ("userFills", "userTwapSliceFills", "userFundings", "userNonFundingLedgerUpdates", "userHistoricalOrders")


def pages(rows):
    """userFillsByTime over these rows, oldest first from startTime on."""
    return lambda request: [row for row in rows if row["time"] >= request["startTime"]]


def since(running, tools, minutes):
    """The account was watched until so many minutes ago."""
    stopped_ms = running.exchange.time_ms - minutes * 60_000
    running.book([Checkpoint(account=tools.alice, stream=s, time_ms=stopped_ms) for s in STREAMS])
    return stopped_ms


def long_snapshot(running, tools):
    """So many fills since the account was watched that there may be others before them."""
    now = running.exchange.time_ms
    rows = [tools.fill(now - 200 + n, 50_000 + n) for n in range(100)]
    slices = [{"fill": tools.fill(now - 200 + n, 60_000 + n), "twapId": 9} for n in range(100)]
    running.exchange.snapshots["userFills", tools.alice] = rows
    running.exchange.snapshots["userTwapSliceFills", tools.alice] = slices


async def watch_unread(running, tools):
    """Every stream is in place, and what was missed is still to be read."""
    await running.start(tools.alice, wait=False)
    await running.time.advance(5)
    await tools.until(lambda: running.account(tools.alice).status == "watched")


def fill_ids(running):
    return [fill.trade_id for fill in running.book.of("fill") if fill.trade_id < 50_000]


def test_a_snapshot_that_reaches_back_beyond_the_overlap_needs_no_rest(watching, tools):
    async def live():
        async with watching() as running:
            stopped = since(running, tools, 5)
            rows = [tools.fill(stopped - 60_001, 1), tools.fill(stopped + 1000, 2)]
            running.exchange.snapshots["userFills", tools.alice] = rows
            await running.start(tools.alice)
            assert "userFillsByTime" not in running.answers.types()
            assert fill_ids(running) == [1, 2]

    asyncio.run(live())


def test_what_the_snapshot_does_not_reach_is_read_over_rest_and_comes_before_it(watching, tools):
    async def live():
        async with watching() as running:
            stopped = since(running, tools, 5)
            old, new = tools.fill(stopped + 1000, 1), tools.fill(stopped + 2000, 2)
            long_snapshot(running, tools)
            running.exchange.snapshots["userFills", tools.alice].append(new)
            running.answers.by_type["userFillsByTime"] = pages([old, new])
            await running.start(tools.alice)
            assert running.answers.types().count("userFillsByTime") >= 1
            assert fill_ids(running) == [1, 2]

    asyncio.run(live())


def test_live_fills_wait_for_the_hole_before_them_and_are_released_by_time(watching, tools):
    async def live():
        async with watching() as running:
            stopped = since(running, tools, 5)
            long_snapshot(running, tools)
            running.answers.down.clear()
            running.answers.by_type["userFillsByTime"] = pages([tools.fill(stopped + 1000, 1)])
            slices = [{"fill": tools.fill(stopped + 500, 4), "twapId": 9}]
            running.answers.by_type["userTwapSliceFillsByTime"] = lambda request: slices
            await watch_unread(running, tools)
            now = running.exchange.time_ms
            await running.exchange.fills(tools.alice, tools.fill(now + 2000, 3))
            await running.exchange.fills(tools.alice, tools.fill(now + 1000, 2))
            await tools.settle()
            assert fill_ids(running) == []
            running.answers.down.set()
            await running.live_on(20)  # with REST down, two states must tell the exchange's time
            await tools.until(running.all_in_place)
            assert fill_ids(running) == [4, 1, 2, 3]

    asyncio.run(live())


def test_held_fills_are_released_when_rest_makes_no_progress_for_a_minute(watching, tools):
    async def live():
        async with watching() as running:
            stopped = since(running, tools, 5)
            long_snapshot(running, tools)
            running.answers.down.clear()
            running.answers.by_type["userFillsByTime"] = pages([tools.fill(stopped + 1000, 1)])
            await watch_unread(running, tools)
            await running.exchange.fills(tools.alice, tools.fill(running.exchange.time_ms, 2))
            await running.live_on(50)
            assert fill_ids(running) == []
            await running.live_on(20)
            assert fill_ids(running) == [2]
            (gap,) = [gap for gap in running.book.states("gap") if gap.stream == "userFills"]
            assert (gap.start_ms, gap.healed) == (stopped, False)
            running.answers.down.set()
            await tools.until(running.all_in_place)
            assert fill_ids(running) == [2, 1]
            (gap,) = [gap for gap in running.book.states("gap") if gap.stream == "userFills"]
            assert (gap.start_ms, gap.healed, gap.events_read) == (stopped, True, 101)

    asyncio.run(live())


def test_no_more_than_ten_thousand_events_are_held(watching, tools):
    async def live():
        async with watching() as running:
            since(running, tools, 5)
            long_snapshot(running, tools)
            running.answers.down.clear()
            await watch_unread(running, tools)
            now = running.exchange.time_ms
            for first in range(1, 9_001, 1000):
                rows = [tools.fill(now + tid, tid) for tid in range(first, first + 1000)]
                await running.exchange.fills(tools.alice, *rows)
            await tools.settle()
            assert fill_ids(running) == []
            rows = [tools.fill(now + tid, tid) for tid in range(9001, 10_001)]
            await running.exchange.fills(tools.alice, *rows)
            await tools.until(lambda: fill_ids(running) == list(range(1, 10_001)))

    asyncio.run(live())


def test_a_snapshot_that_reaches_back_to_the_checkpoint_holds_nothing_up(watching, tools):
    async def live():
        async with watching() as running:
            stopped = since(running, tools, 5)
            rows = [tools.fill(stopped - 10 + tid, tid) for tid in range(1, 121)]
            running.exchange.snapshots["userFills", tools.alice] = rows
            running.answers.down.clear()
            await running.start(tools.alice, wait=False)
            await running.time.advance(5)
            await tools.until(lambda: fill_ids(running) == list(range(1, 121)))

    asyncio.run(live())


def test_a_short_snapshot_is_taken_for_the_whole_history_and_holds_nothing_up(watching, tools):
    async def live():
        async with watching() as running:
            stopped = since(running, tools, 5)
            running.exchange.snapshots["userFills", tools.alice] = [tools.fill(stopped + 2000, 2)]
            running.answers.down.clear()
            running.answers.by_type["userFillsByTime"] = pages([tools.fill(stopped + 1000, 1)])
            await running.start(tools.alice, wait=False)
            await running.time.advance(5)
            await tools.until(lambda: fill_ids(running) == [2])
            running.answers.down.set()
            await running.live_on(20)  # with REST down, two states must tell the exchange's time
            await tools.until(running.all_in_place)
            assert fill_ids(running) == [2, 1]

    asyncio.run(live())


def test_a_query_that_fails_never_moves_the_checkpoint(watching, tools):
    async def live():
        async with watching() as running:
            stopped = since(running, tools, 5)
            running.answers.by_type["userFillsByTime"] = Permanent("422")
            await running.start(tools.alice, wait=False)
            await tools.until(lambda: "userFillsByTime" in running.answers.types())
            await running.live_on(125)
            await running.stop()
            proven = points(running)
            assert proven.pop("userFills") == stopped
            assert all(time_ms > stopped for time_ms in proven.values())

    asyncio.run(live())


def points(running):
    return {point.stream: point.time_ms for point in running.book.states("checkpoint")}


def test_the_first_checkpoints_are_written_as_soon_as_a_page_was_read(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            overlap_ms = 60_000  # rows may become visible so late
            assert points(running) == dict.fromkeys(STREAMS, running.exchange.time_ms - overlap_ms)

    asyncio.run(live())


def test_a_checkpoint_follows_the_rows_of_its_own_stream_and_never_the_heartbeat(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            begun = points(running)
            now = running.exchange.time_ms
            running.exchange.positions["BTC"] = "1.0"
            await running.exchange.fills(tools.alice, tools.fill(now + 1000, 1))
            await running.live_on(55)
            running.exchange.cut()
            await tools.until(lambda: running.feed.status().connection.state == "waiting")
            assert points(running) == begun | {"userFills": now + 999}
            await running.stop()
            assert points(running) == begun | {"userFills": now + 999}

    asyncio.run(live())


def test_what_happened_since_a_kill_in_the_first_minute_and_is_out_of_reach_is_a_gap(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            killed = running.exchange.time_ms
            running.feed._interrupt = lambda **_: None  # nothing more is written
            await running.stop()
            running.exchange.time_ms += 30_000_000
            rows = [tools.fill(killed + 1_000_000 + tid, tid) for tid in range(13_000)][-10_000:]
            running.answers.by_type["userFillsByTime"] = lambda request: pages(rows)(request)[:2000]
            await running.start(tools.alice)
            (gap,) = [gap for gap in running.book.states("gap") if not gap.healed]
            assert (gap.stream, gap.end_ms) == ("userFills", rows[0]["time"])
            assert gap.start_ms <= killed

    asyncio.run(live())


def test_a_crowded_millisecond_that_was_read_back_in_part_is_an_open_gap_and_no_part_of_a_healed_one(watching, tools):
    async def live():
        async with watching() as running:
            stopped = since(running, tools, 5)
            rows = [tools.fill(stopped + 90_000, tid) for tid in range(4_500)]
            running.answers.by_type["userFillsByTime"] = lambda request: pages(rows)(request)[:2000]
            running.exchange.snapshots["userFills", tools.alice] = rows[-1500:]
            await running.start(tools.alice)
            assert len(running.book.of("fill")) == 3_500
            found = [gap for gap in running.book.states("gap") if gap.stream == "userFills"]
            crowded = [gap for gap in found if gap.start_ms <= stopped + 90_000 <= gap.end_ms and gap.end_ms > 0]
            assert [gap.healed for gap in crowded if gap.end_ms == stopped + 90_000 == gap.start_ms] == [False]
            assert not any(gap.healed and gap.start_ms <= stopped + 90_000 < gap.end_ms for gap in found)

    asyncio.run(live())


def test_an_outage_in_which_something_happened_is_a_healed_gap(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            begun = running.exchange.time_ms
            running.exchange.time_ms += 30_000
            missed = tools.fill(begun + 10_000, 2)
            running.exchange.snapshots["userFills", tools.alice] = [tools.fill(begun - 90_000, 1), missed]
            running.exchange.cut()
            await tools.until(lambda: running.feed.status().connection.state == "waiting")
            await running.time.advance(2)
            await tools.until(running.all_in_place)
            (gap,) = running.book.of("gap")
            assert (gap.stream, gap.start_ms, gap.end_ms) == ("userFills", begun, begun + 30_000)
            assert (gap.healed, gap.events_read) == (True, 1)

    asyncio.run(live())


def test_an_outage_in_which_nothing_happened_is_no_gap(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            running.exchange.time_ms += 30_000
            running.exchange.cut()
            await tools.until(lambda: running.feed.status().connection.state == "waiting")
            await running.time.advance(2)
            await tools.until(running.all_in_place)
            assert running.book.of("gap") == []

    asyncio.run(live())


def test_a_gap_left_open_by_the_last_run_heals_in_this_one(watching, tools):
    async def live():
        async with watching() as running:
            stopped = since(running, tools, 5)
            running.answers.by_type["userFillsByTime"] = Permanent("422")
            await running.start(tools.alice, wait=False)
            await running.live_on(90)
            assert any(gap.stream == "userFills" for gap in running.book.states("gap"))
            await running.stop()
            running.answers.by_type["userFillsByTime"] = pages([tools.fill(stopped + 1000, 1)])
            await running.start(tools.alice)
            (gap,) = running.book.states("gap")
            assert (gap.start_ms, gap.healed) == (stopped, True)

    asyncio.run(live())


def test_a_gap_left_open_by_the_last_run_in_which_nothing_turns_out_to_have_happened_heals_too(watching, tools):
    async def live():
        async with watching() as running:
            stopped = since(running, tools, 5)
            running.answers.by_type["userFillsByTime"] = Permanent("422")
            await running.start(tools.alice, wait=False)
            await running.live_on(90)
            assert [gap.healed for gap in running.book.states("gap")] == [False]
            await running.stop()
            running.answers.by_type["userFillsByTime"] = []
            await running.start(tools.alice)
            (gap,) = running.book.states("gap")
            assert (gap.start_ms, gap.healed, gap.events_read) == (stopped, True, 0)

    asyncio.run(live())


def test_what_the_exchange_no_longer_has_stays_a_gap(watching, tools):
    async def live():
        async with watching() as running:
            stopped = since(running, tools, 60)
            rows = [tools.fill(stopped + 1_000_000 + tid, tid) for tid in range(1, 10_001)]
            running.answers.by_type["userFillsByTime"] = lambda request: pages(rows)(request)[:2000]
            await running.start(tools.alice)
            (gap,) = running.book.states("gap")
            assert (gap.start_ms, gap.healed) == (stopped, False)
            assert len(fill_ids(running)) == 10_000

    asyncio.run(live())


@pytest.mark.parametrize("stream", ["userFundings", "userNonFundingLedgerUpdates"])
def test_an_unusable_answer_of_one_stream_does_not_keep_the_others_back(watching, tools, stream):
    async def live():
        async with watching() as running:
            stopped = since(running, tools, 5)
            running.answers.by_type["userFunding" if stream == "userFundings" else stream] = {"odd": 1}
            long_snapshot(running, tools)
            running.answers.by_type["userFillsByTime"] = pages([tools.fill(stopped + 1000, 1)])
            await running.start(tools.alice, wait=False)
            await running.live_on(70)
            assert fill_ids(running) == [1]

    asyncio.run(live())


def test_an_answer_that_is_not_understood_is_kept_once_and_named(watching, tools):
    async def live():
        async with watching() as running:
            since(running, tools, 5)
            running.answers.by_type["userFillsByTime"] = ["no row"]
            await running.start(tools.alice, wait=False)
            await tools.until(lambda: running.book.of("quarantine"))
            await running.live_on(700)
            assert 10 <= running.answers.types().count("userFillsByTime") <= 20  # after 1, 2, 4, … 60 s
            (kept,) = running.book.of("quarantine")
            assert (kept.account, kept.origin, kept.payload) == (tools.alice, "wire", '["no row"]')
            assert kept.reason.startswith("userFills: ")
            assert running.feed.status().counters["quarantined"] == 1

    asyncio.run(live())


def test_a_row_that_is_alone_in_its_answer_and_no_object_is_believed_if_it_came_over_the_socket_too(watching, tools):
    async def live():
        async with watching() as running:
            since(running, tools, 5)
            running.answers.by_type["userNonFundingLedgerUpdates"] = [[]]
            running.exchange.snapshots["userNonFundingLedgerUpdates", tools.alice] = [[]]
            await running.start(tools.alice)  # to the end of reading back
            (kept,) = {row.digest: row for row in running.book.of("quarantine")}.values()
            assert (kept.payload, kept.unit) == ("[]", "row")
            assert not running.book.states("gap")

    asyncio.run(live())
