"""Markets in the exchange's JSON shapes: metas, contexts, mids, books."""

from __future__ import annotations

import random
from decimal import Decimal

from hlmon_sim.market import Coin, Market, Quote
from hlmon_sim.numbers import ZERO, text, unit
from hlmon_sim.records import Json

USDC_TOKEN_ID = "0x6d1e7cde53ba9467b783cb7c530ce054"
BOOK_LEVELS, FAST_LEVELS = 20, 5


def meta(market: Market, dex: str) -> Json:
    """The universe of one dex; the position in it is the asset's index."""
    universe: list[Json] = []
    for coin in market.perps(dex):
        asset: Json = {
            "szDecimals": coin.size_decimals,
            "name": coin.name,
            "maxLeverage": coin.max_leverage,
            "marginTableId": coin.max_leverage,
        }
        if coin.only_isolated:
            asset |= {"onlyIsolated": True, "marginMode": "strictIsolated"}
        if market.quotes[coin.name].is_delisted:
            asset["isDelisted"] = True
        universe.append(asset)
    tables = [
        [lev, {"description": "", "marginTiers": [{"lowerBound": "0.0", "maxLeverage": lev}]}]
        for lev in sorted({coin.max_leverage for coin in market.perps(dex)})
    ]
    return {"universe": universe, "marginTables": tables, "collateralToken": 0}


def context(quote: Quote) -> Json:
    """A perp's figures; a delisted one has no mid."""
    price, step = text(quote.price), unit(quote.coin.price_decimals)
    live = not quote.is_delisted
    return {
        "funding": text(quote.funding_rate),
        "openInterest": text(quote.base_volume),
        "prevDayPx": text(quote.previous_day_price),
        "dayNtlVlm": text(quote.notional_volume),
        "premium": "0.0" if live else None,
        "oraclePx": price,
        "markPx": price,
        "midPx": price if live else None,
        "impactPxs": [text(quote.price - step), text(quote.price + step)] if live else None,
        "dayBaseVlm": text(quote.base_volume),
    }


def spot_context(quote: Quote) -> Json:
    """A spot pair's figures."""
    price = text(quote.price)
    return {
        "prevDayPx": text(quote.previous_day_price),
        "dayNtlVlm": text(quote.notional_volume),
        "markPx": price,
        "midPx": price,
        "circulatingSupply": "1000000.0",
        "coin": quote.coin.name,
        "totalSupply": "1000000.0",
        "dayBaseVlm": text(quote.base_volume),
    }


def contexts(market: Market, dex: str) -> list[Json]:
    """In the order of the dex's universe."""
    return [context(market.quotes[coin.name]) for coin in market.perps(dex)]


def all_contexts(market: Market) -> list[list[object]]:
    """Pairs of dex and contexts."""
    return [[dex, contexts(market, dex)] for dex in market.dexes]


def spot_contexts(market: Market) -> list[Json]:
    """In the order of spotMeta's universe."""
    return [spot_context(market.quotes[coin.name]) for coin in market.spots()]


def _token(name: str, index: int, size_decimals: int, token_id: str) -> Json:
    return {
        "name": name,
        "szDecimals": size_decimals,
        "weiDecimals": 8,
        "index": index,
        "tokenId": token_id,
        "isCanonical": index < 2,
        "evmContract": None,
        "fullName": None,
        "deployerTradingFeeShare": "0.0",
    }


def spot_meta(market: Market) -> Json:
    """Tokens and pairs."""
    tokens = [_token("USDC", 0, 8, USDC_TOKEN_ID)]
    universe: list[Json] = []
    for coin in market.spots():
        token_id = f"0x{random.Random(coin.name).getrandbits(128):032x}"
        tokens.append(_token(coin.token, coin.token_index, coin.size_decimals, token_id))
        index = int(coin.name[1:]) if coin.name.startswith("@") else 0
        universe.append({"tokens": [coin.token_index, 0], "name": coin.name, "index": index, "isCanonical": index == 0})
    return {"universe": universe, "tokens": tokens}


def perp_dexs(market: Market) -> list[Json | None]:
    """The dexes; the first is the main one and null."""
    return [None, *(_dex(name, market) for name in market.dexes[1:])]


def _dex(name: str, market: Market) -> Json:
    deployer = "0x88806a71d74ad0a510b350545c9ae490912f0888"
    names = [coin.name for coin in market.perps(name)]
    return {
        "name": name,
        "fullName": name.upper(),
        "deployer": deployer,
        "oracleUpdater": None,
        "feeRecipient": None,
        "assetToStreamingOiCap": [[coin, "25000000.0"] for coin in names],
        "subDeployers": [["setOracle", [deployer]]],
        "deployerFeeScale": "1.0",
        "lastDeployerFeeScaleChangeTime": "1970-01-01T00:00:00",
        "assetToFundingMultiplier": [[coin, "0.5"] for coin in names],
    }


def mids(market: Market, dex: str) -> dict[str, str]:
    """Prices by coin; the main map holds perps, spot pairs and outcomes."""
    return {
        quote.coin.name: text(quote.price)
        for quote in market.quotes.values()
        if quote.coin.dex == dex and not quote.is_delisted
    }


def book(coin: Coin, price: Decimal, now_ms: int, *, levels: int = BOOK_LEVELS, fast: bool = False) -> Json:
    """A made-up book around the price, always the same for the same price."""
    chance = random.Random(f"{coin.name}/{price}")
    step = unit(coin.price_decimals) if price < 10_000 else Decimal(1)
    step = max(step, coin.price(price + step) - price)
    sides: list[list[Json]] = []
    for direction in (-1, 1):
        side: list[Json] = []
        for depth in range(1, levels + 1):
            at = coin.price(price + direction * depth * step)
            if at > ZERO:
                size = coin.size(chance.uniform(10, 50_000) / float(price))
                side.append({"px": text(at), "sz": text(size), "n": chance.randint(1, 20)})
        sides.append(side)
    answer: Json = {"coin": coin.name, "time": now_ms, "levels": sides}
    return answer | {"fast": True} if fast else answer
