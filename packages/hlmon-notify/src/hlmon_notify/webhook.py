"""The notifier "webhook": posts JSON to a URL of the user's, signed as https://www.standardwebhooks.com has it.

400, 413, 415 and 422 say that the message is wrong; every other refusal is about the address or the right to post
there, which is for the owner: see `errors` for why those wait.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta, field

from hlmon import Alert, ConfigError, HlmonError, Need, NotifierFactory, Permanent, Secret, Settings
from hlmon_notify.answers import busy, checked_url, foreign, short
from hlmon_notify.config import MAX_BATCH, LookConfig, look_of
from hlmon_notify.errors import Blocked, proving, working, wrong
from hlmon_notify.needs import secrets
from hlmon_notify.render import Look, message_of
from hlmon_notify.render.document import document_of

if TYPE_CHECKING:
    from hlmon_notify.answers import Answer
    from hlmon_notify.http import Http

NAME: Final = "the webhook"
SECRET_PREFIX: Final = "whsec_"
_SHORTEST_KEY: Final = 16  # bytes
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS: Final = ("content-type", "content-length", "host")


class WebhookConfig(LookConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to post, signed and with which headers."""

    url: Annotated[Secret, Meta(description="refers to where to post")] = Secret("env:WEBHOOK_URL")
    secret: Annotated[
        Secret | None,
        Meta(
            description="refers to the signing secret: `whsec_` and base64, or any text of 16 bytes or more; left out: "
            "not signed"
        ),
    ] = None
    headers: Annotated[dict[str, Secret], Meta(description="headers to send along, e.g. Authorization")] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        """Refuse names that no header can have."""
        super().__post_init__()
        for name in self.headers:
            if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS or name.lower().startswith("webhook-"):
                raise ValueError("headers: one of them has a name that cannot be used")


class WebhookNotifier:
    """Posts each group of alerts as one document; `clock_s` dates the signature."""

    def __init__(
        self, config: WebhookConfig, look: Look, http: Http, *, clock_s: Callable[[], float] = time.time
    ) -> None:
        self._config, self._look, self._http, self._clock_s = config, look, http, clock_s

    def send(self, alerts: Sequence[Alert], /) -> None:
        """Permanent if the receiver says that the message is wrong, Transient otherwise."""
        if not alerts:
            return
        document = document_of(message_of(alerts, self._look), alerts, self._look)
        body = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
        with working():
            url, headers = self._address()
            headers |= self._signature(document["id"], body)
        answer = self._http.send("POST", url, data=body, headers=headers)
        if not answer.is_accepted:
            raise refusal(answer)

    def check(self) -> None:
        """Raise unless the secrets are there and somebody answers, whatever the answer to this question is."""
        url, headers = self._address()
        self._signature("", b"")
        self._http.send("HEAD", url, headers=headers)

    def _address(self) -> tuple[str, dict[str, str]]:
        headers = {name: _header_value(name, secret) for name, secret in self._config.headers.items()}
        return checked_url(self._config.url.reveal().strip(), "the webhook's URL"), headers

    def _signature(self, identity: str, body: bytes) -> Mapping[str, str]:
        headers = {"Content-Type": "application/json"}
        if self._config.secret is None:
            return headers
        time_s = str(int(self._clock_s()))
        signed = sign(key_of(self._config.secret.reveal()), identity, time_s, body)
        return headers | {"webhook-id": identity, "webhook-timestamp": time_s, "webhook-signature": signed}


def key_of(secret: str) -> bytes:
    """The key behind `whsec_…` in base64, or any other text as it is. Raises ConfigError for one that is too short."""
    key = secret.encode()
    if secret.startswith(SECRET_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
        except binascii.Error:
            key = b""
    if len(key) < _SHORTEST_KEY:
        raise ConfigError(f"the webhook's secret must be whsec_ and base64, or text, of {_SHORTEST_KEY} bytes or more")
    return key


def sign(key: bytes, identity: str, time_s: str, body: bytes) -> str:
    """The signature of version 1: HMAC-SHA256 over id, time and body."""
    digest = hmac.new(key, f"{identity}.{time_s}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _header_value(name: str, secret: Secret) -> str:
    value = secret.reveal().strip()
    if not value.isprintable() or not value.isascii():
        raise ConfigError(f"the header {name} of the webhook has characters that no header can have")
    return value


def refusal(answer: Answer) -> HlmonError:
    """What an answer that is no success means; its text is left out, since it may repeat what was sent."""
    if waiting := busy(NAME, answer, "it asks for patience"):
        return waiting
    if "html" in answer.headers.get("Content-Type", "").lower():  # a page for people: of a proxy, not of a receiver
        return foreign(NAME, answer)
    if answer.status in (400, 413, 415, 422):
        return Permanent(f"{NAME} refuses the message ({answer.status})")
    return Blocked(f"{NAME} does not let hlmon post there ({short(answer.status)}); see its URL, headers and secret")


def check_webhook(config: WebhookConfig) -> dict[str, str]:
    """Whether there is a URL, and whether the secret and the headers can be used."""
    return wrong(
        url=lambda: checked_url(config.url.reveal().strip(), "the webhook's URL"),
        secret=lambda: key_of(config.secret.reveal()) if config.secret is not None else None,
        headers=lambda: [_header_value(name, secret) for name, secret in config.headers.items()],
    )


@contextmanager
def open_webhook(config: WebhookConfig, settings: Settings) -> Iterator[WebhookNotifier]:
    """Prove that somebody answers at the URL, then post to it until the end of the context."""
    from hlmon_notify.http import Http  # noqa: PLC0415  # requests is for those who use it

    with Http(NAME) as http:
        notifier = WebhookNotifier(config, look_of(config, settings), http)
        with proving():
            notifier.check()
        yield notifier


def needs(config: WebhookConfig) -> Sequence[Need]:
    """The URL and the secrets, as far as they come from the environment."""
    headers = [(secret, f"the header {name} of the webhook") for name, secret in config.headers.items()]
    return secrets((config.url, "the webhook's URL"), (config.secret, "signs what the webhook gets"), *headers)


FACTORY: Final = NotifierFactory(
    name="webhook",
    config=WebhookConfig,
    open=open_webhook,
    needs=needs,
    check=check_webhook,
    max_batch=MAX_BATCH,
)
