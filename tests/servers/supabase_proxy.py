"""A proxy that stands before a Supabase project and does harm."""

from __future__ import annotations

import http.client
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from tests.servers.listener import Listener


class Proxy(Listener):
    """Passes requests on to a project. Each fault in `faults` is done to one request, in order; then all is well."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target).netloc
        self.faults: deque[Callable[[Exchange], None]] = deque()
        self.requests: list[str] = []
        super().__init__(Exchange)


class Exchange(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Proxy

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append(f"{self.command} {self.path.partition('?')[0].removeprefix('/rest/v1/')}")
        if self.server.is_down:
            self.reset()
        elif self.server.faults:
            self.server.faults.popleft()(self)
        else:
            self.pass_on()

    do_GET = do_POST  # noqa: N815

    def upstream(self) -> tuple[int, list[tuple[str, str]], bytes]:
        with closing(http.client.HTTPConnection(self.server.target, timeout=30)) as connection:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            connection.request(self.command, self.path, self.body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()

    def pass_on(self) -> None:
        status, headers, body = self.upstream()
        self.answer(status, body, *[pair for pair in headers if pair[0].lower() in ("content-type", "content-range")])

    def answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def reset(self) -> None:
        """RST instead of an answer."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *arguments: Any) -> None:
        """Not to the terminal."""
