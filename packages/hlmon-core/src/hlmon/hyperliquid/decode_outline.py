"""Which bodies can be the exchange's answer to a request, by their outermost shape. Pure.

Overload and proxies give `null`, `{}`, a page of HTML or an error object at status 200 ("null bodies" in the public
reports of several clients). None of them may pass for "no rows" or for an account that owns nothing.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hlmon.errors import WireError
from hlmon.hyperliquid.decode_json import UNREADABLE

MOST_VALUES: Final = 1_000_000
"""The longest answers (2,000 orders) have under 100,000 values; more would take memory out of all proportion."""

SHOWN_CHARACTERS: Final = 200

_LISTS: Final = frozenset(
    {
        "allPerpMetas",
        "candleSnapshot",
        "delegatorHistory",
        "delegatorRewards",
        "extraAgents",
        "frontendOpenOrders",
        "fundingHistory",
        "historicalOrders",
        "metaAndAssetCtxs",
        "openOrders",
        "perpDexs",
        "portfolio",
        "recentTrades",
        "spotMetaAndAssetCtxs",
        "subAccounts",
        "subAccounts2",
        "twapHistory",
        "userFills",
        "userFillsByTime",
        "userFunding",
        "userNonFundingLedgerUpdates",
        "userTwapSliceFills",
        "userTwapSliceFillsByTime",
        "userVaultEquities",
        "validatorStats",
    }
)
_OBJECTS: Final[dict[str, frozenset[str]]] = {
    "allMids": frozenset(),
    "clearinghouseState": frozenset({"marginSummary", "assetPositions"}),
    "exchangeStatus": frozenset({"time"}),
    "meta": frozenset({"universe"}),
    "orderStatus": frozenset({"status"}),
    "outcomeMeta": frozenset({"outcomes"}),
    "spotClearinghouseState": frozenset({"balances"}),
    "spotMeta": frozenset({"universe", "tokens"}),
    "userRateLimit": frozenset({"nRequestsUsed"}),
    "userRole": frozenset({"role"}),
    "vaultDetails": frozenset({"vaultAddress"}),
}
"""What an object must hold to be the answer: never nothing at all, and these fields."""
_TEXTS: Final = frozenset({"userAbstraction"})
_OR_NONE: Final = frozenset({"extraAgents", "subAccounts", "subAccounts2", "vaultDetails", "settledOutcome"})
"""Requests to which `null` says "none"."""

_list = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_any = msgspec.json.Decoder(list[msgspec.Raw] | dict[str, msgspec.Raw])


def check_answer(request: str, body: bytes) -> int:
    """The number of rows of an answer to a request of this type, 0 if it is no list.

    Raises WireError for what cannot be the exchange's answer: another type, no JSON, an object without its fields. Rows
    and fields themselves are not looked at.
    """
    if body.strip() == b"null" and request in _OR_NONE:
        return 0
    if body.count(b",") > MOST_VALUES:
        raise WireError(f"no answer to {request}: more than {MOST_VALUES:,} values")
    try:
        if request in _LISTS:
            return len(_list.decode(body))
        if request in _TEXTS:
            _text.decode(body)
        elif request in _OBJECTS:
            _check_object(_object.decode(body), _OBJECTS[request])
        else:
            found = _any.decode(body)
            return len(found) if isinstance(found, list) else 0
    except UNREADABLE as error:
        raise WireError(f"no answer to {request}: {shown(body)} ({error})") from error
    return 0


def shown(body: bytes) -> str:
    """The beginning of a body for people."""
    return body[:SHOWN_CHARACTERS].decode(errors="replace").strip() or "an empty body"


def _check_object(found: dict[str, Any], needed: frozenset[str]) -> None:
    if not found:
        raise ValueError("nothing in it")
    if missing := sorted(needed - found.keys()):
        raise ValueError(f"without {', '.join(missing)}")
