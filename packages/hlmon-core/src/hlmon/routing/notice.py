"""What became, or is to become, of one alert at one notifier."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

PUT_BACK_MS: Final = 60_000

NoticeState = Literal["waiting", "muted", "sent", "dropped", "refused"]


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the outbox: the alert `seq` at a notifier.

    `waiting` goes out once its group is due; `muted` is a condition that waits for the end of a silence or an
    inhibition; `dropped` was never sent and `refused` not accepted, for the reason given. `condition` names a condition
    that is still firing, and is "" for everything else.
    """

    notifier: str
    seq: int
    state: NoticeState
    decided_ms: int
    reason: str = ""
    route: str = ""  # "route[0]", "all" where there is no route, "fallback of phone"; "" if none takes it
    batch: str = ""  # what has the same becomes one message
    condition: str = ""
    hold_until_ms: int = 0  # neither sent nor looked at again before
    sent_ms: int = 0  # when it was last accepted
    times_sent: int = 0

    @property
    def ready_ms(self) -> int:
        """From when on it may join a message."""
        return max(self.decided_ms, self.hold_until_ms)


def is_put_back(time_ms: int, now_ms: int) -> bool:
    """Whether a time of the past lies ahead, so that the clock was put back: what waits since then waited long enough.

    Up to a minute may be the ordinary work of a clock's keeper, and is waited for.
    """
    return time_ms - now_ms > PUT_BACK_MS
