"""A proxy that stands before a server that speaks DynamoDB and does harm."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections import Counter
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from tests.servers.listener import Listener


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    is_cut: bool = False


class Harm:
    """One way of going wrong: what the proxy does instead of, or with, the server's answer."""

    def __init__(self, does: str, *, times: int = 1, operation: str = "", **details: Any) -> None:
        self.does = does
        self.times = times
        self.operation = operation
        self.details = details


class Proxy(Listener):
    """Stands before a server; remembers every request and does the harm that it is told, in order."""

    def __init__(self, upstream: str) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.credentials: list[str] = []
        self.harms: list[Harm] = []
        self.expired_key = ""  # an access key whose requests are answered as AWS answers expired ones
        self.write_units: float | None = (
            None  # what is left to be written, as with provisioned capacity; None: no limit
        )
        self.units_written = 0.0
        self.units: Counter[str] | None = None  # capacity units by operation, counted by the server, if not None
        self.upstream = urlsplit(upstream)
        super().__init__(Exchange)

    def harm(self, does: str, **options: Any) -> None:
        self.harms.append(Harm(does, **options))

    def next_harm(self, operation: str) -> Harm | None:
        for harm in self.harms:
            if harm.times > 0 and harm.operation in ("", operation):
                harm.times -= 1
                return harm
        return None

    def operations(self) -> list[str]:
        return [operation for operation, _ in self.requests]

    def count_units(self) -> Counter[str]:
        """From now on, the units that the server says each operation took."""
        self.units = Counter()
        return self.units

    def count(self, operation: str, answer: Answer) -> None:
        if self.units is not None:
            consumed = json.loads(answer.body).get("ConsumedCapacity", [])
            for table in consumed if isinstance(consumed, list) else [consumed]:
                self.units[operation] += table["CapacityUnits"]

    def respond(self, operation: str, path: str, headers: dict[str, str], body: bytes) -> Answer | None:
        """The server's answer with the harm done that is due, None for a connection that breaks."""
        content = json.loads(body)
        self.requests.append((operation, content))
        self.credentials.append(headers["Authorization"].partition("Credential=")[2].partition("/")[0])
        if self.expired_key and self.credentials[-1] == self.expired_key:
            return refusal("ExpiredTokenException")
        harm = self.next_harm(operation)
        match harm and harm.does:
            case "error":
                return refusal(**harm.details)
            case "unprocessed":
                return self.part(path, headers, content, harm.details["keep"])
            case "reset":
                return None
        is_limited = self.write_units is not None and operation in {"PutItem", "BatchWriteItem"}
        answer = (self.throttled if is_limited else self.done)(operation, path, headers, content)
        self.count(operation, answer)
        if harm is None:
            return answer
        return replace(answer, is_cut=True) if harm.does == "half" else None  # else the answer is lost

    def done(self, _operation: str, path: str, headers: dict[str, str], content: dict[str, Any]) -> Answer:
        """All of it."""
        return self.forward(path, headers, content)

    def throttled(self, operation: str, path: str, headers: dict[str, str], content: dict[str, Any]) -> Answer:
        """As much is done as there are units for: one for each item, whether its condition holds or not."""
        wanted = 1 if operation == "PutItem" else sum(map(len, content["RequestItems"].values()))
        done = min(wanted, int(self.write_units or 0))
        if not done:
            return refusal("ProvisionedThroughputExceededException")
        self.write_units, self.units_written = (self.write_units or 0) - done, self.units_written + done
        if operation == "PutItem":
            return self.forward(path, headers, content)
        return self.part(path, headers, content, done)

    def part(self, path: str, headers: dict[str, str], content: dict[str, Any], keep: int) -> Answer:
        """Only the first `keep` writes of a batch are done; the others come back."""
        left = _take_away(content, keep)
        done = json.loads(self.forward(path, headers, content).body) if content["RequestItems"] else {}
        return Answer(200, json.dumps(done | {"UnprocessedItems": left}).encode())

    def forward(self, path: str, headers: dict[str, str], content: dict[str, Any]) -> Answer:
        counted = {"ReturnConsumedCapacity": "TOTAL"} if self.units is not None else {}
        body = json.dumps(content | counted).encode()
        connection = http.client.HTTPConnection(self.upstream.hostname, self.upstream.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", path, body, headers | {"Content-Length": str(len(body))})
            answer = connection.getresponse()
            return Answer(answer.status, answer.read())


def refusal(code: str, status: int = 400, message: str = "on purpose") -> Answer:
    kind = "com.amazonaws.dynamodb.v20120810#" + code
    return Answer(status, json.dumps({"__type": kind, "message": message}).encode())


class Exchange(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Proxy

    def log_message(self, *_: Any) -> None:
        """Not to the terminal."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        headers = {name: value for name, value in self.headers.items() if name.lower() != "content-length"}
        answer = None if self.server.is_down else self.server.respond(operation, self.path, headers, body)
        if answer is not None:
            self.pass_on(answer)
        if answer is None or answer.is_cut:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    def pass_on(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) // 2] if answer.is_cut else answer.body)
        self.wfile.flush()


def _take_away(content: dict[str, Any], keep: int) -> dict[str, Any]:
    """Leaves the first `keep` requests of a batch; returns the others."""
    left: dict[str, Any] = {}
    for table, requests in list(content["RequestItems"].items()):
        content["RequestItems"][table], left[table] = requests[:keep], requests[keep:]
        keep = max(0, keep - len(requests))
        content["RequestItems"] = {name: rest for name, rest in content["RequestItems"].items() if rest}
    return {table: requests for table, requests in left.items() if requests}
