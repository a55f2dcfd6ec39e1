"""How far this machine's clock is from the exchange's, in words."""

from __future__ import annotations

from typing import Final

TOLD_SKEW_MS: Final = 5_000
"""From here on the difference is told: a reading is as exact as the way of a message is short."""
SET_CLOCK: Final = "set it, and keep it right by NTP (timedatectl set-ntp true)"


def difference(skew_ms: int) -> str:
    """`7,200 s ahead of`, for a skew (the exchange's time less ours) of -7,200,000."""
    return f"{abs(skew_ms) // 1000:,} s {'ahead of' if skew_ms < 0 else 'behind'}"


def skew_text(skew_ms: int | None) -> str:
    """A sentence; "" while the clocks agree or the skew is not known."""
    if skew_ms is None or abs(skew_ms) < TOLD_SKEW_MS:
        return ""
    return f"this machine's clock is {difference(skew_ms)} the exchange's"
