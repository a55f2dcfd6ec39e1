"""How delivery behaves in trouble, purely: how long to wait, how to find what is refused, how to record it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from hlmon.events import Event, Quarantined, encode
from hlmon.events.base import LATEST_TIME_MS

Backoff = Callable[[int, float | None], float]
"""(failed attempts before this one, the wait that the other side asked for) -> seconds to wait."""

LONGEST_WAIT_S: Final = 60.0
LONGEST_ASKED_WAIT_S: Final = 3600.0
_LONGEST_PAYLOAD: Final = 65_536  # bytes
_LONGEST_REASON: Final = 500

_GROWS_AFTER: Final = 10
"""So many full batches are accepted in a row before a larger one is tried: each try that fails may take a time-out."""

_T = TypeVar("_T")


def full_jitter(uniform: Callable[[], float] = random.random) -> Backoff:
    """Any time up to 1, 2, 4, … 60 s, or what was asked for if longer, at most an hour; `uniform` gives 0 to 1."""

    def seconds(attempt: int, retry_after: float | None) -> float:
        jitter = uniform() * min(LONGEST_WAIT_S, 2.0 ** min(attempt, 10))
        return min(max(jitter, retry_after or 0.0), LONGEST_ASKED_WAIT_S)

    return seconds


def settle(batch: Sequence[_T], accepts: Callable[[Sequence[_T]], bool]) -> Iterator[tuple[Sequence[_T], bool]]:
    """Offer the batch; what is refused is halved until single ones stand alone.

    Yields, in the order of the batch, each part as soon as its fate is known: (part, True) or (one alone, False).
    With b bad ones among n it takes at most 1 + 2 b log2(n) calls, the logarithm rounded up.
    """
    open_parts = [batch] if batch else []
    while open_parts:
        part = open_parts.pop()
        accepted = accepts(part)
        if accepted or len(part) == 1:
            yield part, accepted
        else:
            middle = len(part) // 2
            open_parts += [part[middle:], part[:middle]]


class BatchSize:
    """How many events one call may have: half as many when they are too many, and slowly more again."""

    def __init__(self, largest: int) -> None:
        self.now = self.largest = largest
        self._accepted = 0

    def at_most(self, size: int) -> None:
        """More than this are too many, as far as is known now."""
        self.now, self._accepted = max(min(self.now, size), 1), 0

    def accepted(self, size: int) -> None:
        """So many were accepted in one call."""
        if size < self.now:  # says nothing about full ones
            return
        self._accepted += 1
        if self._accepted >= _GROWS_AFTER:
            self.now, self._accepted = min(2 * self.now, self.largest), 0


def quarantined(event: Event, origin: str, reason: str) -> Quarantined:
    """The record that `origin` refused this event; the same for the same event, so it is kept once.

    Whatever is wrong with the event, the record can be stored: what cannot be encoded is kept as Python shows it, and a
    time that is none becomes 0.
    """
    payload = _text_of(event)
    time_ms = event.time_ms if type(event.time_ms) is int and 0 <= event.time_ms < LATEST_TIME_MS else 0
    return Quarantined(
        account=_storable(str(event.account)),
        time_ms=time_ms,
        origin=origin,
        reason=_storable(reason)[:_LONGEST_REASON],
        digest=hashlib.sha256(payload.encode()).hexdigest(),
        payload=payload.encode()[:_LONGEST_PAYLOAD].decode(errors="ignore"),
        unit="event",
    )


def _text_of(event: Event) -> str:
    try:
        return encode(event).decode()
    except Exception:  # noqa: BLE001 - a plugin's event may hold anything
        return _storable(_shown(event))


def _shown(event: Event) -> str:
    try:
        return repr(event)
    except Exception as error:  # noqa: BLE001 - as above
        return f"an event of kind {event.kind} that cannot be shown: {type(error).__name__}"


def _storable(text: str) -> str:
    """Text as UTF-8 can have it: half of a surrogate pair is written as an escape."""
    return text.encode(errors="backslashreplace").decode()
