"""What one IP address may do in a minute."""

from __future__ import annotations

from collections import deque

from hlmon_sim.scenario import Limits

_CHEAP = frozenset(
    {"l2Book", "allMids", "clearinghouseState", "orderStatus", "spotClearinghouseState", "exchangeStatus"}
)
_BY_ROWS = frozenset(
    {
        "recentTrades", "historicalOrders", "userFills", "userFillsByTime", "fundingHistory", "userFunding",
        "userNonFundingLedgerUpdates", "twapHistory", "userTwapSliceFills", "userTwapSliceFillsByTime",
        "delegatorHistory", "delegatorRewards", "validatorStats",
    }
)  # fmt: skip
MINUTE_MS = 60_000


def base_weight(request_type: str) -> int:
    """What a request costs before its answer is known."""
    if request_type in _CHEAP:
        return 2
    return 60 if request_type == "userRole" else 20


def row_weight(request_type: str, rows: int) -> int:
    """What the rows of the answer cost in addition."""
    per = 60 if request_type == "candleSnapshot" else 20
    return -(-rows // per) if request_type in _BY_ROWS or per == 60 else 0


class Window:
    """A sliding minute: what was spent in the last 60 seconds."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._spent: deque[tuple[int, int]] = deque()
        self._total = 0

    def used(self, now_ms: int) -> int:
        """Spent in the minute up to now."""
        while self._spent and self._spent[0][0] <= now_ms - MINUTE_MS:
            self._total -= self._spent.popleft()[1]
        return self._total

    def charge(self, now_ms: int, amount: int = 1) -> None:
        """Spend, whatever the limit says."""
        self._spent.append((now_ms, amount))
        self._total += amount

    def take(self, now_ms: int, amount: int = 1) -> bool:
        """Spend if the limit allows it; returns whether it did."""
        if self.used(now_ms) + amount > self.limit:
            return False
        self.charge(now_ms, amount)
        return True


class Slots:
    """The distinct users that one IP address follows. A user stays counted for `linger_ms` after the last release."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._holders: dict[str, int] = {}
        self._lingering: dict[str, int] = {}

    def count(self, now_ms: int) -> int:
        """Users counted now."""
        self._lingering = {user: until for user, until in self._lingering.items() if until > now_ms}
        return len(self._holders.keys() | self._lingering.keys())

    def take(self, user: str, now_ms: int) -> bool:
        """Count one more subscription for this user; returns whether the limit allows it."""
        counted = self.count(now_ms)
        if user not in self._holders and user not in self._lingering and counted >= self.limit:
            return False
        self._lingering.pop(user, None)
        self._holders[user] = self._holders.get(user, 0) + 1
        return True

    def release(self, user: str, now_ms: int, linger_ms: int = 0) -> None:
        """One subscription less for this user."""
        self._holders[user] -= 1
        if not self._holders[user]:
            del self._holders[user]
            if linger_ms:
                self._lingering[user] = now_ms + linger_ms


class Guest:
    """Everything that is counted for one IP address."""

    def __init__(self, limits: Limits) -> None:
        self.users = Slots(limits.users)
        self.messages = Window(limits.messages_per_minute)
        self.weight = Window(limits.weight_per_minute)
        self.arrivals = Window(limits.new_connections_per_minute)
        self.connections = 0
        self.subscriptions = 0
