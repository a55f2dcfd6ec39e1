"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


def wait_for(condition: Callable[[], Answer], seconds: float = 60, what: str = "", *, every: float = 0.05) -> Answer:
    """The condition's first true answer; the deadline only bounds a failure."""
    ends = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < ends, f"not within {seconds} s: {what}"
        time.sleep(every)
    return answer
