"""A terminal of its own for a command that draws."""

from __future__ import annotations

import os
import pty
import selectors
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

HLMON = Path(sys.executable).with_name("hlmon")


class Terminal:
    """`hlmon` with these arguments on a terminal; `seen` is all that it wrote."""

    def __init__(self, *arguments: str | Path, **options: Any) -> None:
        self.end, inner = pty.openpty()
        environ = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
        self.process = subprocess.Popen(
            [HLMON, *arguments], stdin=inner, stdout=inner, stderr=inner, env=environ, **options
        )
        os.close(inner)
        self.seen = b""
        self._written = selectors.DefaultSelector()  # select() itself refuses descriptors from 1,024 on
        self._written.register(self.end, selectors.EVENT_READ)

    def read_until(self, text: bytes) -> None:
        """Read until it wrote this; an AssertionError if it writes nothing more for 20 s."""
        while text not in self.seen:
            assert self._written.select(20), f"not shown: {text!r}"
            self.seen += os.read(self.end, 65_536)

    def read_to_end(self) -> int:
        """Read until the command has ended; its exit code."""
        with suppress(OSError):  # so a terminal says that nobody writes to it any more
            while data := os.read(self.end, 65_536):
                self.seen += data
        return self.process.wait(30)

    def press(self, key: bytes) -> None:
        """Type."""
        os.write(self.end, key)

    def close(self) -> None:
        """End the command and the terminal."""
        self.process.terminate()
        self.process.wait(30)
        self._written.close()
        os.close(self.end)
