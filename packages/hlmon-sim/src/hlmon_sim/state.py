"""Account state in the exchange's JSON shapes."""

from __future__ import annotations

from decimal import Decimal

from hlmon_sim.account import Account, Balance, Position
from hlmon_sim.market import Market
from hlmon_sim.numbers import ZERO, cut, text
from hlmon_sim.orders import Order, brief
from hlmon_sim.records import Json

_WINDOWS_MS = {"day": 86_400_000, "week": 604_800_000, "month": 2_592_000_000, "allTime": 10**15}
_POINTS = 60


def _summary(value: Decimal, signed_notional: Decimal, positions: list[Position], market: Market) -> Json:
    return {
        "accountValue": text(cut(value, 6)),
        "totalNtlPos": text(sum((position.notional(market) for position in positions), ZERO)),
        "totalRawUsd": text(cut(value, 6) - signed_notional),
        "totalMarginUsed": text(sum((position.margin_used(market) for position in positions), ZERO)),
    }


def _signed(positions: list[Position], market: Market) -> Decimal:
    return sum((position.size * market.price(position.coin.name) for position in positions), ZERO)


def clearinghouse(account: Account | None, dex: str, market: Market, now_ms: int) -> Json:
    """The state of one dex; unknown addresses are flat and empty.

    In unified modes the account value of a dex is only what is tied up there: margin used and unrealised PnL.
    """
    positions = account.on_dex(dex) if account else []
    cross = [position for position in positions if not position.isolated]
    isolated = [position for position in positions if position.isolated]
    used = sum((position.margin_used(market) for position in cross), ZERO)
    gain = sum((position.unrealised(market) for position in cross), ZERO)
    value = ZERO if account is None else (used if account.unified else account.cash(dex)) + gain
    whole = value + sum((position.margin_used(market) for position in isolated), ZERO)
    needed = sum((max(p.margin_used(market), p.notional(market) / 10) for p in cross), ZERO)
    if account is not None and account.unified:
        needed = used
    maintenance = sum((position.maintenance(market) for position in cross), ZERO)
    return {
        "marginSummary": _summary(whole, _signed(positions, market), positions, market),
        "crossMarginSummary": _summary(value, _signed(cross, market), cross, market),
        "crossMaintenanceMarginUsed": text(maintenance),
        "withdrawable": text(cut(max(value - needed, ZERO), 6)),
        "assetPositions": [_position(account, position, market) for position in positions if account],
        "time": now_ms,
    }


def _position(account: Account, position: Position, market: Market) -> Json:
    name = position.coin.name
    liquidation = account.liquidation_price(position, market)
    gain = position.unrealised(market)
    leverage: Json = {"type": "isolated" if position.isolated else "cross", "value": position.leverage}
    if position.isolated:
        leverage["rawUsd"] = text(position.isolated_cash - position.cost)
    return {
        "type": "oneWay",
        "position": {
            "coin": name,
            "szi": text(position.size),
            "leverage": leverage,
            "entryPx": text(cut(position.cost / position.size, position.coin.price_decimals)),
            "positionValue": text(position.notional(market)),
            "unrealizedPnl": text(gain),
            "returnOnEquity": text(cut(gain * position.leverage / abs(position.cost), 10)),
            "liquidationPx": None if liquidation is None else text(liquidation),
            "marginUsed": text(position.margin_used(market)),
            "maxLeverage": position.coin.max_leverage,
            "cumFunding": {
                "allTime": text(account.paid_ever.get(name, ZERO)),
                "sinceOpen": text(position.paid_since_open),
                "sinceChange": text(position.paid_since_change),
            },
        },
    }


def all_dexes(account: Account | None, market: Market, now_ms: int) -> list[list[object]]:
    """Pairs of dex and state."""
    return [[dex, clearinghouse(account, dex, market, now_ms)] for dex in market.dexes]


