"""Which waiting alerts become one message, and when it is due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hlmon.events import Alert
from hlmon.routing.match import SEVERITIES, Route
from hlmon.routing.notice import Notice, is_put_back


class Waiting(NamedTuple):
    """An alert that waits, with its notice and the route whose times count for it."""

    notice: Notice
    alert: Alert
    route: Route


Group = Sequence[Waiting]


def plan(waiting: Iterable[Waiting], now_ms: int, *, at_once: bool = False) -> tuple[list[Group], int | None]:
    """The groups that are due, the most severe first, then the oldest; and when the next one is (None: none waits).

    A group is due when nothing joined it for its route's `wait_seconds`, at the latest `max_wait_seconds` after its
    first; `at_once` ends these waits.
    """
    groups: dict[str, list[Waiting]] = {}
    for each in waiting:
        groups.setdefault(each.notice.batch, []).append(each)
    due = [group for group in groups.values() if at_once or _due_ms(group, now_ms) <= now_ms]
    later = [_due_ms(group, now_ms) for group in groups.values() if not at_once and _due_ms(group, now_ms) > now_ms]
    return sorted(due, key=urgency), min(later, default=None)


def merged(groups: Iterable[Group], room: int) -> tuple[list[Waiting], int]:
    """One group of the first alerts, as many as there is room for, in the order of the journal; and how many more."""
    together = [each for group in groups for each in group]
    return sorted(together[:room], key=lambda each: each.notice.seq), max(len(together) - room, 0)


def _due_ms(group: Group, now_ms: int) -> int:
    ready_ms = [0 if is_put_back(each.notice.ready_ms, now_ms) else each.notice.ready_ms for each in group]
    route = group[0].route
    joined = max(ready_ms) + round(route.wait_seconds * 1000)
    return min(joined, min(ready_ms) + round(route.max_wait_seconds * 1000))


def urgency(group: Group) -> tuple[int, int]:
    """What is to be sent first sorts first."""
    return -max(SEVERITIES.index(each.alert.severity) for each in group), group[0].notice.seq
