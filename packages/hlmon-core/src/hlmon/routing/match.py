"""What the user writes about the ways of alerts: routes, silences, inhibitions, and each notifier's own limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from hlmon.events import Alert, Severity
from hlmon.routing.quiet import check_hours, check_zone

SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical")
"""From the least to the most severe."""


class Matcher(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Some of all alerts: of these rules, accounts and labels; each that is empty means all."""

    rules: Annotated[tuple[str, ...], Meta(description="names of rules; left out: all")] = ()
    accounts: Annotated[tuple[str, ...], Meta(description="addresses or labels of accounts; left out: all")] = ()
    labels: Annotated[
        dict[str, tuple[str, ...]],
        Meta(description='label = list of values, one of which it has, as in `labels.coin = ["BTC"]`'),
    ] = {}

    def matches(self, alert: Alert, accounts: Mapping[str, str]) -> bool:
        """Whether the alert is one of them; `accounts` is address -> the user's label."""
        return (
            (not self.rules or alert.rule in self.rules)
            and (not self.accounts or self._has_account(alert.account, accounts.get(alert.account, "")))
            and all(alert.labels.get(name) in values for name, values in self.labels.items())
        )

    def _has_account(self, address: str, label: str) -> bool:
        return any(account.lower() == address or account == label for account in self.accounts if account)


class Route(Matcher, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One [[route]]: alerts at least this severe go to these notifiers, grouped, repeated and held back like this."""

    to: Annotated[tuple[str, ...], Meta(description="names of notifiers")]
    severity: Annotated[Severity, Meta(description="the least severe that takes this route")] = "info"
    group_by: Annotated[
        tuple[str, ...],
        Meta(
            description="what alerts of one message have in common: `rule`, `account`, `severity`, `subject`, any label"
        ),
    ] = ("rule", "account")
    wait_seconds: Annotated[float, Meta(ge=0, description="a message goes out when nothing joined it for so long")] = (
        1.0
    )
    max_wait_seconds: Annotated[float, Meta(ge=0, description="and at the latest so long after its first alert")] = 10.0
    repeat_minutes: Annotated[
        Annotated[float, Meta(ge=1)] | None,
        Meta(description="how often a condition is told again while it lasts; left out: never"),
    ] = None
    quiet_hours: Annotated[str, Meta(description='such as `"22:00-07:00"`')] = ""
    quiet_below: Annotated[Severity, Meta(description="what is less severe waits for the end of the quiet hours")] = (
        "critical"
    )
    zone: Annotated[str, Meta(description='time zone of the quiet hours, such as `"Europe/Berlin"`')] = "UTC"

    def __post_init__(self) -> None:
        """Raise ValueError for quiet hours or a zone that cannot be."""
        if self.quiet_hours:
            check_hours(self.quiet_hours)
        check_zone(self.zone)

    def takes(self, alert: Alert, accounts: Mapping[str, str]) -> bool:
        """Whether the alert takes this route."""
        return is_at_least(alert.severity, self.severity) and self.matches(alert, accounts)

    def is_quiet_for(self, alert: Alert) -> bool:
        """Whether the alert is one that waits during the quiet hours, if the route has any."""
        return bool(self.quiet_hours) and not is_at_least(alert.severity, self.quiet_below)


class Silence(Matcher, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user does not want to hear of until a time."""

    id: str
    created_ms: int
    until_ms: int
    why: str = ""


class Inhibit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One [[inhibit]]: an alert of `rules` mutes those of `mutes`, of the same account, for some minutes.

    Both are names of rules or their types.
    """

    rules: Annotated[
        tuple[str, ...], Meta(description="names or types of rules whose alerts mute others of the same account")
    ]
    mutes: Annotated[tuple[str, ...], Meta(description="names or types of rules that are muted")]
    minutes: Annotated[float, Meta(gt=0, description="for how long")] = 15.0

    def is_cause(self, alert: Alert) -> bool:
        """Whether the alert mutes others."""
        return _is_of(alert, self.rules) and alert.state != "resolved"

    def until_ms(self, cause: Alert, alert: Alert) -> int | None:
        """Until when the cause mutes the alert, also one from before the cause; None if it does not."""
        until_ms = cause.time_ms + round(self.minutes * 60_000)
        related = cause.account == alert.account and self.is_cause(cause) and _is_of(alert, self.mutes)
        return until_ms if related and alert.time_ms <= until_ms else None


class NotifierPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every [notifier.NAME] may say besides the plugin's own fields."""

    messages_per_minute: Annotated[int, Meta(ge=1, description="never more in any minute; the rest comes merged")] = 20
    fallback: Annotated[tuple[str, ...], Meta(description="notifiers that get what this one does not accept")] = ()
    fallback_after_minutes: Annotated[float, Meta(ge=0, description="after how long they get it")] = 5.0


DEFAULT_INHIBIT: Final = (Inhibit(rules=("liquidation",), mutes=("margin", "liquidation_distance")),)
"""Whoever was liquidated needs no warning that it may happen."""


def is_at_least(severity: Severity, minimum: Severity) -> bool:
    """Whether the one is as severe as the other, or more."""
    return SEVERITIES.index(severity) >= SEVERITIES.index(minimum)


def _is_of(alert: Alert, rules: tuple[str, ...]) -> bool:
    return alert.rule in rules or alert.labels.get("type") in rules
