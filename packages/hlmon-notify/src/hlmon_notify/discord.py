"""The notifier "discord": posts to a channel's webhook.

Discord refuses with 400 what is wrong with a message; 401, 403 and 404, and a few codes with 400, mean that the webhook
or the thread is gone or closed: see `errors` for why those wait.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import Meta

from hlmon import Alert, ConfigError, HlmonError, Need, NotifierFactory, Permanent, Secret, Settings, Transient
from hlmon_notify.answers import busy, foreign, seconds_of, short
from hlmon_notify.config import MAX_BATCH, LookConfig, look_of
from hlmon_notify.errors import Blocked, proving, working, wrong
from hlmon_notify.needs import secrets
from hlmon_notify.render import Look, message_of
from hlmon_notify.render.discord import FILE_NAME, discord_message

if TYPE_CHECKING:
    from hlmon_notify.answers import Answer
    from hlmon_notify.http import Http

NAME: Final = "Discord"
AGENT: Final = "DiscordBot (hlmon-notify, 1)"  # the form that Discord's documentation asks for
LONGEST_PAUSE_S: Final = 5.0
"""A wait for the next request of the bucket up to this is spent in `send`; a longer one is left to the core."""

_WEBHOOK = re.compile(r"(https?://[^/?#]+/api(?:/v\d+)?/webhooks/\d+/[\w-]+)/?", re.ASCII)
_SNOWFLAKE = re.compile(r"\d{1,20}", re.ASCII)
_OWNERS_CODES: Final = frozenset({10003, 10015, 40058, 50001, 50013, 50027, 50083, 160005, 220001, 220003})
"""Unknown channel, unknown webhook, forum without a thread, missing access or permission, invalid webhook token, thread
archived, thread locked, forum without a thread, forum webhook that may not make one."""
_PUT_RIGHT: Final = "make a new webhook in the channel's settings (Integrations), or correct thread_id"


class DiscordConfig(LookConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which channel, or which thread of it."""

    webhook: Annotated[Secret, Meta(description="refers to the webhook's URL")] = Secret("env:DISCORD_WEBHOOK_URL")
    thread_id: Annotated[
        str,
        Meta(
            description="the number of a thread of the channel (*Copy Thread ID*), in quotes; left out: the channel "
            "itself. A forum channel needs one"
        ),
    ] = ""

    def __post_init__(self) -> None:
        """Refuse what is no number of a thread."""
        super().__post_init__()
        if self.thread_id and not _SNOWFLAKE.fullmatch(self.thread_id):
            raise ValueError("thread_id: must be the number of a thread, in quotes")


class DiscordNotifier:
    """Posts each group of alerts as one message; `wait` and `clock` are for the pauses that Discord asks for."""

    def __init__(
        self,
        config: DiscordConfig,
        look: Look,
        http: Http,
        *,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._look, self._http = config, look, http
        self._wait, self._clock = wait, clock
        self._next_s = 0.0  # when the bucket has room again

    def send(self, alerts: Sequence[Alert], /) -> None:
        """One message. Permanent if Discord refuses it as it is, Transient otherwise."""
        if not alerts:
            return
        message = discord_message(message_of(alerts, self._look))
        self._pause()
        content: dict[str, Any] = {"json": message.payload}
        if message.file:
            files = {"files[0]": (FILE_NAME, message.file.encode(), "text/plain; charset=utf-8")}
            content = {"data": {"payload_json": json.dumps(message.payload)}, "files": files}
        answer = self._ask("POST", params={"wait": "true"} | self._thread(), **content)
        if answer.headers.get("X-RateLimit-Remaining") == "0":
            self._next_s = self._clock() + (answer.seconds("X-RateLimit-Reset-After") or 0.0)

    def check(self) -> None:
        """Raise unless the webhook is there."""
        self._ask("GET")

    def _ask(self, method: str, **content: Any) -> Answer:
        with working():
            url = webhook_url(self._config.webhook.reveal())
        answer = self._http.send(method, url, **content)
        if not answer.is_accepted:
            raise refusal(answer)
        return answer

    def _thread(self) -> dict[str, str]:
        return {"thread_id": self._config.thread_id} if self._config.thread_id else {}

    def _pause(self) -> None:
        left_s = self._next_s - self._clock()
        if left_s > LONGEST_PAUSE_S:
            raise Transient("Discord takes no more messages for now", retry_after=left_s)
        if left_s > 0:
            self._wait(left_s)


def webhook_url(text: str) -> str:
    """The webhook's URL. Raises ConfigError that does not repeat it."""
    found = _WEBHOOK.fullmatch(text.strip())
    if not found:
        raise ConfigError("the Discord webhook must be its whole URL, like https://discord.com/api/webhooks/123/abc…")
    return found[1]


def refusal(answer: Answer) -> HlmonError:
    """What an answer that is no success means."""
    said = answer.object()
    text = short(said.get("message", ""))
    wait = (
        seconds_of(said.get("retry_after")),
        answer.seconds("Retry-After"),
        answer.seconds("X-RateLimit-Reset-After"),
    )
    if waiting := busy(NAME, answer, text, max((seconds for seconds in wait if seconds is not None), default=None)):
        return waiting
    if not (isinstance(said.get("code"), int) and isinstance(said.get("message"), str)):
        return foreign(NAME, answer)
    if answer.status in (401, 403, 404, 405) or said["code"] in _OWNERS_CODES:
        return Blocked(f"{NAME} does not take the webhook ({answer.status}: {text}); {_PUT_RIGHT}")
    if answer.status not in (400, 413):  # what Discord's documentation has for a message that is wrong
        return foreign(NAME, answer)
    return Permanent(f"{NAME} refuses the message ({answer.status}: {text})")


def check_discord(config: DiscordConfig) -> dict[str, str]:
    """Whether the webhook can be one."""
    return wrong(webhook=lambda: webhook_url(config.webhook.reveal()))


@contextmanager
def open_discord(config: DiscordConfig, settings: Settings) -> Iterator[DiscordNotifier]:
    """Ask Discord for the webhook, which posts nothing, then post to it until the end of the context."""
    from hlmon_notify.http import Http  # noqa: PLC0415  # requests is for those who use it

    with Http(NAME, AGENT) as http:
        notifier = DiscordNotifier(config, look_of(config, settings), http)
        with proving():
            notifier.check()
        yield notifier


def needs(config: DiscordConfig) -> Sequence[Need]:
    """The webhook's URL, as far as it comes from the environment."""
    return secrets((config.webhook, "the URL of the Discord webhook"))


FACTORY: Final = NotifierFactory(
    name="discord",
    config=DiscordConfig,
    open=open_discord,
    needs=needs,
    check=check_discord,
    max_batch=MAX_BATCH,
)
