"""One odd row, or one odd part, at a live feed: it costs itself, at once and over REST."""

from __future__ import annotations

import asyncio

import pytest

from tests.core.feed.exchange import position

ODD = [{"side": "X"}, {"px": "NaN"}, {"time": None}, {"time": 2**63 - 1}, {"tid": -1}, {"coin": None}, {"sz": {}}]


def past(running, tools, number=300):
    return [tools.fill(running.exchange.time_ms - 400_000 + 1000 * n, n + 1) for n in range(number)]


@pytest.mark.parametrize("odd", ODD)
def test_300_good_rows_and_an_odd_one_are_300_fills_at_once_and_the_next_live_one_is_stored(watching, tools, odd):
    async def live():
        async with watching() as running:
            rows = past(running, tools)
            rows.insert(150, tools.fill(rows[150]["time"], 777) | odd)
            running.exchange.snapshots["userFills", tools.alice] = rows
            running.answers.by_type["userFillsByTime"] = rows
            await running.start(tools.alice)
            began = running.time.now
            await running.exchange.fills(tools.alice, tools.fill(running.exchange.time_ms, 5000))
            await tools.until(lambda: len(running.book.of("fill")) == 301)
            assert running.time.now - began < 1
            kept = running.book.of("quarantine")
            assert {(row.unit, row.stream, row.account) for row in kept} == {("row", "userFills", tools.alice)}
            assert len({row.digest for row in kept}) == 1
            assert running.account(tools.alice).status == "watched"
            assert running.feed.status().counters.get("disconnects", 0) == 0

    asyncio.run(live())


@pytest.mark.parametrize("nothing", [{"hash": None}, {"dir": None}, {"fee": ""}, {"closedPnl": "NaN"}, {"cloid": []}])
def test_a_row_with_a_field_that_says_nothing_is_a_fill_like_the_others(watching, tools, nothing):
    async def live():
        async with watching() as running:
            rows = past(running, tools)
            rows[150] |= nothing
            running.exchange.snapshots["userFills", tools.alice] = rows
            running.answers.by_type["userFillsByTime"] = rows
            await running.start(tools.alice)
            await tools.until(lambda: len(running.book.of("fill")) == 300)
            assert running.book.of("quarantine") == []

    asyncio.run(live())


@pytest.mark.parametrize("odd", [{"szi": None}, {"szi": "NaN"}, {"coin": {}}, {"maxLeverage": "much"}])
def test_a_state_with_an_odd_position_is_a_sign_of_life_and_the_others_are_used(watching, tools, odd):
    async def live():
        async with watching() as running:
            await running.start(tools.alice, tools.bob)
            good, bad = position("ETH", "2"), position("BTC", "1")
            bad["position"] |= odd
            money = {"accountValue": "5"}
            for _ in range(20):
                state = {"marginSummary": money, "assetPositions": [good, bad], "time": running.exchange.time_ms}
                data = {"user": tools.alice, "clearinghouseStates": [["", state]]}
                await running.exchange.send("allDexsClearinghouseState", data)
                await running.exchange.beat(tools.bob)
                await running.time.advance(5)
                running.exchange.time_ms += 5000
            (dex,) = running.book.of("account_state", tools.alice)[-1].dexes
            assert [(each.coin, dex.complete) for each in dex.positions] == [("ETH", False)]
            assert len(running.book.of("quarantine")) <= 2  # once an hour of the exchange's time
            status = running.feed.status()
            assert any("a part of allDexsClearinghouseState" in problem for problem in status.problems)
            assert status.counters.get("disconnects", 0) == 0
            await running.exchange.beat(tools.alice)
            await tools.until(lambda: not any("a part of" in each for each in running.feed.status().problems))

    asyncio.run(live())


@pytest.mark.parametrize("user", ["", None, "0x", "not an address", 5, [], "0x" + "g" * 40])
@pytest.mark.parametrize("channel", ["userFills", "allDexsClearinghouseState", "spotState", "openOrders"])
def test_a_frame_that_names_no_account_is_kept_and_restarts_nothing(watching, tools, user, channel):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            data = {"user": user, "fills": [], "clearinghouseStates": [], "spotState": {"balances": []}, "orders": []}
            await running.exchange.send(channel, data)
            await running.exchange.fills(tools.alice, tools.fill(running.exchange.time_ms, 5))
            await tools.until(lambda: running.book.of("fill"))
            assert [(row.unit, row.account) for row in running.book.of("quarantine")] == [("frame", "")]

    asyncio.run(live())


@pytest.mark.parametrize("rest", [None, {}, "x", 7])
def test_an_account_whose_states_cannot_be_read_at_all_is_heard_all_the_same(watching, tools, rest):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            for _ in range(30):
                await running.exchange.send(
                    "allDexsClearinghouseState", {"user": tools.alice, "clearinghouseStates": rest}
                )
                await tools.settle()
                await running.time.advance(5)
            assert running.feed.status().counters.get("disconnects", 0) == 0
            assert running.account(tools.alice).status == "watched"
            kept = running.book.of("quarantine")
            assert {(row.unit, row.account, row.stream) for row in kept} == {
                ("frame", tools.alice, "allDexsClearinghouseState")
            }

    asyncio.run(live())


def test_a_trade_that_cannot_be_read_is_a_gap_of_its_moment_and_the_others_count(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(coins=["BTC"])
            now_ms = running.exchange.time_ms
            await running.exchange.send("trades", [tools.trade(now_ms, 1)])  # the repetition after subscribing
            rows = [tools.trade(now_ms + 1, 2), tools.trade(now_ms + 2, 3) | {"px": None}, tools.trade(now_ms + 3, 4)]
            await running.exchange.send("trades", rows)
            await tools.until(lambda: running.book.of("trades"))
            assert [trade.trade_id for reading in running.book.of("trades") for trade in reading.trades] == [2, 4]
            (gap,) = running.book.of("gap")
            assert (gap.stream, gap.start_ms, gap.end_ms, gap.healed) == ("trades:BTC", now_ms + 2, now_ms + 2, False)
            assert len(running.book.of("quarantine")) == 1

    asyncio.run(live())


def test_a_row_a_day_ahead_of_the_exchanges_clock_is_odd(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            await running.live_on(20)
            now_ms = running.exchange.time_ms
            await running.exchange.fills(tools.alice, tools.fill(now_ms + 86_400_000, 1), tools.fill(now_ms, 2))
            await tools.until(lambda: running.book.of("fill"))
            assert [fill.trade_id for fill in running.book.of("fill")] == [2]
            assert len(running.book.of("quarantine")) == 1

    asyncio.run(live())
