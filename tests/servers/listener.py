"""An HTTP server in threads of this process, which can go away for a while."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Listener(ThreadingHTTPServer):
    """Answers on loopback from `with` to its end."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self.is_down = False
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self.is_down:
            self._stop()

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Meanwhile nobody listens, and connections that were there break at their next request."""
        self.is_down = True
        self._stop()
        try:
            yield
        finally:
            self.socket = socket.socket(self.address_family, self.socket_type)
            self.server_bind()
            self.server_activate()
            self.is_down = False
            self._start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""

    def _start(self) -> None:
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def _stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
