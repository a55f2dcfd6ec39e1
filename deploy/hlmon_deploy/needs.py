"""What the configured parts need, as plain resources: the only reader of `needs`, and so the same for every plugin."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from hlmon.contract import Need
from hlmon.errors import ConfigError
from hlmon.parts import EnabledPart, EnabledParts
from hlmon_deploy.names import NOTIFY, PREFIX, TOPIC

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


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
    """Actions that the monitor may do. Either `table` names a table, or `resource` an ARN."""

    actions: tuple[str, ...]
    why: str
    table: str = ""
    resource: str = ""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Everything the parts of one config need. `secrets` is secret -> the variables that are read from it."""

    tables: tuple[Table, ...] = ()
    grants: tuple[Grant, ...] = ()
    secrets: Mapping[str, tuple[str, ...]]
    variables: Mapping[str, str]
    topics: tuple[str, ...] = ()


def resources_of(parts: EnabledParts, environ: Mapping[str, str]) -> Resources:
    """What these parts need; a variable without a value of its own is taken from `environ`.

    Raises ConfigError naming the part for a need that cannot be met.
    """
    tables: dict[str, Table] = {}
    grants: list[Grant] = []
    secrets: dict[str, list[str]] = {}
    variables: dict[str, str] = {}
    topics: list[str] = []
    held: set[str] = set()
    for part, secret, need in _each(parts):
        try:
            if need.kind == "table":
                _add_table(tables, _table(need))
            elif need.kind == "permission":
                grants.append(_grant(need))
            elif need.kind == "env":
                variables[_variable(need)] = _value(need, environ)
            elif need.kind == "topic":
                topics.append(need.name)
            elif _variable(need) not in held:
                held.add(need.name)
                secrets.setdefault(secret, []).append(need.name)
        except (KeyError, TypeError, ValueError) as error:
            reason = f"details lack {error}" if isinstance(error, KeyError) else error
            raise ConfigError(
                f"{part.name} ({part.factory.name}): its need {need.name!r} cannot be met: {reason}"
            ) from None
    return Resources(
        tables=tuple(tables.values()),
        grants=tuple(dict.fromkeys(grants)),
        secrets={name: tuple(found) for name, found in secrets.items()},
        variables=variables,
        topics=tuple(dict.fromkeys(topics)),
    )


def is_own_arn(arn: str) -> bool:
    """Whether an ARN means the topic of this stack, in whatever account and region."""
    return arn.startswith("arn:") and arn.rpartition(":")[2] == TOPIC


def _each(parts: EnabledParts) -> Iterator[tuple[EnabledPart[Any], str, Need]]:
    """Every need, its part, and the name of the secret where the part's secrets lie."""
    groups: Iterable[tuple[tuple[EnabledPart[Any], ...], str | None]] = (
        (parts.sources, None),
        (parts.derivers, None),
        (parts.sinks, None),
        (parts.notifiers, NOTIFY),
    )
    for group, shared in groups:
        for part in group:
            for need in part.factory.needs(part.config):
                yield part, shared or f"{PREFIX}/{part.factory.name}", need


def _add_table(tables: dict[str, Table], table: Table) -> None:
    if tables.setdefault(table.name, table) != table:
        raise ValueError("another part needs a table of this name that is different")


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
    if not actions or "*" in actions:
        raise ValueError("actions must be named")
    if "table" in details:
        return Grant(actions=actions, why=need.why, table=details["table"])
    return Grant(actions=actions, why=need.why, resource=details["resource"])


def _variable(need: Need) -> str:
    if not _VARIABLE.fullmatch(need.name):
        raise ValueError("it is no name of an environment variable")
    return need.name


def _value(need: Need, environ: Mapping[str, str]) -> str:
    value = need.details.get("value", environ.get(need.name))
    if value is None:
        raise ValueError(f"set {need.name} in the environment of cdk ({need.why})")
    return str(value)
