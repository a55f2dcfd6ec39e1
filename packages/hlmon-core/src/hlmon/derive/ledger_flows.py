"""What an entry of the ledger does to the account value that hlmon works out. Pure functions.

A ledger's amount is the effect on what the account owns. The account value covers less: perp and spot balances, not
what is staked. So staking, of which the amount is 0, takes its tokens out of the value; lending does not, since what is
lent stays in the balance of its token (seen live: `total` contains `supplied`).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from hlmon.derive.value import COLLATERAL, token_price
from hlmon.events import Ledger

_ZERO = Decimal(0)


def flow_of(entry: Ledger) -> Decimal | None:
    """By how much of its token the entry changed the balances that are valued, without being a gain or a loss.

    Interest is a gain, and a forced sale or liquidation a loss: they are no flow. None where the type is not known.
    """
    if entry.amount is None:
        return None
    match entry.type:
        case "cStakingTransfer":
            amount = number_of(entry, "amount")
            return None if amount is None else -amount if entry.details.get("isDeposit") else amount
        case "borrowLend" | "liquidation":
            return _ZERO
    return entry.amount


def dollars_of(entry: Ledger, amount: Decimal | None, prices: Mapping[str, Decimal]) -> Decimal | None:
    """What that much of the entry's token is worth, with the sign of `amount`; None if nobody says.

    A token without a price among `prices` is worth nothing, as in the account value: so is an air-drop of a worthless
    one, whatever the exchange writes into the entry. Without any prices the entry's own value serves.
    """
    if not amount:
        return amount
    if entry.token in COLLATERAL or prices:
        return amount * token_price(entry.token, prices)
    return stated_dollars(entry, amount)


def stated_dollars(entry: Ledger, amount: Decimal) -> Decimal | None:
    """What the exchange says in the entry that it was worth, with the sign of `amount`."""
    value = number_of(entry, "usdcValue")
    return None if value is None else abs(value).copy_sign(amount)


def number_of(entry: Ledger, field: str) -> Decimal | None:
    """A number of the exchange's entry; None if there is none, whatever stands there instead."""
    try:
        number = Decimal(str(entry.details.get(field)))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
