"""Movements of money: what each type of ledger entry gave to, or took from, the account.

The types and fields of the exchange's `userNonFundingLedgerUpdates` as its client libraries list them, and further ones
seen live. New types come without notice: what hlmon does not know is kept with no amount.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from typing import Any, Final

import msgspec

from hlmon.errors import WireError
from hlmon.events import Ledger
from hlmon.hyperliquid import wire

ZERO = Decimal(0)
GAS_TOKEN: Final = "HYPE"
"""In which `nativeTokenFee` is paid."""

Delta = dict[str, Any]
Effect = Callable[[str, Delta], Decimal | None]
"""From the account and the entry to the amount, + when received; None where the entry does not say."""

_canonical = msgspec.json.Encoder(order="sorted")


def ledger_from(account: str, row: wire.LedgerUpdate) -> Ledger:
    """One entry. `amount` is the effect on what the account owns: 0 between its own pockets, None if it is not known.

    Raises WireError for an entry of a known type without a number.
    """
    delta = row.delta
    kind = _text(delta, "type") or "unknown"
    amount = EFFECTS.get(kind, _unknown)(account, delta)
    fee, fee_token = (ZERO, "USDC") if amount is None else _fee(account, delta)
    return Ledger(
        account=account,
        time_ms=row.time,
        type=kind,
        entry_id=blake2b(_canonical.encode([row.hash, delta]), digest_size=8).hexdigest(),
        amount=amount,
        token=_text(delta, "token") or "USDC",
        fee=fee,
        fee_token=fee_token,
        counterparty=_counterparty(account, delta),
        tx_hash=row.hash,
        details=delta,
    )


def _amount(delta: Delta) -> Decimal:
    """How much was moved, unsigned except in `spotGenesis`. Tokens stand in `amount`, dollars in `usdc`."""
    return _number(delta, "amount" if "amount" in delta else "usdc")


def _fee(account: str, delta: Delta) -> tuple[Decimal, str]:
    """What the account paid, and in which token: the sender of a transfer pays, in `feeToken` or in the gas token."""
    if _text(delta, "user").lower() not in {"", account}:
        return ZERO, "USDC"
    fee, gas = (_number(delta, name) if delta.get(name) else ZERO for name in ("fee", "nativeTokenFee"))
    if gas and not fee:
        return gas, GAS_TOKEN
    return fee, _text(delta, "feeToken") or "USDC"


def _counterparty(account: str, delta: Delta) -> str:
    """The other party that the entry names, "" if it names none."""
    parties = (_text(delta, field).lower() for field in ("destination", "user", "vault"))
    return next((party for party in parties if party and party != account), "")


def _received(_account: str, delta: Delta) -> Decimal:
    return _amount(delta)


def _paid(_account: str, delta: Delta) -> Decimal:
    return -_amount(delta)


def _inside(_account: str, _delta: Delta) -> Decimal:
    return ZERO


def _unknown(_account: str, _delta: Delta) -> None:
    return None


def _transfer(account: str, delta: Delta) -> Decimal | None:
    """Out for its `user`, in for its `destination`; between the account's own dexes it is both."""
    sender, receiver = (_text(delta, field).lower() == account for field in ("user", "destination"))
    if sender and receiver:
        return ZERO
    if not sender and not receiver:
        return None
    return _amount(delta) if receiver else -_amount(delta)


def _into_vault(account: str, delta: Delta) -> Decimal:
    return _amount(delta) if _is_vault(account, delta) else -_amount(delta)


def _out_of_vault(account: str, delta: Delta) -> Decimal:
    return -_into_vault(account, delta)


def _withdrawn_from_vault(account: str, delta: Delta) -> Decimal:
    amount = _number(delta, "netWithdrawnUsd")
    return -amount if _is_vault(account, delta) else amount


def _commission(account: str, delta: Delta) -> Decimal:
    """From a vault to its leader."""
    return -_amount(delta) if _is_vault(account, delta) and _text(delta, "user").lower() != account else _amount(delta)


def _is_vault(account: str, delta: Delta) -> bool:
    return _text(delta, "vault").lower() == account


def _lending(_account: str, delta: Delta) -> Decimal | None:
    """What is lent stays the account's, and what is borrowed is owed: only interest is income or cost.

    A liquidation is the forced sale of the collateral.
    """
    operation = _text(delta, "operation").lower()
    if operation == "liquidate":
        return -_amount(delta)
    sign = {"supply": 1, "withdraw": 1, "borrow": -1, "repay": -1}.get(operation)
    interest = _number(delta, "interestAmount") if delta.get("interestAmount") is not None else ZERO
    return None if sign is None else sign * interest


EFFECTS: Final[dict[str, Effect]] = {
    "deposit": _received,
    "withdraw": _paid,
    "accountClassTransfer": _inside,
    "perpDexClassTransfer": _inside,
    "activateDexAbstraction": _inside,
    "cStakingTransfer": _inside,
    "internalTransfer": _transfer,
    "subAccountTransfer": _transfer,
    "spotTransfer": _transfer,
    "send": _transfer,
    "vaultCreate": _into_vault,
    "vaultDeposit": _into_vault,
    "vaultDistribution": _out_of_vault,
    "vaultWithdraw": _withdrawn_from_vault,
    "vaultLeaderCommission": _commission,
    "rewardsClaim": _received,
    "welcomeBonus": _received,
    "spotGenesis": _received,
    "deployGasAuction": _paid,
    "gossipPriorityGasAuction": _paid,
    "accountActivationGas": _paid,
    "hip3LiquidatorDeposit": _paid,
    "borrowLend": _lending,
    "liquidation": _inside,  # the loss is in its fills
}
"""Every type that is known."""


def _text(delta: Delta, field: str) -> str:
    value = delta.get(field)
    return value if isinstance(value, str) else ""


def _number(delta: Delta, field: str) -> Decimal:
    value = delta.get(field)
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise WireError(f"a ledger entry whose {field} is no number: {value!r}") from error
    if not number.is_finite():
        raise WireError(f"a ledger entry whose {field} is no number: {value!r}")
    return number
