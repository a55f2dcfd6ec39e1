"""The notifier "log": one log line per alert, for a terminal, a log collector, or a first look."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from hlmon.contract import NoConfig, NotifierFactory, Settings
from hlmon.events import Alert, Severity
from hlmon.plain import plain_line

LEVELS: Final[Mapping[Severity, int]] = MappingProxyType(
    {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}
)

_logger = logging.getLogger("hlmon.alerts")


class LogNotifier:
    """Writes to the logger "hlmon.alerts"; the fields of the alert are on the record as `alert_…`, for JSON logs."""

    def send(self, alerts: Sequence[Alert], /) -> None:
        """One line each, at the level of its severity."""
        for alert in alerts:
            figures = ", ".join(f"{name}: {text}" for name, text in alert.details.items())
            text = plain_line(": ".join(filter(None, (alert.title, alert.body, figures))))
            _logger.log(LEVELS[alert.severity], "%s", text, extra=_fields(alert))


def _fields(alert: Alert) -> dict[str, object]:
    return {
        "alert_key": alert.key,
        "alert_rule": alert.rule,
        "alert_severity": alert.severity,
        "alert_account": alert.account,
        "alert_time_ms": alert.time_ms,
        "alert_labels": alert.labels,
    }


@contextmanager
def open_log(_config: NoConfig, _settings: Settings) -> Iterator[LogNotifier]:
    """Nothing can fail here."""
    yield LogNotifier()


FACTORY: Final = NotifierFactory(name="log", config=NoConfig, open=open_log, max_batch=100)
