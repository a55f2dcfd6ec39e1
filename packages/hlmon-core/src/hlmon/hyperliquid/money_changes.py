"""What each event does to the pockets that the exchange shows: the cash on a dex, the total of a token. Pure.

A perp fill takes its signed value and its fee from the cash of its dex; a fill of spot or of an outcome moves two
tokens, and its fee one of them; funding and the ledger say their amounts. Where collateral is shared (unified,
portfolio margin) there is no cash on a dex: the collateral's token moves by what a fill realised, less its fee.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final

from hlmon.derive.figures import dex_of
from hlmon.derive.ledger_flows import flow_of, number_of
from hlmon.events import Event, Fill, Funding, Ledger, is_perp

CASH: Final = "cash of dex "
"""Before the name of a dex: the pocket of its cash. Every other pocket is a token's name."""
SPOT: Final = "spot"
"""How a `send` names the spot balances among the dexes."""
_ON_PERPS: Final = frozenset(
    {
        "deposit",
        "withdraw",
        "internalTransfer",
        "subAccountTransfer",
        "vaultCreate",
        "vaultDeposit",
        "vaultDistribution",
        "vaultWithdraw",
        "vaultLeaderCommission",
        "welcomeBonus",
    }
)
"""Types of the ledger that move USDC of the main dex."""

Change = tuple[str, Decimal]
"""A pocket, and by how much it changes."""
Pairs = Mapping[str, tuple[str, str]]
"""The two tokens of each spot coin, base and quote."""


def changes_of(event: Event, *, shared: bool, pairs: Pairs) -> Sequence[Change]:
    """Every pocket that the event changes, some twice; none if it moves no money or nobody knows which.

    `shared` is whether the account's collateral lies in its spot balances.
    """
    if type(event) is Fill:
        pocket = _pocket_of_perp(event.coin)
        return _perp_fill(event, pocket, shared) if pocket else _spot_fill(event, pairs)
    if type(event) is Funding:
        return ((_cash(dex_of(event.coin), "USDC", shared), event.amount),)
    if type(event) is Ledger:
        return _entry(event, shared)
    return ()


def _cash(dex: str, token: str, shared: bool) -> str:
    return token if shared else CASH + dex


@lru_cache(4_096)  # of each fill
def _pocket_of_perp(coin: str) -> str:
    """The cash that a coin's fills move; "" for spot and outcomes."""
    return CASH + dex_of(coin) if is_perp(coin) else ""


def _perp_fill(fill: Fill, pocket: str, shared: bool) -> Sequence[Change]:
    if shared:
        return ((fill.fee_token, fill.closed_pnl - fill.fee),)
    value = fill.size * fill.price
    return ((pocket, (-value if fill.side == "buy" else value) - fill.fee),)


def _spot_fill(fill: Fill, pairs: Pairs) -> Sequence[Change]:
    if fill.coin.startswith("#"):
        base, quote = f"+{fill.coin[1:]}", fill.fee_token
    elif "/" in fill.coin:
        base, quote = fill.coin.split("/", 1)
    elif fill.coin in pairs:
        base, quote = pairs[fill.coin]
    else:
        return ()
    return ((base, fill.signed_size), (quote, -fill.signed_size * fill.price), (fill.fee_token, -fill.fee))


def _entry(entry: Ledger, shared: bool) -> Sequence[Change]:
    if entry.type in {"accountClassTransfer", "perpDexClassTransfer"}:
        return _between_classes(entry, shared)
    if entry.type == "send":
        return _sent(entry, shared)
    amount = flow_of(entry) if entry.type == "cStakingTransfer" else entry.amount
    if amount is None:
        return ()
    if entry.type in _ON_PERPS:
        return ((_cash("", "USDC", shared), amount - entry.fee),)
    return ((entry.token, amount), (entry.fee_token, -entry.fee))


def _between_classes(entry: Ledger, shared: bool) -> Sequence[Change]:
    amount = number_of(entry, "usdc" if entry.type == "accountClassTransfer" else "amount")
    if amount is None:
        return ()
    signed = amount if entry.details.get("toPerp") else -amount
    return ((_cash(str(entry.details.get("dex") or ""), entry.token, shared), signed), (entry.token, -signed))


def _sent(entry: Ledger, shared: bool) -> Sequence[Change]:
    """From one pocket of the account, to one, or both."""
    amount = number_of(entry, "amount")
    if amount is None:
        return ()
    changes: list[Change] = [(entry.fee_token, -entry.fee)]
    for party, field, signed in (("user", "sourceDex", -amount), ("destination", "destinationDex", amount)):
        if str(entry.details.get(party)).lower() == entry.account:
            dex = str(entry.details.get(field) or "")
            changes.append((entry.token if dex == SPOT else _cash(dex, entry.token, shared), signed))
    return changes
