"""Connections that break, stall or repeat, and an exchange that is away or late.

Frames are only lost together with the connection, since TCP does not lose: a silenced connection stays silent until it
is closed. Everything that is lost can be read back over REST.
"""

from __future__ import annotations

from hlmon_sim.faults.base import Harm

DEEP = 200_000


class NetworkFaults(Harm):
    """Harm to connections."""

    down_until_ms: int | None = None  # the listener is closed until then

    def drop_all(self) -> None:
        """Cut every connection without a close frame (1006)."""
        self.note("drop")
        self._cut()

    def _cut(self) -> None:
        for connection in self.connections():
            connection.abort()

    def drop_one(self) -> None:
        """Cut one connection."""
        self.note("drop_one")
        if self.hub.connections:
            self.chance.choice(self.hub.connections).abort()

    def silence(self) -> None:
        """Make every connection half open: nothing comes any more, no pong, no close."""
        self.note("silence")
        for connection in self.connections():
            connection.silent = True

    def duplicate(self, seconds: float = 5) -> None:
        """Send every frame twice on the connections that are open."""
        connections = self.connections()

        def end() -> None:
            for connection in connections:
                connection.duplicated = False

        self.note("duplicate", seconds, end)
        for connection in connections:
            connection.duplicated = True

    def delay(self, seconds: float = 5, delay_ms: int = 1_500) -> None:
        """Send everything later, in order, on the connections that are open."""
        connections = self.connections()

        def end() -> None:
            for connection in connections:
                connection.delay_ms = 0

        self.note("delay", seconds, end)
        for connection in connections:
            connection.delay_ms = delay_ms

    def malformed(self) -> None:
        """Send frames that nobody understands, in addition to the true ones."""
        self.note("malformed")
        user = next(iter(self.world.accounts), "0x" + "0" * 40)
        frames: tuple[bytes | str, ...] = (
            f'{{"channel":"userFills","data":{{"user":"{user}","fills":[{{"coin":"BTC","px":"8',
            f'{{"channel":"userFills","data":{{"user":"{user}","fills":[{{"coin":5,"px":null,"sz":[]}}]}}}}',
            '{"channel":"userFills","data":null}',
            '{"channel":"somethingNew","data":{"x":1}}',
            "[]",
            "",
            "[" * DEEP,
            "\x00\ufffd not json",
        )
        for connection in self.connections():
            for frame in frames:
                connection.send(frame, self.world.now_ms)
            if not connection.silent:
                connection.outbox.append((b"\x82\xff\x00binary", True))
                connection.wake()

    def restart(self, down_seconds: float = 3) -> None:
        """Close the listener and every connection, and open it again later; trading goes on meanwhile."""
        self.note("restart")
        self.down_until_ms = self.world.now_ms + int(down_seconds * 1000)
        self._cut()

    def late(self, seconds: float = 2, late_ms: int = 3_000) -> None:
        """What happens meanwhile is shown late everywhere: after things that happen after it."""
        self.note("late", seconds, lambda: self._set_late(0))
        self._set_late(late_ms)

    def _set_late(self, late_ms: int) -> None:
        self.world.late_ms = late_ms
