"""The notifier "log"."""

from __future__ import annotations

import logging
from typing import ClassVar

import pytest

from hlmon.contract import NoConfig, Settings
from hlmon.notifiers.log import FACTORY
from hlmon.testing import NotifierContract
from hlmon.testing.builders import make_alert

_NO_SERVICE = "a log line has no service behind it that could fail or refuse"


class TestLogNotifier(NotifierContract):
    excused: ClassVar = {
        "test_an_outage_raises_transient": _NO_SERVICE,
        "test_an_open_notifier_recovers_from_an_outage": _NO_SERVICE,
        "test_a_refusal_raises_permanent": _NO_SERVICE,
        "test_the_wait_that_was_asked_for_is_passed_on": _NO_SERVICE,
        "test_opening_with_a_wrong_config_raises_config_error": "it has no config",
    }

    @pytest.fixture(autouse=True)
    def _log(self, caplog):
        caplog.set_level(logging.INFO)
        self.log = caplog

    def factory(self):
        return FACTORY

    def config(self):
        return NoConfig()

    def sent(self):
        return [f"{each.levelname} {each.getMessage()}" for each in self.log.records if each.name == "hlmon.alerts"]


@pytest.fixture
def lines(caplog):
    def send(*alerts):
        with FACTORY.open(NoConfig(), Settings(name="log")) as notifier:
            notifier.send(alerts)
        return caplog.records

    caplog.set_level(logging.DEBUG)
    return send


def test_the_level_is_the_severity(lines):
    records = lines(*(make_alert(severity=severity) for severity in ("info", "warning", "critical")))
    assert [record.levelname for record in records] == ["INFO", "WARNING", "CRITICAL"]


def test_an_alert_is_one_line_whatever_its_text_holds(lines):
    (record,) = lines(make_alert(title="closed\nERROR all is lost", body="a\r\x1b[31mb\u2028c %s"))
    assert record.getMessage() == "closed ERROR all is lost: a  [31mb c %s"


def test_the_fields_of_the_alert_are_on_the_record(lines):
    alert = make_alert(labels={"coin": "BTC"})
    (record,) = lines(alert)
    assert (record.alert_rule, record.alert_account, record.alert_time_ms) == (alert.rule, alert.account, alert.time_ms)
    assert (record.alert_key, record.alert_severity, record.alert_labels) == (alert.key, "warning", {"coin": "BTC"})


def test_the_figures_of_an_alert_are_in_its_line(caplog):
    caplog.set_level(logging.INFO)
    with FACTORY.open(NoConfig(), Settings(name="screen")) as notifier:
        notifier.send([make_alert(title="BTC closed", body="", details={"net": "+900.00 USDC", "held": "1 h"})])
    assert [record.getMessage() for record in caplog.records] == ["BTC closed: net: +900.00 USDC, held: 1 h"]
