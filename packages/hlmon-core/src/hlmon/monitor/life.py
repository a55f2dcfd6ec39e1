"""What state a component is in, and since when."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from hlmon.status import ComponentState, ComponentStatus

Part = Literal["source", "sink", "notifier", "rule"]


def steady_ms() -> int:
    """A clock that never steps."""
    return time.monotonic_ns() // 1_000_000


class Life:
    """The state of one component; set by whoever runs it, read from any thread."""

    def __init__(self, part: Part, name: str, kind: str, *, clock_ms: Callable[[], int] = steady_ms) -> None:
        self._about: tuple[Part, str, str] = (part, name, kind)
        self._clock_ms = clock_ms
        self._now: tuple[ComponentState, int, str, int | None] = ("starting", clock_ms(), "", None)
        self.failures = 0

    @property
    def name(self) -> str:
        """The user's name for it."""
        return self._about[1]

    @property
    def state(self) -> ComponentState:
        """The present one."""
        return self._now[0]

    def is_now(self, state: ComponentState) -> None:
        """It begins to be so, unless it is already."""
        if self._now[0] != state:
            self._now = (state, self._clock_ms(), "", None)

    def fails(self, reason: str, retry_s: float | None = None) -> None:
        """It fails, since the first failure of a row of them; `retry_s` is the time to the next try."""
        self.failures += 1
        now_ms = self._clock_ms()
        since_ms = self._now[1] if self._now[0] == "failing" else now_ms
        self._now = ("failing", since_ms, reason, None if retry_s is None else now_ms + round(retry_s * 1000))

    def tries_again(self) -> None:
        """The wait is over; it still counts as failing until `is_now`."""
        state, since_ms, reason, _ = self._now
        self._now = (state, since_ms, reason, None)

    def status(self, now_ms: int) -> ComponentStatus:
        """As others see it, in the time of which `now_ms` is the present."""
        (part, name, kind), (state, since_ms, reason, next_ms) = self._about, self._now
        ahead_ms = now_ms - self._clock_ms()
        return ComponentStatus(
            name=name,
            part=part,
            type=kind,
            state=state,
            since_ms=since_ms + ahead_ms,
            why=reason,
            next_try_ms=None if next_ms is None else next_ms + ahead_ms,
            failures=self.failures,
        )
