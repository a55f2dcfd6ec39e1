"""Makes a picture of a message of each notifier, from the messages that tests/notify/golden holds.

The mail is shown as it is; of the chats only the frame is drawn here. Run it from the root of the checkout.
"""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parents[1] / "tests/notify/golden"
FONT = "font-family:'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:14px;line-height:1.45"
MONO = (
    "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12px;line-height:1.5;white-space:pre-wrap;"
    "overflow-wrap:anywhere"
)
LINK = re.compile(r"\[((?:\\.|[^\]\\])*)\]\((https://[^)]*)\)")


def discord() -> str:
    """An embed beside its colour."""
    (embed,) = json.loads((GOLDEN / "discord/event-info.json").read_text())["embeds"]
    fields = "".join(
        f'<div style="width:31%;margin-top:6px"><b>{markdown(each["name"])}</b><br/>{markdown(each["value"])}</div>'
        for each in embed["fields"]
    )
    box = f"background:#2b2d31;border-left:4px solid #{embed['color']:06x};border-radius:4px;padding:10px 14px"
    return (
        f'<div style="background:#313338;color:#dbdee1;padding:16px;{FONT}"><b style="color:#fff">hlmon</b>'
        ' <span style="background:#5865f2;color:#fff;border-radius:3px;padding:0 4px;font-size:11px">APP</span>'
        f'<div style="{box};margin-top:6px"><b style="color:#00a8fc">{markdown(embed["title"])}</b>'
        f"<div>{markdown(embed['description'])}</div>"
        f'<div style="display:flex;flex-wrap:wrap;gap:0 2%">{fields}</div>'
        f'<div style="font-size:12px;margin-top:8px">{escape(embed["footer"]["text"])}</div></div></div>'
    )


def markdown(text: str) -> str:
    """What Discord makes of it."""
    html = LINK.sub(r'<span style="color:#00a8fc">\1</span>', escape(text, quote=False))
    return re.sub(r"\\(.)", r"\1", re.sub(r"\*\*(.*?)\*\*", r"<b>\1</b>", html)).replace("\n", "<br/>")


def telegram() -> str:
    """A bubble."""
    text = (GOLDEN / "telegram/firing-critical.html").read_text().partition("\n")[2].strip()
    text = text.replace("<a ", '<a style="color:#168acd" ').replace("\n", "<br/>")
    bubble = "background:#fff;border-radius:12px;padding:10px 14px;max-width:480px"
    return f'<div style="background:#a3c3a0;padding:16px;{FONT}"><div style="{bubble}">{text}</div></div>'


def email() -> str:
    """The mail itself."""
    page = (GOLDEN / "email/firing-warning.html").read_text()
    style, content = re.search(r'<body style="([^"]*)">(.*)</body>', page, re.DOTALL).groups()
    return f'<div style="{style}">{content}</div>'.replace("<br>", "<br/>").replace("&nbsp;", "&#160;")


def sns() -> str:
    """What a subscriber by mail gets."""
    return text_page((GOLDEN / "sns/event-warning.txt").read_text())


def webhook() -> str:
    """The document."""
    return text_page((GOLDEN / "webhook/resolved-warning.json").read_text())


def apprise() -> str:
    """Title and text, which each service shows in its own way."""
    return text_page((GOLDEN / "plain/firing-critical.txt").read_text().replace("\n---\n", "\n\n", 1))


def text_page(text: str) -> str:
    """Plain text on paper."""
    return f'<div style="background:#f8fafc;color:#111827;padding:16px;{MONO}">{escape(text.strip())}</div>'


PICTURES = {
    discord: (640, 284),
    telegram: (640, 276),
    email: (680, 386),
    sns: (720, 595),
    webhook: (720, 700),
    apprise: (720, 290),
}


def main() -> None:
    """Write one SVG for each notifier."""
    for draw, (width, height) in PICTURES.items():
        picture = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
            f'<foreignObject width="100%" height="100%"><div xmlns="http://www.w3.org/1999/xhtml">{draw()}</div>'
            "</foreignObject></svg>\n"
        )
        (HERE / f"notifier-{draw.__name__}.svg").write_text(picture)


if __name__ == "__main__":
    main()
