"""Plain text: the text part of a mail, SNS, Apprise, and the file that goes with what is too long for a chat."""

from __future__ import annotations

from hlmon_notify.render.message import Entry, Message
from hlmon_notify.render.text import lines_of


def text_of(message: Message) -> str:
    """All of it, nothing cut."""
    return f"{message.heading}\n\n{body_of(message)}"


def body_of(message: Message) -> str:
    """What stands below the heading."""
    if len(message.entries) == 1:
        return "\n".join(_details(message.entries[0])[1:])
    return "\n".join("\n    ".join([entry.heading, *_short(entry)]) for entry in message.entries)


def _details(entry: Entry) -> list[str]:
    figures = [f"{name}: {text}" for name, text in entry.figures]
    facts = [
        ("Account", entry.account),
        ("Time", entry.time),
        ("Rule", f"{entry.rule} ({entry.status})"),
        ("Account in the explorer", entry.account_url),
        ("Transaction", entry.transaction_url),
    ]
    told = [f"{name}: {text}" for name, text in facts if text]
    return [line for block in (lines_of(entry.body), figures, told) if block for line in ("", *block)]


def _short(entry: Entry) -> list[str]:
    origin = " · ".join(filter(None, (entry.time, entry.account, entry.rule)))
    return [*lines_of(entry.body), *filter(None, (entry.short_figures, origin, entry.transaction_url))]
