"""What people read, whole: a change of any message shows here. HLMON_WRITE_GOLDEN=1 writes the files anew."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hlmon import Alert
from hlmon_notify.render import Look, message_of
from hlmon_notify.render.discord import discord_message
from hlmon_notify.render.document import document_of
from hlmon_notify.render.mail import mail_of
from hlmon_notify.render.plain import body_of
from hlmon_notify.render.sns import sns_message
from hlmon_notify.render.telegram import telegram_message

GOLDEN = Path(__file__).with_name("golden")
ACCOUNT, OTHER = "0x" + "a1" * 20, "0x" + "b2" * 20
TRANSACTION = "0x" + "c3" * 32
NOON_MS = 1_782_302_400_000  # 2026-06-24 12:00:00 UTC
LOOK = Look(zone=ZoneInfo("Europe/Berlin"), explorer="https://app.hyperliquid.xyz/explorer", labels={ACCOUNT: "main"})


def alert(number=0, **fields):
    defaults = {"account": ACCOUNT, "time_ms": NOON_MS + number * 1000, "severity": "info", "labels": {}}
    return Alert(**defaults | {"subject": f"{ACCOUNT}:{number}"} | fields)


def close(severity, coin="BTC", number=0):
    details = {
        "size": "0.5",
        "entry": "104,250",
        "exit": "105,310.5",
        "gross": "+530.25 USDC",
        "fees": "-23.57 USDC",
        "funding": "-4.12 USDC",
        "net": "+502.56 USDC",
        "held": "3 h 12 min",
        "cause": "order",
    }
    labels = {"type": "position_closed", "coin": coin, "side": "long", "tx_hash": TRANSACTION}
    title = f"{coin} long closed: +502.56 USDC net"
    return alert(number, rule="closes", severity=severity, title=title, details=details, labels=labels)


def margin(severity, state, number=0):
    word = {"firing": "82.4 %", "resolved": "61.0 %"}[state]
    details = {"lasted": "8 min 10 s"} if state == "resolved" else {}
    details |= {"used": word, "maintenance margin": "8,240.00 USDC", "account value": "10,000.00 USDC", "limit": "80 %"}
    body = "" if state == "resolved" else "Add margin or close positions: at 100 % the account is liquidated."
    labels = {"type": "margin"}
    title = f"Margin of main at {word}" if state == "firing" else "Over: Margin of main at 82.4 %"
    return alert(
        number, rule="margin", severity=severity, state=state, title=title, body=body, details=details, labels=labels
    )


def fills(count):
    labels = {"type": "fill", "coin": "ETH", "side": "buy", "order_id": "77", "tx_hash": TRANSACTION}
    return [
        alert(
            number,
            rule="fills",
            severity="info",
            title=f"ETH bought: {number % 7 + 1}.25 at 4,01{number % 10}.5",
            details={"value": f"{(number % 7 + 1) * 5},012.50 USDC", "fee": "1.52 USDC"},
            labels=labels,
        )
        for number in range(count)
    ]


def mixed():
    return [
        *(close("info", coin, number) for number, coin in enumerate(("BTC", "ETH", "SOL", "HYPE", "xyz:SILVER"))),
        margin("warning", "firing", 6),
        margin("critical", "firing", 7),
        margin("warning", "resolved", 8),
        *fills(3),
        alert(9, rule="stream", severity="critical", state="firing", account=OTHER, title="No data since 11:58 UTC"),
    ]


CASES = {
    **{f"event-{severity}": [close(severity)] for severity in ("info", "warning", "critical")},
    **{
        f"{state}-{severity}": [margin(severity, state)]
        for state in ("firing", "resolved")
        for severity in ("info", "warning", "critical")
    },
    "no-account": [alert(rule="cvd", account="", title="BTC: −1,250 BTC sold net in 5 min", severity="warning")],
    "odd-texts": [
        alert(
            rule="r<&>",
            account=OTHER,
            title="@everyone <b>[free](https://x.example)</b> *now* `rm`\r\nX: y",
            body="# head\n> quote\n- item\n1. one\n\u202eevil\x00 & <script>alert(1)</script> <@1> ||spoiler||",
            details={"a_b": "<i>x</i>", "[x](y)": "_z_"},
        )
    ],
    "group-2": [close("info", "BTC"), close("critical", "ETH", 1)],
    "group-12": mixed(),
    "group-500": fills(500),
}


def discord(alerts, look):
    message = discord_message(message_of(alerts, look))
    return "json", as_json(message.payload) + (f"--- alerts.txt ---\n{message.file}\n" if message.file else "")


def telegram(alerts, look):
    message = telegram_message(message_of(alerts, look))
    begin = "silent\n" if message.silent else "rings\n"
    return "html", begin + "\n--- next message ---\n".join(message.texts) + "\n"


def email(alerts, look):
    mail = mail_of(message_of(alerts, look), alerts)
    return "html", f"<!-- Subject: {mail.subject}\nThread: {mail.thread} -->\n{mail.html}"


def sns(alerts, look):
    message = sns_message(message_of(alerts, look), alerts)
    return "txt", f"{message.subject}\n{as_json(message.attributes)}\n{message.text}\n"


def webhook(alerts, look):
    return "json", as_json(document_of(message_of(alerts, look), alerts, look))


def plain(alerts, look):
    message = message_of(alerts, look)
    return "txt", f"{message.heading}\n---\n{body_of(message)}\n"


def abridged(text):
    """Its begin and its end, and a digest of all that is between."""
    lines = text.splitlines(keepends=True)
    if len(lines) <= 400:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    return "".join([*lines[:60], f"[{len(lines) - 70} more lines; all: {digest}]\n", *lines[-10:]])


def as_json(value):
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("form", [discord, telegram, email, sns, webhook, plain], ids=lambda form: form.__name__)
def test_a_message_reads_as_it_was_approved(form, case):
    suffix, text = form(CASES[case], LOOK)
    text = abridged(text)
    path = GOLDEN / form.__name__ / f"{case}.{suffix}"
    if os.environ.get("HLMON_WRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    assert text == path.read_bytes().decode()


def test_no_approved_message_is_left_over():
    written = {f"{path.parent.name}/{path.stem}" for path in GOLDEN.glob("*/*") if path.parent.name != "rules"}
    forms = ("discord", "telegram", "email", "sns", "webhook", "plain")
    assert written == {f"{form}/{case}" for form in forms for case in CASES}
