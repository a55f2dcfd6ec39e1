"""The notifier "telegram": a bot writes to a chat, a group, a channel or one topic of a group.

Most of Telegram's refusals have the status 400, and only the text tells a wrong message from a chat that the bot has no
access to; the latter, 401, 403 and 404 are for the owner: see `errors` for why those wait.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import Meta

from hlmon import Alert, ConfigError, HlmonError, Need, NotifierFactory, Permanent, Secret, Settings
from hlmon_notify.answers import busy, foreign, is_url, seconds_of, short
from hlmon_notify.config import MAX_BATCH, LookConfig, look_of
from hlmon_notify.errors import Blocked, proving, working, wrong
from hlmon_notify.needs import secrets
from hlmon_notify.progress import Progress
from hlmon_notify.render import Look, message_of
from hlmon_notify.render.telegram import telegram_message

if TYPE_CHECKING:
    from hlmon_notify.answers import Answer
    from hlmon_notify.http import Http

NAME: Final = "Telegram"

_TOKEN = re.compile(r"\d+:[\w-]{20,}", re.ASCII)
_CHAT = re.compile(r"-?\d{1,20}|@\w{4,}", re.ASCII)
_ABOUT_THE_CHAT = re.compile(
    r"chat not found|chat_id is empty|user not found|PEER_ID_INVALID|thread not found|TOPIC_|deactivated|kicked|blocked"
    r"|not a member|not enough rights|have no rights|administrator rights|CHAT_.*(FORBIDDEN|REQUIRED)|CHAT_RESTRICTED",
    re.IGNORECASE,
)
_PUT_RIGHT: Final = "let the bot into the chat (send it /start, or add it to the group), and see that chat_id is right"

_logger = logging.getLogger(__name__)


class TelegramConfig(LookConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which bot tells which chat."""

    chat_id: Annotated[str | int, Meta(description="the chat's number, or a channel's `@name` in quotes")]
    token: Annotated[Secret, Meta(description="refers to the bot's token")] = Secret("env:TELEGRAM_BOT_TOKEN")
    thread_id: Annotated[int, Meta(description="the number of a topic of the group; 0: none")] = 0
    url: Annotated[str, Meta(description="another Bot API server")] = "https://api.telegram.org"

    def __post_init__(self) -> None:
        """Refuse what is no chat and no address."""
        super().__post_init__()
        if not _CHAT.fullmatch(str(self.chat_id)):
            raise ValueError("chat_id: must be the number of a chat, or the @name of a channel in quotes")
        if not is_url(self.url):
            raise ValueError("url: is not a URL that begins with https:// (or http://)")


class TelegramNotifier:
    """Sends each group of alerts as one message; long ones as several, of which none is sent twice."""

    def __init__(self, config: TelegramConfig, look: Look, http: Http) -> None:
        self._config, self._look, self._http = config, look, http
        self._chat_id = str(config.chat_id)
        self._progress = Progress()

    def send(self, alerts: Sequence[Alert], /) -> None:
        """Permanent if Telegram refuses the message as it is, Transient otherwise."""
        if not alerts:
            return
        message = telegram_message(message_of(alerts, self._look))
        for part in self._progress.left(alerts, enumerate(message.texts)):
            self._send_part(part[1], silent=message.silent)

    def check(self) -> None:
        """Raise unless the token is a bot's and the bot knows the chat."""
        self._ask("getMe")
        self._ask("getChat", json={})

    def _send_part(self, text: str, *, silent: bool) -> None:
        fields: dict[str, Any] = {"text": text, "parse_mode": "HTML", "disable_notification": silent}
        if self._config.thread_id:
            fields["message_thread_id"] = self._config.thread_id
        self._ask("sendMessage", json=fields | {"link_preview_options": {"is_disabled": True}})

    def _ask(self, method: str, **content: dict[str, Any]) -> None:
        """One call, and a second one if the group has moved to another number."""
        answer = self._call(method, content)
        moved = answer.object().get("parameters", {})
        new_id = moved.get("migrate_to_chat_id") if isinstance(moved, dict) and answer.status == 400 else None
        if isinstance(new_id, int):
            _logger.warning("the Telegram group has become a supergroup; in the config write chat_id = %r", str(new_id))
            self._chat_id = str(new_id)
            answer = self._call(method, content)
        if not answer.is_accepted:
            raise refusal(answer)

    def _call(self, method: str, content: dict[str, dict[str, Any]]) -> Answer:
        with working():
            url = f"{self._config.url.rstrip('/')}/bot{checked_token(self._config.token.reveal())}/{method}"
        fields = {name: value | {"chat_id": self._chat_id} for name, value in content.items()}
        return self._http.send("POST", url, **fields)


def checked_token(token: str) -> str:
    """The token, if it looks like one. Raises ConfigError that does not repeat it."""
    if not _TOKEN.fullmatch(token.strip()):
        raise ConfigError("the Telegram token must be what @BotFather gave: digits, a colon, and letters")
    return token.strip()


def refusal(answer: Answer) -> HlmonError:
    """What an answer that is no success means."""
    said = answer.object()
    text = short(said.get("description", ""))
    parameters = said.get("parameters")
    wait = seconds_of(parameters.get("retry_after")) if isinstance(parameters, dict) else None
    if waiting := busy(NAME, answer, text, wait):
        return waiting
    if said.get("ok") is not False or not isinstance(said.get("error_code"), int):
        return foreign(NAME, answer)
    if answer.status in (401, 404):
        return Blocked(
            f"{NAME} does not accept the bot's token ({answer.status}: {text}); @BotFather has the right one"
        )
    if answer.status == 403 or _ABOUT_THE_CHAT.search(text):
        return Blocked(f"{NAME} does not let the bot write to the chat ({answer.status}: {text}); {_PUT_RIGHT}")
    if answer.status not in (400, 413):  # what the Bot API documents for a message that is wrong
        return foreign(NAME, answer)
    return Permanent(f"{NAME} refuses the message ({answer.status}: {text})")


def check_telegram(config: TelegramConfig) -> dict[str, str]:
    """Whether the token can be one."""
    return wrong(token=lambda: checked_token(config.token.reveal()))


@contextmanager
def open_telegram(config: TelegramConfig, settings: Settings) -> Iterator[TelegramNotifier]:
    """Ask for the bot and the chat, which writes nothing, then write to it until the end of the context."""
    from hlmon_notify.http import Http  # noqa: PLC0415  # requests is for those who use it

    with Http(NAME) as http:
        notifier = TelegramNotifier(config, look_of(config, settings), http)
        with proving():
            notifier.check()
        yield notifier


def needs(config: TelegramConfig) -> Sequence[Need]:
    """The bot's token, as far as it comes from the environment."""
    return secrets((config.token, "the token of the Telegram bot"))


FACTORY: Final = NotifierFactory(
    name="telegram",
    config=TelegramConfig,
    open=open_telegram,
    needs=needs,
    check=check_telegram,
    max_batch=MAX_BATCH,
)
