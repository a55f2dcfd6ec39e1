"""Alerts about a condition, and a route that holds them."""

from __future__ import annotations

from hlmon.routing import Route
from hlmon.testing.builders import make_alert

QUIET = Route(to=("chat",), quiet_hours="08:00-09:00")  # it is 08:53:20


def condition(time, state="firing", **changes):
    return make_alert(**{"time_ms": time.now_ms, "rule": "margin", "subject": "s", "state": state} | changes)