def spot(account: Account | None, market: Market) -> Json:
    """Spot balances. In unified modes they hold all collateral, and `hold` contains the perps' margin."""
    balances = list(account.balances.values()) if account else []
    apart = margin = ZERO
    if account and account.unified:
        apart = sum((position.isolated_cash for position in account.positions.values()), ZERO)
        cross = (position for position in account.positions.values() if not position.isolated)
        margin = apart + sum((position.margin_used(market) for position in cross), ZERO)
    mode = account.mode if account else "default"
    state: Json = {"balances": [_balance(balance, apart, margin, mode) for balance in balances]}
    if account and account.escrows:
        state["evmEscrows"] = [
            {"coin": token, "token": 0, "total": text(total)} for token, total in account.escrows.items()
        ]
    if account and account.unified:
        needed = sum((position.maintenance(market) for position in account.positions.values()), ZERO)
        total = account.balance("USDC", 0).total + apart
        state["tokenToAvailableAfterMaintenance"] = [[0, text(max(total - needed, ZERO))]]
        if account.mode == "portfolioMargin":
            state["portfolioMarginEnabled"] = True
            state["portfolioMarginRatio"] = text(cut(needed / total, 9) if total > 0 else ZERO)
    return state


def _balance(balance: Balance, apart: Decimal, margin: Decimal, mode: str) -> Json:
    outcome = balance.token.startswith("+")
    is_money = balance.token == "USDC"
    return {
        "coin": balance.token,
        **({} if outcome else {"token": balance.index if balance.index is not None else 9_999}),
        "total": text(balance.total + (apart if is_money else ZERO)),
        "hold": text(balance.hold + (margin if is_money else ZERO)),
        "entryNtl": text(balance.cost),
        **({"spotHold": text(balance.hold)} if mode == "portfolioMargin" else {}),
    }


def open_orders(account: Account | None, dex: str, market: Market) -> list[Order]:
    """Resting orders of one dex, newest first; those on spot come with the main dex."""
    orders = list(account.orders.values()) if account else []
    return [order for order in reversed(orders) if market.coin(order.coin).dex == dex]


def brief_orders(account: Account | None, dex: str, market: Market) -> list[Json]:
    """The short form of them."""
    return [brief(order.render()) for order in open_orders(account, dex, market)]


def running_twaps(account: Account | None, dex: str, market: Market) -> list[list[object]]:
    """Pairs of id and TWAP."""
    twaps = account.twaps.values() if account else ()
    return [[twap.twap_id, twap.render()] for twap in twaps if market.coin(twap.coin).dex == dex]


def portfolio(account: Account | None, now_ms: int) -> list[list[object]]:
    """Value and PnL over the fixed windows, coarse; the `perp` windows repeat the others."""
    values = list(account.values) if account else []
    windows: list[list[object]] = []
    for prefix in ("", "perp"):
        for name, length_ms in _WINDOWS_MS.items():
            points = [point for point in values if point[0] >= now_ms - length_ms]
            points = points[:: max(len(points) // _POINTS, 1)]
            first = points[0][2] if points else ZERO
            window = {
                "accountValueHistory": [[time_ms, text(cut(value, 10))] for time_ms, value, _ in points],
                "pnlHistory": [[time_ms, text(pnl - first)] for time_ms, _, pnl in points],
                "vlm": text(account.volume if account else ZERO),
            }
            windows.append([f"{prefix}{name[0].upper()}{name[1:]}" if prefix else name, window])
    return windows


def web_data(account: Account | None, address: str, market: Market, now_ms: int) -> Json:
    """webData3: no positions, no orders; useful for the account's mode."""
    user: Json = {
        "agentAddress": None,
        "agentValidUntil": None,
        "cumLedger": text(ZERO),
        "serverTime": now_ms,
        "isVault": bool(account and account.role == "vault"),
        "user": address,
    }
    if account and account.mode != "default":
        user["abstraction"] = account.mode
    return {"userState": user, "perpDexStates": [{"totalVaultEquity": "0.0"} for _ in market.dexes]}


def asset_data(account: Account | None, address: str, coin: str, market: Market) -> Json:
    """What the account could trade of a coin."""
    price, cash = market.price(coin), account.cash("") if account else ZERO
    size = text(cut(max(cash, ZERO) / price, market.coin(coin).size_decimals))
    return {
        "user": address,
        "coin": coin,
        "leverage": {"type": "cross", "value": account.leverage if account else 20},
        "maxTradeSzs": [size, size],
        "availableToTrade": [text(cash), text(cash)],
        "markPx": text(price),
    }
