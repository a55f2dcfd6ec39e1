"""Which alert reaches which notifier, and until when: pure functions, the clock is passed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from hlmon.events import Alert, Severity

SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical")
"""From the least to the most severe."""

_NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One [[route]]: alerts at least this severe, of these rules and accounts (empty: all), go to these notifiers."""

    to: tuple[str, ...]
    severity: Severity = "info"
    rules: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()  # addresses or labels

    def takes(self, alert: Alert, label: str = "") -> bool:
        """Whether the alert takes this route; `label` is the user's name for the alert's account."""
        return (
            SEVERITIES.index(alert.severity) >= SEVERITIES.index(self.severity)
            and (not self.rules or alert.rule in self.rules)
            and (not self.accounts or _is_among(self.accounts, alert.account, label))
        )


def _is_among(accounts: Sequence[str], address: str, label: str) -> bool:
    return any((account.lower() == address or account == label) for account in accounts if account)


def routes_for(
    alert: Alert, routes: Sequence[Route], notifiers: Iterable[str], labels: Mapping[str, str] = _NO_LABELS
) -> tuple[str, ...]:
    """The notifiers that get this alert, each once, in the order of `notifiers`; `labels` is address -> label.

    Without any route every notifier gets every alert; with routes, what none of them takes goes nowhere.
    """
    if not routes:
        return tuple(notifiers)
    label = labels.get(alert.account, "")
    wanted = {name for route in routes if route.takes(alert, label) for name in route.to}
    return tuple(name for name in notifiers if name in wanted)


def is_due(alert: Alert, now_ms: int, max_age_ms: int) -> bool:
    """Whether the alert is young enough to tell anyone: a first start or a backfill raises no storm."""
    return now_ms - alert.time_ms <= max_age_ms
