"""What a group of alerts has to tell, the same for every service."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import takewhile
from typing import Final, Literal

from hlmon import Alert, AlertState, Severity
from hlmon_notify.render.text import one_line

Tone = Literal["info", "resolved", "warning", "critical"]

TONES: Final[tuple[Tone, ...]] = ("info", "resolved", "warning", "critical")
"""From the least to the most urgent."""

MARKS: Final[Mapping[Tone, str]] = {"info": "🔵", "resolved": "✅", "warning": "⚠️", "critical": "🚨"}
COLORS: Final[Mapping[Tone, int]] = {"info": 0x3B82F6, "resolved": 0x16A34A, "warning": 0xD97706, "critical": 0xDC2626}

_TRANSACTION = re.compile(r"0x[0-9a-f]{64}")
_NO_TRANSACTION = "0x" + "0" * 64
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class Look:
    """How the user wants it: times in `zone`, links into `explorer` ("": none), accounts by their labels."""

    zone: tzinfo = UTC
    explorer: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One alert in words. A text that is "" is unknown or does not apply."""

    tone: Tone
    severity: Severity
    state: AlertState
    title: str
    body: str
    figures: tuple[tuple[str, str], ...]  # name, text
    account: str
    account_url: str
    transaction_url: str
    time: str
    time_ms: int
    rule: str

    @property
    def heading(self) -> str:
        """The title behind the mark of its tone."""
        return f"{MARKS[self.tone]} {self.title}"

    @property
    def status(self) -> str:
        """Severity and state, e.g. `warning, resolved`; a happening has no state."""
        return self.severity if self.state == "event" else f"{self.severity}, {self.state}"

    @property
    def short_figures(self) -> str:
        """All figures in one line."""
        return " · ".join(f"{name} {text}" for name, text in self.figures)


@dataclass(frozen=True, kw_only=True)
class Message:
    """A group of alerts in words, the most urgent first."""

    headline: str
    entries: tuple[Entry, ...]

    @property
    def tone(self) -> Tone:
        """That of the most urgent entry."""
        return self.entries[0].tone

    @property
    def account(self) -> str:
        """The account that all are about, "" if they are about several or none."""
        accounts = {entry.account for entry in self.entries}
        return accounts.pop() if len(accounts) == 1 else ""

    @property
    def heading(self) -> str:
        """The headline behind the mark of the tone."""
        return f"{MARKS[self.tone]} {self.headline}"


def message_of(alerts: Sequence[Alert], look: Look) -> Message:
    """The message about a group of at least one alert."""
    entries = sorted((_entry(alert, look) for alert in alerts), key=lambda entry: -TONES.index(entry.tone))
    return Message(headline=_headline(entries), entries=tuple(entries))


def time_text(time_ms: int, zone: tzinfo) -> str:
    """The time in the zone, with UTC beside it where that differs."""
    utc = datetime.fromtimestamp(time_ms / 1000, UTC)
    local = utc.astimezone(zone)
    if not local.utcoffset():
        return f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    beside = f"{utc:%H:%M:%S}" if utc.date() == local.date() else f"{utc:%Y-%m-%d %H:%M:%S}"
    return f"{local:%Y-%m-%d %H:%M:%S} {local:%Z} ({beside} UTC)"


def _entry(alert: Alert, look: Look) -> Entry:
    return Entry(
        tone="resolved" if alert.state == "resolved" else alert.severity,
        severity=alert.severity,
        state=alert.state,
        title=one_line(alert.title) or f"Alert of rule {one_line(alert.rule)}",
        body=alert.body,
        figures=tuple((one_line(name), one_line(text)) for name, text in alert.details.items()),
        account=_account_text(alert.account, one_line(look.labels.get(alert.account, ""))),
        account_url=account_url(alert, look),
        transaction_url=transaction_url(alert, look),
        time=time_text(alert.time_ms, look.zone),
        time_ms=alert.time_ms,
        rule=one_line(alert.rule),
    )


def account_url(alert: Alert, look: Look) -> str:
    """The account in the explorer, "" if there is none."""
    return f"{look.explorer}/address/{alert.account}" if look.explorer and _ADDRESS.fullmatch(alert.account) else ""


def transaction_url(alert: Alert, look: Look) -> str:
    """The transaction in the explorer, "" if there is none."""
    transaction = alert.labels.get("tx_hash", "")
    is_one = _TRANSACTION.fullmatch(transaction) and transaction != _NO_TRANSACTION
    return f"{look.explorer}/tx/{transaction}" if look.explorer and is_one else ""


def _account_text(account: str, label: str) -> str:
    short = f"{account[:6]}…{account[-4:]}" if _ADDRESS.fullmatch(account) else one_line(account)
    return f"{label} ({short})" if label and short else label or short


def _headline(entries: Sequence[Entry]) -> str:
    """The title of one; of several their number and what their titles have in common."""
    if len(entries) == 1:
        return entries[0].title
    words = zip(*(entry.title.split() for entry in entries), strict=False)
    common = [each[0] for each in takewhile(lambda each: len(set(each)) == 1, words)]
    begin = " ".join(common).rstrip(" :,;-–(")
    rules = {entry.rule for entry in entries}
    what = begin if len(common) > 1 else f"rule {rules.pop()}" if len(rules) == 1 else ""
    return f"{len(entries)} alerts: {what}" if what else f"{len(entries)} alerts"
