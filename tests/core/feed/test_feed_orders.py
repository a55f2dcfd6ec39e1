"""Lists of open orders as the feed gets them: over the socket for every dex, over REST where none comes."""

from __future__ import annotations

import asyncio

from hlmon.events import OpenOrders, Order
from hlmon.testing.builders import make_order
from tests.core.feed.virtual_time import START_MS


def row(oid: int, coin: str = "BTC", **changes) -> dict:
    """A row of a list of open orders."""
    fields = {
        "coin": coin,
        "side": "B",
        "limitPx": "100.0",
        "sz": "1.0",
        "oid": oid,
        "timestamp": START_MS - 1000,
        "triggerCondition": "N/A",
        "isTrigger": False,
        "triggerPx": "0.0",
        "children": [],
        "isPositionTpsl": False,
        "reduceOnly": False,
        "orderType": "Limit",
        "origSz": "1.0",
        "tif": "Gtc",
        "cloid": None,
    }
    return fields | changes


def ended(oid: int, status: str) -> dict:
    return {"order": row(oid), "status": status, "statusTimestamp": START_MS + 5000}


def listings(running) -> list[tuple[str, list[int]]]:
    return [(each.dex, [order.order_id for order in each.orders]) for each in running.book.of("open_orders")]


def test_a_list_is_subscribed_for_the_main_dex_and_for_every_dex_of_the_account(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.dexes = ["", "xyz", "flx"]
            running.exchange.open_orders = {(tools.alice, ""): [row(1)], (tools.alice, "xyz"): [row(2, "xyz:GOLD")]}
            await running.start(tools.alice)
            await running.time.advance(2)
            await tools.until(lambda: len(listings(running)) == 3)
            assert listings(running) == [("", [1]), ("xyz", [2]), ("flx", [])]
            assert running.account(tools.alice).status == "watched"
            assert "frontendOpenOrders" not in running.answers.types()

    asyncio.run(live())


def test_of_more_dexes_than_can_be_subscribed_those_count_on_which_the_account_has_something(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.dexes = ["", *(f"junk{number}" for number in range(40))]
            await running.start(tools.alice)
            await running.time.advance(2)
            await tools.settle()
            assert [m["subscription"].get("dex") for m in running.exchange.received].count("junk1") == 0

    asyncio.run(live())


def test_children_of_a_resting_order_wait_even_if_the_list_has_them_twice(watching, tools):
    async def live():
        async with watching() as running:
            stop = row(8, side="A", isTrigger=True, triggerPx="90.0", orderType="Stop Market")
            running.exchange.open_orders = {(tools.alice, ""): [stop, row(7, children=[stop, row(9)])]}
            await running.start(tools.alice)
            (listing,) = running.book.of("open_orders")
            assert {order.order_id: order.status for order in listing.orders} == {7: "open", 8: "waiting", 9: "waiting"}

    asyncio.run(live())


def test_rest_is_asked_for_a_list_that_does_not_come_over_the_socket(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.lists_late = True
            running.answers.by_type["frontendOpenOrders"] = [row(1)]
            await running.start(tools.alice)
            await running.live_on(20)
            assert listings(running) == [("", [1])]
            await running.live_on(300)
            assert running.answers.types().count("frontendOpenOrders") == 1
            await running.live_on(900)
            assert running.answers.types().count("frontendOpenOrders") == 2

    asyncio.run(live())


def test_a_list_of_rest_is_left_out_if_one_of_the_socket_came_meanwhile(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.lists_late = True
            running.answers.by_type["frontendOpenOrders"] = [row(1)]
            await running.start(tools.alice)
            running.answers.down.clear()
            await running.live_on(20)
            assert "frontendOpenOrders" in running.answers.types()
            running.exchange.open_orders[tools.alice, ""] = [row(2)]
            await running.exchange.list_orders(tools.alice)
            await tools.until(lambda: listings(running))
            running.answers.down.set()
            await running.live_on(20)
            assert listings(running) == [("", [2])]

    asyncio.run(live())


def test_every_list_comes_again_after_a_reconnect_or_rest_is_asked(watching, tools):
    async def live():
        async with watching() as running:
            await running.start(tools.alice)
            assert len(listings(running)) == 1
            running.exchange.lists_late = True
            running.exchange.cut()
            await running.time.advance(5)
            await tools.until(lambda: len(running.exchange.sockets) == 2 and running.all_in_place())
            await running.live_on(20)
            assert running.answers.types().count("frontendOpenOrders") == 1

    asyncio.run(live())


def test_the_exchange_is_asked_how_an_order_ended_that_left_the_list_without_a_word(watching, tools):
    async def live():
        async with watching() as running:
            running.answers.by_type["orderStatus"] = lambda request: (
                {"status": "order", "order": ended(request["oid"], "canceled")}
                if request["oid"] == 1
                else {"status": "unknownOid"}
            )
            orders = {(tools.alice, ""): [row(1), row(2), row(3)]}
            running.exchange.open_orders = orders
            await running.start(tools.alice)
            orders[tools.alice, ""] = []
            await running.exchange.list_orders(tools.alice)
            told = {"user": tools.alice, "orderHistory": [ended(3, "filled")]}
            await running.exchange.send("userHistoricalOrders", told)
            await tools.until(lambda: running.book.of("order"))
            await running.live_on(60)
            asked = [request["oid"] for request in running.answers.asked if request["type"] == "orderStatus"]
            assert asked == [1, 2]
            assert {order.order_id: order.status for order in running.book.of("order")} == {3: "filled", 1: "canceled"}

    asyncio.run(live())


def test_what_rested_before_a_restart_and_is_not_on_the_list_is_asked_for_and_old_ends_once_more(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.dexes = ["", "xyz"]
            stored = {
                1: {"status": "open"},
                2: {"status": "waiting", "coin": "xyz:GOLD"},
                3: {"status": "unknown"},
                4: {"status": "open"},
                5: {"status": "filled"},
                6: {"status": "open", "account": tools.bob},
            }
            for number, changes in stored.items():
                fields = {"account": tools.alice, "time_ms": START_MS - 9000, "order_id": number} | changes
                running.book([make_order(**fields)])
            running.answers.by_type["orderStatus"] = {"status": "unknownOid"}
            running.exchange.open_orders = {(tools.alice, ""): [row(4)]}
            await running.start(tools.alice)
            await running.live_on(60)
            asked = [request["oid"] for request in running.answers.asked if request["type"] == "orderStatus"]
            assert sorted(asked) == [1, 2, 3]

    asyncio.run(live())


def test_a_list_that_came_without_any_change_and_comes_no_more_is_subscribed_again(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.open_orders = {(tools.alice, ""): [row(1)]}
            await running.start(tools.alice)
            await running.live_on(200)
            assert ("openOrders", tools.alice) in running.exchange.subscribed
            assert running.exchange.subscribed.count(("openOrders", tools.alice)) == 1  # lists may come on change only
            await running.live_on(10)
            await running.exchange.list_orders(tools.alice)
            await running.live_on(5)
            await running.exchange.list_orders(tools.alice)
            await running.live_on(60)
            await tools.until(lambda: running.exchange.subscribed.count(("openOrders", tools.alice)) == 2)
            await running.live_on(300)
            assert running.exchange.subscribed.count(("openOrders", tools.alice)) > 2

    asyncio.run(live())


def test_a_list_that_stops_after_its_first_is_subscribed_again_if_those_of_other_dexes_repeat(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.dexes = ["", "xyz"]
            await running.start(tools.alice)
            for _ in range(12):
                await running.exchange.list_orders(tools.alice, "xyz")
                await running.live_on(5)
            assert running.exchange.subscribed.count(("openOrders", tools.alice)) == 3  # of xyz it is one

    asyncio.run(live())


def test_a_refused_list_is_named_and_costs_no_other_stream(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.refusals["openOrders"] = "Invalid subscription {}"
            await running.start(tools.alice, wait=False)
            await tools.until(lambda: ("openOrders", tools.alice) in running.exchange.subscribed)
            await running.live_on(10)
            assert "openOrders" in running.account(tools.alice).reason
            running.exchange.refusals.clear()
            await running.live_on(70)
            await tools.until(running.all_in_place)
            assert "unsubscribe" not in [m["method"] for m in running.exchange.received]

    asyncio.run(live())


def test_a_dex_that_the_exchange_knows_no_more_costs_its_list_and_nothing_else(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.dexes = ["", "xyz"]
            running.exchange.refusals["openOrders:xyz"] = "Invalid subscription {}"
            await running.start(tools.alice, wait=False)
            await tools.until(lambda: ("xyz", []) in listings(running))
            assert ("openOrders", tools.alice) in running.exchange.subscribed
            running.exchange.dexes = [""]
            await running.live_on(10)
            assert running.account(tools.alice).status == "watched"
            assert not running.account(tools.alice).reason

    asyncio.run(live())


def test_an_order_of_the_past_that_rests_on_a_dex_that_is_gone_lets_its_list_be_asked_for_and_be_over(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.refusals["openOrders:xyz"] = "Invalid subscription {}"
            rests = {"order": row(7, "xyz:GOLD"), "status": "open", "statusTimestamp": START_MS}
            running.answers.by_type["historicalOrders"] = [rests]  # and no row says how it ended
            await running.start(tools.alice)
            await running.live_on(10)
            assert ("xyz", []) in listings(running)
            assert running.account(tools.alice).status == "watched"

    asyncio.run(live())


def test_readings_of_lists_carry_orders_as_they_rest(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.open_orders = {(tools.alice, ""): [row(1, sz="0.4")]}
            await running.start(tools.alice)
            (listing,) = running.book.of("open_orders")
            assert isinstance(listing, OpenOrders)
            (order,) = listing.orders
            assert isinstance(order, Order)
            assert (order.status, str(order.size), str(order.remaining)) == ("open", "1.0", "0.4")
            assert order.time_ms == order.created_ms == START_MS - 1000

    asyncio.run(live())
