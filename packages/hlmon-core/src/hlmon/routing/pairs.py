"""What is ready, looked at once more before it is sent: the beginning and the end of a condition share one fate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from hlmon.routing.decide import Policy, Surroundings, condition_of, detained
from hlmon.routing.groups import Waiting
from hlmon.routing.notice import Notice


class Reviewed(NamedTuple):
    """What may be sent, in the order given, and the notices that changed instead."""

    ready: list[Waiting]
    changed: list[Notice]


def review(waiting: Sequence[Waiting], policy: Policy, around: Surroundings, *, whole: bool = True) -> Reviewed:
    """Apply the silences, inhibitions and quiet hours of now to what waits, given in the order of the journal.

    A beginning that is muted while its end waits too is dropped together with it, and quiet hours hold both: an end is
    never sent without its beginning, nor after it what began. `whole` says that nothing waits beside what is given; if
    not, a beginning whose end is not here stays as it is until it comes.
    """
    ends = _ends(waiting)
    ready: list[Waiting] = []
    changed: list[Notice] = []
    fate_known: set[int] = set()
    for place, (notice, alert, route) in enumerate(waiting):
        if place in fate_known:
            continue
        looked_at = notice if alert.state == "resolved" else detained(notice, alert, route, policy, around)
        if looked_at == notice:
            ready.append(waiting[place])
        elif alert.state == "firing" and not notice.condition:  # it has ended, and that waits as well
            end = ends.get(place)
            if end is not None:
                fate_known.add(end)
                changed += _together(looked_at, waiting[end].notice)
            elif whole:
                changed.append(_dropped(looked_at))
        else:
            changed.append(looked_at)
    return Reviewed(ready, changed)


def _ends(waiting: Sequence[Waiting]) -> dict[int, int]:
    """The place of the end that belongs to each beginning, by the place of the beginning."""
    begun: dict[str, int] = {}
    ends: dict[int, int] = {}
    for place, (_, alert, _) in enumerate(waiting):
        condition = condition_of(alert)
        if alert.state == "firing":
            begun[condition] = place
        elif alert.state == "resolved" and condition in begun:
            ends[begun.pop(condition)] = place
    return ends


def _together(beginning: Notice, end: Notice) -> list[Notice]:
    if beginning.state == "waiting":  # held by quiet hours
        held = replace(end, hold_until_ms=beginning.hold_until_ms, batch=beginning.batch, reason=beginning.reason)
        return [beginning, held]
    return [_dropped(beginning), replace(end, state="dropped", reason=f"its beginning was {beginning.reason}")]


def _dropped(beginning: Notice) -> Notice:
    return replace(beginning, state="dropped", reason=f"{beginning.reason}; it ended meanwhile", hold_until_ms=0)
