"""What goes wrong between the exchange and its clients: at once, on a schedule, or by seed.

Frames are only ever lost together with the connection, since TCP does not lose: a silenced connection stays silent
until it is closed. Everything that is lost can be read back over REST.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hlmon_sim.hub import Connection, Hub

KINDS = (
    "drop", "drop_one", "silence", "duplicate", "delay", "malformed", "storm_429", "storm_502", "latency", "restart",
    "late",
)  # fmt: skip
SOME = ("drop", "drop_one", "duplicate", "delay", "malformed")


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault and when it comes, in seconds after the start of the server."""

    kind: str
    at_seconds: float


def parse(text: str) -> Planned:
    """`KIND@SECONDS` as on the command line; raises ValueError with a text for the user."""
    kind, _, at = text.partition("@")
    if kind not in KINDS:
        raise ValueError(f"there is no fault {kind!r}; the faults are {', '.join(KINDS)}")
    try:
        return Planned(kind, float(at))
    except ValueError:
        raise ValueError(f"{text!r}: write KIND@SECONDS, for example drop@5") from None


def random_plan(seed: int, kinds: Iterable[str], *, every_seconds: float = 8.0, count: int = 10_000) -> list[Planned]:
    """Faults of these kinds in a seeded order, about this far apart; every kind comes before any comes twice."""
    chance, at = random.Random(f"{seed}/faults"), 0.0
    plan: list[Planned] = []
    kinds = list(kinds)
    while kinds and len(plan) < count:
        for kind in chance.sample(kinds, len(kinds)):
            at += every_seconds * chance.uniform(0.5, 1.5)
            plan.append(Planned(kind, at))
    return plan


class Faults:
    """Does harm to the clients of a hub; `tick` ends what has lasted long enough and starts what is planned."""

    def __init__(self, hub: Hub, seed: int, plan: Iterable[Planned] = ()) -> None:
        self.rest_status = 0  # answer every REST request with this status
        self.rest_latency_ms = 0
        self.down_until_ms: int | None = None  # the listener is closed until then
        self.done: list[str] = []  # kinds, in the order in which they came
        self._hub = hub
        self._random = random.Random(f"{seed}/harm")
        self._start_ms = hub.world.now_ms
        self._plan = sorted(plan, key=lambda planned: planned.at_seconds)
        self._ends: list[tuple[int, Callable[[], None]]] = []

    def tick(self) -> None:
        """Do what is due by the world's time."""
        now_ms = self._hub.world.now_ms
        for end in [end for end in self._ends if end[0] <= now_ms]:
            self._ends.remove(end)
            end[1]()
        while self._plan and self._plan[0].at_seconds * 1000 <= now_ms - self._start_ms:
            self.do(self._plan.pop(0).kind)

    def do(self, kind: str) -> None:
        """One fault of this kind, with its usual strength."""
        actions: dict[str, Callable[[], None]] = {
            "drop": self.drop_all,
            "drop_one": self.drop_one,
            "silence": self.silence,
            "duplicate": self.duplicate,
            "delay": self.delay,
            "malformed": self.malformed,
            "storm_429": lambda: self.rest_storm(429),
            "storm_502": lambda: self.rest_storm(502),
            "latency": self.latency,
            "restart": self.restart,
            "late": self.late,
        }
        actions[kind]()

    def _note(self, kind: str, seconds: float = 0, end: Callable[[], None] | None = None) -> None:
        self.done.append(kind)
        if end is not None:
            self._ends.append((self._hub.world.now_ms + int(seconds * 1000), end))

    def _each(self) -> list[Connection]:
        return list(self._hub.connections)

    def drop_all(self) -> None:
        """Cut every connection without a close frame (1006)."""
        self._note("drop")
        for connection in self._each():
            connection.abort()

    def drop_one(self) -> None:
        """Cut one connection."""
        self._note("drop_one")
        if self._hub.connections:
            self._random.choice(self._hub.connections).abort()

    def silence(self) -> None:
        """Make every connection half open: nothing comes any more, no pong, no close."""
        self._note("silence")
        for connection in self._each():
            connection.silent = True

    def duplicate(self, seconds: float = 5) -> None:
        """Send every frame twice on the connections that are open."""
        connections = self._each()

        def end() -> None:
            for connection in connections:
                connection.duplicated = False

        self._note("duplicate", seconds, end)
        for connection in connections:
            connection.duplicated = True

    def delay(self, seconds: float = 5, delay_ms: int = 1_500) -> None:
        """Send everything later, in order, on the connections that are open."""
        connections = self._each()

        def end() -> None:
            for connection in connections:
                connection.delay_ms = 0

        self._note("delay", seconds, end)
        for connection in connections:
            connection.delay_ms = delay_ms

    def malformed(self) -> None:
        """Send frames that nobody understands, in addition to the true ones."""
        self._note("malformed")
        user = next(iter(self._hub.world.accounts), "0x" + "0" * 40)
        frames: tuple[bytes | str, ...] = (
            f'{{"channel":"userFills","data":{{"user":"{user}","fills":[{{"coin":"BTC","px":"8',
            f'{{"channel":"userFills","data":{{"user":"{user}","fills":[{{"coin":5,"px":null,"sz":[]}}]}}}}',
            '{"channel":"userFills","data":null}',
            '{"channel":"somethingNew","data":{"x":1}}',
            "[]",
            "",
            "\x00\ufffd not json",
        )
        for connection in self._each():
            for frame in frames:
                connection.send(frame, self._hub.world.now_ms)
            if not connection.silent:
                connection.outbox.append((b"\x82\xff\x00binary", True))
                connection.wake()

    def rest_storm(self, status: int = 429, seconds: float = 5) -> None:
        """Refuse every REST request with this status."""
        self._note(f"storm_{status}", seconds, lambda: self._set_storm(0))
        self._set_storm(status)

    def _set_storm(self, status: int) -> None:
        self.rest_status = self._hub.refuse_posts = status

    def latency(self, seconds: float = 5, latency_ms: int = 1_000) -> None:
        """Answer REST requests and posts late."""
        self._note("latency", seconds, lambda: self._set_latency(0))
        self._set_latency(latency_ms)

    def _set_latency(self, latency_ms: int) -> None:
        self.rest_latency_ms = self._hub.post_delay_ms = latency_ms

    def restart(self, down_seconds: float = 3) -> None:
        """Close the listener and every connection, and open it again later; trading goes on meanwhile."""
        self._note("restart")
        self.down_until_ms = self._hub.world.now_ms + int(down_seconds * 1000)
        for connection in self._each():
            connection.abort()

    def late(self, seconds: float = 2, late_ms: int = 3_000) -> None:
        """What happens meanwhile is shown late everywhere: after things that happen after it."""
        self._note("late", seconds, lambda: self._set_late(0))
        self._set_late(late_ms)

    def _set_late(self, late_ms: int) -> None:
        self._hub.world.late_ms = late_ms
