"""How much may be asked of the exchange per minute: one exact count, shared by all callers.

A sliding window, not a token bucket: a bucket that is full lets twice its size through within one minute, and the
exchange counts minutes.
"""

from __future__ import annotations

import asyncio
from collections import deque

from hlmon.hyperliquid.clock import REAL_TIME, Clock

WINDOW_SECONDS = 60.0
FIRST_REST_SECONDS = 2.0
_MOST_DOUBLINGS = 10


class Spent:
    """A part of the budget in use: until it is settled, and from then on for the length of the window."""

    __slots__ = ("moment", "weight")

    def __init__(self, weight: int) -> None:
        self.weight = weight
        self.moment = 0.0


class Budget:
    """At most `per_minute` within any 60 seconds; callers are served in the order in which they came.

    What something costs may be known only afterwards: `reserve` the most that it can cost, then `settle` what it did
    cost. Until then it counts in full and for 60 seconds after it as settled, so the exchange's own count, taken
    somewhere in between, is never above this one.
    """

    def __init__(self, per_minute: int, *, clock: Clock = REAL_TIME) -> None:
        self._limit = per_minute
        self._clock = clock
        self._used = 0
        self._settled: deque[Spent] = deque()  # oldest first
        self._turn = asyncio.Lock()
        self._change: asyncio.Future[None] | None = None
        self._refusals = 0  # in a row
        self._rests_until = 0.0

    @property
    def free(self) -> int:
        """What fits now; below 0 if something cost more than was reserved for it."""
        horizon = self._clock.now() - WINDOW_SECONDS
        while self._settled and self._settled[0].moment <= horizon:
            self._used -= self._settled.popleft().weight
        return self._limit - self._used

    @property
    def plenty(self) -> bool:
        """Whether half of it is free: enough for what may as well be asked later."""
        return self.free >= self._limit // 2

    async def reserve(self, weight: int) -> Spent:
        """Hold `weight` (or the whole budget, if it is smaller) as soon as it fits."""
        spent = Spent(min(weight, self._limit))
        async with self._turn:
            while (seconds := self._seconds_to(spent.weight)) > 0:
                self._change = asyncio.get_running_loop().create_future()
                await self._clock.within(seconds, self._change)
            self._used += spent.weight
        return spent

    def settle(self, spent: Spent, weight: int | None = None) -> None:
        """What was reserved is done and cost `weight` (None: as much as was reserved)."""
        if weight is not None:
            self._used += weight - spent.weight
            spent.weight = weight
        spent.moment = self._clock.now()
        self._settled.append(spent)
        if self._change and not self._change.done():
            self._change.set_result(None)

    async def spend(self, weight: int = 1) -> None:
        """Spend `weight` as soon as it fits."""
        self.settle(await self.reserve(weight))

    def refused(self, seconds: float = 0.0) -> None:
        """The exchange refused: others spend from the same limit, and nobody knows how much is left.

        Nobody spends for 2 s, after each further refusal in a row for twice as long, at most for a window; in any case
        for the `seconds` that the exchange asks for.
        """
        now = self._clock.now()
        if now >= self._rests_until:  # else it was asked before the refusal that is known already
            self._refusals += 1
        rest = min(FIRST_REST_SECONDS * 2.0 ** min(self._refusals - 1, _MOST_DOUBLINGS), WINDOW_SECONDS)
        self._rests_until = max(self._rests_until, now + max(rest, seconds))

    def granted(self) -> None:
        """The exchange answered: there is something left."""
        self._refusals = 0

    def _seconds_to(self, weight: int) -> float:
        """How long until this much may fit, 0 if it does."""
        now = self._clock.now()
        if self._rests_until > now:
            return self._rests_until - now
        if self.free >= weight:
            return 0.0
        if not self._settled:
            return WINDOW_SECONDS
        return max(0.0, self._settled[0].moment + WINDOW_SECONDS - now) + 0.001
