"""Services on loopback that answer over HTTP as Discord, Telegram and a receiver of webhooks document it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from openapi_client.models.execute_webhook_request import ExecuteWebhookRequest
from openapi_client.models.incoming_webhook_request_partial import IncomingWebhookRequestPartial

from tests.servers.listener import Listener


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: Any
    body: bytes
    fields: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


@dataclass
class Reply:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Service(Listener):
    """Answers by `answer`, or by `trouble` while that is set. `accepted` are the texts that were taken."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.accepted: list[str] = []
        self.trouble: Callable[[Request], Reply | None] | None = None
        super().__init__(Exchange)

    def answer(self, request: Request) -> Reply:
        raise NotImplementedError

    @contextmanager
    def answering(self, *replies: Reply, when: Callable[[Request], bool] = lambda request: True):
        """Meanwhile such requests get these replies in turn, the last of them for ever."""
        waiting = list(replies)

        def trouble(request: Request) -> Reply | None:
            if not when(request):
                return None
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]

        self.trouble = trouble
        try:
            yield
        finally:
            self.trouble = None


class Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Service

    def do_POST(self) -> None:
        if self.server.is_down:
            self.close_connection = True
            return
        request = self._read()
        self.server.requests.append(request)
        reply = (self.server.trouble and self.server.trouble(request)) or self.server.answer(request)
        body = (
            reply.body
            if isinstance(reply.body, bytes)
            else b""
            if reply.body is None
            else json.dumps(reply.body).encode()
        )
        self.send_response(reply.status)
        for name, value in (
            {"Content-Type": "application/json", "Content-Length": str(len(body))} | reply.headers
        ).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST  # noqa: N815

    def _read(self) -> Request:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, url.path, dict(parse_qsl(url.query)), self.headers, body)
        kind = self.headers.get_content_type()
        if kind == "application/json":
            request.fields = json.loads(body)
        elif kind == "multipart/form-data":
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
                name = part.get_param("name", header="content-disposition")
                into = request.files if part.get_filename() else request.fields
                into[name] = part.get_payload(decode=True).decode()
        return request

    def log_message(self, *arguments: Any) -> None:
        """Not to the terminal."""


class Discord(Service):
    """One webhook. Messages are checked with Discord's own specification, and the rules that it leaves out."""

    token = "hush-AbCdEfGhIjKlMnOpQrStUvWxYz_0123456789"
    threads = ("1234567890",)

    @property
    def webhook(self) -> str:
        return f"{self.url}/api/webhooks/4711/{self.token}"

    def answer(self, request: Request) -> Reply:
        if not request.path.startswith("/api/webhooks/4711/"):
            return Reply(404, {"message": "Unknown Webhook", "code": 10015})
        if not request.path.endswith(self.token):
            return Reply(401, {"message": "Invalid Webhook Token", "code": 50027})
        if request.method == "GET":
            return Reply(200, {"id": "4711", "type": 1, "token": self.token})
        if request.query.get("thread_id", self.threads[0]) not in self.threads:
            return Reply(404, {"message": "Unknown Channel", "code": 10003})
        payload = json.loads(request.fields["payload_json"]) if request.files else request.fields
        if problem := self.problem_of(payload, request.files):
            return Reply(400, {"message": "Invalid Form Body", "code": 50035, "errors": {"_": problem}})
        self.accepted.append(json.dumps(payload, ensure_ascii=False) + "".join(request.files.values()))
        return Reply(200, {"id": str(len(self.accepted))})

    @staticmethod
    def problem_of(payload: dict[str, Any], files: dict[str, str]) -> str:
        ExecuteWebhookRequest.from_json(json.dumps(payload))
        known = IncomingWebhookRequestPartial.from_dict(payload)
        if not payload.get("content") and not payload.get("embeds"):
            return "empty message"
        if {f"files[{each.id}]" for each in known.attachments or ()} != files.keys():
            return "attachments are not the files"
        texts = [text for embed in payload["embeds"] for text in _texts_of(embed)]
        if any(not text.strip() for text in texts):
            return "an empty text"
        return "too long" if sum(len(text.encode("utf-16-le")) // 2 for text in texts) > 6000 else ""


def _texts_of(embed: dict[str, Any]) -> list[str]:
    fields = [text for each in embed.get("fields", ()) for text in (each["name"], each["value"])]
    return [
        embed["title"],
        embed["footer"]["text"],
        *([embed["description"]] if "description" in embed else []),
        *fields,
    ]


class _TelegramHtml(HTMLParser):
    """Reads what Telegram reads, and refuses what Telegram refuses."""

    allowed = ("b", "i", "a", "code", "pre")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open_tags: list[str] = []
        self.text, self.entities = "", 0
        self.feed(html)
        self.close()
        if self.open_tags:
            raise ValueError(
                f"can't parse entities: Can't find end tag corresponding to start tag {self.open_tags[-1]}"
            )

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in self.allowed:
            raise ValueError(f'can\'t parse entities: Unsupported start tag "{tag}"')
        self.open_tags.append(tag)
        self.entities += 1

    def handle_endtag(self, tag: str) -> None:
        if not self.open_tags or self.open_tags.pop() != tag:
            raise ValueError("can't parse entities: Unmatched end tag")

    def handle_data(self, data: str) -> None:
        self.text += data


class Telegram(Service):
    """One bot and one chat, with the documented limits."""

    token = "123456:hush-AAEhBOweik6ad9r_QXMENQjcrGbqCr4K"

    def __init__(self) -> None:
        self.chat_id, self.moved_from = "-100200300", ""
        super().__init__()

    def answer(self, request: Request) -> Reply:
        found = re.fullmatch(r"/bot([^/]+)/(\w+)", request.path)
        if not found or found[1] != self.token:
            return self.refuse(401, "Unauthorized")
        if found[2] == "getMe":
            return Reply(200, {"ok": True, "result": {"id": 123456, "is_bot": True}})
        chat = str(request.fields.get("chat_id", ""))
        if chat and chat == self.moved_from:
            moved = {"migrate_to_chat_id": int(self.chat_id)}
            return self.refuse(400, "Bad Request: group chat was upgraded to a supergroup chat", moved)
        if chat != self.chat_id:
            return self.refuse(400, "Bad Request: chat not found")
        if found[2] == "getChat":
            return Reply(200, {"ok": True, "result": {"id": int(chat)}})
        return self.take(found[2], request)

    def take(self, method: str, request: Request) -> Reply:
        assert (method, request.fields["parse_mode"]) == ("sendMessage", "HTML")
        try:
            text = _TelegramHtml(request.fields["text"]).text
        except ValueError as error:
            return self.refuse(400, f"Bad Request: {error}")
        if not text.strip():
            return self.refuse(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > 4096:
            return self.refuse(400, "Bad Request: message is too long")
        self.accepted.append(text)
        return Reply(200, {"ok": True, "result": {"message_id": len(self.accepted)}})

    @staticmethod
    def refuse(status: int, description: str, parameters: dict[str, int] | None = None) -> Reply:
        more = {"parameters": parameters} if parameters else {}
        return Reply(status, {"ok": False, "error_code": status, "description": description} | more)


class Receiver(Service):
    """Takes any document at /hook and none elsewhere."""

    def answer(self, request: Request) -> Reply:
        if request.path != "/hook/hush-hush-hush":
            return Reply(404)
        if request.method != "POST":
            return Reply(405)
        self.accepted.append(request.body.decode())
        return Reply(204)

    @property
    def hook(self) -> str:
        return f"{self.url}/hook/hush-hush-hush"
