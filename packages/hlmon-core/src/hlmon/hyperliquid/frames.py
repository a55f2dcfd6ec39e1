"""What one frame of the WebSocket says, decoded."""

from __future__ import annotations

from typing import Literal

import msgspec

from hlmon.events import Event, Quarantined
from hlmon.hyperliquid.requests import Subscription

RefusalReason = Literal[
    "user_cap",
    "subscription_cap",
    "send_cap",
    "post_cap",
    "already_subscribed",
    "already_unsubscribed",
    "invalid_subscription",
    "unparsable",
    "other",
    "no_answer",
]


class Events(msgspec.Struct, frozen=True, gc=False):
    """Events of one stream, oldest first. `account` is "" for market streams.

    `stream` is the subscription type; for trades it is `trades:COIN`. A snapshot is history that comes again with each
    subscription. `oldest_ms` and `newest_ms` are the times of the first and last event, None if there is none; for
    trades, of the first and last trade. `unread` are the rows that could not be read, whole. `sent_ms` is the time that
    a state frame gives itself, as it stands there: a word about the exchange's clock, to be believed with others only.
    """

    account: str
    stream: str
    is_snapshot: bool
    events: tuple[Event, ...]
    oldest_ms: int | None
    newest_ms: int | None
    unread: tuple[Quarantined, ...] = ()
    sent_ms: int | None = None


class Ack(msgspec.Struct, frozen=True):
    """A subscription was accepted (or ended); the exchange names it."""

    method: str  # "subscribe" or "unsubscribe"
    subscription: Subscription


class Refusal(msgspec.Struct, frozen=True):
    """The exchange refused a message. It names the subscription for some reasons only, never for a cap.

    `limit` is the number in the text of a cap. An unknown coin is not refused: the connection is closed. The reason
    `no_answer` is the asker's: nothing came in time.
    """

    text: str
    reason: RefusalReason
    limit: int | None = None
    subscription: Subscription | None = None


class Pong(msgspec.Struct, frozen=True):
    """The answer to a ping."""


class Greeting(msgspec.Struct, frozen=True):
    """The first frame of a connection."""


class Ignored(msgspec.Struct, frozen=True):
    """A channel that hlmon does not use, or does not know."""

    channel: str


Frame = Events | Ack | Refusal | Pong | Greeting | Ignored
