"""A Telegram message: HTML, in as many messages as its length needs, up to ten.

The limit of https://core.telegram.org/bots/api#sendmessage is 4,096 characters. It counts after the HTML was read; here
its source is counted, which is never shorter. What is longer is not sent as a file: a chat may forbid documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Final

from hlmon_notify.render.message import Entry, Message
from hlmon_notify.render.text import cut, fitting, lines_of, packed, wrapped

TEXT: Final = 4096
MOST_PARTS: Final = 10  # a bot may write 20 messages a minute to a group
_LONGEST_LINE: Final = 600  # escaped at most six times as long
_LONGEST_TITLE: Final = 250
_FEW: Final = 12  # a group up to this size is told with figures and links


@dataclass(frozen=True)
class TelegramMessage:
    """HTML texts, one a message. Silent: they ring no phone."""

    texts: tuple[str, ...]
    silent: bool


def telegram_message(message: Message) -> TelegramMessage:
    """The message as Telegram takes it."""
    silent = all(entry.severity == "info" for entry in message.entries)
    lines = _lines(message)
    parts = packed(lines, TEXT)
    if len(parts) > MOST_PARTS:
        told = sum(map(len, parts[: MOST_PARTS - 1]))
        last, _ = fitting(lines[told:], TEXT, lambda count: f"… {count} more lines; <code>hlmon explain</code> has all")
        parts = [*parts[: MOST_PARTS - 1], [last]]
    return TelegramMessage(tuple("\n".join(part).strip("\n") for part in parts), silent)


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
