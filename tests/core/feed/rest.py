"""The REST side of a scripted exchange, with HTTP and without."""

from __future__ import annotations

import asyncio
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hlmon.errors import Permanent


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

    async def ask(self, request):
        self.asked.append(dict(request))
        await self.down.wait()
        answer = self.by_type.get(request["type"], [])
        answer = answer(request) if callable(answer) else answer
        if isinstance(answer, Permanent):
            raise answer
        return answer

    def types(self) -> list[str]:
        return [request["type"] for request in self.asked]


class Rest(ThreadingHTTPServer):
    """/info over HTTP: `script(payload)` returns status, headers and body."""

    daemon_threads = True

    def __init__(self) -> None:
        self.script = lambda payload: (200, {}, b"[]")
        self.payloads: list[dict] = []
        super().__init__(("127.0.0.1", 0), _Answering)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.payloads.append(payload)
        status, headers, body = self.server.script(payload)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass
