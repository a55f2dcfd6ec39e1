"""What time the feed takes it to be at the exchange, and what it says of this machine's clock."""

from __future__ import annotations

from hlmon.events import ExchangeStatus
from hlmon.hyperliquid.exchange_clock import AHEAD_MS


def test_the_exchange_is_asked_for_its_time_before_the_first_subscription(watching, run, tools):
    async def main():
        async with watching() as running:
            await running.start(tools.alice)
            assert running.answers.types().count("exchangeStatus") == 2
            assert running.feed.exchange_ms() == running.exchange.time_ms
            skew_ms = running.exchange.time_ms - running.time.clock.wall_ms()
            assert running.feed.status().clock_skew_ms == skew_ms

    run(main())


def test_an_exchange_that_does_not_answer_about_its_time_tells_it_by_two_states(watching, run, tools):
    async def main():
        async with watching() as running:
            running.answers.by_type["exchangeStatus"] = []
            await running.start(tools.alice, wait=False)
            await running.time.advance(5)
            assert running.feed.exchange_ms() == 0
            assert running.feed.status().clock_skew_ms is None
            await running.live_on(25)
            assert running.all_in_place()
            assert abs(running.feed.exchange_ms() - running.exchange.time_ms) <= 5_000

    run(main())


def test_its_status_comes_each_minute_as_a_reading_with_its_notice(watching, run, tools):
    async def main():
        async with watching() as running:
            await running.start(tools.alice)
            running.answers.by_type["exchangeStatus"] = lambda _: {
                "time": running.exchange.time_ms,
                "specialStatuses": "Trading is halted",
            }
            await running.live_on(70)
            notices = [event.notice for event in running.book.of(ExchangeStatus.kind)]
            assert notices == ["", "", "Trading is halted", "Trading is halted"]

    run(main())


def test_one_answer_a_day_ahead_moves_nothing(watching, run, tools):
    async def main():
        async with watching() as running:
            await running.start(tools.alice)
            for odd in (running.exchange.time_ms + 86_400_000, 2**63 - 1, -5, 1e300, None, "now"):
                running.answers.by_type["exchangeStatus"] = {"time": odd}
                await running.live_on(60)
                assert abs(running.feed.exchange_ms() - running.exchange.time_ms) < AHEAD_MS

    run(main())
