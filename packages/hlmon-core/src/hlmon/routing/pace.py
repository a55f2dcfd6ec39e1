"""How many messages a minute may be sent."""

from __future__ import annotations

from math import ceil

MINUTE_MS = 60_000


class Pace:
    """Never lets more than `per_minute` messages into any minute: half of them at once, then one at a time.

    So after a burst the next message, with all that came meanwhile, is a few seconds away and not a minute.
    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        at_once = ceil(per_minute / 2)
        self._step_ms = ceil(MINUTE_MS / (per_minute - at_once + 1))
        self._ahead_ms = (at_once - 1) * self._step_ms
        self._full_ms = 0  # when all that may be sent at once may be sent at once again

    def free_ms(self, now_ms: int) -> int:
        """When the next message may be sent; `now_ms` if at once."""
        # A clock that was put back must not hold messages for longer than the worst case.
        self._full_ms = min(self._full_ms, now_ms + self._ahead_ms + self._step_ms)
        return max(now_ms, self._full_ms - self._ahead_ms)

    def spend(self, now_ms: int) -> None:
        """One message is sent."""
        self._full_ms = max(self._full_ms, now_ms) + self._step_ms
