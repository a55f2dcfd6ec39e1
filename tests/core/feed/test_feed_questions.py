"""What the feed asks beside history: API wallets; and TWAPs as they come over the socket."""

from __future__ import annotations

import asyncio

from hlmon.errors import Permanent
from tests.core.feed.virtual_time import START_MS

WALLET = {"name": "bot", "address": "0x" + "AB" * 20, "validUntil": START_MS + 10**9}


def agents(running, account=None):
    return [[agent.name for agent in each.agents] for each in running.book.of("agents", account)]


def test_api_wallets_are_asked_for_soon_and_every_six_hours(watching, tools):
    async def live():
        async with watching() as running:
            running.answers.by_type["extraAgents"] = [WALLET]
            await running.start(tools.alice, tools.bob)
            await running.live_on(15)
            assert agents(running) == [["bot"], ["bot"]]
            (first, _) = running.book.of("agents")
            assert first.agents[0].address == "0x" + "ab" * 20
            assert abs(first.time_ms - running.feed.exchange_ms()) < 60_000
            await running.live_on(6 * 3600 + 60)
            assert running.answers.types().count("extraAgents") == 4

    asyncio.run(live())


def test_an_answer_of_null_is_believed_the_second_time(watching, tools):
    async def live():
        async with watching() as running:
            answers = iter([None, [WALLET]])
            running.answers.by_type["extraAgents"] = lambda _request: next(answers, None)
            await running.start(tools.alice)
            await running.live_on(30)
            assert agents(running) == [["bot"]]
            await running.live_on(6 * 3600 + 60)
            assert agents(running) == [["bot"], []]

    asyncio.run(live())


def test_one_odd_api_wallet_costs_itself_and_says_that_the_list_is_not_whole(watching, tools):
    async def live():
        async with watching() as running:
            running.answers.by_type["extraAgents"] = [
                WALLET,
                {"name": "odd"},
                WALLET | {"name": "", "validUntil": None},
            ]
            await running.start(tools.alice)
            await running.live_on(15)
            (found,) = running.book.of("agents")
            assert [(agent.name, agent.valid_until_ms) for agent in found.agents] == [
                ("bot", START_MS + 10**9),
                ("", None),
            ]
            assert not found.complete

    asyncio.run(live())


def test_an_account_whose_api_wallets_cannot_be_asked_for_costs_no_other(watching, tools):
    async def live():
        async with watching() as running:
            running.answers.by_type["extraAgents"] = lambda request: (
                Permanent("422") if request["user"] == tools.alice else [WALLET]
            )
            await running.start(tools.alice, tools.bob)
            await running.live_on(15)
            assert agents(running, tools.bob) == [["bot"]]
            assert agents(running, tools.alice) == []

    asyncio.run(live())


def change(seconds: int, status: str, **state) -> dict:
    """A row of a history of TWAPs, whose time is in seconds."""
    fields = {
        "coin": "BTC",
        "user": "0x" + "a1" * 20,
        "side": "A",
        "sz": "2.0",
        "executedSz": "0.5",
        "executedNtl": "50.0",
        "minutes": 30,
        "reduceOnly": True,
        "randomize": False,
        "timestamp": START_MS,
    }
    return {"time": START_MS // 1000 + seconds, "state": fields | state, "status": status, "twapId": 12}


def test_twaps_are_readings_with_their_time_in_milliseconds(watching, tools):
    async def live():
        async with watching() as running:
            rows = [
                change(9, {"status": "error", "description": "Insufficient margin"}),
                change(5, {"status": "activated"}, executedSz=None),
                change(7, {"status": "finished"}, coin=None),
            ]
            running.exchange.snapshots["userTwapHistory", tools.alice] = rows
            await running.start(tools.alice)
            first, last = running.book.of("twap")
            assert (first.status, first.time_ms, str(first.executed_size)) == ("activated", START_MS + 5000, "0")
            assert (last.status, last.description, last.side) == ("error", "Insufficient margin", "sell")
            assert (str(last.size), str(last.executed_size), last.minutes) == ("2.0", "0.5", 30)
            assert (last.twap_id, last.reduce_only, last.account) == (12, True, tools.alice)
            (odd,) = running.book.of("quarantine")
            assert odd.stream == "userTwapHistory"

    asyncio.run(live())
