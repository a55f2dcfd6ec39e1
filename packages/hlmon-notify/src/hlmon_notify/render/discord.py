"""A Discord message: one embed, with a text file where not everything fits.

Limits of https://docs.discord.com/developers/resources/message#embed-object-embed-limits: each field has its own, and
all texts of a message together have 6,000 characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from hlmon_notify.render.message import COLORS, Entry, Message
from hlmon_notify.render.plain import text_of
from hlmon_notify.render.text import cut, fitting, lines_of, units

TITLE: Final = 256
DESCRIPTION: Final = 4096
FIELDS: Final = 25
FIELD_NAME: Final = 256
FIELD_VALUE: Final = 1024
FOOTER: Final = 2048
TOTAL: Final = 6000
FILE_NAME: Final = "alerts.txt"
_LONGEST_BODY: Final = 2000
_LONGEST_BODY_IN_GROUP: Final = 300
_LONGEST_FILE: Final = 4_000_000  # characters; Discord takes 10 MiB

_MARKUP = re.compile(r"[\\*_~`|<\[\]]")
_AT_LINE_BEGIN = re.compile(r"^(\d*)([.#>-]+)(?= )", re.MULTILINE)


@dataclass(frozen=True)
class DiscordMessage:
    """The JSON of a message, and the text of its file, "" if it has none."""

    payload: dict[str, Any]
    file: str


def discord_message(message: Message) -> DiscordMessage:
    """The message as Discord takes it; nobody is mentioned, whatever the texts say."""
    embed, is_whole = _embed_of_one(message.entries[0]) if len(message.entries) == 1 else _embed_of_group(message)
    shown = {name: value for name, value in embed.items() if value not in ("", [])}
    payload: dict[str, Any] = {"embeds": [shown], "allowed_mentions": {"parse": []}}
    if not is_whole:
        payload["attachments"] = [{"id": "0", "filename": FILE_NAME}]
    return DiscordMessage(payload, "" if is_whole else text_of(message)[:_LONGEST_FILE])


def escaped(text: str) -> str:
    """The text without a meaning as Markdown or as a mention."""
    return _AT_LINE_BEGIN.sub(r"\1\\\2", _MARKUP.sub(r"\\\g<0>", text))


def _embed_of_one(entry: Entry) -> tuple[dict[str, Any], bool]:
    body = escaped("\n".join(lines_of(entry.body)))
    short_body = cut(body, _LONGEST_BODY)
    embed = _frame(entry.heading, entry, f"{entry.time} · {entry.rule} · {entry.status}")
    embed["description"] = "\n".join(filter(None, (short_body, _links(entry))))
    used = sum(map(units, (embed["title"], embed["description"], embed["footer"]["text"])))
    embed["fields"] = fields = _fields(entry, TOTAL - used)
    is_whole = short_body == body and len(fields) == len(entry.figures) and units(escaped(entry.heading)) <= TITLE
    return embed, is_whole and all(units(escaped(text)) <= FIELD_VALUE for _, text in entry.figures)


def _embed_of_group(message: Message) -> tuple[dict[str, Any], bool]:
    newest = max(message.entries, key=lambda entry: entry.time_ms)
    footer = " · ".join(filter(None, (newest.time, message.account, f"{len(message.entries)} alerts")))
    embed = _frame(message.heading, newest, footer)
    embed["color"] = COLORS[message.tone]
    room = min(DESCRIPTION, TOTAL - TITLE - units(embed["footer"]["text"]))
    blocks = [_long_block(entry) for entry in message.entries]
    is_whole = units("\n".join(blocks)) <= room and all(
        units(e.body) <= _LONGEST_BODY_IN_GROUP for e in message.entries
    )
    if not is_whole:
        blocks = [escaped(cut(entry.heading, TITLE)) for entry in message.entries]
    embed["description"], _ = fitting(blocks, room, lambda count: f"… and {count} more, in the file below")
    return embed, is_whole


def _frame(heading: str, entry: Entry, footer: str) -> dict[str, Any]:
    url = entry.transaction_url or entry.account_url
    return {
        "title": cut(escaped(heading), TITLE),
        "color": COLORS[entry.tone],
        "timestamp": datetime.fromtimestamp(entry.time_ms / 1000, UTC).isoformat(),
        "footer": {"text": cut(footer, FOOTER)},
    } | ({"url": url} if url else {})


def _fields(entry: Entry, room: int) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = []
    for name, text in entry.figures[:FIELDS]:
        field = {"name": cut(escaped(name), FIELD_NAME) or "-", "value": cut(escaped(text), FIELD_VALUE) or "-"}
        room -= units(field["name"]) + units(field["value"])
        if room < 0:
            break
        fields.append(field | {"inline": True})
    return fields


def _links(entry: Entry) -> str:
    account = f"[{escaped(entry.account)}]({entry.account_url})" if entry.account_url else escaped(entry.account)
    transaction = f"[transaction]({entry.transaction_url})" if entry.transaction_url else ""
    return " · ".join(filter(None, (account, transaction)))


def _long_block(entry: Entry) -> str:
    title = escaped(cut(entry.heading, TITLE))
    linked = f"[{title}]({entry.transaction_url})" if entry.transaction_url else title
    about = escaped(" · ".join(filter(None, (entry.account, entry.time.split(" (")[0], entry.short_figures))))
    return "\n".join([f"**{linked}**", *map(escaped, lines_of(entry.body)), about])
