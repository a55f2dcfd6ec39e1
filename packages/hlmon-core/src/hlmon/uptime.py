"""For how long the machine has been up: a clock that two processes share and that no step of the wall clock moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hlmon.status import Status

_UPTIME = Path("/proc/uptime")  # counts while the machine is suspended, and shows what it is to whoever fakes the time
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Uptime(NamedTuple):
    """Milliseconds since a boot. `boot_id` is "" where the system names none; such values cannot be compared."""

    boot_id: str
    ms: int


def machine_uptime() -> Uptime:
    """This machine's, now."""
    try:
        seconds = float(_UPTIME.read_text().split()[0])
        return Uptime(_BOOT_ID.read_text().strip(), round(seconds * 1000))
    except (OSError, ValueError, IndexError):
        return Uptime("", 0)


def wall_ms() -> int:
    """This machine's wall clock."""
    return time.time_ns() // 1_000_000


def present_ms(
    status: Status | None,
    *,
    uptime: Callable[[], Uptime] = machine_uptime,
    wall: Callable[[], int] = wall_ms,
) -> int:
    """The present in the time of this status: `updated_ms` and its age.

    The age is by the uptime of the machine on which both were told, else by the wall clock: what seems to come from the
    future is then as old as it is ahead, since either clock may be the wrong one.
    """
    if status is None:
        return wall()
    now = uptime()
    if now.boot_id and now.boot_id == status.boot_id and now.ms >= status.uptime_ms:
        return status.updated_ms + now.ms - status.uptime_ms
    return status.updated_ms + abs(wall() - status.updated_ms)
