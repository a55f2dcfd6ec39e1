"""Couriers: each sink and each notifier has a follower of its own that brings it what the journal holds.

A follower reads on from its cursor, calls the plugin, retries, sets aside what is refused for good, and only then moves
its cursor. Each has its own thread, so that one plugin's trouble is no other's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hlmon.contract import Notifier, NotifierFactory, Sink, SinkFactory
from hlmon.delivery.follower import Follower, now_ms
from hlmon.delivery.policy import Backoff, full_jitter, quarantined, settle
from hlmon.events import Alert, Checkpoint, Event, Name
from hlmon.journal import Journal
from hlmon.routing import Route, is_due, routes_for

__all__ = [
    "Backoff",
    "Follower",
    "common_checkpoints",
    "follow_notifier",
    "follow_sink",
    "full_jitter",
    "quarantined",
    "settle",
]

_logger = logging.getLogger(__name__)


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
        **more,
    )


def follow_notifier(
    name: str,
    journal: Journal,
    notifier: Notifier,
    factory: NotifierFactory[Any],
    *,
    routes: Sequence[Route] = (),
    labels: Mapping[str, str],
    max_age_ms: int,
    clock_ms: Callable[[], int] = now_ms,
    **more: Any,
) -> Follower:
    """The follower of a notifier: it passes over alerts that no route sends here and those older than `max_age_ms`.

    An alert's age counts when it is read; the attempts to send it may then take as long as they need.
    """

    def wants(event: Event) -> bool:
        if not isinstance(event, Alert) or not routes_for(event, routes, (name,), labels):
            return False
        due = is_due(event, clock_ms(), max_age_ms)
        if not due:
            _logger.debug("notifier %s does not tell %s: it is too old", name, event.key)
        return due

    return Follower(
        name,
        journal,
        notifier.send,
        part="notifier",
        kinds=frozenset({Alert.kind}),
        max_batch=factory.max_batch,
        wants=wants,
        clock_ms=clock_ms,
        **more,
    )
