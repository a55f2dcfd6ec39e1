import asyncio
from collections import Counter

from hlmon.hyperliquid.budget import Budget


def test_no_window_of_sixty_seconds_ever_holds_more_than_the_limit(run, hurried):
    budget = Budget(100, clock=hurried.clock)
    moments = []

    async def spend():
        for _ in range(60):
            await budget.spend(20)
            moments.append(hurried.now)
            hurried.now += 1.7

    run(spend())
    windows = Counter({start: sum(20 for moment in moments if start <= moment < start + 60) for start in moments})
    assert max(windows.values()) == 100


def test_callers_are_served_in_the_order_in_which_they_came(run, hurried):
    served = []

    async def caller(budget, name, weight):
        await budget.spend(weight)
        served.append(name)

    async def all_at_once():
        budget = Budget(100, clock=hurried.clock)
        await budget.spend(90)
        await asyncio.gather(
            *(caller(budget, name, weight) for name, weight in (("large", 100), ("small", 1), ("b", 2)))
        )

    run(all_at_once())
    assert served == ["large", "small", "b"]


def test_what_is_reserved_counts_in_full_until_it_is_settled_and_then_for_sixty_seconds(run, hurried):
    async def live():
        budget = Budget(1000, clock=hurried.clock)
        spent = await budget.reserve(120)
        hurried.now += 300
        assert budget.free == 880
        budget.settle(spent, 21)
        assert budget.free == 979
        hurried.now += 59.9
        assert budget.free == 979
        hurried.now += 0.1
        assert budget.free == 1000

    run(live())


def test_what_costs_more_than_was_reserved_makes_later_callers_wait(run, hurried):
    async def live():
        budget = Budget(100, clock=hurried.clock)
        budget.settle(await budget.reserve(50), 130)
        assert budget.free == -30
        before = hurried.now
        await budget.spend(1)
        assert hurried.now - before >= 60

    run(live())


def test_a_caller_who_waits_goes_on_as_soon_as_a_reservation_turns_out_cheap(run, virtual_time, tools):
    async def live():
        budget = Budget(100, clock=virtual_time.clock)
        spent = await budget.reserve(100)
        waiting = asyncio.ensure_future(budget.spend(50))
        await tools.settle()
        assert not waiting.done()
        budget.settle(spent, 20)
        await tools.settle()
        assert waiting.done()

    run(live())


def test_refusals_at_the_same_time_are_one_and_everybody_rests_from_the_last_of_them(run, hurried):
    async def live():
        budget = Budget(1000, clock=hurried.clock)
        budget.refused()
        hurried.now += 1
        budget.refused()
        before = hurried.now
        await budget.spend(1)
        assert hurried.now - before == 2

    run(live())


def test_a_request_larger_than_the_whole_budget_takes_all_of_it_rather_than_waiting_for_ever(run, hurried):
    async def live():
        budget = Budget(100, clock=hurried.clock)
        await budget.spend(120)
        assert budget.free == 0

    run(live())
