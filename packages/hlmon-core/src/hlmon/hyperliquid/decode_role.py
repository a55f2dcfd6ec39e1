"""Answers about an address: what it is, and where its collateral lives."""

from __future__ import annotations

from typing import Any, Final, get_args

import msgspec

from hlmon.errors import WireError
from hlmon.events import AccountMode, Role
from hlmon.hyperliquid.decode_json import reader

_ROLES: Final[frozenset[Role]] = frozenset(get_args(Role))
_MODES: Final[dict[str, AccountMode]] = {
    "default": "classic",
    "disabled": "classic",
    "unifiedAccount": "unified",
    "portfolioMargin": "portfolio_margin",
    "dexAbstraction": "dex_abstraction",
}
"""https://hyperliquid.gitbook.io/hyperliquid-docs/trading/account-abstraction-modes; the last one is discontinued."""


class RoleAnswer(msgspec.Struct, frozen=True):
    """What an address is. `master` is the account behind an agent or sub-account, else ""."""

    role: Role
    master: str = ""


class _RoleData(msgspec.Struct):
    user: str = ""
    master: str = ""


class _Role(msgspec.Struct):
    role: str
    data: _RoleData | None = None


_read_role = reader(_Role)
_read_mode = reader(str)


def decode_role(body: Any) -> RoleAnswer:
    """What an address is; "unknown" for a role that hlmon does not know. An agent without a master is a WireError."""
    answer = _read_role(body)
    data = answer.data or _RoleData()
    master = (data.master or data.user).lower()
    if answer.role == "agent" and not master:
        raise WireError("an agent without a master")
    return RoleAnswer(answer.role if answer.role in _ROLES else "unknown", master)


def decode_mode_word(body: Any) -> str:
    """The word that `userAbstraction` answers, a bare string.

    Anything else, and an empty one, is a WireError: it says nothing about the account.
    """
    word: str = _read_mode(body)
    if not word:
        raise WireError("an account mode without a word")
    return word


def decode_account_mode(body: Any) -> AccountMode:
    """The mode that `userAbstraction` tells; "unknown" for a word that hlmon does not know."""
    return _MODES.get(decode_mode_word(body), "unknown")
