"""What the feed knows of an account's mode, and of entries of its ledger: asked, doubted, named."""

import asyncio

import pytest

from hlmon.errors import Permanent
from hlmon.events import AccountInfo


def test_the_account_mode_is_stated_and_asked_again_every_hour(watching, tools):
    async def live():
        async with watching() as running:
            running.answers.by_type["userAbstraction"] = "unifiedAccount"
            await running.start(tools.alice)
            assert running.book.now("account_info", tools.alice, "info").mode == "unified"
            running.answers.by_type["userAbstraction"] = "portfolioMargin"
            await running.live_on(3600)
            assert running.book.now("account_info", tools.alice, "info").mode == "portfolio_margin"

    asyncio.run(live())


def test_what_was_known_of_the_mode_before_the_start_counts_for_nothing(watching, tools):
    async def live():
        async with watching() as running:
            now_ms = running.time.clock.wall_ms()
            running.book([AccountInfo(account=tools.alice, time_ms=now_ms - 1_000, role="user", mode="classic")])
            running.answers.by_type["userAbstraction"] = "unifiedAccount"
            await running.start(tools.alice)
            infos = running.book.of("account_info")
            assert [info.mode for info in infos] == ["classic", "unknown", "unified"]
            first_state = running.book.events.index(running.book.of("account_state")[0])
            assert running.book.events.index(infos[1]) < first_state

    asyncio.run(live())


def test_a_mode_that_hlmon_does_not_know_is_a_named_problem(watching, tools, caplog):
    async def live():
        async with watching() as running:
            running.answers.by_type["userAbstraction"] = "quantumMargin"
            await running.start(tools.alice)
            assert running.book.now("account_info", tools.alice, "info").mode == "unknown"
            (problem,) = running.feed.status().problems
            assert tools.alice in problem
            assert "the exchange says account mode 'quantumMargin', which this hlmon does not know" in problem
            await running.live_on(60)
            # Soon again: it may have been another's answer.
            assert running.answers.types().count("userAbstraction") == 2
            running.answers.by_type["userAbstraction"] = "unifiedAccount"
            await running.live_on(300)
            assert running.book.now("account_info", tools.alice, "info").mode == "unified"
            running.answers.by_type["userAbstraction"] = "unifiedAccount"
            await running.live_on(3600)
            assert running.feed.status().problems == []

    asyncio.run(live())
    assert caplog.text.count("quantumMargin") == 1


@pytest.mark.parametrize("odd", [None, {}, [], 7, Permanent("the exchange answered 404")])
def test_an_odd_answer_about_the_mode_is_no_mode_and_asked_again(watching, tools, odd):
    async def live():
        async with watching() as running:
            running.answers.by_type["userAbstraction"] = odd
            await running.start(tools.alice, wait=False)
            await running.time.advance(5)
            await tools.until(lambda: running.account(tools.alice).status == "watched")
            assert running.book.now("account_info", tools.alice, "info").mode == "unknown"
            running.answers.by_type["userAbstraction"] = "disabled"
            await running.live_on(15)
            await tools.until(lambda: running.account(tools.alice).mode == "classic")

    asyncio.run(live())


def test_a_switch_of_the_mode_is_asked_about_within_ten_seconds_and_the_mode_is_unknown_until_the_answer(
    watching, tools
):
    async def live():
        async with watching() as running:
            running.exchange.cash[tools.alice] = 9_000
            running.exchange.usdc[tools.alice] = 0
            await running.start(tools.alice)
            await running.live_on(60)
            assert running.answers.types().count("userAbstraction") == 1
            running.answers.by_type["userAbstraction"] = "unifiedAccount"
            running.exchange.cash[tools.alice], running.exchange.usdc[tools.alice] = 1_000, 9_000
            running.book.events.clear()
            await running.live_on(10)
            kinds = [(e.kind, getattr(e, "mode", "")) for e in running.book.events if e.kind.startswith("account")]
            assert kinds[0] == ("account_info", "unknown")
            assert kinds[1][0] == "account_state"
            assert ("account_info", "unified") in kinds
            assert running.answers.types().count("userAbstraction") == 2

    asyncio.run(live())


def test_transfers_between_the_pockets_are_asked_about_once_in_ten_seconds_at_most(watching, tools):
    async def live():
        async with watching() as running:
            running.exchange.cash[tools.alice] = running.exchange.usdc[tools.alice] = 5_000
            await running.start(tools.alice)
            asked = running.answers.types().count("userAbstraction")
            for step in range(24):
                moved = 2_000 if step % 2 else -2_000
                running.exchange.cash[tools.alice] += moved
                running.exchange.usdc[tools.alice] -= moved
                await running.live_on(5)
            assert 1 <= running.answers.types().count("userAbstraction") - asked <= 13
            await running.live_on(15)
            assert running.book.now("account_info", tools.alice, "info").mode == "classic"

    asyncio.run(live())


def test_a_type_of_ledger_entry_that_is_not_known_is_named_once_in_the_log(watching, tools, caplog):
    async def live():
        async with watching() as running:
            rows = [
                {
                    "time": running.exchange.time_ms - n,
                    "hash": f"0x{n:064x}",
                    "delta": {"type": "new\x1b2027", "usdc": "5"},
                }
                for n in (1, 2)
            ]
            running.exchange.snapshots["userNonFundingLedgerUpdates", tools.alice] = rows
            await running.start(tools.alice)
            assert [entry.amount for entry in running.book.of("ledger")] == [None, None]

    asyncio.run(live())
    assert caplog.text.count("ledger entries of type 'new\\x1b2027' are kept") == 1
