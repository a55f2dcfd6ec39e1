import asyncio
import itertools
import json

import pytest

from hlmon.errors import Permanent
from hlmon.hyperliquid.budget import Budget
from hlmon.hyperliquid.info import Info, asked_seconds

MIDS = b'{"BTC":"100.5"}'
ALL_MIDS = {"type": "allMids"}


def ask(rest, hurried, request, budget=None, read=json.loads, **options):
    async def live():
        info = Info(rest.url, budget or Budget(1200, clock=hurried.clock), clock=hurried.clock, **options)
        answer = await info.ask(request, read)
        assert info.failing == ""
        return answer

    return asyncio.run(live())


def failing_until(hurried, end, status, headers=None, body=b"bad gateway"):
    return lambda _: (200, {}, MIDS) if hurried.now >= end else (status, headers or {}, body)


def test_a_storm_of_502_for_fifteen_minutes_is_outlasted(rest, hurried):
    rest.script = failing_until(hurried, hurried.now + 900, 502)
    assert ask(rest, hurried, ALL_MIDS) == {"BTC": "100.5"}
    assert max(hurried.slept) <= 30


def test_the_pauses_grow_with_full_jitter_up_to_thirty_seconds(rest, hurried):
    rest.script = failing_until(hurried, hurried.now + 60, 503)
    ask(rest, hurried, ALL_MIDS)
    assert hurried.slept == [0.5, 1, 2, 4, 8, 15, 15, 15]


def test_one_429_costs_seconds_and_not_a_minute(rest, hurried):
    first = hurried.now
    rest.script = failing_until(hurried, first + 0.1, 429)
    ask(rest, hurried, ALL_MIDS)
    assert 2 <= hurried.now - first <= 3
    assert len(rest.payloads) == 2


def test_after_a_429_no_question_is_asked_for_two_seconds_then_four_and_at_most_a_minute(rest, hurried):
    asked = []

    def answer(_):
        asked.append(hurried.now)
        return (429, {}, b"") if len(asked) < 9 else (200, {}, MIDS)

    async def live():
        info = Info(rest.url, Budget(1200, clock=hurried.clock), clock=hurried.clock, threads=1, retry=lambda *_: 0.1)
        await asyncio.gather(*(info.ask(ALL_MIDS) for _ in range(3)))

    rest.script = answer
    asyncio.run(live())
    pauses = [round(later - earlier) for earlier, later in itertools.pairwise(asked)]
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60, 0, 0]


def test_an_answer_between_refusals_makes_the_next_rest_short_again(rest, hurried):
    first = hurried.now
    answers = iter([429, 200] * 3)
    rest.script = lambda _: (next(answers), {}, MIDS)
    budget = Budget(1200, clock=hurried.clock)
    for _ in range(3):
        ask(rest, hurried, ALL_MIDS, budget)
    assert hurried.now - first < 3 * 3


def test_the_wait_that_a_429_asks_for_is_everybodys(rest, hurried):
    first, budget = hurried.now, Budget(1200, clock=hurried.clock)
    rest.script = failing_until(hurried, first + 0.1, 429, {"Retry-After": "77"})
    ask(rest, hurried, ALL_MIDS, budget, retry=lambda *_: 0.1)
    assert hurried.now - first == 77


def test_the_wait_that_the_exchange_asks_for_is_obeyed(rest, hurried):
    first = hurried.now
    rest.script = failing_until(hurried, first + 0.1, 503, {"Retry-After": "77"})
    ask(rest, hurried, ALL_MIDS)
    assert hurried.now - first == 77


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("\u0667", None),
        ("soon", None),
        ("9" * 5000, 999_999_999.0),
        ("Wed, 99 Oct 99999 07:28:00 GMT", None),
    ],
)
def test_a_wait_is_asked_for_in_seconds_or_by_the_servers_clock(retry_after, seconds):
    assert asked_seconds(retry_after, "Wed, 21 Oct 2026 07:28:00 GMT") == seconds


def test_a_moment_without_the_servers_clock_says_nothing():
    assert asked_seconds("Wed, 21 Oct 2026 07:28:30 GMT", "") is None


@pytest.mark.parametrize("wait", ["0", "nonsense", "99999999", "Wed, 21 Oct 2099 07:28:30 GMT"])
def test_a_storm_of_429_is_outlasted_with_hardly_more_than_a_question_a_minute(rest, hurried, wait):
    first = hurried.now
    rest.script = failing_until(hurried, first + 900, 429, {"Retry-After": wait})
    assert ask(rest, hurried, ALL_MIDS) == {"BTC": "100.5"}
    assert hurried.now - first < 900 + 2 * 120
    assert len(rest.payloads) <= 22


@pytest.mark.parametrize("body", [b"null", b"{}", b'"slow down"', b"[]", b"<html>", b'{"code":1,"msg":"x"}'])
def test_429_with_whatever_body_is_tried_again(rest, hurried, body):
    rest.script = failing_until(hurried, hurried.now + 0.1, 429, body=body)
    assert ask(rest, hurried, ALL_MIDS) == {"BTC": "100.5"}


@pytest.mark.parametrize("body", [b"Failed to deserialize the JSON body into the target type", b"null", b"{}"])
def test_422_with_whatever_body_is_permanent(rest, hurried, body):
    rest.script = lambda _: (422, {}, body)
    with pytest.raises(Permanent, match="422"):
        ask(rest, hurried, {"type": "nonsense"})
    assert len(rest.payloads) == 1


def test_an_exchange_that_nobody_listens_at_is_tried_again(rest, hurried):
    async def live():
        info = Info("http://127.0.0.1:9", Budget(1200, clock=hurried.clock), clock=hurried.clock, timeout=(0.2, 0.2))
        asking = asyncio.ensure_future(info.ask(ALL_MIDS))
        while len(hurried.slept) < 3:
            await asyncio.sleep(0.001)
        assert "cannot be reached" in info.failing
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert info.failing == ""

    asyncio.run(live())


def test_what_is_failing_is_the_question_that_has_waited_longest_whatever_else_is_answered(rest, hurried):
    async def live():
        info = Info(rest.url, Budget(1200, clock=hurried.clock), clock=hurried.clock)
        started = hurried.now
        asking = asyncio.ensure_future(info.ask({"type": "userRole"}))
        for _ in range(20):
            await info.ask(ALL_MIDS)
            await asyncio.sleep(0.01)
        assert info.failing.startswith("userRole: ")
        assert info.failing_since - started < 5
        asking.cancel()

    rest.script = lambda payload: (200, {}, MIDS if payload == ALL_MIDS else b"null")
    asyncio.run(live())


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
        await asyncio.gather(*(info.ask({"type": "openOrders"}) for _ in range(8)))
        return len(info._idle)

    assert asyncio.run(live()) <= 2
    assert len(rest.payloads) == 8


def test_a_connection_is_kept_between_questions(rest, hurried):
    async def live():
        info = Info(rest.url, Budget(1200, clock=hurried.clock), clock=hurried.clock)
        for _ in range(5):
            await info.ask({"type": "openOrders"})

    asyncio.run(live())
    assert len(rest.callers) == 1


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
