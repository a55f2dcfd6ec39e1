"""What the configured parts need, as plain resources: the only reader of `needs`, and so the same for every plugin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hlmon.contract import Need
from hlmon.errors import ConfigError
from hlmon.needs import Grant, Table, provided
from hlmon.parts import Needed
from hlmon_deploy.names import PREFIX, TOPIC


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Everything the parts of one config need. `secrets` is secret -> the variables that are read from it."""

    tables: tuple[Table, ...] = ()
    grants: tuple[Grant, ...] = ()
    secrets: Mapping[str, tuple[str, ...]]
    variables: Mapping[str, str]
    topics: tuple[str, ...] = ()


def resources_of(needs: Iterable[Needed], environ: Mapping[str, str]) -> Resources:
    """What meets these needs; a variable without a value of its own is taken from `environ`.

    Raises ConfigError naming its owner for a need that cannot be met.
    """
    tables: dict[str, Table] = {}
    grants: list[Grant] = []
    secrets: dict[str, list[str]] = {}
    variables: dict[str, str] = {}
    topics: list[str] = []
    held: set[str] = set()
    for each in needs:
        need = each.need
        try:
            match need.kind, provided(need):
                case "env", str(name):
                    variables[name] = _value(need, environ)
                case "secret", str(name):
                    if name not in held:
                        held.add(name)
                        secrets.setdefault(f"{PREFIX}/{each.group}", []).append(name)
                case _, Table() as table:
                    _add_table(tables, table)
                case _, Grant() as grant:
                    grants.append(grant)
                case _, str(topic):
                    topics.append(topic)
        except ValueError as error:
            raise ConfigError(f"{each.owner}: its need {need.name!r} cannot be met: {error}") from None
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


def _add_table(tables: dict[str, Table], table: Table) -> None:
    if tables.setdefault(table.name, table) != table:
        raise ValueError("another part needs a table of this name that is different")


def _value(need: Need, environ: Mapping[str, str]) -> str:
    value = need.details.get("value", environ.get(need.name))
    if value is None:
        raise ValueError(f"set {need.name} in the environment of cdk ({need.why})")
    return str(value)
