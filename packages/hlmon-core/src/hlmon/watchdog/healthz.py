"""GET /healthz: 200 while all is well, else 503; the reasons are in the body."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import Any

import msgspec

from hlmon.errors import ConfigError
from hlmon.redaction import redact
from hlmon.watchdog.section import split_address

Reasons = Callable[[], Sequence[str]]


class _Answers(BaseHTTPRequestHandler):
    """One request; whoever dawdles is hung up on, since one is answered at a time."""

    timeout = 2.0
    server_version = "hlmon"
    sys_version = ""
    server: HealthServer

    def do_GET(self) -> None:  # the library's name
        """The reasons, or 404 for any other path."""
        if self.path.partition("?")[0] != "/healthz":
            self.send_error(404)
            return
        reasons = self.server.reasons()
        body = msgspec.json.encode({"well": not reasons, "reasons": [redact(reason) for reason in reasons]})
        self.send_response(503 if reasons else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Somebody asks every few seconds, which is no news."""


class HealthServer(TCPServer):
    """Answers one request after the other, so that nobody can fill the monitor with threads."""

    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], reasons: Reasons) -> None:
        self.reasons = reasons
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Answers)

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is no news."""


@contextmanager
def answering(address: str, reasons: Reasons) -> Iterator[int]:
    """Answer at ADDRESS:PORT in a thread; gives the port, which the system chooses for 0. Raises ConfigError."""
    try:
        server = HealthServer(split_address(address), reasons)
    except OSError as error:
        raise ConfigError(f"watchdog.healthz: cannot listen on {address}: {error.strerror or error}") from None
    thread = threading.Thread(target=server.serve_forever, name="healthz", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(1.0)
