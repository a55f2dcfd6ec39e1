"""Answers about the markets: which coins and dexes there are, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from hlmon.hyperliquid.decode_json import reader

QUOTE = "USDC"


class _Asset(msgspec.Struct, rename="camel"):
    name: str
    is_delisted: bool | None = None


class _Meta(msgspec.Struct):
    universe: list[_Asset]


class _Token(msgspec.Struct):
    name: str
    index: int


class _Pair(msgspec.Struct):
    name: str
    tokens: tuple[int, int]


class _SpotMeta(msgspec.Struct):
    universe: list[_Pair]
    tokens: list[_Token]


class _Outcome(msgspec.Struct):
    outcome: int


class _OutcomeMeta(msgspec.Struct):
    outcomes: list[_Outcome]


class _Dex(msgspec.Struct):
    name: str


class SpotPair(msgspec.Struct, frozen=True):
    """One spot market; its tokens are "" where the exchange does not name them."""

    coin: str
    base: str
    quote: str


_read_meta = reader(_Meta)
_read_spot_meta = reader(_SpotMeta)
_read_outcome_meta = reader(_OutcomeMeta)
_read_dexs = reader(list[_Dex | None])
_read_mids = reader(dict[str, Decimal])


def decode_meta(body: Any) -> dict[str, bool]:
    """The perp coins of the dex that `meta` was asked for, in its order; False for what is delisted."""
    return {asset.name: not asset.is_delisted for asset in _read_meta(body).universe}


def decode_perp_dexs(body: Any) -> tuple[str, ...]:
    """The names of all perp dexes; the first is the main one, ""."""
    return tuple(dex.name if dex else "" for dex in _read_dexs(body))


def decode_spot_meta(body: Any) -> tuple[SpotPair, ...]:
    """The spot markets, in the exchange's order: a token's first one is its canonical one."""
    meta = _read_spot_meta(body)
    names = {token.index: token.name for token in meta.tokens}
    return tuple(
        SpotPair(pair.name, names.get(base, ""), names.get(quote, ""))
        for pair in meta.universe
        for base, quote in (pair.tokens,)
    )


def decode_outcome_meta(body: Any) -> tuple[str, ...]:
    """The coins of the two sides of each outcome."""
    return tuple(f"#{10 * one.outcome + side}" for one in _read_outcome_meta(body).outcomes for side in (0, 1))


def decode_mids(body: Any) -> dict[str, Decimal]:
    """The middle price of every coin that has one."""
    mids: dict[str, Decimal] = _read_mids(body)
    return mids


def token_prices(pairs: tuple[SpotPair, ...], mids: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """The value of each spot token in USDC; through the quote token's own price where a pair is not quoted in USDC.

    A token without a market, or with no price at the moment, is missing. The first pair of a token counts.
    """
    prices = {QUOTE: Decimal(1)}
    for _hop in range(2):
        for pair in pairs:
            mid = mids.get(pair.coin)
            if mid is not None and pair.base and pair.base not in prices and pair.quote in prices:
                prices[pair.base] = mid * prices[pair.quote]
    return prices
