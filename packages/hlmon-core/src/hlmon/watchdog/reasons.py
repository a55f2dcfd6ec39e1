"""Why not all is well, purely: the same sentences for the ping, for /healthz and for `hlmon status`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hlmon.status import SourceStatus, Status

STALE_MS: Final = 30_000
"""A monitor that said nothing for this long is not running, or stands still."""
SILENT_MS: Final = 60_000
"""An account whose state, which comes every 5 s, was not heard for this long is not live."""


def reasons(status: Status | None, *, now_ms: int) -> list[str]:
    """Every reason not to be sure that nothing is missed, in sentences; empty while every stream is live and all ack.

    `status` is what the monitor last said of itself, None before it said anything.
    """
    if status is None:
        return ["the monitor is starting"]
    if now_ms - status.updated_ms > STALE_MS:
        return [f"the monitor said nothing for {(now_ms - status.updated_ms) // 1000} s"]
    found = [*status.problems]
    for source in status.sources:
        found += [*_not_live(source, now_ms), *source.problems]
    if not any(source.accounts or source.coins for source in status.sources):
        found.append("nothing is watched")
    return list(dict.fromkeys(found))


def _not_live(source: SourceStatus, now_ms: int) -> Iterator[str]:
    connection = source.connection
    if connection.state in {"connecting", "waiting"}:
        yield f"not connected to the exchange: {connection.reason or connection.state}"
    for account in source.accounts:
        name = f"account {account.label or account.address}"
        if account.status == "pending":
            yield f"{name} is not watched yet"
        elif account.status == "watched" and account.role != "agent" and now_ms - account.last_seen_ms > SILENT_MS:
            yield f"{name} was not heard for {(now_ms - account.last_seen_ms) // 1000} s"
