"""Which coins exist: one that does not would cost the whole socket."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

from hlmon.derive.figures import dex_of
from hlmon.errors import Permanent
from hlmon.events import is_perp
from hlmon.hyperliquid import requests
from hlmon.hyperliquid.decode_market import (
    SpotPair,
    decode_meta,
    decode_outcome_meta,
    decode_perp_dexs,
    decode_spot_meta,
)
from hlmon.hyperliquid.info import Info

Verdict = str | None
"""None: good. "": could not be verified. Anything else: a sentence about what is wrong with it."""
NOT_VERIFIED: Final[Verdict] = ""


async def validate(names: Iterable[str], info: Info) -> dict[str, Verdict]:
    """A verdict on each coin. Waits for as long as the exchange does not answer."""
    verdicts: dict[str, Verdict] = {}
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_group(name), []).append(name)
    for group, members in groups.items():
        try:
            exist = await _existing(group, info)
        except Permanent:  # verifies nothing, but harms nobody
            verdicts.update(dict.fromkeys(members, NOT_VERIFIED))
        else:
            verdicts.update({name: judge(name, exist) for name in members})
    return verdicts


def judge(name: str, exist: Mapping[str, str]) -> Verdict:
    """The verdict on a coin; `exist` maps what a user may write to the exchange's name, or to "" if it is doubtful."""
    known = exist.get(name)
    if known == name:
        return None
    if known == "":
        return ""
    if known:
        return f"unknown coin {name!r}: the exchange calls it {known!r}"
    by_lower = {written.lower(): written for written in exist}
    near = [by_lower[lower] for lower in difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)]
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"unknown coin {name!r}{hint}"


def spot_names(pairs: Iterable[SpotPair]) -> dict[str, str]:
    """Spot coins by the exchange's name, and by the names of their tokens ("HYPE/USDC" is "@107")."""
    names: dict[str, str] = {}
    for pair in pairs:
        names.setdefault(f"{pair.base}/{pair.quote}", pair.coin)
    return names | {pair.coin: pair.coin for pair in pairs}


def _group(name: str) -> str:
    """Where a coin is listed: a dex ("" is the main one), "@" for spot, "#" for outcomes."""
    if is_perp(name):
        return dex_of(name)
    return "#" if name.startswith("#") else "@"


async def _existing(group: str, info: Info) -> Mapping[str, str]:
    if group == "@":
        return spot_names(await info.ask(requests.info("spotMeta"), decode_spot_meta))
    if group == "#":
        return {coin: coin for coin in await info.ask(requests.info("outcomeMeta"), decode_outcome_meta)}
    if group:
        dexes = await info.ask(requests.info("perpDexs"), decode_perp_dexs)
        if group not in dexes:
            return {f"{dex}:{group}": "" for dex in dexes if dex}
    listed = await info.ask(requests.info("meta", dex=group), decode_meta)
    return {coin: coin if is_traded else "" for coin, is_traded in listed.items()}
