"""Answers to info requests, the same for POST /info and for requests over the WebSocket."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hlmon_sim import render, state
from hlmon_sim.account import Account
from hlmon_sim.numbers import ZERO, text
from hlmon_sim.records import Json, Record
from hlmon_sim.scenario import Limits
from hlmon_sim.world import World

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
UNPROCESSABLE = "Failed to deserialize the JSON body into the target type"


class Unprocessable(Exception):
    """The exchange does not understand the request: 422."""


class Ask:
    """One info request with its world; the accessors raise Unprocessable for what is missing or of a wrong type."""

    def __init__(self, world: World, limits: Limits, body: Mapping[str, Any]) -> None:
        self.world = world
        self.limits = limits
        self._body = body

    def text(self, name: str) -> str:
        """A text that must be there."""
        value = self._body.get(name)
        if not isinstance(value, str):
            raise Unprocessable
        return value

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number; without default it must be there. An explicit null counts as missing."""
        value = self._body.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unprocessable
        return value

    def flag(self, name: str) -> bool:
        """A boolean, false if missing."""
        return self._body.get(name) is True

    def get(self, name: str) -> Any:
        """Whatever was sent under this name."""
        return self._body.get(name)

    @property
    def dex(self) -> str:
        """The dex; the main one if none is named."""
        dex = self._body.get("dex") or ""
        if dex not in self.world.market.dexes:
            raise Unprocessable
        return str(dex)

    @property
    def address(self) -> str:
        """The user asked about, in lower case."""
        address = self.text("user")
        if not _ADDRESS.fullmatch(address):
            raise Unprocessable
        return address.lower()

    @property
    def account(self) -> Account | None:
        """The account of that user, if it trades here."""
        return self.world.account(self.address)


def page(ask: Ask, rows: Iterable[Record], limit: int) -> list[Any]:
    """The rows of the asked time range, both ends inclusive: oldest first, cut at the newest end.

    With `reversed` newest first, cut at the oldest end.
    """
    start_ms, end_ms = ask.number("startTime"), ask.number("endTime", 2**62)
    found = [row for row in visible(ask.world, rows) if start_ms <= row.time_ms <= end_ms]
    if ask.flag("reversed"):
        found.reverse()
    return found[:limit]


def visible(world: World, rows: Iterable[Any]) -> list[Any]:
    """The rows that the API shows by now, ascending in time."""
    return sorted((row for row in rows if row.visible_ms <= world.now_ms), key=lambda row: row.time_ms)


def newest_first(rows: list[Any]) -> list[Any]:
    """Descending in time, yet in execution order inside a millisecond."""
    return sorted(rows, key=lambda row: -row.time_ms)


def _user_fills(ask: Ask) -> list[Json]:
    rows = visible(ask.world, ask.account.fills if ask.account else ())[-ask.limits.page_rows :]
    return _fills(ask, newest_first(rows))


def _user_fills_by_time(ask: Ask) -> list[Json]:
    return _fills(ask, page(ask, ask.account.fills if ask.account else (), ask.limits.page_rows))


def _fills(ask: Ask, rows: list[Any]) -> list[Json]:
    drawn = [render.fill(row) for row in rows]
    return render.merged_rows(drawn) if ask.flag("aggregateByTime") else drawn


def _slices(ask: Ask) -> list[Json]:
    rows = visible(ask.world, ask.account.slices if ask.account else ())[-ask.limits.page_rows :]
    return [render.slice_fill(row) for row in newest_first(rows)]


def _slices_by_time(ask: Ask) -> list[Json]:
    rows = page(ask, ask.account.slices if ask.account else (), ask.limits.page_rows)
    return [render.slice_fill(row) for row in rows]


def _historical_orders(ask: Ask) -> list[Json]:
    rows = visible(ask.world, ask.account.order_changes if ask.account else ())[-ask.limits.page_rows :]
    return [render.order_change(row) for row in newest_first(rows)]


