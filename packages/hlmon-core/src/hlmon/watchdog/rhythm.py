"""When to ping and what to say, purely: the clock is passed in, in seconds that never go back."""

from __future__ import annotations

from typing import Final, Literal

Signal = Literal["start", "success", "fail"]

FIRST_RETRY_S: Final = 5.0


class Rhythm:
    """`start` once; `success` each interval while all is well; `fail` each interval once it was not for a whole one.

    So a connection that is lost for some seconds delays a success and is no failure. After a failure the first success
    is due at once. A ping that did not arrive is due again after 5, 10, 20, … s, at most an interval.
    """

    def __init__(self, interval_s: float, now: float) -> None:
        self._interval_s = interval_s
        self._last: Signal | None = None
        self._due_at = now
        self._unwell_since: float | None = None
        self._missed = 0

    def due(self, now: float, *, well: bool) -> Signal | None:
        """What to send now, if anything; say afterwards whether it was `sent` or `missed`."""
        if well:
            self._unwell_since = None
        elif self._unwell_since is None:
            self._unwell_since = now
        recovered = well and self._last == "fail" and not self._missed
        if now < self._due_at and not recovered:
            return None
        if self._last is None:
            return "start"
        if well:
            return "success"
        lasts = self._unwell_since is not None and now - self._unwell_since >= self._interval_s
        return "fail" if lasts else None

    def sent(self, signal: Signal, now: float) -> None:
        """It arrived. After the start the first success is due at once."""
        self._last, self._missed = signal, 0
        self._due_at = now if signal == "start" else now + self._interval_s

    def missed(self, now: float) -> None:
        """It did not arrive."""
        self._due_at = now + min(FIRST_RETRY_S * 2.0 ** min(self._missed, 10), self._interval_s)
        self._missed += 1
