"""Text on its way to a pipe, a terminal or a file that may not take it: whoever says something never waits for it."""

from __future__ import annotations

import io
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

MAX_LINES: Final = 10_000
MAX_BYTES: Final = 8 * 1024 * 1024
FLUSH_SECONDS: Final = 1.0
STUCK_SECONDS: Final = 10.0
TOLD_SECONDS: Final = 600.0
"""So long after the last dropped line it is a reason not to be well: whoever looks meanwhile shall find it."""


class OutputThread:
    """Writes to a file descriptor on a thread of its own; any thread may `put`, and none is kept waiting.

    At most 10,000 texts and 8 MiB wait. What does not fit, or cannot be written, is dropped and counted; before the
    next text that is written, `dropped_line` says how many. The thread is a daemon: a pipe that nobody reads keeps no
    process alive. It goes on for as long as the process, with a descriptor of its own.
    """

    def __init__(
        self, descriptor: int, dropped_line: Callable[[int], str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.dropped = 0
        self._descriptor = os.dup(descriptor)  # whatever becomes of the number, lines go nowhere else
        self._dropped_line = dropped_line
        self._clock = clock
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._untold = 0
        self._dropped_at: float | None = None
        self._writing_since: float | None = None
        self._error = ""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, text: str) -> None:
        """Have this written after what was put before."""
        body = text.encode("utf-8", "backslashreplace")
        with self._changed:
            if len(self._waiting) >= MAX_LINES or self._waiting_bytes + len(body) > MAX_BYTES:
                self._drop()
                return
            self._waiting.append(body)
            self._waiting_bytes += len(body)
            if self._thread is None or not self._thread.is_alive():  # also in a process that was forked
                self._thread = threading.Thread(target=self._run, name="output", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout: float = FLUSH_SECONDS) -> bool:
        """Wait until everything is written, at most `timeout` seconds; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and self._writing_since is None, timeout)

    def problem(self) -> str:
        """What a reader of the output misses, as a sentence that ends with what to do; "" if nothing."""
        with self._changed:
            now, since = self._clock(), self._writing_since
            if self._dropped_at is not None and now - self._dropped_at < TOLD_SECONDS:
                why = f" ({self._error})" if self._error else ""
                return f"{self.dropped:,} log lines were dropped{why}: see to it that what reads the log keeps up"
            if since is not None and now - since > STUCK_SECONDS:
                return f"nobody has read the log for {now - since:.0f} s: see to it that what reads the log keeps up"
        return ""

    def _drop(self) -> None:
        self.dropped += 1
        self._untold += 1
        self._dropped_at = self._clock()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                body = self._waiting.popleft()
                self._waiting_bytes -= len(body)
                untold, self._untold = self._untold, 0
                self._writing_since = self._clock()
            try:
                if untold:
                    _write(self._descriptor, self._dropped_line(untold).encode())
                _write(self._descriptor, body)
                self._error = ""
            except OSError as error:  # a closed pipe, a full disk: nothing may stop for it
                with self._changed:
                    self._error = error.strerror or type(error).__name__
                    self._untold += untold
                    self._drop()
            with self._changed:
                self._writing_since = None
                self._changed.notify_all()


class Printed(io.TextIOBase):
    """Stands in for `sys.stdout` or `sys.stderr`: what is printed goes the way of an OutputThread, line by line."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, output: OutputThread, descriptor: int) -> None:
        super().__init__()
        self._output = output
        self._descriptor = descriptor
        self._thread = threading.local()  # each prints lines of its own

    def write(self, text: str, /) -> int:
        """Take any text; a line that is not ended waits for its end or for `flush`."""
        lines, newline, rest = (getattr(self._thread, "begun", "") + text).rpartition("\n")
        if newline or len(rest) > io.DEFAULT_BUFFER_SIZE:
            self._output.put(lines + newline if newline else rest)
            rest = rest if newline else ""
        self._thread.begun = rest
        return len(text)

    def flush(self) -> None:
        """Hand over what this thread printed of a line that is not ended."""
        begun = getattr(self._thread, "begun", "")
        self._thread.begun = ""
        if begun:
            self._output.put(begun)

    def finish(self) -> None:
        """Hand over what is left, and wait a moment until it is written: for the end of the process."""
        self.flush()
        self._output.flush()

    def writable(self) -> bool:
        """Always."""
        return True

    def isatty(self) -> bool:
        """Whether the end of the way is a terminal."""
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        """The end of the way."""
        return self._descriptor


def _write(descriptor: int, body: bytes) -> None:
    rest = memoryview(body)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
