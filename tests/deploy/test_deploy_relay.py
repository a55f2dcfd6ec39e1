"""Alarms of CloudWatch and alerts of the monitor, passed on to the notifiers of the config."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest

from hlmon import Need, NoConfig, NotifierFactory, Transient
from hlmon.errors import ConfigError
from hlmon_deploy import relay as construct
from hlmon_deploy.functions import relay

CONFIG = '[notifier.ops]\ntype = "log"\n[notifier.other]\ntype = "log"'


def record(message: str, subject: str | None = None, **attributes: str) -> dict:
    values = {name: {"Type": "String", "Value": text} for name, text in attributes.items()}
    return {
        "EventSource": "aws:sns",
        "Sns": {
            "Subject": subject,
            "Message": message,
            "MessageId": "m1",
            "Timestamp": "2026-11-24T04:00:00.500Z",
            "MessageAttributes": values,
        },
    }


def alarm(state: str) -> dict:
    body = {
        "AlarmName": "hl-monitor-silence",
        "AlarmDescription": "The monitor hears nothing.",
        "NewStateValue": state,
        "NewStateReason": "no data",
        "Region": "US East (N. Virginia)",
    }
    return record(json.dumps(body), f'{state}: "hl-monitor-silence"')


@pytest.mark.parametrize(
    ("state", "severity", "told"),
    [("ALARM", "critical", "firing"), ("OK", "info", "resolved"), ("INSUFFICIENT_DATA", "info", "event")],
)
def test_an_alarm_begins_and_ends_as_an_alert_of_one_subject(state, severity, told):
    alert = relay.alert_of(alarm(state))
    assert (alert.rule, alert.subject, alert.severity, alert.state) == (
        "aws-alarm",
        "hl-monitor-silence",
        severity,
        told,
    )
    assert alert.title == f"hl-monitor-silence: {state}"
    assert alert.body == "The monitor hears nothing."
    assert alert.details["Reason"] == "no data"
    assert alert.time_ms == 1_795_492_800_500


def test_an_alert_of_the_monitor_keeps_its_words_its_rule_and_its_urgency():
    text = "🚨 Position closed: BTC\n\nNet PnL: -12.5 USDC"
    alert = relay.alert_of(
        record(text, "CRITICAL: Position closed: BTC", severity="critical", rule="closes", account="0xab")
    )
    assert (alert.title, alert.body) == ("Position closed: BTC", "Net PnL: -12.5 USDC")
    assert (alert.rule, alert.severity, alert.state, alert.account) == ("closes", "critical", "event", "0xab")


@pytest.mark.parametrize("text", ["AWS Budgets: over", "[1]", '{"detail": {}}'])
def test_whatever_else_comes_to_the_topic_is_passed_on_as_it_is(text):
    alert = relay.alert_of(record(text, "AWS Budgets"))
    assert (alert.rule, alert.title, alert.body) == ("aws", "AWS Budgets", text)


class Told:
    """A notifier that remembers, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.alerts: list = []
        self._error = error

    def send(self, alerts) -> None:
        if self._error:
            raise self._error
        self.alerts += alerts


@pytest.fixture
def told(monkeypatch):
    """The notifiers that the config names, in place of real ones."""
    notifiers = {"ops": Told(), "other": Told()}

    def factory(_catalogue, _name):
        @contextmanager
        def opened(_config, settings):
            yield notifiers[settings.name]

        return NotifierFactory(name="log", config=NoConfig, open=opened)

    monkeypatch.setattr("hlmon.plugins.Catalogue.notifier", factory)
    monkeypatch.setenv("HLMON_CONFIG_TOML", CONFIG)
    monkeypatch.setenv("RELAY_TO", '["ops", "other"]')
    return notifiers


def test_every_notifier_that_is_named_gets_everything(told):
    assert relay.on_event({"Records": [alarm("ALARM"), alarm("OK")]}, None) == {"sent": 2}
    assert [alert.state for alert in told["ops"].alerts] == ["firing", "resolved"]
    assert told["other"].alerts == told["ops"].alerts


def test_a_notifier_that_is_not_named_gets_nothing(told, monkeypatch):
    monkeypatch.setenv("RELAY_TO", '["other"]')
    relay.on_event({"Records": [alarm("ALARM")]}, None)
    assert told["ops"].alerts == []


def test_one_that_fails_keeps_nobody_from_being_told_and_makes_aws_try_again(told):
    told["ops"]._error = Transient("later")
    with pytest.raises(ExceptionGroup, match="not every notifier was told"):
        relay.on_event({"Records": [alarm("ALARM")]}, None)
    assert len(told["other"].alerts) == 1


@pytest.fixture
def relayed(deploy, tmp_path, monkeypatch):
    """A stack with the relay."""

    def needs(_config):
        return [Need(kind="secret", name="OPS_TOKEN", why="to log in")]

    factory = NotifierFactory(name="log", config=NoConfig, open=lambda *_: None, needs=needs)
    monkeypatch.setattr("hlmon.plugins.Catalogue.notifier", lambda *_: factory)
    deploy.relay_alone(monkeypatch)
    deploy.config(tmp_path, CONFIG)
    plan = deploy.plan(tmp_path, config="hlmon.toml", relay="ops", image="example/hlmon:1", db_mode="dynamodb")
    return deploy.synthesize(plan, checks=True)


def test_the_relay_listens_to_the_topic_and_keeps_what_it_could_not_pass_on(relayed):
    (function,) = [each for each in relayed.all("Lambda::Function") if each["FunctionName"] == "hl-monitor-relay"]
    assert function["Runtime"] == construct.RUNTIME.name
    assert function["Architectures"] == ["arm64"]
    assert json.loads(function["Environment"]["Variables"]["RELAY_TO"]) == ["ops"]
    assert function["Environment"]["Variables"]["RELAY_SECRET"] == "hl-monitor/notify"
    assert "DeadLetterConfig" in function
    subscription = relayed.one("SNS::Subscription")
    assert subscription["Protocol"] == "lambda"
    assert "deadLetterTargetArn" in subscription["RedrivePolicy"]
    assert "hl-monitor/notify" in {secret["Name"] for secret in relayed.all("SecretsManager::Secret")}


def test_without_names_there_is_no_relay(deploy):
    functions = {each["FunctionName"] for each in deploy.synthesized(db_mode="dynamodb").all("Lambda::Function")}
    assert functions == {"hl-monitor-fallback"}


def test_a_name_that_the_config_does_not_have_is_refused(deploy, tmp_path):
    deploy.config(tmp_path, CONFIG)
    with pytest.raises(ConfigError, match=r"no \[notifier.opps\]; did you mean 'ops'"):
        deploy.plan(tmp_path, config="hlmon.toml", relay="opps")
