"""What a Need must say, so that a deployment can provide it: the deployment and the contract's tests read it here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from hlmon.contract import Need

VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""The name of an environment variable."""


@dataclass(frozen=True)
class KeyPart:
    """One attribute of a table's key; `type` is S, N or B."""

    name: str
    type: Literal["S", "N", "B"]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A DynamoDB table, charged on demand."""

    name: str
    partition: KeyPart
    sort: KeyPart | None = None
    ttl_attribute: str | None = None
    recovery: bool = True


@dataclass(frozen=True, kw_only=True)
class Grant:
    """Actions of AWS that the monitor may do. Either `table` names a table, or `resource` is an ARN."""

    actions: tuple[str, ...]
    why: str
    table: str = ""
    resource: str = ""


Provided = Table | Grant | str


def provided(need: Need) -> Provided:
    """What the need asks for: a table, a grant, the name of a variable, the ARN of a topic.

    Raises ValueError with the reason why it cannot be provided.
    """
    if need.kind not in _READ:
        raise ValueError(f"its kind must be one of {', '.join(_READ)}")
    try:
        return _READ[need.kind](need)
    except KeyError as error:
        raise ValueError(f"details lack {error}") from None
    except TypeError as error:
        raise ValueError(f"details are not as they should be: {error}") from None


def _table(need: Need) -> Table:
    details = need.details
    if details.get("billing", "on-demand") != "on-demand":
        raise ValueError("only on-demand billing is known")
    sort = details.get("sort_key")
    return Table(
        name=need.name,
        partition=_key_part(details["partition_key"]),
        sort=_key_part(sort) if sort else None,
        ttl_attribute=details.get("ttl_attribute"),
        recovery=details.get("point_in_time_recovery", True),
    )


def _key_part(key: Mapping[str, Any]) -> KeyPart:
    if key["type"] not in {"S", "N", "B"}:
        raise ValueError("the type of a key must be S, N or B")
    return KeyPart(key["name"], key["type"])


def _grant(need: Need) -> Grant:
    details = need.details
    actions = tuple(details["actions"])
    if not actions or "*" in actions or isinstance(details["actions"], str):
        raise ValueError("actions must be a list that names each one")
    if "table" in details:
        return Grant(actions=actions, why=need.why, table=details["table"])
    return Grant(actions=actions, why=need.why, resource=details["resource"])


def _variable(need: Need) -> str:
    if not VARIABLE.fullmatch(need.name):
        raise ValueError("its name must be that of an environment variable")
    return need.name


def _arn(need: Need) -> str:
    if not need.name.startswith("arn:"):
        raise ValueError("a topic must be named by its ARN")
    return need.name


_READ: Final[Mapping[str, Callable[[Need], Provided]]] = {
    "table": _table,
    "permission": _grant,
    "secret": _variable,
    "env": _variable,
    "topic": _arn,
}
