"""What an account is worth and what it can withdraw, by its mode. Pure functions.

Classic: perp and spot balances are apart, and the value is their sum. Unified and portfolio margin: all collateral lies
in the spot balances, the account values of the dexes do not add up to anything, and the value is the spot balances plus
the unrealised PnL of all positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from hlmon.events import AccountMode, Balance, DexState

COLLATERAL: Final = frozenset({"USDC", "USDH", "USDE", "USDT0"})
"""Tokens in which the dexes keep margin; taken at 1 where no price is known."""
_ZERO = Decimal(0)
_ONE = Decimal(1)


def token_price(coin: str, prices: Mapping[str, Decimal]) -> Decimal:
    """The value of one spot token in USDC; 0 for a token without a market, which thus adds nothing."""
    if coin == "USDC":
        return _ONE
    return prices.get(coin, _ONE if coin in COLLATERAL else _ZERO)


def spot_value(balances: Iterable[Balance], prices: Mapping[str, Decimal]) -> Decimal:
    """What the spot balances are worth in USDC, less what is borrowed."""
    return sum(
        (
            (balance.total - balance.borrowed) * token_price(balance.coin, prices)
            for balance in balances
            if balance.total or balance.borrowed
        ),
        _ZERO,
    )


def unrealized_pnl(dexes: Iterable[DexState]) -> Decimal:
    """The unrealised PnL of all positions."""
    return sum((position.unrealized_pnl for dex in dexes for position in dex.positions), _ZERO)


def account_value(
    mode: AccountMode, dexes: Sequence[DexState], balances: Iterable[Balance], prices: Mapping[str, Decimal]
) -> Decimal:
    """The whole account in USDC. The collateral of every dex counts as worth 1."""
    spot = spot_value(balances, prices)
    if mode == "classic":
        return spot + sum((dex.account_value for dex in dexes), _ZERO)
    return spot + unrealized_pnl(dexes)


def withdrawable(
    mode: AccountMode, dexes: Iterable[DexState], balances: Iterable[Balance], prices: Mapping[str, Decimal]
) -> Decimal:
    """What perp margin leaves free: by the dexes in classic mode, else the collateral tokens that nothing holds."""
    if mode == "classic":
        return sum((dex.withdrawable for dex in dexes), _ZERO)
    return sum(
        (
            max(balance.total - balance.hold - balance.borrowed, _ZERO) * token_price(balance.coin, prices)
            for balance in balances
            if balance.coin in COLLATERAL
        ),
        _ZERO,
    )
