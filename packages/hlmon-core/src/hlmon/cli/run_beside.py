"""A monitor in a process of its own beside whoever looks at it: `hlmon run --watch`, and the demo."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hlmon.cli.watch import watch
from hlmon.errors import HlmonError
from hlmon.journal import Journal

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 25.0  # it ends within 20
SHOWN_BYTES: Final = 2_000


@contextmanager
def monitor_beside(arguments: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`hlmon run` with these arguments, its log added to this file; asked to stop and waited for at the end.

    A SIGTERM ends this process in order, so that the monitor does not go on alone. For the main thread. Raises
    HlmonError with the end of the log if it has ended by itself with an error.
    """
    began = log.stat().st_size if log.exists() else 0
    command = [sys.executable, "-m", "hlmon", "run", *arguments]
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield process
    finally:
        signal.signal(signal.SIGTERM, before)
        if process.poll() is None:
            process.terminate()
            process.wait(STOP_SECONDS)
    if process.returncode:
        said = log.read_bytes()[began:][-SHOWN_BYTES:].decode(errors="replace")
        raise HlmonError(f"the monitor ended by itself with {process.returncode}; the end of its log, {log}:\n{said}")


def run_and_watch(arguments: Sequence[str], journal: Path, labels: dict[str, str]) -> None:
    """Run a monitor and show its live screen until q, Ctrl-C or its end; then it is stopped as well."""
    with monitor_beside(arguments, journal.with_name(f"{journal.name}.log")) as monitor:
        wait_for(lambda: monitor.poll() is not None or is_readable(journal), START_SECONDS)
        if monitor.poll() is None:
            watch(journal, labels=labels, until=lambda: monitor.poll() is not None)


def is_readable(journal: Path) -> bool:
    """Whether a monitor has made its journal."""
    try:
        with Journal.open(journal, read_only=True):
            return True
    except HlmonError:
        return False


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    """Until the condition holds, or so long."""
    ends = time.monotonic() + seconds
    while not condition() and time.monotonic() < ends:
        time.sleep(0.1)
