"""What may be wrong with the ways of alerts in a config, in words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from hlmon.fields import nearest, read
from hlmon.problems import KeyPath, Problem
from hlmon.routing.match import DEFAULT_INHIBIT, Inhibit, NotifierPolicy, Route

AccountProblem = Callable[[str], str | None]


def policy_problems(tables: Mapping[str, Mapping[str, object]], notifiers: Collection[str] | None) -> Iterator[Problem]:
    """What is wrong with the core's own fields of the tables [notifier.NAME]; `notifiers` as in `route_problems`."""
    for name, table in tables.items():
        problems: list[Problem] = []
        policy = read(policy_fields(table), NotifierPolicy, ("notifier", name), problems)
        yield from problems
        for position, other in enumerate(policy.fallback if policy else ()):
            path: KeyPath = ("notifier", name, "fallback", position)
            if other == name:
                yield Problem(path, "must be another notifier")
            elif notifiers is not None and other not in notifiers:
                yield Problem(path, f"unknown notifier {other!r}{nearest(other, notifiers)}")


def policy_fields(table: Mapping[str, object]) -> dict[str, object]:
    """Those fields of a [notifier.NAME] that are the core's and not the plugin's."""
    return {name: value for name, value in table.items() if name in NotifierPolicy.__struct_fields__}


def route_problems(
    routes: Iterable[tuple[int, Route]],
    notifiers: Collection[str] | None,
    accounts: Collection[str] | None,
    account_problem: AccountProblem,
) -> Iterator[Problem]:
    """What is wrong with the names in routes, which come with their positions.

    `accounts` are addresses and labels, none of them if any is watched. None for either means that it is not known
    what there is.
    """
    for position, route in routes:
        to: KeyPath = ("route", position, "to")
        if not route.to:
            yield Problem(to, "must name a notifier")
        for name in route.to:
            if notifiers is not None and name not in notifiers:
                hint = nearest(name, notifiers) or f"; write a [notifier.{name}]"
                yield Problem(to, f"unknown notifier {name!r}{hint}")
        path: KeyPath = ("route", position, "accounts")
        for name in route.accounts:
            problem = account_problem(name)
            if problem and "private key" in problem:
                yield Problem(path, problem)
            elif accounts is None or name in accounts or name.lower() in accounts:
                continue
            elif accounts or problem:
                yield Problem(path, f"unknown account {name!r}{nearest(name, accounts)}")


def rule_problems(
    routes: Iterable[tuple[int, Route]],
    inhibit: Iterable[tuple[int, Inhibit]],
    rules: Mapping[str, str],
    always: Collection[str],
) -> Iterator[Problem]:
    """Names of rules in the routes and inhibitions that mean nothing; in the latter a rule's type is a name as well.

    `rules` is name -> type; `always` are names that the config need not mention.
    """
    for position, route in routes:
        for name in route.rules:
            if name not in rules and name not in always:
                yield Problem(("route", position, "rules"), f"unknown rule {name!r}{nearest(name, rules)}")
    known = {*rules, *rules.values()}
    for position, each in inhibit:
        for field, names in (("rules", each.rules), ("mutes", each.mutes)):
            for name in names if each not in DEFAULT_INHIBIT else ():
                if name not in known and name not in always:
                    yield Problem(("inhibit", position, field), f"unknown rule {name!r}{nearest(name, known)}")
