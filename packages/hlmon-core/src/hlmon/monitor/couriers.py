"""A courier for every sink and notifier of a config."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hlmon.config import Config
from hlmon.contract import SinkFactory
from hlmon.delivery import Courier, dispatch, follow_sink
from hlmon.events import Checkpoint
from hlmon.journal import Journal
from hlmon.monitor.life import steady_ms
from hlmon.monitor.opened import OpenedPart
from hlmon.parts import EnabledParts, settings_for


def keeps_checkpoints(factory: SinkFactory[Any]) -> bool:
    """Whether such a sink is a store that knows up to where it is complete."""
    return factory.kinds is None or Checkpoint.kind in factory.kinds


def couriers_of(
    config: Config,
    parts: EnabledParts,
    sinks: Sequence[OpenedPart],
    journal: Journal,
    *,
    labels: Mapping[str, str],
    skew_ms: Callable[[], int],
) -> list[Courier]:
    """One for each of `sinks`, which are those of `parts` in their order, then one for each notifier; none started."""
    more: dict[str, Any] = {"quarantine": lambda event: journal.append([event]), "steady_ms": steady_ms}
    notifiers = {part.name: OpenedPart(part, settings_for(part.name, config, labels)) for part in parts.notifiers}
    return [
        *(
            follow_sink(part.name, journal, sink, part.factory, life=sink, **more)
            for part, sink in zip(parts.sinks, sinks, strict=True)
        ),
        *dispatch(
            journal,
            {part.name: (notifiers[part.name], part.factory) for part in parts.notifiers},
            config.notifier_policies,
            routes=config.route,
            accounts=labels,
            inhibit=config.inhibit,
            rules=frozenset(config.rule),
            max_age_ms=config.alert_max_age_seconds * 1000,
            skew_ms=skew_ms,
            lives=notifiers,
            **more,
        ),
    ]
