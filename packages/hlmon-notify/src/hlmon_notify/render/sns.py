"""An SNS message: a subject, a text, and attributes for filter policies.

Limits of https://docs.aws.amazon.com/sns/latest/api/API_Publish.html: the subject is ASCII below 100 characters,
everything together 262,144 bytes; a queue with raw delivery takes ten attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hlmon import Alert
from hlmon_notify.render.message import TONES, Message
from hlmon_notify.render.plain import text_of
from hlmon_notify.render.text import one_line

SUBJECT: Final = 99
MESSAGE_BYTES: Final = 240_000
_LONGEST_ATTRIBUTE: Final = 256
_NOT_WHOLE: Final = "\n… (cut)"


@dataclass(frozen=True)
class SnsMessage:
    """What `Publish` takes."""

    subject: str
    text: str
    attributes: dict[str, str]


def sns_message(message: Message, alerts: Sequence[Alert]) -> SnsMessage:
    """The message about these alerts. An attribute on which they differ is left out, but for the severity."""
    return SnsMessage(_subject(message), _cut_bytes(text_of(message)), _attributes(alerts))


def _subject(message: Message) -> str:
    """ASCII, beginning with a letter as SNS wants it."""
    headline = one_line(message.headline).encode("ascii", "replace").decode()
    return f"{message.tone.upper()}: {headline}"[:SUBJECT].strip()


def _cut_bytes(text: str) -> str:
    data = text.encode("utf-8", "replace")
    return text if len(data) <= MESSAGE_BYTES else data[:MESSAGE_BYTES].decode("utf-8", "ignore") + _NOT_WHOLE


def _attributes(alerts: Sequence[Alert]) -> dict[str, str]:
    found: dict[str, set[str]] = {
        "state": {str(alert.state) for alert in alerts},
        "rule": {alert.rule for alert in alerts},
        "account": {alert.account for alert in alerts},
        **{name: {alert.labels.get(name, "") for alert in alerts} for name in ("type", "coin", "side")},
    }
    same = {name: one_line(next(iter(values))) for name, values in found.items() if len(values) == 1}
    severity = max((alert.severity for alert in alerts), key=TONES.index)
    return {"severity": severity} | {name: text[:_LONGEST_ATTRIBUTE] for name, text in same.items() if text}
