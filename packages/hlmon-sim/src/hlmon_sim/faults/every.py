"""All faults by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from hlmon_sim.faults.answers import AnswerFaults
from hlmon_sim.faults.events import EventFaults
from hlmon_sim.faults.plan import Planned
from hlmon_sim.faults.rows import RowFaults
from hlmon_sim.faults.streams import StreamFaults
from hlmon_sim.hub import Hub


class Faults(EventFaults, AnswerFaults, RowFaults, StreamFaults):
    """Does harm to the clients of a hub; `tick` ends what has lasted long enough and starts what is planned."""

    def __init__(self, hub: Hub, seed: int, plan: Iterable[Planned] = ()) -> None:
        super().__init__(hub, seed)
        self._start_ms = self.world.now_ms - self.world.ahead_ms
        self._plan = sorted(plan, key=lambda planned: planned.at_seconds)

    def begin(self, now_ms: int) -> None:
        """The plan counts from now on, in the exchange's time."""
        self._start_ms = now_ms - self.world.ahead_ms

    def tick(self) -> None:
        """Do what is due by the world's time, jumps of it apart."""
        self.end_what_is_due()
        passed_ms = self.world.now_ms - self.world.ahead_ms - self._start_ms
        while self._plan and self._plan[0].at_seconds * 1000 <= passed_ms:
            self.do(self._plan.pop(0).kind)

    def do(self, kind: str) -> None:
        """One fault of this kind, with its usual strength."""
        ACTIONS[kind](self)


# By these nothing is lost that cannot be read back.
_NETWORK: Final[dict[str, Callable[[Faults], None]]] = {
    "drop": Faults.drop_all,
    "drop_one": Faults.drop_one,
    "silence": Faults.silence,
    "duplicate": Faults.duplicate,
    "delay": Faults.delay,
    "malformed": Faults.malformed,
    "storm_429": lambda faults: faults.rest_storm(429),
    "storm_502": lambda faults: faults.rest_storm(502),
    "latency": Faults.latency,
    "restart": Faults.restart,
    "late": Faults.late,
}
ACTIONS: Final[dict[str, Callable[[Faults], None]]] = _NETWORK | {
    "foreign": Faults.foreign_answers,
    "dribble": lambda faults: faults.foreign_answers("dribble"),
    "bomb": lambda faults: faults.foreign_answers("bomb", seconds=2),
    "deep": lambda faults: faults.foreign_answers("deep", seconds=2),
    "odd_rows": Faults.odd_rows,
    "unreadable_rows": Faults.unreadable_rows,
    "odd_states": Faults.odd_states,
    "missing_dex": Faults.missing_dex,
    "ahead": Faults.ahead,
    "mute_fills": Faults.mute,
    "mute_one": Faults.mute_one,
    "mute_for": Faults.mute_for,
    "crowd": Faults.crowd,
    "switch_mode": Faults.switch_mode,
    "rename_dex": Faults.rename_dex,
    "equal_rows": Faults.equal_rows,
    "vanish": Faults.vanish,
    "jump": Faults.jump,
    "halt": Faults.halt,
}
KINDS: Final = tuple(ACTIONS)
NETWORK: Final = tuple(_NETWORK)
SOME: Final = ("drop", "drop_one", "duplicate", "delay", "malformed")


def parse(text: str) -> Planned:
    """`KIND@SECONDS` as on the command line; raises ValueError with a text for the user."""
    kind, _, at = text.partition("@")
    if kind not in ACTIONS:
        raise ValueError(f"there is no fault {kind!r}; the faults are {', '.join(KINDS)}")
    try:
        return Planned(kind, float(at))
    except ValueError:
        raise ValueError(f"{text!r}: write KIND@SECONDS, for example drop@5") from None
