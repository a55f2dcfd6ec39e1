"""When the monitor commits."""

from __future__ import annotations

import asyncio

import pytest

from hlmon.errors import JournalError
from hlmon.schedule import IdleSchedule


def test_a_flush_waits_until_the_loop_has_nothing_more_to_do():
    order = []

    async def main():
        schedule = IdleSchedule()
        schedule.start(asyncio.get_running_loop())
        schedule(lambda: order.append("flush"))
        order.extend(f"frame {number}" for number in range(3))
        await asyncio.sleep(0)

    asyncio.run(main())
    assert order == ["frame 0", "frame 1", "frame 2", "flush"]


def test_a_slow_flush_is_followed_by_a_pause_as_long_as_it_took():
    class SteppedLoop:
        now = 0.0

        def __init__(self):
            self.waits = []

        def time(self):
            return self.now

        def create_future(self):
            return None

        def call_soon(self, run, *arguments):
            self.waits.append(0.0)
            run(*arguments)

        def call_later(self, wait, run, *arguments):
            self.waits.append(wait)

    loop = SteppedLoop()
    schedule = IdleSchedule()
    schedule.start(loop)

    def flush():
        loop.now += 0.1

    schedule(flush)
    loop.now += 0.04
    schedule(flush)
    assert loop.waits == [0.0, pytest.approx(0.06)]


@pytest.mark.parametrize("error", [JournalError("the disk is full"), OverflowError("the disk is full")])
def test_whatever_a_flush_raises_is_reported_to_whoever_waits_for_it(error):
    async def main():
        schedule = IdleSchedule()
        failed = schedule.start(asyncio.get_running_loop())

        def flush():
            raise error

        schedule(flush)
        await failed

    with pytest.raises(type(error), match="disk is full"):
        asyncio.run(main())


def test_what_became_pending_before_the_loop_runs_is_flushed_by_it():
    flushed = []

    async def main():
        schedule = IdleSchedule()
        schedule(lambda: flushed.append("early"))
        schedule.start(asyncio.get_running_loop())
        await asyncio.sleep(0)

    asyncio.run(main())
    assert flushed == ["early"]
