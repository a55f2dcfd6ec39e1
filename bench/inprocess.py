"""What needs no socket: market trades through CVD, and the journal under few and many accounts.

`python -m bench.inprocess NAME NUMBER` prints one JSON object: units done and CPU seconds.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.frames import fill_frames, trade_frames
from hlmon.contract import Settings
from hlmon.derive import closes, cvd, positions, snapshots
from hlmon.events import MarketTrades
from hlmon.hyperliquid.decode import decode_frame
from hlmon.hyperliquid.market import Markets
from hlmon.ingest import Ingest
from hlmon.journal import Journal

PER_FRAME = 4
FRAMES_PER_FLUSH = 128  # about what the loop reads under load before it is idle


@contextmanager
def opened() -> Iterator[Ingest]:
    """An ingest with the journal and the derivers of every monitor."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        journal = stack.enter_context(Journal.open(Path(folder) / "journal.db"))
        factories = (closes.FACTORY, positions.FACTORY, snapshots.FACTORY, cvd.FACTORY)
        derivers = [
            (each.name, each.kinds, stack.enter_context(each.open(each.config(), Settings(name=each.name))))
            for each in factories
        ]
        yield Ingest(journal, derivers)


def decode_only(trades: int) -> float:
    frames = [frame.encode() for frame in trade_frames(trades, PER_FRAME)]

    def work() -> None:
        for frame in frames:
            decode_frame(frame, clock_ms=0)

    return measured(work)


def through_cvd(trades: int) -> float:
    frames = [frame.encode() for frame in trade_frames(trades, PER_FRAME)]
    markets = Markets(["BTC"])
    with opened() as ingest:

        def work() -> None:
            for number, frame in enumerate(frames):
                for reading in decode_frame(frame, clock_ms=0).events:
                    assert isinstance(reading, MarketTrades)
                    ingest(markets.take(reading))
                if number % FRAMES_PER_FLUSH == 0:
                    ingest.flush()
            ingest.flush()

        return measured(work)


def stored(fills: int, accounts: int) -> float:
    frames = fill_frames(fills, accounts, PER_FRAME)
    decoded = [decode_frame(frame, clock_ms=0).events for frame in frames]
    with opened() as ingest:

        def work() -> None:
            for events in decoded:
                ingest(events)
            ingest.flush()

        return measured(work)


def measured(work: Callable[[], None]) -> float:
    """CPU seconds; the disk's own time is not what is compared here."""
    began = time.process_time()
    work()
    return time.process_time() - began


WORK: dict[str, Callable[[int], float]] = {
    "decode": decode_only,
    "cvd": through_cvd,
    "one-account": lambda fills: stored(fills, 1),
    "many-accounts": lambda fills: stored(fills, 1000),
}


def main() -> None:
    name, number = sys.argv[1], int(sys.argv[2])
    print(json.dumps({"units": number, "cpu": WORK[name](number)}))


if __name__ == "__main__":
    main()
