"""A Telegram message: HTML, up to three messages for a few long alerts, and a file with a caption for what is longer.

Limits of https://core.telegram.org/bots/api#sendmessage: 4,096 characters, 1,024 in a caption. They count after the
HTML was read; here its source is counted, which is never shorter.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Final

from hlmon_notify.render.message import Entry, Message
from hlmon_notify.render.plain import text_of
from hlmon_notify.render.text import cut, fitting, lines_of, packed, units, wrapped

TEXT: Final = 4096
CAPTION: Final = 1024
MOST_PARTS: Final = 3
FILE_NAME: Final = "alerts.txt"
_LONGEST_LINE: Final = 600  # escaped at most six times as long
_LONGEST_TITLE: Final = 250
_LONGEST_FILE: Final = 4_000_000
_FEW: Final = 12  # a group up to this size is told with figures and links


@dataclass(frozen=True)
class TelegramMessage:
    """HTML texts, one a message; or one caption and the text of the file below it. Silent: it rings no phone."""

    texts: tuple[str, ...]
    file: str
    silent: bool


def telegram_message(message: Message) -> TelegramMessage:
    """The message as Telegram takes it."""
    silent = all(entry.severity == "info" for entry in message.entries)
    parts = packed(_lines(message), TEXT)
    if len(parts) <= (MOST_PARTS if len(message.entries) <= _FEW else 1):
        return TelegramMessage(tuple(parts), "", silent)
    return TelegramMessage((_caption(message),), text_of(message)[:_LONGEST_FILE], silent)


def _lines(message: Message) -> list[str]:
    if len(message.entries) == 1:
        return _lines_of_one(message.entries[0])
    heading = f"<b>{escape(cut(message.heading, _LONGEST_TITLE))}</b>"
    if len(message.entries) > _FEW:
        about = [f"<i>{_short(message.account)}</i>"] if message.account else []
        return [heading, *about, "", *(_short_line(entry) for entry in message.entries)]
    return [heading, *(line for entry in message.entries for line in ("", *_lines_in_group(entry)))]


def _lines_of_one(entry: Entry) -> list[str]:
    figures = [f"{_short(name)}: <b>{_short(text)}</b>" for name, text in entry.figures]
    origin = [_links(entry), f"<i>{escape(entry.time)} · {_short(f'{entry.rule} · {entry.status}')}</i>"]
    blocks = (_body(entry), figures, [line for line in origin if line])
    return [_heading(entry), *(line for block in blocks if block for line in ("", *block))]


def _lines_in_group(entry: Entry) -> list[str]:
    title = escape(cut(entry.heading, _LONGEST_TITLE))
    linked = f'<a href="{escape(entry.transaction_url)}">{title}</a>' if entry.transaction_url else title
    about = " · ".join(filter(None, (entry.account, entry.time.split(" (")[0])))
    return [linked, *_body(entry), *filter(None, (_short(entry.short_figures), f"<i>{_short(about)}</i>"))]


def _heading(entry: Entry) -> str:
    return f"<b>{escape(cut(entry.heading, _LONGEST_TITLE))}</b>"


def _short_line(entry: Entry) -> str:
    return escape(cut(entry.heading, _LONGEST_TITLE))


def _body(entry: Entry) -> list[str]:
    return [escape(piece) for line in lines_of(entry.body) for piece in wrapped(line, _LONGEST_LINE)]


def _links(entry: Entry) -> str:
    account = _short(entry.account)
    linked = f'<a href="{escape(entry.account_url)}">{account}</a>' if entry.account_url else account
    transaction = f'<a href="{escape(entry.transaction_url)}">transaction</a>' if entry.transaction_url else ""
    return " · ".join(filter(None, (linked, transaction)))


def _short(text: str) -> str:
    return escape(cut(text, _LONGEST_LINE))


def _caption(message: Message) -> str:
    heading = f"<b>{escape(cut(message.heading, _LONGEST_TITLE))}</b>"
    if len(message.entries) == 1:
        lines = [_short(line) for line in lines_of(message.entries[0].body)]
    else:
        lines = [_short_line(entry) for entry in message.entries]
    text, _ = fitting(lines, CAPTION - units(heading) - 2, lambda count: f"… and {count} more, in the file above")
    return f"{heading}\n\n{text}"
