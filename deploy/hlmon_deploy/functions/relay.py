"""Passes what comes to the topic on to notifiers of the config: CloudWatch's alarms, and the monitor's own alerts.

The notifiers are the plugins' own, so a message looks as it does when the monitor itself sends it.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from typing import Any, Literal

import boto3

from hlmon import Alert, Notifier, Settings
from hlmon.config import load_config
from hlmon.parts import enable
from hlmon.plugins import load_catalogue

_SEVERITIES: Mapping[str, Literal["info", "warning", "critical"]] = {
    "info": "info",
    "warning": "warning",
    "critical": "critical",
}
_SIGN = re.compile(r"^\W+ ")
_log = logging.getLogger(__name__)


def alert_of(record: Mapping[str, Any]) -> Alert:
    """One message of the topic as an alert: an alarm, an alert of the monitor, or any other text."""
    message = record["Sns"]
    time_ms = int(datetime.fromisoformat(message["Timestamp"]).timestamp() * 1000)
    attributes = {name: each["Value"] for name, each in message.get("MessageAttributes", {}).items()}
    if "rule" in attributes or "severity" in attributes:
        return _own(message, attributes, time_ms)
    try:
        body = json.loads(message["Message"])
    except ValueError:
        body = None
    if isinstance(body, dict) and "AlarmName" in body:
        return _alarm(body, time_ms)
    title = message.get("Subject") or "A message from AWS"
    return Alert(
        rule="aws", subject=title, severity="warning", title=title, body=message["Message"], account="", time_ms=time_ms
    )


def _own(message: Mapping[str, Any], attributes: Mapping[str, str], time_ms: int) -> Alert:
    """What the notifier `sns` published: its text is rendered, with the title and its sign as the first paragraph.

    The title is read from there, because a subject has ASCII alone.
    """
    title, _, body = message["Message"].partition("\n\n")
    state = attributes.get("state", "event")
    return Alert(
        rule=attributes.get("rule", "several"),
        subject=message["MessageId"],
        severity=_SEVERITIES.get(attributes.get("severity", ""), "warning"),
        state="firing" if state == "firing" else "resolved" if state == "resolved" else "event",
        title=_SIGN.sub("", title) or "hlmon",
        body=body,
        account=attributes.get("account", ""),
        time_ms=time_ms,
    )


def _alarm(body: Mapping[str, Any], time_ms: int) -> Alert:
    """A change of a CloudWatch alarm; that data is missing is a change too, but none to wake anybody for."""
    state = body.get("NewStateValue")
    return Alert(
        rule="aws-alarm",
        subject=body["AlarmName"],
        severity="critical" if state == "ALARM" else "info",
        state="firing" if state == "ALARM" else "resolved" if state == "OK" else "event",
        title=f"{body['AlarmName']}: {state}",
        body=body.get("AlarmDescription") or "",
        details={"Region": str(body.get("Region", "")), "Reason": str(body.get("NewStateReason", ""))},
        account="",
        time_ms=time_ms,
    )


def open_notifiers(stack: ExitStack) -> dict[str, Notifier]:
    """The notifiers that RELAY_TO names, with the values of the secret in the environment."""
    if secret := os.environ.get("RELAY_SECRET"):
        text = boto3.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
        os.environ.update({name: str(value) for name, value in json.loads(text).items()})
    wanted = json.loads(os.environ["RELAY_TO"])
    config = load_config(None)
    parts = {part.name: part for part in enable(config, load_catalogue()).notifiers}
    settings = {name: Settings(name=name, accounts=config.labels, url=config.hyperliquid.url) for name in wanted}
    return {name: stack.enter_context(parts[name].open(settings[name])) for name in wanted}


def on_event(event: Mapping[str, Any], _context: object) -> dict[str, int]:
    """Send everything to every notifier. Raises after all were tried if one failed, so that AWS tries again."""
    alerts = [alert_of(record) for record in event["Records"]]
    failures: list[Exception] = []
    with ExitStack() as stack:
        for name, notifier in open_notifiers(stack).items():
            try:
                notifier.send(alerts)
            except Exception as error:  # noqa: BLE001  # whatever a notifier raises, the others are told
                _log.exception("%s was not told", name)
                failures.append(error)
    if failures:
        raise ExceptionGroup("not every notifier was told", failures)
    return {"sent": len(alerts)}
