"""Which exchange a journal belongs to: two must never mix, since coins and order numbers mean other things there."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

REPLAYED: Final = "recorded frames (hlmon replay)"
"""What a journal belongs to into which frames were replayed that nobody said the exchange of."""

_NETWORKS: Final = {
    "https://api.hyperliquid.xyz": "Hyperliquid mainnet",
    "https://api.hyperliquid-testnet.xyz": "Hyperliquid testnet",
}
_PORTS: Final = {"http": 80, "https": 443}


def exchange_at(url: str) -> str:
    """The name of the exchange at this URL: a network that is known by its own URL, else the URL in one spelling.

    What may be a secret in it (user, password, query) is left out.
    """
    parts = urlsplit(url if "//" in url else f"//{url}")
    scheme, host = parts.scheme.lower() or "https", (parts.hostname or "").rstrip(".")
    host = f"[{host}]" if ":" in host else host
    port = parts.port if parts.port not in (None, _PORTS.get(scheme)) else None
    spelt = f"{scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"
    return _NETWORKS.get(spelt, spelt)


def refusal(belongs_to: str, wanted: str, *, moved: bool) -> str:
    """Why a journal of one exchange is not for the other, and what to do; "" if it is. `moved` says it is the same."""
    if belongs_to == wanted:
        return ""
    why = f"it belongs to {belongs_to}, and this is {wanted}; name another one with --journal"
    if wanted == REPLAYED:
        return f"{why}, or say with --url that the frames are from there"
    if belongs_to == REPLAYED or {belongs_to, wanted} <= set(_NETWORKS.values()):
        return why
    return "" if moved else f"{why}, or, if it is the same exchange at a new URL, start once with --same-exchange"
