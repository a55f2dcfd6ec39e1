"""How the monitor is, in two numbers for its log: what alarms outside of it are made of."""

from __future__ import annotations

from hlmon.status import Status

MESSAGE = "heartbeat"


def heartbeat(status: Status, *, now_ms: int) -> dict[str, int]:
    """Seconds since the exchange was heard, and since the slowest of the followers that are behind delivered.

    A source that has nothing to watch is not silent, and a follower that has nothing to deliver is not late: 0.
    """
    heard_ms = [
        max(source.connection.last_frame_ms, status.started_ms)
        for source in status.sources
        if source.connection.state != "idle"
    ]
    delivered_ms = [max(each.last_ack_ms, status.started_ms) for each in status.followers if each.lag > 0]
    return {
        "silent_seconds": (now_ms - min(heard_ms, default=now_ms)) // 1000,
        "delivery_seconds": (now_ms - min(delivered_ms, default=now_ms)) // 1000,
    }
