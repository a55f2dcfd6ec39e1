"""A simulator of the Hyperliquid exchange: its WebSocket and REST API over loopback, seeded, with faults and truth."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hlmon_sim.account import Account
    from hlmon_sim.faults import Planned, random_plan
    from hlmon_sim.scenario import Limits, Scenario
    from hlmon_sim.server import SimServer, VirtualClock
    from hlmon_sim.world import World

__all__ = ["Account", "Limits", "Planned", "Scenario", "SimServer", "VirtualClock", "World", "random_plan"]

_MODULES = {
    "Account": "account",
    "Limits": "scenario",
    "Planned": "faults",
    "Scenario": "scenario",
    "SimServer": "server",
    "VirtualClock": "server",
    "World": "world",
    "random_plan": "faults",
}


def __getattr__(name: str) -> Any:
    # The plugin of every `hlmon` program is in this package; a web server must not be loaded with it.
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
