import asyncio

import pytest

from hlmon.events import Checkpoint, Gap, MarketTrades, Trade
from hlmon.hyperliquid.coins import judge, spot_names
from hlmon.hyperliquid.decode_market import decode_spot_meta
from hlmon.hyperliquid.market import Markets

SPOT_META = {
    "tokens": [
        {"index": 0, "name": "USDC"},
        {"index": 1, "name": "PURR"},
        {"index": 150, "name": "HYPE"},
        {"index": 7, "name": "DEAD"},
        {"index": 8, "name": "FUN"},
    ],
    "universe": [
        {"name": "PURR/USDC", "tokens": [1, 0], "index": 0},
        {"name": "@9", "tokens": [8, 150], "index": 9},
        {"name": "@107", "tokens": [150, 0], "index": 107},
        {"name": "@3", "tokens": [7, 0], "index": 3},
    ],
}


def trade_ids(running):
    return [trade.trade_id for event in running.book.of("trades") for trade in event.trades]


def reading(*trades):
    rows = tuple(Trade(time_ms, "buy", 1, 1, trade_id) for time_ms, trade_id in trades)
    return MarketTrades(time_ms=rows[-1].time_ms, coin="BTC", trades=rows)


def counted(events):
    return [trade.trade_id for event in events if isinstance(event, MarketTrades) for trade in event.trades]


def test_the_replay_after_subscribing_is_not_counted(watching, tools):
    async def live():
        async with watching() as running:
            now = running.exchange.time_ms
            running.exchange.replays["BTC"] = [tools.trade(now - 9000, 1), tools.trade(now - 100, 2)]
            await running.start(tools.alice, coins=("BTC",))
            await tools.until(lambda: running.feed._watch.markets.coins["BTC"]._replayed)
            await running.exchange.send("trades", [tools.trade(now + 100, 3)])
            await tools.until(lambda: trade_ids(running) == [3])
            assert running.book.of("gap") == []

    asyncio.run(live())


def test_a_disconnect_is_a_gap_of_the_trades_that_ends_with_the_replay_and_never_heals(watching, tools):
    async def live():
        async with watching() as running:
            begun = running.exchange.time_ms
            running.exchange.replays["BTC"] = [tools.trade(begun - 100, 1)]
            await running.start(tools.alice, coins=("BTC",))
            await tools.until(lambda: running.feed._watch.markets.coins["BTC"]._replayed)
            running.exchange.time_ms += 30_000
            running.exchange.replays["BTC"] = [tools.trade(begun + 20_000, 2), tools.trade(begun + 29_000, 3)]
            running.exchange.cut()
            await tools.until(lambda: running.feed.status().connection.state == "waiting")
            (gap,) = running.book.states("gap")
            assert (gap.account, gap.stream, gap.start_ms, gap.end_ms) == ("", "trades:BTC", begun, None)
            await running.time.advance(2)
            await tools.until(lambda: running.book.states("gap")[0].end_ms is not None)
            (gap,) = running.book.states("gap")
            assert (gap.start_ms, gap.end_ms, gap.healed) == (begun, begun + 29_000, False)
            assert trade_ids(running) == []

    asyncio.run(live())


