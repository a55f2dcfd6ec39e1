"""What may be wrong with the ways of alerts in a config, in words; each problem begins with its path."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from hlmon.fields import nearest, read
from hlmon.routing.match import DEFAULT_INHIBIT, Inhibit, NotifierPolicy, Route

AccountProblem = Callable[[str], str | None]


def policy_problems(notifiers: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    """What is wrong with the core's own fields of the tables [notifier.NAME]."""
    for name, table in notifiers.items():
        problems: list[str] = []
        policy = read(policy_fields(table), NotifierPolicy, f"notifier.{name}", problems)
        yield from problems
        for position, other in enumerate(policy.fallback if policy else ()):
            path = f"notifier.{name}.fallback[{position}]"
            if other == name:
                yield f"{path}: must be another notifier"
            elif other not in notifiers:
                yield f"{path}: unknown notifier {other!r}{nearest(other, notifiers)}"


def policy_fields(table: Mapping[str, object]) -> dict[str, object]:
    """Those fields of a [notifier.NAME] that are the core's and not the plugin's."""
    return {name: value for name, value in table.items() if name in NotifierPolicy.__struct_fields__}


def route_problems(
    routes: Sequence[Route], notifiers: Collection[str], accounts: Collection[str], account_problem: AccountProblem
) -> Iterator[str]:
    """What is wrong with the routes' names; `accounts` are addresses and labels, none of them if any is watched."""
    for position, route in enumerate(routes):
        path = f"route[{position}]"
        if not route.to:
            yield f"{path}.to: must name a notifier"
        for name in route.to:
            if name not in notifiers:
                hint = nearest(name, notifiers) or f"; write a [notifier.{name}]"
                yield f"{path}.to: unknown notifier {name!r}{hint}"
        for name in route.accounts:
            problem = account_problem(name)
            if problem and "private key" in problem:
                yield f"{path}.accounts: {problem}"
            elif name not in accounts and name.lower() not in accounts and (accounts or problem):
                yield f"{path}.accounts: unknown account {name!r}{nearest(name, accounts)}"


def rule_problems(
    routes: Sequence[Route], inhibit: Sequence[Inhibit], rules: Mapping[str, str], always: Collection[str]
) -> Iterator[str]:
    """Names of rules in the routes and inhibitions that mean nothing; in the latter a rule's type is a name as well.

    `rules` is name -> type; `always` are names that the config need not mention.
    """
    for position, route in enumerate(routes):
        for name in route.rules:
            if name not in rules and name not in always:
                yield f"route[{position}].rules: unknown rule {name!r}{nearest(name, rules)}"
    known = {*rules, *rules.values()}
    for position, each in enumerate(inhibit if inhibit != DEFAULT_INHIBIT else ()):
        for field, names in (("rules", each.rules), ("mutes", each.mutes)):
            for name in names:
                if name not in known and name not in always:
                    yield f"inhibit[{position}].{field}: unknown rule {name!r}{nearest(name, known)}"
