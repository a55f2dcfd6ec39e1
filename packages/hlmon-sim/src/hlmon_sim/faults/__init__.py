"""What goes wrong between the exchange and its clients: at once, on a schedule, or by seed."""

from hlmon_sim.faults.every import ACTIONS, KINDS, NETWORK, SOME, Faults, parse
from hlmon_sim.faults.plan import Planned, random_plan

__all__ = ["ACTIONS", "KINDS", "NETWORK", "SOME", "Faults", "Planned", "parse", "random_plan"]
