import asyncio
import logging

from hlmon.events import AccountInfo, Checkpoint
from hlmon.hyperliquid.frames import Ack, Refusal
from hlmon.hyperliquid.requests import Subscription
from hlmon.hyperliquid.subscriptions import Subscriptions


def test_an_account_gets_all_its_streams_on_one_socket(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            assert len(running.exchange.sockets) == 1
            assert [stream for stream, user in running.exchange.subscribed if user == tools.alice] == [
                "userFills",
                "userTwapSliceFills",
                "userFundings",
                "openOrders",
                "allDexsClearinghouseState",
                "userNonFundingLedgerUpdates",
                "userHistoricalOrders",
                "spotState",
                "userTwapHistory",
            ]
            assert running.account(tools.alice).status == "watched"
            assert running.feed.status().problems == []

    asyncio.run(live())


def test_an_agent_is_answered_with_its_master_and_a_clear_warning(watching, tools, caplog):
    async def live():
        async with watching() as running:
            running.answers.by_type["userRole"] = lambda request: (
                {"role": "agent", "data": {"user": tools.bob.upper().replace("X", "x")}}
                if request["user"] == tools.alice
                else {"role": "user"}
            )
            await running.start(tools.alice)
            assert {user for _, user in running.exchange.subscribed} == {tools.bob}
            assert tools.bob in running.account(tools.alice).reason
            info = running.book.now("account_info", tools.alice, "info")
            assert (info.role, info.master) == ("agent", tools.bob)

    asyncio.run(live())
    assert f"{tools.alice} is an agent (API wallet) of {tools.bob}" in caplog.text


def test_the_master_behind_an_agent_has_the_agents_label_and_its_fills_are_its_own(watching, tools):
    async def live():
        async with watching() as running:
            running.answers.by_type["userRole"] = lambda request: (
                {"role": "agent", "data": {"user": tools.bob}} if request["user"] == tools.alice else {"role": "user"}
            )
            await running.start(labels={tools.alice: "main"})
            assert running.account(tools.bob).label == "main"
            await running.exchange.fills(tools.bob, tools.fill(running.exchange.time_ms, 5))
            await tools.until(lambda: running.book.of("fill"))
            assert [fill.account for fill in running.book.of("fill")] == [tools.bob]
            assert running.book.now("account_info", tools.bob, "info").role == "user"

    asyncio.run(live())


def test_a_master_that_has_a_label_of_its_own_keeps_it(watching, tools):
    async def live():
        async with watching() as running:
            running.answers.by_type["userRole"] = lambda request: (
                {"role": "agent", "data": {"user": tools.bob}} if request["user"] == tools.alice else {"role": "user"}
            )
            await running.start(labels={tools.alice: "agent", tools.bob: "main"})
            assert running.account(tools.bob).label == "main"

    asyncio.run(live())


def test_a_missing_address_is_a_problem_that_names_it_and_is_not_subscribed(watching, tools):
    async def live():
        async with watching() as running:
            running.answers.by_type["userRole"] = lambda request: {
                "role": "missing" if request["user"] == tools.alice else "user"
            }
            await running.start(tools.alice, tools.bob)
            assert {user for _, user in running.exchange.subscribed} == {tools.bob}
            assert running.account(tools.alice).status == "missing"
            assert any(tools.alice in problem for problem in running.feed.status().problems)
            assert running.book.now("account_info", tools.alice, "info").status == "missing"

    asyncio.run(live())


def test_a_role_known_for_less_than_a_day_is_not_asked_again(watching, tools):
    async def live():
        async with watching() as running:
            now_ms = running.time.clock.wall_ms()
            running.book([AccountInfo(account=tools.alice, time_ms=now_ms - 3_600_000, role="vault")])
            running.book([AccountInfo(account=tools.bob, time_ms=now_ms - 100_000_000, role="vault")])
            await running.start(tools.alice, tools.bob)
            assert [r["user"] for r in running.answers.asked if r["type"] == "userRole"] == [tools.bob]

    asyncio.run(live())


def test_accounts_are_watched_while_rest_is_down_and_the_role_follows(watching, tools):
    async def live():
        async with watching() as running:
            running.answers.down.clear()
            running.answers.by_type["userRole"] = lambda request: {"role": "vault"}
            await running.start(tools.alice, wait=False)
            await tools.settle()
            assert running.exchange.subscribed == []
            await running.time.advance(5)
            await tools.until(lambda: running.account(tools.alice).status == "watched")
            assert running.account(tools.alice).role == "unknown"
            running.answers.down.set()
            await tools.until(lambda: running.account(tools.alice).role == "vault")

    asyncio.run(live())


def test_with_nothing_to_watch_the_feed_stays_up_idle_and_says_what_to_do(watching, caplog):
    async def live():
        async with watching() as running:
            await running.start(wait=False)
            await running.time.advance(100)
            assert not running._task.done()
            assert running.feed.status().connection.state == "idle"
            assert running.feed.status().problems == []
            assert running.exchange.sockets == []

    with caplog.at_level(logging.WARNING):
        asyncio.run(live())
    assert "--account" in caplog.text


def test_the_user_cap_names_the_refused_accounts_and_lets_the_others_go_on(watching, tools, caplog):
    async def live():
        async with watching() as running:
            running.exchange.user_cap = 1
            await running.start(tools.alice, tools.bob, tools.carol)
            assert running.account(tools.alice).status == "watched"
            for refused in (tools.bob, tools.carol):
                assert running.account(refused).status == "refused"
                assert "15" not in running.account(refused).reason
                info = running.book.now("account_info", refused, "info")
                assert (info.status, info.reason) == ("refused", "Cannot track more than 1 total users.")
                assert any(refused in problem for problem in running.feed.status().problems)
                assert refused in caplog.text
            assert ("userFills", tools.carol) not in running.exchange.subscribed
            await running.exchange.fills(tools.alice, tools.fill(running.exchange.time_ms, 5))
            await tools.until(lambda: running.book.of("fill"))

    asyncio.run(live())


def test_refused_accounts_are_tried_again_every_five_minutes(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.user_cap = 1
            await running.start(tools.alice, tools.bob)
            running.exchange.user_cap = 15
            await running.live_on(290)
            assert running.account(tools.bob).status == "refused"
            await running.live_on(15)
            await tools.until(lambda: running.account(tools.bob).status == "watched")
            assert running.book.now("account_info", tools.bob, "info").status == "watched"

    asyncio.run(live())


def test_an_ack_is_matched_though_snapshots_and_fills_of_others_come_in_between(watching, tools):
    async def live():
        async with watching() as running:
            late = tools.fill(running.exchange.time_ms, 7)
            running.exchange.noise = [
                ("userFills", {"user": tools.alice, "fills": [late]}),
                ("subscriptionResponse", {"method": "subscribe", "subscription": {"type": "bbo", "coin": "SOL"}}),
            ]
            await running.start(tools.alice, tools.bob)
            assert running.account(tools.bob).status == "watched"
            assert len(running.book.of("fill")) == 1

    asyncio.run(live())


def test_only_its_own_answer_answers_a_subscription(run, virtual_time, tools):
    async def live():
        async def send(_message):
            pass

        wanted, other = Subscription("userFills", tools.alice), Subscription("userFills", tools.bob)
        subscriptions = Subscriptions(send, clock=virtual_time.clock)
        asking = asyncio.ensure_future(subscriptions.add(wanted))
        await tools.settle()
        subscriptions.acked(Ack("subscribe", other))
        subscriptions.acked(Ack("unsubscribe", wanted))
        subscriptions.refused(Refusal("Invalid subscription", "invalid_subscription", None, other))
        await tools.settle()
        assert not asking.done()
        subscriptions.acked(Ack("subscribe", wanted))
        assert await asking is None

    run(live())


def test_already_subscribed_is_as_good_as_an_ack(watching, tools):
    async def live():
        async with watching() as running:
            echo = f'Already subscribed: {{"type":"spotState","user":"{tools.alice}"}}'
            running.exchange.refusals["spotState"] = echo
            await running.start(tools.alice)
            assert running.account(tools.alice).status == "watched"

    asyncio.run(live())


def test_one_refused_stream_is_named_and_does_not_stop_the_others(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.refusals["userTwapSliceFills"] = "Invalid subscription {}"
            await running.start(tools.alice, wait=False)
            await tools.until(lambda: ("spotState", tools.alice) in running.exchange.subscribed)
            assert "userTwapSliceFills" in running.account(tools.alice).reason

    asyncio.run(live())


def test_a_stream_that_was_refused_at_first_is_read_back_with_the_others_when_it_comes(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.refusals["userTwapSliceFills"] = "Invalid subscription {}"
            await running.start(tools.alice, wait=False)
            await tools.until(lambda: ("spotState", tools.alice) in running.exchange.subscribed)
            await running.live_on(30)
            running.exchange.refusals.clear()
            running.answers.asked.clear()
            await running.live_on(40)
            await tools.until(running.all_in_place)
            assert "userTwapSliceFillsByTime" in running.answers.types()
            assert [m["method"] for m in running.exchange.received].count("unsubscribe") == 9

    asyncio.run(live())


def test_a_stream_that_gets_no_answer_keeps_nothing_held(watching, tools):
    async def live():
        async with watching() as running:
            stopped_ms = running.exchange.time_ms - 300_000
            running.book([Checkpoint(account=tools.alice, stream="userFills", time_ms=stopped_ms)])
            rows = [tools.fill(stopped_ms + 200_000 + n, n) for n in range(1, 101)]
            running.exchange.snapshots["userFills", tools.alice] = rows
            running.exchange.unanswered = {"userTwapSliceFills", "userFundings", "spotState"}
            running.answers.down.clear()
            await running.start(tools.alice, tools.bob, tools.carol, wait=False)
            await running.time.advance(5)
            await running.live_on(100)
            assert len(running.book.of("fill")) == 100

    asyncio.run(live())


def test_a_frame_that_is_not_understood_is_kept_and_the_stream_goes_on(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            await running.exchange.send("userFills", {"user": tools.alice, "fills": "x" * 70_000})
            await running.exchange.fills(tools.alice, tools.fill(running.exchange.time_ms, 5))
            await tools.until(lambda: running.book.of("fill"))
            (kept,) = running.book.of("quarantine")
            assert (kept.origin, len(kept.payload)) == ("wire", 65_536)
            assert running.feed.status().counters["unread"] == 1

    asyncio.run(live())


def test_every_raw_frame_is_shown_to_on_frame_as_it_came(watching, tools):
    async def live():
        frames = []
        async with watching() as running:
            await running.start(tools.alice, on_frame=frames.append)
        assert frames[0] == b"Websocket connection established."
        assert any(b"subscriptionResponse" in frame for frame in frames)

    asyncio.run(live())
