"""A context in which one thread can open no file, no connection and no process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from unittest.mock import patch

from hlmon.testing.promises import BrokenPromise

_IO: Final = (
    "builtins.open",
    "io.open",
    "os.open",
    "socket.socket.connect",
    "socket.socket.send",
    "socket.socket.sendall",
    "socket.getaddrinfo",
    "subprocess.Popen.__init__",
    "time.sleep",
)


@contextmanager
def without_io(who: str) -> Iterator[None]:
    """Inside, whatever this thread opens, asks or waits for raises BrokenPromise; other threads go on as they do."""
    thread = threading.get_ident()

    def refusing(what: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if threading.get_ident() == thread:
                raise BrokenPromise(f"{who} did I/O: {what} with {arguments[-1:]}")
            return original(*arguments, **options)

        return call

    with ExitStack() as patches:
        for name in _IO:
            patched = patch(name)
            original, _ = patched.get_original()
            patches.enter_context(patch(name, refusing(name, original)))
        yield
