"""The engine of every rule: what a type finds becomes alerts, told once, after `for_seconds`, not within the cooldown.

What was told is remembered from the alerts themselves, as they come back from ingest, live and when the memory is
rebuilt from stored events. So a rule that is added to an old journal tells what holds now, and one whose process was
killed does not tell twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from hlmon.contract import Settings
from hlmon.events import Alert, AlertState, Event, Reading
from hlmon.rules.config import ConditionConfig, RuleConfig, Verdict
from hlmon.rules.text import Shown, short_address, span, word

MAX_SUBJECTS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a type finds in an event: that something happened, or how the condition `subject` of the account is."""

    subject: str
    values: Mapping[str, Shown] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    account: str = ""
    verdict: Verdict = "happened"
    known_ms: int = 0  # when it became known, if that is later than the event's time


class Measure(Protocol):
    """What makes a type of rule: from an event to findings. `memory` is a msgspec Struct or a dict, or None."""

    memory: Any

    def __call__(self, event: Any, standing: Collection[str], /) -> Iterable[Finding]:
        """The findings; `standing` are the conditions of the event's account that hold or were told, by subject."""


class Standing(msgspec.Struct, omit_defaults=True):
    """One subject: since when it holds, when it was last told, and as what."""

    since_ms: int | None = None
    told_ms: int = 0
    firing: Alert | None = None


class Memory(msgspec.Struct, omit_defaults=True):
    """What is remembered of each account: conditions by subject, happenings by coin; and what the measure remembers."""

    standing: dict[str, dict[str, Standing]] = {}
    measure: msgspec.Raw = msgspec.Raw(b"null")


