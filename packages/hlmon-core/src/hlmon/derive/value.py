"""What an account is worth and what it can withdraw, by its mode. Pure functions.

Classic and dex abstraction: perp and spot balances are apart, and the value is their sum. Unified and portfolio margin:
all collateral lies in the spot balances, the account values of the dexes do not add up to anything, and the value is
the spot balances plus the unrealised PnL of all positions. Of an unknown mode there are no figures.
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


def shares_collateral(mode: AccountMode) -> bool:
    """Whether the spot balances are the collateral of every dex.

    Dex abstraction, which is discontinued, only moves USDC between the dexes with each order: each still has its own.
    """
    return mode in {"unified", "portfolio_margin"}


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
    if shares_collateral(mode):
        return spot + unrealized_pnl(dexes)
    return spot + sum((dex.account_value for dex in dexes), _ZERO)


def withdrawable(
    mode: AccountMode, dexes: Iterable[DexState], balances: Iterable[Balance], prices: Mapping[str, Decimal]
) -> Decimal:
    """What perp margin leaves free: by the dexes where each has its own, else the collateral that nothing holds."""
    if not shares_collateral(mode):
        return sum((dex.withdrawable for dex in dexes), _ZERO)
    return sum(
        (
            _free(mode, balance) * token_price(balance.coin, prices)
            for balance in balances
            if balance.coin in COLLATERAL
        ),
        _ZERO,
    )


def _free(mode: AccountMode, balance: Balance) -> Decimal:
    """What of a balance nothing holds; under portfolio margin the exchange tells it net of what could be borrowed."""
    if mode == "portfolio_margin" and balance.spot_hold is not None:
        return max(balance.total - balance.spot_hold, _ZERO)
    return max(balance.total - balance.hold - balance.borrowed, _ZERO)
