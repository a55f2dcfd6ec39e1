"""A mail server on loopback: aiosmtpd, with TLS and logins."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.servers.process import free_port

logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # it logs each login whole

USERNAME, PASSWORD = "hlmon", "hush-correct-horse"


class MailServer:
    """Keeps what it takes in `mails`; `answering` replaces an answer of its own. With STARTTLS a login is required."""

    def __init__(self, context: ssl.SSLContext | None, *, implicit: bool = False) -> None:
        self.mails: list[EmailMessage] = []
        self.answers: dict[str, str] = {}
        self.envelopes: list[tuple[str, list[str]]] = []
        self.port = free_port()
        self.hangs_up = False  # once it has taken a mail
        self._context, self._implicit = context, implicit
        self._controller: Controller | None = None

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @contextmanager
    def outage(self):
        self._stop()
        try:
            yield
        finally:
            self._start()

    @contextmanager
    def answering(self, **answers: str):
        self.answers = answers
        try:
            yield
        finally:
            self.answers = {}

    def texts(self) -> list[str]:
        return [mail["Subject"] + "".join(part.get_content() for part in mail.iter_parts()) for mail in self.mails]

    def _start(self) -> None:
        options: dict[str, Any] = {"authenticator": self._authenticate, "auth_require_tls": False}
        if self._implicit:
            options |= {"ssl_context": self._context}
        elif self._context:
            options |= {"tls_context": self._context, "require_starttls": True}
            options |= {"auth_required": True, "auth_require_tls": True}
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **options)
        self._controller.start()

    def _stop(self) -> None:
        if self._controller:
            self._controller.stop()
            self._controller = None

    @staticmethod
    def _authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        known = LoginPassword(USERNAME.encode(), PASSWORD.encode())
        return AuthResult(success=data == known, handled=False)

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        answer = self.answers.get("RCPT", self.answers.get(address.partition("@")[0], "250 OK"))
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if "DATA" in self.answers:
            return self.answers["DATA"]
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        if self.hangs_up:
            asyncio.get_running_loop().call_soon(server.transport.close)
        return "250 Message accepted for delivery"

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        return self.answers.get("QUIT", "221 Bye")
