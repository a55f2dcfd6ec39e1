"""The REST side of a scripted exchange, with HTTP and without."""

from __future__ import annotations

import asyncio
import contextlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hlmon.errors import Permanent, WireError


class Answers:
    """The REST side, without HTTP: answers by request type, a function of the request or a value."""

    def __init__(self) -> None:
        self.failing_since = 0.0
        self.plenty = True
        self.asked: list[dict] = []
        self.down = asyncio.Event()
        self.down.set()
        self.by_type: dict = {
            "userRole": {"role": "user"},
            "userAbstraction": "default",
            "meta": {
                "universe": [{"name": "BTC"}, {"name": "ETH"}, {"name": "SOL"}, {"name": "OLD", "isDelisted": True}]
            },
        }

    @property
    def failing(self) -> str:
        return "" if self.down.is_set() else "the exchange answered 502"

    async def ask(self, request, read=json.loads):
        while True:
            self.asked.append(dict(request))
            await self.down.wait()
            answer = self.by_type.get(request["type"], [])
            answer = answer(request) if callable(answer) else answer
            if isinstance(answer, Permanent):
                raise answer
            try:
                return read(json.dumps(answer).encode())
            except WireError:
                await asyncio.sleep(0.001)  # asked again, as Info does

    def types(self) -> list[str]:
        return [request["type"] for request in self.asked]


class Rest(ThreadingHTTPServer):
    """/info over HTTP: `script(payload)` returns status, headers and body, or a function that writes to the socket."""

    daemon_threads = True

    def __init__(self) -> None:
        self.script = lambda payload: (200, {}, b"[]")
        self.payloads: list[dict] = []
        self.paths: list[str] = []
        self.callers: set = set()  # addresses of connections
        super().__init__(("127.0.0.1", 0), _Answering)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.payloads.append(payload)
        self.server.paths.append(self.path)
        self.server.callers.add(self.client_address)
        answer = self.server.script(payload)
        if callable(answer):
            self.close_connection = True
            with contextlib.suppress(OSError):
                answer(self.connection)
            return
        status, headers, body = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass
