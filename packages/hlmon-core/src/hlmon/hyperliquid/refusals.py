"""Why the exchange refused something: its error texts, which are all that it sends."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from hlmon.hyperliquid.frames import Refusal, RefusalReason
from hlmon.hyperliquid.requests import Subscription

_CAPS: Final[tuple[tuple[re.Pattern[str], RefusalReason], ...]] = (
    (re.compile(r"Cannot track more than (\d+) total users", re.ASCII), "user_cap"),
    (re.compile(r"Cannot subscribe to more than (\d+) channels", re.ASCII), "subscription_cap"),
    (re.compile(r"Cannot send more than (\d+) messages", re.ASCII), "send_cap"),
    (re.compile(r"too many pending post requests()"), "post_cap"),
)
_ECHOES: Final[tuple[tuple[str, RefusalReason], ...]] = (
    ("Already subscribed", "already_subscribed"),
    ("Already unsubscribed", "already_unsubscribed"),
    ("Invalid subscription", "invalid_subscription"),
    ("Error parsing JSON into valid websocket request", "unparsable"),
)
_LONGEST_NUMBER = 9


def refusal_from(text: str) -> Refusal:
    """What an error frame's text means; a text that is not known has the reason `other`."""
    for pattern, reason in _CAPS:
        if found := pattern.search(text):
            return Refusal(text, reason, _limit(found[1]))
    for beginning, reason in _ECHOES:
        if text.startswith(beginning):
            return Refusal(text, reason, subscription=_echoed(text))
    return Refusal(text, "other")


def _limit(digits: str) -> int | None:
    return int(digits) if 0 < len(digits) <= _LONGEST_NUMBER else None


def _echoed(text: str) -> Subscription | None:
    """The subscription behind the words: alone, or inside the whole message that was sent."""
    try:
        sent: Any = msgspec.json.decode(text[text.index("{") :])
    except (ValueError, RecursionError):
        return None
    subscription = sent.get("subscription", sent) if isinstance(sent, dict) else None
    return Subscription.read(subscription) if isinstance(subscription, dict) and "type" in subscription else None
