"""What services answer, and what hlmon says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from hlmon import ConfigError, Transient

_LONGEST_REASON: Final = 300


@dataclass(frozen=True)
class Answer:
    """What came back; the names of `headers` are found in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_accepted(self) -> bool:
        """A 2xx."""
        return 200 <= self.status < 300

    def object(self) -> dict[str, Any]:
        """The JSON object of the body, {} if there is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def seconds(self, header: str) -> float | None:
        """A header that is a number of seconds, None if it is not there or is a date."""
        return seconds_of(self.headers.get(header))


def busy(name: str, answer: Answer, said: str, retry_after: float | None = None) -> Transient | None:
    """The error for an answer that asks for patience: 408, 425, 429 and 5xx; None for any other."""
    if answer.status not in (408, 425, 429) and answer.status < 500:
        return None
    wait = retry_after if retry_after is not None else answer.seconds("Retry-After")
    return Transient(f"{name} answers {answer.status} ({short(said)})", retry_after=wait)


def foreign(name: str, answer: Answer) -> Transient:
    """The error for an answer that is not the service's own: of a proxy, a gateway, or of a kind it does not document.

    It says nothing of the message, so the message waits.
    """
    return Transient(f"{name} did not answer, but something on the way did ({answer.status}); is a proxy in between?")


def checked_url(url: str, what: str) -> str:
    """The URL, if it is one. Raises ConfigError that does not repeat it."""
    if not is_url(url):
        raise ConfigError(f"{what} is not a URL that begins with https:// (or http://)")
    return url


def short(said: object) -> str:
    """What a service says, in one line for a message."""
    text = " ".join(str(said).split())
    return (text if text.isprintable() else ascii(text))[:_LONGEST_REASON] or "without a reason"


def seconds_of(value: object) -> float | None:
    """A number of seconds as services write it, None if it is none."""
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return seconds if 0 <= seconds < float("inf") else None


def is_url(url: str) -> bool:
    """Whether it can be the URL of a service."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    is_clean = url.isprintable() and not any(each.isspace() for each in url)
    return is_clean and parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
