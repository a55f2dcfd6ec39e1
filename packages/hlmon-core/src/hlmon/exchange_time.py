"""What the times of events are compared with: the exchange's clock, whatever this machine's says."""

from __future__ import annotations

from msgspec.structs import replace

from hlmon.events import Pulse
from hlmon.status import Status
from hlmon.uptime import wall_ms


class ExchangeTime:
    """The exchange's clock as its feed knows it, this machine's while that is not known. From any thread."""

    def __init__(self) -> None:
        self.source: object = None

    @property
    def known_ms(self) -> int:
        """The exchange's present time, 0 while it is not known."""
        ask = getattr(self.source, "exchange_ms", None)
        return int(ask()) if ask is not None else 0

    def now_ms(self) -> int:
        """What the times of events are to be compared with."""
        return self.known_ms or wall_ms()

    def skew_ms(self) -> int:
        """How far it is ahead of this machine's clock."""
        return self.now_ms() - wall_ms()


def pulse_of(status: Status, exchange_ms: int) -> Pulse:
    """The status for derivers, in the exchange's time like every other event."""
    ahead_ms = exchange_ms - status.updated_ms
    sources = [
        replace(
            source,
            accounts=[
                replace(each, last_seen_ms=each.last_seen_ms and each.last_seen_ms + ahead_ms)
                for each in source.accounts
            ],
        )
        for source in status.sources
    ]
    followers = [
        replace(
            each,
            last_ack_ms=each.last_ack_ms and each.last_ack_ms + ahead_ms,
            failing_since_ms=None if each.failing_since_ms is None else each.failing_since_ms + ahead_ms,
        )
        for each in status.followers
    ]
    return Pulse(time_ms=exchange_ms, sources=sources, followers=followers)
