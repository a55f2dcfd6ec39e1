"""The monitor itself, composed by its own host, with a stopwatch at both ends: a frame received, its fills committed.

`python -m bench.monitor URL FILLS FILE ACCOUNTS PER_FRAME` prints one JSON object as the contestants do, and how long
the frames took from received to committed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.contestants import Stopwatch
from bench.frames import address
from hlmon import host
from hlmon.config import load_config
from hlmon.events import Event
from hlmon.journal import Journal
from hlmon.plugins import load_catalogue

CONFIG = "# the derivers of every monitor, no sink, no rule"
LIVE = (b'{"channel": "userFills"', b'"isSnapshot"')


class Course:
    """From the first frame of fills received to the last fill committed; then the monitor is told to stop."""

    def __init__(self, fills: int, per_frame: int) -> None:
        self.watch = Stopwatch()
        self.received: list[float] = []
        self.latencies: list[float] = []
        self._fills, self._per_frame = fills, per_frame
        self._committed = 0

    def on_frame(self, frame: bytes) -> None:
        if frame.startswith(LIVE[0]) and LIVE[1] not in frame[-40:]:
            self.watch.start()
            self.received.append(time.perf_counter())

    def on_commit(self, events: Sequence[Event]) -> None:
        fills = [event.kind for event in events].count("fill")
        if not fills:
            return
        self._committed += fills
        now = time.perf_counter()
        frames = self._committed // self._per_frame
        self.latencies += [now - at for at in self.received[len(self.latencies) : frames]]
        if self._committed >= self._fills:
            self.watch.report(self._committed, **percentiles(self.latencies))
            os.kill(os.getpid(), signal.SIGTERM)


def percentiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {f"p{per_cent}_ms": 1000 * ordered[len(ordered) * per_cent // 100] for per_cent in (50, 99)}


def main() -> None:
    url, fills, file, accounts, per_frame = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5]
    course = Course(fills, int(per_frame))

    class TimedJournal(Journal):
        def append(self, events: Sequence[Event], memories: Mapping[str, bytes] = {}, **options: float) -> int:
            written = super().append(events, memories, **options)
            course.on_commit(events)
            return written

    host.Journal = TimedJournal
    addresses = [address(number) for number in range(accounts)]
    config = load_config(None, environ={"HLMON_CONFIG_TOML": CONFIG}, accounts=addresses, url=url, journal=Path(file))
    host.run(config, load_catalogue(), on_frame=course.on_frame)


if __name__ == "__main__":
    main()
