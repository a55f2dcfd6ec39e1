"""A stand-in for Healthchecks: takes pings on loopback and keeps what came."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

from tests.servers.listener import Listener


@dataclass(frozen=True)
class Received:
    """One request, as it came."""

    method: str
    path: str
    text: str


class PingServer(Listener):
    """`received` are the requests in order; the other fields are how it answers the next ones."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.status = 200
        self.answer = b"OK"
        self.location = ""
        self.hangs = False
        self.let_go = threading.Event()
        super().__init__(_Answers)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def paths(self) -> list[str]:
        """Where the requests went."""
        return [each.path for each in self.received]


class _Answers(BaseHTTPRequestHandler):
    server: PingServer

    def do_GET(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.server.received.append(Received(self.command, self.path, text))
        if self.server.hangs:
            self.server.let_go.wait(5)
            return
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    do_POST = do_GET  # noqa: N815  # the library's name

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def ping_server(context: ssl.SSLContext | None = None) -> Iterator[PingServer]:
    """One that listens meanwhile, with TLS if there is a context."""
    with PingServer(context) as server:
        try:
            yield server
        finally:
            server.let_go.set()
