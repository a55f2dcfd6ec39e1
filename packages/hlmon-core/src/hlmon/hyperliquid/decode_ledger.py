"""Movements of money: what each type of ledger entry gave to, or took from, the account."""

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

Delta = dict[str, Any]

_canonical = msgspec.json.Encoder(order="sorted")


def ledger_from(account: str, row: wire.LedgerUpdate) -> Ledger:
    """One entry. Moves inside the account have amount 0; types that hlmon does not know have none."""
    delta = row.delta
    kind = _text(delta, "type") or "unknown"
    sign = _SIGNS.get(kind, _unknown)(account, delta)
    return Ledger(
        account=account,
        time_ms=row.time,
        type=kind,
        entry_id=blake2b(_canonical.encode([row.hash, delta]), digest_size=8).hexdigest(),
        amount=None if sign is None else sign * _amount(kind, delta),
        token=_text(delta, "token") or "USDC",
        fee=_fee(account, delta),
        counterparty=_counterparty(account, delta),
        tx_hash=row.hash,
        details=delta,
    )


def _amount(kind: str, delta: Delta) -> Decimal:
    field = "netWithdrawnUsd" if kind == "vaultWithdraw" else "amount" if "amount" in delta else "usdc"
    return _number(delta, field)


def _fee(account: str, delta: Delta) -> Decimal:
    """What the account paid: a transfer's sender pays its fee."""
    payer = _text(delta, "user").lower()
    return _number(delta, "fee") if payer in {"", account} else ZERO


def _counterparty(account: str, delta: Delta) -> str:
    """The other party that the entry names, "" if it names none."""
    parties = (_text(delta, field).lower() for field in ("destination", "user", "vault"))
    return next((party for party in parties if party and party != account), "")


def _received(_account: str, _delta: Delta) -> int:
    return 1


def _paid(_account: str, _delta: Delta) -> int:
    return -1


def _inside(_account: str, _delta: Delta) -> int:
    return 0


def _unknown(_account: str, _delta: Delta) -> None:
    return None


def _transfer(account: str, delta: Delta) -> int:
    """Out for its `user`, in for its `destination`; between the account's own dexes it is both."""
    return (_text(delta, "destination").lower() == account) - (_text(delta, "user").lower() == account)


def _into_vault(account: str, delta: Delta) -> int:
    return 1 if _text(delta, "vault").lower() == account else -1


def _out_of_vault(account: str, delta: Delta) -> int:
    return -_into_vault(account, delta)


def _commission(account: str, delta: Delta) -> int:
    return 1 if _text(delta, "user").lower() in {"", account} else -1


def _staking(_account: str, delta: Delta) -> int:
    return -1 if delta.get("isDeposit") else 1


def _lending(_account: str, delta: Delta) -> int | None:
    return {"supply": -1, "repay": -1, "withdraw": 1, "borrow": 1}.get(_text(delta, "operation").lower())


_SIGNS: Final[dict[str, Callable[[str, Delta], int | None]]] = {
    "deposit": _received,
    "withdraw": _paid,
    "accountClassTransfer": _inside,
    "activateDexAbstraction": _inside,
    "internalTransfer": _transfer,
    "subAccountTransfer": _transfer,
    "spotTransfer": _transfer,
    "send": _transfer,
    "vaultCreate": _into_vault,
    "vaultDeposit": _into_vault,
    "vaultDistribution": _out_of_vault,
    "vaultWithdraw": _out_of_vault,
    "vaultLeaderCommission": _commission,
    "rewardsClaim": _received,
    "spotGenesis": _received,
    "deployGasAuction": _paid,
    "cStakingTransfer": _staking,
    "borrowLend": _lending,
    "liquidation": _unknown,  # the loss is in its fills
}


def _text(delta: Delta, field: str) -> str:
    value = delta.get(field)
    return value if isinstance(value, str) else ""


def _number(delta: Delta, field: str) -> Decimal:
    value = delta.get(field)
    if value is None:
        return ZERO
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise WireError(f"a ledger entry whose {field} is no number: {value!r}") from error
    if not number.is_finite():
        raise WireError(f"a ledger entry whose {field} is no number: {value!r}")
    return number
