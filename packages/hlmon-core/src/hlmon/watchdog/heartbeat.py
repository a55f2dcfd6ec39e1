"""How the monitor is, in a line of its log every minute: what alarms outside of it are made of."""

from __future__ import annotations

from hlmon.status import Status
from hlmon.watchdog.reasons import reasons, unwatched

MESSAGE = "heartbeat"


def heartbeat(status: Status, *, now_ms: int) -> dict[str, object]:
    """The fields of the line.

    - `well`: 1 if there is no reason not to be, else 0 (metric filters take numbers only); `reasons` are the sentences.
    - `unwatched_accounts`: how many of the accounts are not watched, or not heard, now.
    - `oldest_alert_seconds`: for how long the oldest alert has been due at a notifier and was not sent; 0 without one.
    - `silent_seconds`: since the exchange was heard; a source that has nothing to watch is not silent.
    - `delivery_seconds`: since the slowest sink or notifier that has something to deliver delivered anything.
    """
    heard_ms = [
        max(source.connection.last_frame_ms, status.started_ms)
        for source in status.sources
        if source.connection.state != "idle"
    ]
    behind_ms = [each.behind_since_ms for each in status.followers if each.behind_since_ms is not None]
    due_ms = [each.oldest_due_ms for each in status.followers if each.oldest_due_ms is not None]
    found = reasons(status, now_ms=now_ms)
    return {
        "well": int(not found),
        "unwatched_accounts": unwatched(status, now_ms=now_ms),
        "oldest_alert_seconds": max(now_ms - min(due_ms, default=now_ms), 0) // 1000,
        "silent_seconds": (now_ms - min(heard_ms, default=now_ms)) // 1000,
        "delivery_seconds": (now_ms - min(behind_ms, default=now_ms)) // 1000,
        "reasons": found,
    }
