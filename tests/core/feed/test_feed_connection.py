import asyncio
from itertools import pairwise

import pytest

from hlmon.errors import JournalError
from hlmon.hyperliquid.connection import Connection


def test_a_half_open_socket_is_given_up_and_everything_subscribed_again(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            await running.live_on(60)
            assert len(running.exchange.sockets) == 1
            running.exchange.mute = True
            await running.time.advance(30.1)
            await tools.until(lambda: running.feed.status().connection.state == "waiting")
            running.exchange.mute = False
            await running.time.advance(1)
            await tools.until(running.all_in_place)
            assert len(running.exchange.sockets) == 2
            assert len(running.exchange.subscribed) == 18
            assert running.feed.status().connection.reconnects == 1

    asyncio.run(live())


def test_a_ping_without_any_frame_within_ten_seconds_ends_the_socket(watching, tools):
    async def live():
        async with watching() as running:
            running.answers.by_type["meta"] = {"universe": [{"name": "BTC"}]}
            running.exchange.replays["BTC"] = [tools.trade(running.exchange.time_ms, 1)]
            await running.start(coins=("BTC",))
            running.exchange.mute = True
            await running.time.advance(29)
            assert running.feed.status().connection.state == "live"
            await running.time.advance(1.5)
            await tools.until(lambda: "ping" in running.feed.status().connection.reason)

    asyncio.run(live())


def test_a_ping_is_sent_every_thirty_seconds(watching, tools):
    async def live():
        async with watching() as running:
            pings = []
            answer = running.exchange.answer

            async def note(socket, message):
                if message["method"] == "ping":
                    pings.append(running.time.now)
                await answer(socket, message)

            running.exchange.answer = note
            await running.start(tools.alice)
            await running.live_on(120)
            assert [after - before for before, after in pairwise(pings)] == [30, 30, 30]

    asyncio.run(live())


def test_a_socket_that_is_closed_is_opened_again_after_a_jittered_pause(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            await running.live_on(65)
            running.exchange.cut()
            await tools.until(lambda: running.feed.status().connection.state == "waiting")
            assert running.feed.status().problems == []
            await running.time.advance(0.6)
            await tools.until(running.all_in_place)

    asyncio.run(live())


def test_an_exchange_that_is_away_for_more_than_a_minute_is_a_problem(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            running.feed._connection._url = "ws://127.0.0.1:9/ws"
            running.exchange.cut()
            for _ in range(70):
                await running.time.advance(1)
                await asyncio.sleep(0.001)
            assert any("not connected for" in problem for problem in running.feed.status().problems)

    asyncio.run(live())


def test_no_more_than_thirty_connections_a_minute_are_opened(virtual_time, run):
    async def live():
        moments = []
        connection = Connection(
            "ws://127.0.0.1:9/ws",
            receive=lambda frame: None,
            opened=lambda: None,
            lost=lambda reason, unexplained: None,
            clock=virtual_time.clock,
        )
        attempt = connection._live

        async def noted():
            moments.append(virtual_time.now)
            return await attempt()

        connection._live = noted
        connection._clock.__dict__["jitter"] = lambda *_args, **_caps: 0.01
        running = asyncio.ensure_future(connection.run())
        for _ in range(400):
            await virtual_time.advance(0.25)
            await asyncio.sleep(0.0005)
        running.cancel()
        assert len(moments) > 25
        assert max(sum(start <= moment < start + 60 for moment in moments) for start in moments) <= 30

    run(live())


def test_one_silent_account_is_subscribed_again_while_the_others_go_on(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice, tools.bob)
            exchange = running.exchange
            for _ in range(8):
                await running.time.advance(5)
                exchange.time_ms += 5000
                await exchange.beat(tools.bob)
                await tools.settle()
            await tools.until(running.all_in_place)
            assert len(exchange.sockets) == 1
            assert exchange.subscribed.count(("userFills", tools.alice)) == 2
            assert exchange.subscribed.count(("userFills", tools.bob)) == 1

    asyncio.run(live())


def test_when_no_account_shows_its_state_for_thirty_seconds_the_socket_is_given_up(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            await running.time.advance(33)
            await tools.until(lambda: len(running.exchange.sockets) == 2)

    asyncio.run(live())


def test_a_subscription_that_is_never_answered_is_named_after_ten_seconds(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.mute = True
            await running.start(tools.alice, wait=False)
            await tools.until(lambda: running.exchange.subscribed)
            await running.time.advance(10)
            assert "no answer within 10 s" in running.account(tools.alice).reason

    asyncio.run(live())


def test_a_journal_that_fails_ends_the_feed_with_that_error(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)

            def broken(_events):
                raise JournalError("disk full")

            running.feed._around.__dict__["ingest"] = broken
            running.feed._ingest = broken
            await running.exchange.fills(tools.alice, tools.fill(running.exchange.time_ms, 5))
            with pytest.raises(JournalError, match="disk full"):
                await asyncio.wait_for(running._task, 5)
            running._task = None

    asyncio.run(live())
