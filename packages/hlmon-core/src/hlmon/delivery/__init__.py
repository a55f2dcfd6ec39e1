"""Couriers: each sink has a follower and each notifier a dispatcher that brings it what the journal holds.

A courier calls its plugin, retries, sets aside what is refused for good, and only then remembers that it is delivered:
a follower by its cursor, a dispatcher by the alert's row in the outbox. Each has its own thread, so that one plugin's
trouble is no other's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from hlmon.contract import Notifier, NotifierFactory, Sink, SinkFactory
from hlmon.delivery.courier import AlwaysOpen, Courier, Life
from hlmon.delivery.dispatcher import Dispatcher
from hlmon.delivery.follower import Follower
from hlmon.delivery.outbox import Outbox
from hlmon.delivery.policy import Backoff, full_jitter, quarantined, settle
from hlmon.delivery.rejected import Retries
from hlmon.events import Checkpoint, Name
from hlmon.journal import Journal
from hlmon.routing import Inhibit, NotifierPolicy, Policy, Route

__all__ = [
    "AlwaysOpen",
    "Backoff",
    "Courier",
    "Dispatcher",
    "Follower",
    "Life",
    "Outbox",
    "common_checkpoints",
    "dispatch",
    "follow_sink",
    "full_jitter",
    "quarantined",
    "settle",
]


def common_checkpoints(stored: Sequence[Iterable[Checkpoint]]) -> list[Checkpoint]:
    """Up to where all stores are complete, given what each of them has.

    After the loss of the journal the store that is furthest behind must get what it lacks; a stream of which one store
    knows nothing begins anew.
    """
    held: list[dict[Name, Checkpoint]] = [{each.name: each for each in one} for one in stored]
    common = set(held[0]).intersection(*held[1:]) if held else set()
    return [min((one[name] for one in held), key=lambda each: each.version) for name in sorted(common)]


def follow_sink(name: str, journal: Journal, sink: Sink, factory: SinkFactory[Any], **more: Any) -> Follower:
    """The follower of a sink; `more` are further arguments of Follower, `quarantine` at least."""
    return Follower(
        name,
        journal,
        sink.write,
        part="sink",
        kinds=factory.kinds,
        max_batch=factory.max_batch,
        linger_ms=factory.linger_ms,
        kind=factory.name,
        retries=Retries(name, journal),
        **more,
    )


def dispatch(
    journal: Journal,
    notifiers: Mapping[str, tuple[Notifier, NotifierFactory[Any]]],
    policies: Mapping[str, NotifierPolicy],
    *,
    routes: Sequence[Route] = (),
    accounts: Mapping[str, str],
    inhibit: Sequence[Inhibit] = (),
    rules: Collection[str] | None = None,
    max_age_ms: int,
    skew_ms: Callable[[], int] = lambda: 0,
    lives: Mapping[str, Life] = MappingProxyType({}),
    **more: Any,
) -> list[Dispatcher]:
    """A dispatcher for each notifier, which know each other's outboxes where one is the other's fallback.

    An alert's age counts when it is read, by the exchange's clock, which is `skew_ms` ahead of ours; the attempts to
    send it may then take as long as they need. `lives` are what
    surrounds the calls of each. `more` are further arguments of Dispatcher, `quarantine` at least.
    """
    policy = partial(Policy, max_age_ms=max_age_ms, routes=routes, accounts=accounts, inhibit=inhibit, rules=rules)
    outboxes = {name: Outbox(name, journal, policy(notifier=name), skew_ms=skew_ms) for name in notifiers}
    return [
        Dispatcher(
            outboxes[name],
            notifier.send,
            max_batch=factory.max_batch,
            policy=policies.get(name),
            life=lives.get(name),
            kind=factory.name,
            retries=Retries(name, journal),
            fallback_of=[
                (outboxes[other], policies[other].fallback_after_minutes)
                for other in outboxes
                if other in policies and name in policies[other].fallback
            ],
            **more,
        )
        for name, (notifier, factory) in notifiers.items()
    ]
