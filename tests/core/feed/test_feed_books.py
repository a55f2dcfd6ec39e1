"""Every stream of an account proves its own completeness while the others live."""

import asyncio

import pytest

from hlmon.errors import Permanent
from hlmon.events import Checkpoint

HOUR_MS = 3_600_000


def rows_from(rows):
    """What /info answers over these rows, oldest first from startTime on."""
    return lambda request: [row for row in rows if row["time"] >= request["startTime"]]


def fill_ids(running):
    return [fill.trade_id for fill in running.book.of("fill")]


def gaps(running, stream):
    return [gap for gap in running.book.states("gap") if gap.stream == stream]


def chain(tools, time_ms, count):
    """Fills that open a position of as many BTC."""
    return [tools.fill(time_ms + n * 10, n + 1, startPosition=f"{n}.0") for n in range(count)]


def test_fills_of_a_stream_that_is_silent_while_the_account_lives_are_read_back_within_a_minute(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            await running.live_on(5)
            now = running.exchange.time_ms
            rows = chain(tools, now + 1000, 250)
            running.answers.by_type["userFillsByTime"] = rows_from(rows)
            running.exchange.positions["BTC"] = "250.0"
            await running.live_on(60)
            assert fill_ids(running) == list(range(1, 251))
            (gap,) = gaps(running, "userFills")
            assert (gap.healed, gap.events_read) == (True, 250)
            assert gap.start_ms <= now + 1000 < gap.end_ms
            assert running.exchange.subscribed.count(("userFills", tools.alice)) == 2
            assert running.feed.status().problems == []

    asyncio.run(live())


def test_while_fills_are_missing_the_monitor_is_not_well(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            await running.live_on(5)
            running.answers.by_type["userFillsByTime"] = rows_from(chain(tools, running.exchange.time_ms + 1000, 3))
            running.answers.down.clear()
            running.exchange.positions["BTC"] = "3.0"
            await running.live_on(40)
            (problem,) = [one for one in running.feed.status().problems if "BTC" in one]
            assert problem.startswith(f"account {tools.alice}: fills are missing")
            running.answers.down.set()
            await running.live_on(15)
            assert fill_ids(running) == [1, 2, 3]
            assert running.feed.status().problems == []

    asyncio.run(live())


def test_a_fill_left_out_of_a_living_stream_is_read_back_before_the_checkpoint_passes_it(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            await running.live_on(5)
            now = running.exchange.time_ms
            rows = chain(tools, now + 1000, 3)
            running.answers.down.clear()
            running.answers.by_type["userFillsByTime"] = rows_from(rows)
            running.exchange.positions["BTC"] = "3.0"
            await running.exchange.fills(tools.alice, rows[0])
            await running.live_on(5)
            await running.exchange.fills(tools.alice, rows[2])
            await running.live_on(60)
            points = {point.stream: point.time_ms for point in running.book.states("checkpoint")}
            assert points["userFills"] < now + 1010
            running.answers.down.set()
            await running.live_on(70)
            assert sorted(fill_ids(running)) == [1, 2, 3]

    asyncio.run(live())


def test_what_rest_does_not_have_either_is_an_open_gap_until_the_books_agree_again(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            await running.live_on(5)
            now = running.exchange.time_ms
            running.exchange.positions["BTC"] = "2.0"
            await running.live_on(300)
            (gap,) = gaps(running, "userFills")
            assert not gap.healed
            assert gap.reason == "the fills end at BTC 0 but 2.0 is shown"
            assert gap.start_ms <= now < gap.end_ms
            assert running.feed.status().problems
            running.exchange.positions["BTC"] = "3.0"
            await running.exchange.fills(tools.alice, tools.fill(running.exchange.time_ms, 9, startPosition="2.0"))
            await running.live_on(10)
            assert running.feed.status().problems == []
            assert [gap.healed for gap in gaps(running, "userFills")] == [False]

    asyncio.run(live())


def test_a_difference_that_the_last_run_has_stated_is_not_stated_again_after_a_restart(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            await running.live_on(5)
            (row,) = chain(tools, running.exchange.time_ms, 1)
            await running.exchange.fills(tools.alice, row)
            running.exchange.positions["BTC"] = "3.0"
            await running.live_on(300)
            (stated,) = gaps(running, "userFills")
            await running.stop()
            running.exchange.snapshots["userFills", tools.alice] = [row]
            await running.start(tools.alice)
            await running.exchange.fills(tools.alice, row)
            await running.live_on(300)
            assert any("BTC" in one for one in running.feed.status().problems)
            assert gaps(running, "userFills") == [stated]

    asyncio.run(live())


@pytest.mark.parametrize("seconds", [70, 910])
def test_a_funding_that_its_stream_left_out_is_found_within_a_minute(watching, tools, seconds):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            asked = len(running.answers.asked)
            paid = running.exchange.time_ms + 1000
            delta = {"type": "funding", "coin": "BTC", "usdc": "-1.0", "szi": "1.0", "fundingRate": "0.0001"}
            row = {"time": paid, "hash": "0x" + "0" * 64, "delta": delta}
            running.answers.by_type["userFunding"] = rows_from([row])
            await running.live_on(seconds)
            (funding,) = running.book.of("funding")
            assert funding.time_ms == paid
            (gap,) = gaps(running, "userFundings")
            assert (gap.healed, gap.events_read) == (True, 1)
            looks = [request["type"] for request in running.answers.asked[asked:] if "startTime" in request]
            assert len(looks) <= 4 + 2 * seconds // 20 + 6 * seconds // 900  # two of the streams every 20 to 40 s

    asyncio.run(live())


def test_a_look_waits_while_the_budget_is_in_use(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            asked = len(running.answers.asked)
            running.answers.plenty = False
            await running.live_on(910)
            assert not [request for request in running.answers.asked[asked:] if "startTime" in request]
            running.answers.plenty = True
            await running.live_on(60)
            assert [request for request in running.answers.asked[asked:] if "startTime" in request]

    asyncio.run(live())


def test_a_position_that_went_through_a_full_hour_without_funding_is_asked_about(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.positions["BTC"] = "1.0"
            running.exchange.time_ms = running.exchange.time_ms // HOUR_MS * HOUR_MS + HOUR_MS - 20_000
            await running.start(tools.alice)
            asked = len(running.answers.asked)
            running.answers.plenty = False  # no looks: a doubt is asked about all the same
            await running.live_on(230)
            assert [r["type"] for r in running.answers.asked[asked:]].count("userFunding") == 1

    asyncio.run(live())


def test_a_balance_that_moved_without_an_event_is_asked_about_and_then_accepted(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.balances["HYPE"] = "5.0"
            await running.start(tools.alice)
            await running.live_on(60)
            asked = len(running.answers.asked)
            running.exchange.balances["HYPE"] = "6.0"
            for _ in range(12):
                await running.exchange.spot_state(tools.alice)
                await running.live_on(5)
            types = {r["type"] for r in running.answers.asked[asked:] if "startTime" in r}
            assert types >= {"userFillsByTime", "userNonFundingLedgerUpdates", "userFunding"}
            assert gaps(running, "userFills") == []
            assert running.feed.status().problems == []

    asyncio.run(live())


def test_a_stream_whose_snapshot_never_comes_is_subscribed_again(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.without_snapshot.add("userFundings")
            await running.start(tools.alice, wait=False)
            await running.live_on(60)
            running.exchange.without_snapshot.clear()
            await running.live_on(120)
            subscribed = running.exchange.subscribed.count(("userFundings", tools.alice))
            assert subscribed >= 2
            await running.live_on(600)
            assert running.exchange.subscribed.count(("userFundings", tools.alice)) == subscribed

    asyncio.run(live())


def deposit(time_ms, usdc):
    return {"time": time_ms, "hash": "0x" + "1" * 64, "delta": {"type": "deposit", "usdc": usdc}}


def test_a_deposit_that_its_stream_left_out_is_read_back_within_half_a_minute_without_any_look(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.cash[tools.alice] = 1_000
            await running.start(tools.alice)
            await running.live_on(30)
            running.answers.plenty = False  # no looks
            paid = running.exchange.time_ms + 1000
            running.answers.by_type["userNonFundingLedgerUpdates"] = rows_from([deposit(paid, "500.0")])
            running.exchange.cash[tools.alice] = 1_500
            await running.live_on(30)
            (entry,) = running.book.of("ledger")
            assert entry.time_ms == paid
            (gap,) = gaps(running, "userNonFundingLedgerUpdates")
            assert (gap.healed, gap.events_read) == (True, 1)
            assert running.feed.status().problems == []

    asyncio.run(live())


def test_while_the_money_does_not_add_up_and_rest_does_not_answer_the_monitor_is_not_well(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.cash[tools.alice] = 1_000
            await running.start(tools.alice)
            await running.live_on(30)
            running.answers.down.clear()
            running.exchange.cash[tools.alice] = 1_500
            await running.live_on(45)  # the account's mode is in doubt at first
            (problem,) = [one for one in running.feed.status().problems if "add up" in one]
            assert problem.startswith(f"account {tools.alice}: something may be missing")
            assert "its cash on the main dex" in problem
            running.answers.down.set()
            await running.live_on(15)
            assert running.feed.status().problems == []

    asyncio.run(live())


def test_looks_are_rare_while_all_money_is_shown_and_adds_up(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.cash[tools.alice] = running.exchange.usdc[tools.alice] = 1_000
            await running.start(tools.alice)
            asked = len(running.answers.asked)
            await running.live_on(900)
            looks = [request["type"] for request in running.answers.asked[asked:]]
            assert max(map(looks.count, ("userFunding", "userNonFundingLedgerUpdates"))) <= 3

    asyncio.run(live())


def test_a_fill_whose_order_nobody_told_of_lets_the_history_of_orders_be_read(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            await running.live_on(60)
            running.answers.plenty = False  # no looks
            asked = len(running.answers.asked)
            await running.exchange.fills(tools.alice, tools.fill(running.exchange.time_ms, 9, oid=77, dir="Open Long"))
            running.exchange.positions["BTC"] = "1.0"
            await running.live_on(20)
            types = [request["type"] for request in running.answers.asked[asked:]]
            assert types.count("historicalOrders") == 1

    asyncio.run(live())


STREAMS = ("userFills", "userTwapSliceFills", "userFundings", "userNonFundingLedgerUpdates", "userHistoricalOrders")


async def be_long_in_reading(running, tools):
    """Fills are whole with their snapshot; of other streams REST answers only after a minute. Returns what it has."""
    stopped = running.exchange.time_ms - 300_000
    running.book([Checkpoint(account=tools.alice, stream=stream, time_ms=stopped) for stream in STREAMS])
    running.exchange.snapshots["userFills", tools.alice] = rows = [tools.fill(stopped - 60_001, 1)]
    running.answers.by_type["userFillsByTime"] = rows_from(rows)
    running.answers.plenty = False  # no looks
    running.answers.down.clear()
    await running.start(tools.alice, wait=False)
    await running.live_on(60)
    return rows


def test_what_a_stream_left_out_while_others_were_read_for_long_is_read_back_as_soon_as_they_are(watching, tools):
    async def live():
        async with watching() as running:
            rows = await be_long_in_reading(running, tools)
            rows += [  # a round trip: no state will ever show it
                tools.fill(running.exchange.time_ms - 30_000, 2),
                tools.fill(running.exchange.time_ms - 30_000, 3, side="A", startPosition="1.0"),
            ]
            running.answers.down.set()
            await running.live_on(30)
            assert fill_ids(running) == [1, 2, 3]
            assert running.feed.status().problems == []

    asyncio.run(live())


def test_what_was_read_long_before_the_rest_is_no_reason_to_be_well_until_it_is_read_again(watching, tools):
    async def live():
        async with watching() as running:
            await be_long_in_reading(running, tools)
            running.answers.by_type["userFillsByTime"] = Permanent("422")
            running.answers.down.set()
            await running.live_on(30)
            (problem,) = [one for one in running.feed.status().problems if "left out" in one]
            assert problem.startswith(f"account {tools.alice}: userFills")

    asyncio.run(live())


def test_a_dex_that_states_do_not_show_any_more_lets_everything_of_the_account_be_read_again_once(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.dexes = ["", "xyz"]
            running.exchange.positions |= {"BTC": "1.0", "xyz:GOLD": "1.0"}
            await running.start(tools.alice)
            await running.live_on(60)
            running.answers.plenty = False  # no looks
            rows = [tools.fill(running.exchange.time_ms + 1000, 2, coin="xyz:GOLD", startPosition="1.0")]
            running.answers.by_type["userFillsByTime"] = rows_from(rows)
            running.exchange.dexes = [""]
            asked = len(running.answers.asked)
            await running.live_on(40)
            assert fill_ids(running) == [2]
            await running.live_on(200)
            types = [request["type"] for request in running.answers.asked[asked:]]
            assert types.count("userFunding") == 1

    asyncio.run(live())
