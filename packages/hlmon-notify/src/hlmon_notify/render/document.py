"""The JSON of a webhook; `webhook.schema.json` beside this package describes it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from hlmon import Alert, plain_alert, plain_line
from hlmon_notify.render.message import Look, Message, account_url, transaction_url

VERSION: Final = 1


def identity_of(alerts: Sequence[Alert]) -> str:
    """The same for the same alerts, so that a receiver can tell a repetition."""
    names = msgspec.json.encode([alert.name for alert in alerts])
    return f"msg_{hashlib.sha256(names).hexdigest()[:32]}"


def document_of(message: Message, alerts: Sequence[Alert], look: Look) -> dict[str, Any]:
    """The alerts with all their fields, in their own order, and what they have to tell together."""
    return {
        "version": VERSION,
        "id": identity_of(alerts),
        "headline": message.headline,
        "tone": message.tone,
        "alerts": [_alert(plain_alert(alert), look) for alert in alerts],
    }


def _alert(alert: Alert, look: Look) -> dict[str, Any]:
    links = {"account": account_url(alert, look), "transaction": transaction_url(alert, look)}
    return {
        "key": alert.key,
        "rule": alert.rule,
        "subject": alert.subject,
        "account": alert.account,
        "account_label": plain_line(look.labels.get(alert.account, "")),
        "time_ms": alert.time_ms,
        "time": datetime.fromtimestamp(alert.time_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "severity": alert.severity,
        "state": alert.state,
        "title": alert.title,
        "body": alert.body,
        "details": alert.details,
        "labels": alert.labels,
        "cause": dict(zip(("kind", "account", "key"), alert.cause, strict=True)) if alert.cause else None,
        "links": {name: url for name, url in links.items() if url},
    }
