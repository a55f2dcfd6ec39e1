"""How old a status is, whatever the wall clocks of the monitor and of the command say."""

from __future__ import annotations

import pytest

from hlmon.cli.running import judge
from hlmon.status import ConnectionStatus, SourceStatus, Status
from hlmon.uptime import Uptime, machine_uptime, present_ms

NOW_MS = 1_780_000_000_000
DAY_MS = 86_400_000
STEPS_MS = [0, -DAY_MS, -7_200_000, -31_000, 31_000, 7_200_000, DAY_MS]


def told(boot_id: str = "boot") -> Status:
    source = SourceStatus(connection=ConnectionStatus(state="live", last_frame_ms=NOW_MS))
    return Status(
        pid=1, version="0", started_ms=NOW_MS, updated_ms=NOW_MS, uptime_ms=500_000, boot_id=boot_id, sources=[source]
    )


def verdict_after(age_ms: int, step_ms: int, *, boot_id: str = "boot"):
    now_ms = present_ms(
        told(), uptime=lambda: Uptime(boot_id, 500_000 + age_ms), wall=lambda: NOW_MS + age_ms + step_ms
    )
    return judge(told(), now_ms=now_ms, alive=lambda _: True)


@pytest.mark.parametrize("step_ms", STEPS_MS)
def test_a_step_of_the_wall_clock_neither_buries_the_living_nor_raises_the_dead(step_ms):
    assert verdict_after(4_000, step_ms).running
    assert not verdict_after(40_000, step_ms).running


def test_what_was_told_before_the_last_boot_or_elsewhere_is_as_old_as_the_wall_clock_says():
    assert verdict_after(4_000, 0, boot_id="another").running
    assert not verdict_after(40_000, 0, boot_id="another").running


@pytest.mark.parametrize("boot_id", ["", "another"])
def test_without_a_clock_in_common_a_status_from_the_future_is_as_old_as_it_is_ahead(boot_id):
    assert not verdict_after(0, -DAY_MS, boot_id=boot_id).running
    assert not verdict_after(0, DAY_MS, boot_id=boot_id).running


def test_the_uptime_of_this_machine_grows():
    first, second = machine_uptime(), machine_uptime()
    assert first.boot_id == second.boot_id
    assert first.ms <= second.ms
