"""Why not all is well, purely: the same sentences for the ping, for /healthz, for `hlmon status` and `hlmon health`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hlmon.status import SourceStatus, Status
from hlmon.watchdog.skew import SET_CLOCK, difference

STALE_MS: Final = 30_000
"""A monitor that said nothing for this long is not running, or stands still."""
SILENT_MS: Final = 60_000
"""An account whose state, which comes every 5 s, was not heard for this long is not live."""
UNCOMMITTED_MS: Final = 60_000
"""What came in is stored within a second; after so long it is not stored at all."""
WRONG_SKEW_MS: Final = 60_000
"""From here on it is a reason not to be well: quiet hours, silences and the log are wrong by as much."""


def reasons(status: Status | None, *, now_ms: int) -> list[str]:
    """Every reason not to be sure that nothing is missed, each a sentence that ends with what to do; empty if none.

    `status` is what the monitor last said of itself, None before it said anything; `now_ms` is the present in its time,
    as `present_ms` works it out.
    """
    if status is None:
        return ["the monitor is starting"]
    if now_ms - status.updated_ms > STALE_MS:
        silent = (now_ms - status.updated_ms) // 1000
        return [f"the monitor said nothing for {silent} s: look at the end of its log and restart it"]
    found = [*uncommitted(status, now_ms), *status.problems]
    for source in status.sources:
        found += [*_wrong_clock(source), *_not_live(source, now_ms), *source.problems]
    if not any(source.accounts or source.coins for source in status.sources):
        found.append("nothing is watched: add an [[account]] to the config")
    return list(dict.fromkeys(found))


def uncommitted(status: Status, now_ms: int) -> Iterator[str]:
    """Whether events wait for the journal for too long."""
    if status.pending_since_ms is not None and now_ms - status.pending_since_ms > UNCOMMITTED_MS:
        waited = (now_ms - status.pending_since_ms) // 1000
        yield f"what came in has not been stored for {waited} s: look at the log and the disk, and restart hlmon"


def _wrong_clock(source: SourceStatus) -> Iterator[str]:
    skew_ms = source.clock_skew_ms or 0
    if abs(skew_ms) > WRONG_SKEW_MS:
        yield f"this machine's clock is {difference(skew_ms)} the exchange's: {SET_CLOCK}"


def _not_live(source: SourceStatus, now_ms: int) -> Iterator[str]:
    connection = source.connection
    if connection.state in {"connecting", "waiting"}:
        why = connection.reason or connection.state
        yield f"not connected to the exchange: {why} (it is tried again and again, look at the network if it lasts)"
    for account in source.accounts:
        name = f"account {account.label or account.address}"
        if account.status == "pending":
            yield f"{name} is not watched yet: ordinary for some seconds after a start"
        elif account.status == "watched" and account.role != "agent" and now_ms - account.last_seen_ms > SILENT_MS:
            silent = (now_ms - account.last_seen_ms) // 1000
            yield f"{name} was not heard for {silent} s: it is subscribed again, look at the network if it lasts"