def _order_status(ask: Ask) -> Json:
    wanted = ask.get("oid")
    if not isinstance(wanted, int | str):
        raise Unprocessable
    for row in reversed(ask.account.order_changes if ask.account else ()):
        if wanted in {row.order["oid"], row.order["cloid"]}:
            return {"status": "order", "order": render.order_change(row)}
    return {"status": "unknownOid"}


def _user_funding(ask: Ask) -> list[Json]:
    rows = page(ask, ask.account.fundings if ask.account else (), ask.limits.short_page_rows)
    return [render.funding_delta(row) for row in rows]


def _ledger(ask: Ask) -> list[Json]:
    rows = page(ask, ask.account.ledger if ask.account else (), ask.limits.short_page_rows)
    return [render.ledger(row) for row in rows]


def _role(ask: Ask) -> Json:
    if ask.address in ask.world.agents:
        return {"role": "agent", "data": {"user": ask.world.agents[ask.address]}}
    account = ask.account
    if account is None:
        return {"role": "missing"}
    if account.role == "subAccount":
        return {"role": "subAccount", "data": {"master": account.master}}
    return {"role": account.role}


def _sub_accounts(ask: Ask, *, second_form: bool) -> list[Json] | None:
    world = ask.world
    found: list[Json] = []
    for account in world.accounts.values():
        if account.role != "subAccount" or account.master != ask.address:
            continue
        names: Json = {"name": "sub", "subAccountUser": account.address, "master": account.master}
        spot = {"spotState": state.spot(account, world.market)}
        if second_form:
            dexes = state.all_dexes(account, world.market, world.now_ms)
            found.append(names | {"dexToClearinghouseState": dexes} | spot | {"abstraction": account.mode})
        else:
            main = state.clearinghouse(account, "", world.market, world.now_ms)
            found.append(names | {"clearinghouseState": main} | spot)
    return found or None


def _rate_limit(ask: Ask) -> Json:
    volume = ask.account.volume if ask.account else ZERO
    return {"cumVlm": text(volume), "nRequestsUsed": 0, "nRequestsCap": 10_000 + int(volume)}


def _extra_agents(ask: Ask) -> list[Json]:
    mine = [agent for agent, master in ask.world.agents.items() if master == ask.address]
    return [{"name": "agent", "address": agent, "validUntil": ask.world.agents_end[agent]} for agent in mine]


def _state(ask: Ask) -> Json:
    return state.clearinghouse(ask.account, ask.dex, ask.world.market, ask.world.now_ms)


def _asset_data(ask: Ask) -> Json | None:
    if (coin := ask.text("coin")) not in ask.world.market.quotes:
        return None
    return state.asset_data(ask.account, ask.address, coin, ask.world.market)


def _long_orders(ask: Ask) -> list[Json]:
    return [order.render() for order in state.open_orders(ask.account, ask.dex, ask.world.market)]


Answer = Callable[[Ask], Any]
ACCOUNT_ANSWERS: dict[str, Answer] = {
    "clearinghouseState": _state,
    "spotClearinghouseState": lambda ask: state.spot(ask.account, ask.world.market),
    "activeAssetData": _asset_data,
    "openOrders": lambda ask: state.brief_orders(ask.account, ask.dex, ask.world.market),
    "frontendOpenOrders": _long_orders,
    "userFills": _user_fills,
    "userFillsByTime": _user_fills_by_time,
    "userTwapSliceFills": _slices,
    "userTwapSliceFillsByTime": _slices_by_time,
    "historicalOrders": _historical_orders,
    "orderStatus": _order_status,
    "userFunding": _user_funding,
    "userNonFundingLedgerUpdates": _ledger,
    "portfolio": lambda ask: state.portfolio(ask.account, ask.world.now_ms),
    "userRole": _role,
    "userAbstraction": lambda ask: ask.account.mode if ask.account else "default",
    "subAccounts": lambda ask: _sub_accounts(ask, second_form=False),
    "subAccounts2": lambda ask: _sub_accounts(ask, second_form=True),
    "userVaultEquities": lambda ask: [] if ask.address else None,
    "userRateLimit": _rate_limit,
    "extraAgents": _extra_agents,
}