def test_an_unknown_coin_is_reported_with_the_nearest_names_and_never_subscribed(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.poison = {"btc", "BTCC"}
            await running.start(tools.alice, coins=("BTC", "btc", "BTCC"), wait=False)
            await tools.until(lambda: running.feed.status().coins == ["BTC"])
            problems = " ".join(running.feed.status().problems)
            assert "unknown coin 'btc'; did you mean 'BTC'?" in problems
            assert "'BTCC'; did you mean 'BTC'" in problems
            assert len(running.exchange.sockets) == 1

    asyncio.run(live())


def test_a_coin_that_closes_the_socket_is_tried_alone_and_then_left_out(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.poison = {"ETH"}
            await running.start(tools.alice, coins=("BTC", "ETH", "SOL"), wait=False)
            for _ in range(8):
                await running.live_on(5)
                await asyncio.sleep(0.002)
            status = running.feed.status()
            assert status.coins == ["BTC", "SOL"]
            assert [problem for problem in status.problems if "ETH" in problem]
            assert len(running.exchange.sockets) == 3
            assert running.account(tools.alice).status == "watched"
            running.exchange.poison = set()
            await running.live_on(60)
            await tools.until(lambda: running.feed.status().coins == ["BTC", "ETH", "SOL"])
            await running.live_on(5)
            assert running.feed.status().problems == []

    asyncio.run(live())


def test_a_delisted_coin_is_subscribed_only_alone(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice, coins=("OLD", "BTC"), wait=False)
            await tools.until(lambda: running.feed.status().coins == ["BTC"])
            await running.live_on(5)
            await tools.until(lambda: running.feed.status().coins == ["OLD", "BTC"])

    asyncio.run(live())


def test_a_frame_that_comes_twice_is_counted_once():
    markets = Markets(["BTC"])
    markets.take(reading((1, 1)))
    assert counted(markets.take(reading((2, 2), (3, 3)))) == [2, 3]
    assert counted(markets.take(reading((2, 2), (3, 3)))) == []
    assert counted(markets.take(reading((3, 3), (3, 4), (5, 5)))) == [4, 5]


def test_trades_of_a_coin_that_nobody_asked_for_are_not_counted():
    assert list(Markets(["ETH"]).take(reading((1, 1)))) == []


def test_the_first_start_has_no_gap_and_a_restart_begins_one_at_the_checkpoint(watching, tools):
    async def live():
        async with watching() as running:
            begun = running.exchange.time_ms
            running.book([Checkpoint(stream="trades:BTC", time_ms=begun - 60_000)])
            running.exchange.replays["BTC"] = [tools.trade(begun - 10_000, 1)]
            running.exchange.replays["ETH"] = [tools.trade(begun - 10_000, 1, "ETH")]
            await running.start(tools.alice, coins=("BTC", "ETH"))
            await tools.until(lambda: any(gap.end_ms for gap in running.book.states("gap")))
            (gap,) = running.book.states("gap")
            assert (gap.stream, gap.start_ms, gap.end_ms) == ("trades:BTC", begun - 60_000, begun - 10_000)

    asyncio.run(live())


def test_a_gap_of_trades_left_open_by_the_last_run_ends_in_this_one(watching, tools):
    async def live():
        async with watching() as running:
            begun = running.exchange.time_ms
            running.book([Gap(stream="trades:BTC", start_ms=begun - 70_000, time_ms=begun - 70_000)])
            running.exchange.replays["BTC"] = [tools.trade(begun - 10_000, 1)]
            await running.start(coins=("BTC",))
            await tools.until(lambda: running.book.states("gap")[0].end_ms is not None)
            (gap,) = running.book.states("gap")
            assert (gap.start_ms, gap.end_ms) == (begun - 70_000, begun - 10_000)

    asyncio.run(live())


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("@107", None),
        ("PURR/USDC", None),
        ("HYPE/USDC", "unknown coin 'HYPE/USDC': the exchange calls it '@107'"),
        ("@999", "unknown coin '@999'; did you mean '@9'?"),
        ("ZZZZ/QQQQ", "unknown coin 'ZZZZ/QQQQ'"),
    ],
)
def test_spot_coins_are_named_as_the_exchange_names_them(name, verdict):
    assert judge(name, spot_names(decode_spot_meta(SPOT_META))) == verdict


def test_a_list_of_coins_that_is_not_understood_leaves_them_doubtful(watching, tools):
    async def live():
        async with watching() as running:
            running.answers.by_type["meta"] = {"odd": 1}
            await running.start(tools.alice, coins=("BTC",), wait=False)
            await running.live_on(40)
            await tools.until(lambda: running.feed.status().coins == ["BTC"])

    asyncio.run(live())


def test_one_odd_list_of_coins_is_not_the_last_word(watching, tools):
    async def live():
        async with watching() as running:
            known, running.answers.by_type["meta"] = running.answers.by_type["meta"], {"universe": []}
            await running.start(tools.alice, coins=("BTC",), wait=False)
            await running.live_on(10)
            assert "unknown coin 'BTC'" in " ".join(running.feed.status().problems)
            running.answers.by_type["meta"] = known
            await running.live_on(310)
            assert running.feed.status().coins == ["BTC"]
            assert running.feed.status().problems == []

    asyncio.run(live())


def test_prices_are_asked_only_while_an_account_holds_a_token(watching, tools):
    async def live():
        async with watching() as running:
            running.answers.by_type |= {"spotMeta": SPOT_META, "allMids": {"@107": "40"}}
            await running.start(tools.alice)
            await running.live_on(120)
            assert "allMids" not in running.answers.types()
            balances = [{"coin": "HYPE", "token": 150, "total": "2.0", "hold": "0.0", "entryNtl": "50.0"}]
            await running.exchange.send("spotState", {"user": tools.alice, "spotState": {"balances": balances}})
            await running.live_on(125)
            assert running.answers.types().count("allMids") == 3
            assert running.answers.types().count("spotMeta") == 1
            assert running.book.of("prices")[-1].prices["HYPE"] == 40

    asyncio.run(live())
