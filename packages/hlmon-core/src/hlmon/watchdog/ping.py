"""The ping URL: one HTTP request whose outcome is a few words, since the URL itself must not show anywhere."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from hlmon.errors import ConfigError
from hlmon.redaction import redact
from hlmon.secret import Secret
from hlmon.watchdog.rhythm import Signal

TIMEOUT_S: Final = 10.0
LONGEST_TEXT: Final = 10_000
_REFUSAL: Final = re.compile(r"OK \([a-z ]+\)")  # Healthchecks on a URL that it does not know: 200 and "OK (not found)"
_PATHS: Final[dict[Signal, str]] = {"start": "/start", "success": "", "fail": "/fail"}


def url_for(signal: Signal, ping_url: str) -> str:
    """The URL of a signal: /start and /fail follow the path, as at Healthchecks; a query stays behind it."""
    if not _PATHS[signal]:
        return ping_url
    parts = urlsplit(ping_url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + _PATHS[signal]))


class _NoRedirects(HTTPRedirectHandler):
    """Who is pinged is named in the config: an answer cannot name another."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """None makes an HTTPError of it."""


class Pinger:
    """Sends signals to a URL that neither an error nor a log nor a repr contains. Raises ConfigError if it is none."""

    def __init__(self, url: Secret) -> None:
        self._url = url
        self._opener = build_opener(_NoRedirects)
        self._reveal()

    def __call__(self, signal: Signal, text: str = "") -> str:
        """Send it, with the text as its body; returns "" or, in a few words, why it did not arrive. Never raises."""
        try:
            answer = self._send(url_for(signal, self._reveal()), text)
        except ConfigError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  # the text of an error may hold the URL
            return _cause_of(error)
        return f"the answer was {answer}" if _REFUSAL.fullmatch(answer) else ""

    def _reveal(self) -> str:
        url = self._url.reveal()
        if not url.startswith(("https://", "http://")):
            raise ConfigError(f"watchdog.ping_url: {self._url.reference} holds no URL; it must start with https://")
        return url

    def _send(self, url: str, text: str) -> str:
        body = redact(text)[:LONGEST_TEXT].encode() or None  # a request with a body is a POST, one without a GET
        headers = {"User-Agent": "hlmon", "Content-Type": "text/plain; charset=utf-8"}
        with self._opener.open(Request(url, data=body, headers=headers), timeout=TIMEOUT_S) as answer:  # noqa: S310
            return str(answer.read(100).decode(errors="replace").strip())


def _cause_of(error: Exception) -> str:
    if isinstance(error, HTTPError):
        error.close()
        return f"the answer was {error.code}"
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    return (cause.strerror if isinstance(cause, OSError) else None) or type(cause).__name__
