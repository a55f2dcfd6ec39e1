"""Subscriptions: what can be asked for, and the normalised form that the exchange echoes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from hlmon_sim.market import Market
from hlmon_sim.records import Json
from hlmon_sim.render import INTERVALS

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_ALLOWED_FIGURES = ((None, None), (2, None), (3, None), (4, None), (5, None), (5, 2), (5, 5))


class UnknownSubscription(Exception):
    """No such type: the exchange answers "Error parsing JSON"."""


class InvalidSubscription(Exception):
    """A known type with bad parameters: the exchange answers "Invalid subscription"."""


class Poisonous(Exception):
    """An unknown coin or a bad grouping: the exchange says nothing and closes the whole connection."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One subscription type: which parameters it has, and how often its whole state is sent (0: on events only)."""

    user: bool = False
    coin: bool = False
    dex: bool = False
    every_ms: int = 0


KINDS: dict[str, Kind] = {
    "userFills": Kind(user=True),
    "userEvents": Kind(user=True),
    "orderUpdates": Kind(user=True),
    "notification": Kind(user=True),
    "userFundings": Kind(user=True),
    "userNonFundingLedgerUpdates": Kind(user=True),
    "userTwapSliceFills": Kind(user=True),
    "userTwapHistory": Kind(user=True),
    "userHistoricalOrders": Kind(user=True),
    "clearinghouseState": Kind(user=True, dex=True, every_ms=5_000),
    "allDexsClearinghouseState": Kind(user=True, every_ms=5_000),
    "spotState": Kind(user=True, every_ms=5_000),
    "openOrders": Kind(user=True, dex=True, every_ms=5_000),
    "twapStates": Kind(user=True, dex=True, every_ms=5_000),
    "webData3": Kind(user=True, every_ms=5_000),
    "activeAssetData": Kind(user=True, coin=True, every_ms=1_000),
    "trades": Kind(coin=True),
    "candle": Kind(coin=True),
    "bbo": Kind(coin=True, every_ms=100),
    "l2Book": Kind(coin=True, every_ms=5_400),
    "activeAssetCtx": Kind(coin=True, every_ms=1_000),
    "allMids": Kind(dex=True, every_ms=1_000),
    "allDexsAssetCtxs": Kind(every_ms=5_000),
    "assetCtxs": Kind(dex=True, every_ms=5_000),
    "spotAssetCtxs": Kind(every_ms=5_000),
}
FAST_BOOK_MS = 530


@dataclass(slots=True, eq=False)
class Subscription:
    """One accepted subscription; `next_ms` is when its state is due again."""

    form: Json
    key: str
    next_ms: int = 0
    last: Any = None
    silent: bool = False  # nothing of it is sent any more, though the connection lives

    @property
    def type(self) -> str:
        """Its type."""
        return str(self.form["type"])

    @property
    def user(self) -> str:
        """The user followed, "" for market streams."""
        return str(self.form.get("user", ""))

    @property
    def coin(self) -> str:
        """The coin, "" if it has none."""
        return str(self.form.get("coin", ""))

    @property
    def dex(self) -> str:
        """The dex."""
        return str(self.form.get("dex") or "")

    @property
    def every_ms(self) -> int:
        """How often its state is sent; 0: only on events."""
        return FAST_BOOK_MS if self.form.get("fast") else KINDS[self.type].every_ms

    @property
    def subject(self) -> tuple[str, str]:
        """Type, and user or coin: what happenings are matched by."""
        return self.type, self.user or self.coin


def normalise(asked: object, market: Market) -> Subscription:
    """The subscription with defaults filled in and the address in lower case.

    Raises UnknownSubscription, InvalidSubscription or Poisonous.
    """
    name = asked.get("type") if isinstance(asked, Mapping) else None
    if not isinstance(asked, Mapping) or not isinstance(name, str) or name not in KINDS:
        raise UnknownSubscription
    kind = KINDS[name]
    form: Json = {"type": name}
    if kind.user:
        form["user"] = _user(asked)
    if kind.coin:
        form["coin"] = _text(asked, "coin")
    if name == "candle":
        form["interval"] = _interval(asked)
    if kind.dex and (name != "allMids" or asked.get("dex") is not None):
        form["dex"] = _dex(asked, market)
    _defaults(name, asked, form)
    if kind.coin and form["coin"] not in market.quotes:
        raise Poisonous
    return Subscription(form, msgspec.json.encode(form).decode())


def _defaults(name: str, asked: Mapping[str, Any], form: Json) -> None:
    if name == "userFills":
        form["aggregateByTime"] = asked.get("aggregateByTime") is True
    elif name == "spotState":
        form["ignorePortfolioMargin"] = asked.get("ignorePortfolioMargin") is True
    elif name == "l2Book":
        figures, mantissa = asked.get("nSigFigs"), asked.get("mantissa")
        if (figures, mantissa) not in _ALLOWED_FIGURES:
            raise Poisonous
        form |= {"nSigFigs": figures, "mantissa": mantissa}
        if asked.get("fast") is True:
            form["fast"] = True


def _text(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str):
        raise InvalidSubscription
    return value


def _user(asked: Mapping[str, Any]) -> str:
    user = _text(asked, "user")
    if not _ADDRESS.fullmatch(user):
        raise InvalidSubscription
    return user.lower()


def _interval(asked: Mapping[str, Any]) -> str:
    interval = _text(asked, "interval")
    if interval not in INTERVALS:
        raise InvalidSubscription
    return interval


def _dex(asked: Mapping[str, Any], market: Market) -> str:
    dex = asked.get("dex") or ""
    if dex not in market.dexes:
        raise InvalidSubscription
    return str(dex)
