import asyncio
import json

import pytest

from hlmon.errors import Permanent
from hlmon.hyperliquid.budget import Budget
from hlmon.hyperliquid.info import Info


def ask(rest, hurried, request, budget=None):
    async def live():
        return await Info(rest.url, budget or Budget(1200, clock=hurried.clock), clock=hurried.clock).ask(request)

    return asyncio.run(live())


def failing_until(hurried, end, status, headers=None, body=b"bad gateway"):
    return lambda _: (200, {}, b"[1]") if hurried.now >= end else (status, headers or {}, body)


def test_an_answer_is_the_json_of_the_body(rest, hurried):
    rest.script = lambda payload: (200, {}, json.dumps([payload]).encode())
    assert ask(rest, hurried, {"type": "meta", "dex": "xyz"}) == [{"type": "meta", "dex": "xyz"}]


def test_a_storm_of_502_for_fifteen_minutes_is_outlasted(rest, hurried):
    rest.script = failing_until(hurried, hurried.now + 900, 502)
    assert ask(rest, hurried, {"type": "allMids"}) == [1]
    assert max(hurried.slept) <= 30


def test_the_pauses_grow_with_full_jitter_up_to_thirty_seconds(rest, hurried):
    rest.script = failing_until(hurried, hurried.now + 60, 503)
    ask(rest, hurried, {"type": "allMids"})
    assert hurried.slept == [0.5, 1, 2, 4, 8, 15, 15, 15]


def test_429_drains_the_budget_so_that_nobody_asks_for_a_minute(rest, hurried):
    first = hurried.now
    rest.script = failing_until(hurried, first + 0.1, 429)
    ask(rest, hurried, {"type": "allMids"})
    assert hurried.now - first >= 60
    assert len(rest.payloads) == 2


def test_the_wait_that_the_exchange_asks_for_is_obeyed(rest, hurried):
    first = hurried.now
    rest.script = failing_until(hurried, first + 0.1, 503, {"Retry-After": "77"})
    ask(rest, hurried, {"type": "allMids"})
    assert hurried.now - first == 77


@pytest.mark.parametrize("body", [b"null", b"{}", b'"slow down"', b"[]", b"<html>", b'{"code":1,"msg":"x"}'])
def test_429_with_whatever_body_is_tried_again(rest, hurried, body):
    rest.script = failing_until(hurried, hurried.now + 0.1, 429, body=body)
    assert ask(rest, hurried, {"type": "allMids"}) == [1]


@pytest.mark.parametrize("body", [b"Failed to deserialize the JSON body into the target type", b"null", b"{}"])
def test_422_with_whatever_body_is_permanent(rest, hurried, body):
    rest.script = lambda _: (422, {}, body)
    with pytest.raises(Permanent, match="422"):
        ask(rest, hurried, {"type": "nonsense"})
    assert len(rest.payloads) == 1


def test_a_body_that_is_not_json_is_tried_again(rest, hurried):
    bodies = [b"<html>maintenance</html>", b"[1]"]
    rest.script = lambda _: (200, {}, bodies.pop(0))
    assert ask(rest, hurried, {"type": "allMids"}) == [1]


def test_an_exchange_that_nobody_listens_at_is_tried_again(rest, hurried):
    async def live():
        info = Info("http://127.0.0.1:9", Budget(1200, clock=hurried.clock), clock=hurried.clock, timeout=(0.2, 0.2))
        asking = asyncio.ensure_future(info.ask({"type": "allMids"}))
        while len(hurried.slept) < 3:
            await asyncio.sleep(0.001)
        assert "cannot be reached" in info.failing
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(live())


def test_failing_is_empty_again_once_the_exchange_answers(rest, hurried):
    async def live():
        info = Info(rest.url, Budget(1200, clock=hurried.clock), clock=hurried.clock)
        await info.ask({"type": "allMids"})
        return info.failing

    rest.script = failing_until(hurried, hurried.now + 5, 502)
    assert asyncio.run(live()) == ""


def test_rows_are_charged_after_the_answer(rest, hurried):
    budget = Budget(1200, clock=hurried.clock)
    rest.script = lambda _: (200, {}, json.dumps([{}] * 2000).encode())
    ask(rest, hurried, {"type": "userFillsByTime", "user": "0x", "startTime": 0}, budget)
    assert budget.free == 1200 - 120


def test_a_short_answer_costs_little_though_much_was_reserved(rest, hurried):
    budget = Budget(1200, clock=hurried.clock)
    ask(rest, hurried, {"type": "userFillsByTime", "user": "0x", "startTime": 0}, budget)
    assert budget.free == 1200 - 20


def test_two_questions_at_most_are_on_their_way(rest, hurried):
    async def live():
        info = Info(rest.url, Budget(1200, clock=hurried.clock), clock=hurried.clock)
        await asyncio.gather(*(info.ask({"type": "allMids"}) for _ in range(8)))
        return len(info._idle)

    assert asyncio.run(live()) <= 2
    assert len(rest.payloads) == 8


def test_a_cancelled_question_gives_its_reservation_back(rest, hurried):
    async def live():
        budget = Budget(1200, clock=hurried.clock)
        info = Info(rest.url, budget, clock=hurried.clock)
        asking = asyncio.ensure_future(info.ask({"type": "userFillsByTime", "user": "0x", "startTime": 0}))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        return budget.free

    assert asyncio.run(live()) >= 1180