class Rule:
    """One [rule.NAME]: a deriver of alerts."""

    def __init__(
        self, type_: str, config: RuleConfig, settings: Settings, measure: Measure, kinds: Collection[str]
    ) -> None:
        self._type = type_
        self._kinds = frozenset(kinds)
        self._config = config
        self._labels = settings.accounts
        self._name = settings.name
        self._measure = measure
        self._details = config.speech.details
        self._title = config.speech.template(config.title or config.speech.title)
        self._body = config.speech.template(config.body)
        self._cooldown_ms = int(config.cooldown_seconds * 1000)
        self._for_ms = int(config.for_seconds * 1000) if isinstance(config, ConditionConfig) else 0
        self._accounts = {account.lower() for account in getattr(config, "accounts", ())}
        self._coins = frozenset(getattr(config, "coins", ()))
        self._standing: dict[str, dict[str, Standing]] = {}

    def __call__(self, event: Event, /) -> Sequence[Event]:
        """The alerts that follow from this event."""
        if type(event) is Alert:
            self._remember(event)
            return ()
        if event.kind not in self._kinds or not self._wants(event.account, getattr(event, "coin", "")):
            return ()
        findings = self._measure(event, self._standing.get(event.account, ()))
        wanted = (each for each in findings if self._wants(each.account, each.labels.get("coin", "")))
        return [alert for finding in wanted for alert in self._judge(finding, event)]

    def dump_memory(self) -> bytes:
        """The memory as JSON."""
        measure = msgspec.Raw(msgspec.json.encode(self._measure.memory))
        return msgspec.json.encode(Memory(standing=self._standing, measure=measure))

    def load_memory(self, memory: bytes, /) -> None:
        """Take over a dumped memory."""
        loaded = msgspec.json.decode(memory, type=Memory)
        if self._measure.memory is not None:
            self._measure.memory = msgspec.json.decode(loaded.measure, type=type(self._measure.memory))
        self._standing = loaded.standing

    def _wants(self, account: str, coin: str) -> bool:
        if self._coins and coin and coin not in self._coins:
            return False
        return not self._accounts or not account or not self._accounts.isdisjoint(names_of(account, self._labels))

    def _judge(self, finding: Finding, event: Event) -> Iterator[Alert]:
        if finding.verdict == "happened":
            about = finding.labels.get("coin", "")
            told = self._standing.get(finding.account, {}).get(about)
            if not (self._cooldown_ms and told) or abs(event.time_ms - told.told_ms) >= self._cooldown_ms:
                yield self._alert(finding, event, "event")
            return
        subjects = self._standing.setdefault(finding.account, {})
        standing = subjects.get(finding.subject)
        if finding.verdict != "holds":
            if standing is not None:
                yield from self._end(subjects, standing, finding, event)
            return
        if standing is None:
            standing = subjects[finding.subject] = Standing()
            _limit(subjects)
        if standing.since_ms is None:
            standing.since_ms = event.time_ms
        if self._is_due(standing, event.time_ms):
            yield self._alert(finding, event, "firing", after_ms=standing.told_ms)

    def _is_due(self, standing: Standing, time_ms: int) -> bool:
        has_held = time_ms - (standing.since_ms or 0) >= self._for_ms
        rested = not standing.told_ms or time_ms - standing.told_ms >= self._cooldown_ms
        return standing.firing is None and has_held and rested

    def _end(
        self, subjects: dict[str, Standing], standing: Standing, finding: Finding, event: Event
    ) -> Iterator[Alert]:
        """The condition does not hold: perhaps it is over; what is within its cooldown is kept."""
        fired, is_over = standing.firing, finding.verdict == "over"
        if fired is None or is_over:
            standing.since_ms, standing.firing = None, None
            if event.time_ms - standing.told_ms >= self._cooldown_ms:
                del subjects[finding.subject]
        if fired is not None and is_over and getattr(self._config, "resolved", True):
            yield self._resolution(fired, finding, event)

    def _alert(self, finding: Finding, event: Event, state: AlertState, *, after_ms: int = 0) -> Alert:
        account = finding.account
        label = self._labels.get(account) or short_address(account)
        common = {"account": account, "label": label, "rule": self._name, "severity": self._config.severity}
        values = {**{name: word(text) for name, text in common.items()}, **finding.values}
        return Alert(
            account=account,
            time_ms=max(event.time_ms, finding.known_ms, after_ms + 1),
            rule=self._name,
            subject=finding.subject,
            severity=self._config.severity,
            state=state,
            title=self._title.render(values),
            body=self._body.render(values),
            details=self._figures(finding),
            labels={**finding.labels, **self._config.labels, "type": self._type},
            cause=None if isinstance(event, Reading) else event.name,
        )

    def _resolution(self, fired: Alert, finding: Finding, event: Event) -> Alert:
        time_ms = max(event.time_ms, fired.time_ms + 1)
        return msgspec.structs.replace(
            fired,
            time_ms=time_ms,
            state="resolved",
            title=f"Over: {fired.title}",
            body="",
            details={"lasted": span(time_ms - fired.time_ms).text, **self._figures(finding)},
            cause=None if isinstance(event, Reading) else event.name,
        )

    def _figures(self, finding: Finding) -> dict[str, str]:
        shown = ((name.replace("_", " "), finding.values.get(name)) for name in self._details)
        return {name: value.text for name, value in shown if value is not None and value.text}

    def _remember(self, alert: Alert) -> None:
        """What was told, from the alert itself."""
        if alert.rule != self._name:
            return
        is_event = alert.state == "event"
        if is_event and not self._cooldown_ms:
            return
        subjects = self._standing.setdefault(alert.account, {})
        standing = subjects.setdefault(alert.labels.get("coin", "") if is_event else alert.subject, Standing())
        standing.told_ms = max(standing.told_ms, alert.time_ms)
        if alert.state == "firing":
            standing.since_ms, standing.firing = standing.since_ms or alert.time_ms, alert
        elif alert.state == "resolved":
            standing.since_ms, standing.firing = None, None
            if not self._cooldown_ms:
                del subjects[alert.subject]
        _limit(subjects)


def names_of(account: str, labels: Mapping[str, str]) -> set[str]:
    """What a user may call this account, in lower case."""
    return {account, labels.get(account, account).lower()}


def _limit(subjects: dict[str, Standing]) -> None:
    """Forget what has been known for longest when there is too much."""
    while len(subjects) > MAX_SUBJECTS:
        del subjects[next(iter(subjects))]
