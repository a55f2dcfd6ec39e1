"""A mail: subject, plain text, HTML, and the thread that it belongs to.

The HTML is what mail programs understand: tables and styles in place, no script, no picture, nothing to load.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from hlmon import Alert
from hlmon_notify.render.message import COLORS, Entry, Message
from hlmon_notify.render.plain import text_of
from hlmon_notify.render.text import cut, lines_of

SUBJECT: Final = 150
_LONGEST_TEXT: Final = 1_000_000
_FONT: Final = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_GREY: Final = "color:#6b7280"
_FEW: Final = 25
"""A group up to this size is told with figures."""

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light"><title>{title}</title></head>
<body style="margin:0;padding:16px;background:#f3f4f6;{font};color:#111827">
<table role="presentation" width="100%" cellspacing="0" cellpadding="0"><tr><td align="center">
<table role="presentation" width="100%" cellspacing="0" cellpadding="0" style="max-width:640px;background:#ffffff;\
border-radius:8px;border-top:6px solid #{color:06x};text-align:left"><tr><td style="padding:20px 24px">
<h1 style="margin:0 0 4px;font-size:20px;line-height:1.35">{heading}</h1>
{content}
</td></tr></table>
<p style="font-size:12px;{grey}">Sent by hlmon. Your rules and routes decide what comes.</p>
</td></tr></table>
</body></html>
"""


@dataclass(frozen=True)
class Mail:
    """A mail but for its addresses. `thread` is the same for all mails that belong together."""

    subject: str
    text: str
    html: str
    thread: str


def mail_of(message: Message, alerts: Sequence[Alert]) -> Mail:
    """The mail about these alerts; the message is about the same."""
    return Mail(
        subject=cut(message.heading, SUBJECT),
        text=text_of(message)[:_LONGEST_TEXT] + "\n",
        html=_html(message),
        thread=thread_of(alerts),
    )


def thread_of(alerts: Sequence[Alert]) -> str:
    """Names what the alerts have in common of rule, account and subject: all of one condition have all three."""
    values = (
        {alert.rule for alert in alerts},
        {alert.account for alert in alerts},
        {alert.subject for alert in alerts},
    )
    common = [next(iter(found)) if len(found) == 1 else "" for found in values]
    return hashlib.sha256(json.dumps(common).encode()).hexdigest()[:32]


def _html(message: Message) -> str:
    is_one = len(message.entries) == 1
    return _PAGE.format(
        title=escape(message.headline),
        heading=escape(message.heading),
        color=COLORS[message.tone],
        font=_FONT,
        grey=_GREY,
        content=_content_of_one(message.entries[0]) if is_one else _content_of_group(message.entries),
    )


def _content_of_one(entry: Entry) -> str:
    origin = f'<p style="margin:0 0 12px;font-size:14px;{_GREY}">{_origin(entry)}</p>'
    return "\n".join(filter(None, (origin, _body(entry), _figures(entry), _buttons(entry))))


def _content_of_group(entries: Sequence[Entry]) -> str:
    rows = _long_row if len(entries) <= _FEW else _short_row
    table = '<table role="presentation" width="100%" cellspacing="0" cellpadding="0" style="font-size:14px">'
    return "\n".join([table, *(rows(entry) for entry in entries), "</table>"])


def _origin(entry: Entry) -> str:
    return escape(" · ".join(filter(None, (entry.account, entry.time, f"rule {entry.rule} ({entry.status})"))))


def _body(entry: Entry) -> str:
    lines = "<br>".join(escape(line) for line in lines_of(entry.body[:_LONGEST_TEXT]))
    return (
        f'<p style="margin:0 0 12px;font-size:15px;line-height:1.5;word-break:break-word">{lines}</p>' if lines else ""
    )


def _figures(entry: Entry) -> str:
    cell = "padding:6px 0;border-top:1px solid #e5e7eb;word-break:break-word"
    rows = [
        f'<tr><td style="{cell};{_GREY};padding-right:16px">{escape(name)}</td>'
        f'<td style="{cell};font-weight:600;text-align:right">{escape(text)}</td></tr>'
        for name, text in entry.figures
    ]
    table = '<table width="100%" cellspacing="0" cellpadding="0" style="font-size:15px">'
    return "\n".join([table, *rows, "</table>"]) if rows else ""


def _buttons(entry: Entry) -> str:
    links = (("Account in the explorer", entry.account_url), ("Transaction", entry.transaction_url))
    shown = [f'<a href="{escape(url)}" style="color:#2563eb">{name}</a>' for name, url in links if url]
    return f'<p style="margin:16px 0 0;font-size:14px">{" &nbsp;·&nbsp; ".join(shown)}</p>' if shown else ""


def _long_row(entry: Entry) -> str:
    link = (
        f' <a href="{escape(entry.transaction_url)}" style="color:#2563eb">transaction</a>'
        if entry.transaction_url
        else ""
    )
    parts = [f"<b>{escape(entry.heading)}</b>", *(escape(line) for line in lines_of(entry.body[:_LONGEST_TEXT]))]
    parts += [escape(entry.short_figures)] if entry.figures else []
    parts.append(f'<span style="font-size:12px;{_GREY}">{_origin(entry)}{link}</span>')
    cell = f"padding:10px 0 10px 10px;border-top:1px solid #e5e7eb;border-left:4px solid #{COLORS[entry.tone]:06x}"
    return f'<tr><td style="{cell};line-height:1.5;word-break:break-word">{"<br>".join(parts)}</td></tr>'


def _short_row(entry: Entry) -> str:
    cell = "padding:4px 0;border-top:1px solid #e5e7eb"
    return (
        f'<tr><td style="{cell};word-break:break-word">{escape(entry.heading)}</td>'
        f'<td style="{cell};font-size:12px;{_GREY};text-align:right;white-space:nowrap">'
        f"{escape(entry.time.split(' (')[0])}</td></tr>"
    )
