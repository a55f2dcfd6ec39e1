"""What is sent to the exchange: subscriptions, questions to /info, and what they weigh. Pure data, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

PING: Final = b'{"method":"ping"}'

HISTORY_REQUESTS: Final[dict[str, str]] = {
    "userFills": "userFillsByTime",
    "userTwapSliceFills": "userTwapSliceFillsByTime",
    "userFundings": "userFunding",
    "userNonFundingLedgerUpdates": "userNonFundingLedgerUpdates",
    "userHistoricalOrders": "historicalOrders",
}
"""The /info request that reads the past of a stream. All but the last take a range of time."""

_LIGHT = frozenset(
    {"l2Book", "allMids", "clearinghouseState", "orderStatus", "spotClearinghouseState", "exchangeStatus"}
)
_MOST_ROWS: Final[dict[str, int]] = {
    "recentTrades": 200,
    "historicalOrders": 2000,
    "userFills": 2000,
    "userFillsByTime": 2000,
    "fundingHistory": 2000,
    "userFunding": 500,
    "userNonFundingLedgerUpdates": 2000,  # by another name in the exchange's list of what costs by row
    "twapHistory": 2000,
    "userTwapSliceFills": 2000,
    "userTwapSliceFillsByTime": 2000,
    "delegatorHistory": 2000,
    "delegatorRewards": 2000,
    "validatorStats": 2000,
}
_ROWS_PER_WEIGHT = 20


class Subscription(msgspec.Struct, frozen=True, order=True):
    """What names a subscription, whatever defaults and order of keys its text has; equal ones are the same.

    `user` is lower case; "" where the type has no such parameter ("" is also the main dex).
    """

    type: str
    user: str = ""
    coin: str = ""
    dex: str = ""

    @classmethod
    def read(cls, sent: Mapping[str, Any]) -> Subscription:
        """The name of a subscription as a client sends it or the exchange echoes it."""
        user, coin, dex = (str(sent.get(field) or "") for field in ("user", "coin", "dex"))
        return cls(str(sent.get("type") or ""), user.lower(), coin, dex)

    @classmethod
    def of(cls, stream: str, user: str) -> Subscription:
        """The subscription of an account's stream: `userFills`, or `openOrders:xyz` for that of one dex."""
        kind, _, dex = stream.partition(":")
        return cls(kind, user, dex=dex)

    def payload(self) -> dict[str, str]:
        """The subscription as it is sent."""
        return {
            field: value
            for field, value in (("type", self.type), ("user", self.user), ("coin", self.coin), ("dex", self.dex))
            if value
        }


def subscribe(subscription: Subscription) -> dict[str, Any]:
    """The message that asks for a stream."""
    return {"method": "subscribe", "subscription": subscription.payload()}


def unsubscribe(subscription: Subscription) -> dict[str, Any]:
    """The message that ends a stream."""
    return {"method": "unsubscribe", "subscription": subscription.payload()}


def info(request: str, *, user: str = "", dex: str = "") -> dict[str, Any]:
    """A question to /info about the present: `clearinghouseState`, `userRole`, `meta`, and so on."""
    return {"type": request} | ({"user": user} if user else {}) | ({"dex": dex} if dex else {})


def history(stream: str, account: str, start_ms: int) -> dict[str, Any]:
    """A question about a stream's past from `start_ms` on, inclusive; historicalOrders has no range of time."""
    question = info(HISTORY_REQUESTS[stream], user=account)
    return question if question["type"] == "historicalOrders" else question | {"startTime": start_ms}


def weight(request: Mapping[str, Any], rows: int = 0) -> int:
    """What this request costs of the weight per minute once `rows` rows were answered; rounded up."""
    kind = str(request["type"])
    return _base_weight(kind) + (-(-rows // _ROWS_PER_WEIGHT) if kind in _MOST_ROWS else 0)


def most_weight(request: Mapping[str, Any]) -> int:
    """What this request costs at most: with the longest answer that the exchange gives today."""
    return weight(request, _MOST_ROWS.get(str(request["type"]), 0))


def _base_weight(kind: str) -> Literal[2, 20, 60]:
    if kind == "userRole":
        return 60
    return 2 if kind in _LIGHT else 20
