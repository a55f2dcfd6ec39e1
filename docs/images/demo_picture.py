"""Makes demo.svg: the watch screen after half a minute of the demo. `make picture` runs it."""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path

from rich.console import Console

from hlmon.cli.board import BoardReader
from hlmon.cli.running import judge, read_status
from hlmon.cli.screen import View, render
from hlmon.journal import Journal
from hlmon_sim.demo import TITLE, Exchange, running_monitor

SECONDS = 33
WIDTH, HEIGHT = 104, 30


def main() -> None:
    """Run the demo for a while and draw what `hlmon watch` would show."""
    with tempfile.TemporaryDirectory() as folder, Exchange(seed=7) as exchange:
        path = Path(folder) / "hlmon.db"
        with running_monitor(exchange, path):
            time.sleep(SECONDS)
            with Journal.open(path, read_only=True) as journal:
                status = read_status(journal)
                now_ms = time.time_ns() // 1_000_000
                view = View(now_ms=now_ms, width=WIDTH, height=HEIGHT, title=TITLE, labels=exchange.labels)
                screen = render(status, judge(status, now_ms=now_ms), BoardReader(journal).update(), view)
    console = Console(record=True, width=WIDTH, height=HEIGHT, force_terminal=True, file=io.StringIO())
    console.print(screen)
    console.save_svg(str(Path(__file__).with_name("demo.svg")), title="make run")


if __name__ == "__main__":
    main()
