"""What is around the notifiers: progress, opening, needs, configs, Apprise, imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hlmon import ConfigError, Permanent, Secret, Transient
from hlmon.testing.builders import make_alert
from hlmon_notify import apprise, discord, mail, sns, telegram, webhook
from hlmon_notify.apprise import AppriseConfig
from hlmon_notify.config import LookConfig
from hlmon_notify.discord import DiscordConfig
from hlmon_notify.errors import Blocked, Unreachable, proving
from hlmon_notify.mail_config import EmailConfig
from hlmon_notify.progress import Progress
from hlmon_notify.sns import SnsConfig
from hlmon_notify.telegram import TelegramConfig
from hlmon_notify.webhook import WebhookConfig
from tests.servers.chat import Receiver, Reply

TOPIC = "arn:aws:sns:eu-west-1:123456789012:alerts"


def done(progress, alerts, parts, *, failing_at=None):
    accepted = []
    for part in progress.left(alerts, parts):
        if part == failing_at:
            break
        accepted.append(part)
    return accepted


def test_a_repetition_goes_on_with_what_was_not_accepted():
    progress, alerts = Progress(), [make_alert()]
    assert done(progress, alerts, "abc", failing_at="b") == ["a"]
    assert done(progress, alerts, "abc", failing_at="c") == ["b"]
    assert done(progress, alerts, "abc") == ["c"]
    assert done(progress, alerts, "abc") == ["a", "b", "c"]


def test_another_group_begins_anew():
    progress, alert = Progress(), make_alert()
    assert done(progress, [alert], "abc", failing_at="b") == ["a"]
    assert done(progress, [alert, make_alert()], "abc", failing_at="c") == ["a", "b"]
    assert done(progress, [alert], "abc") == ["a", "b", "c"]


@pytest.mark.parametrize("error", [Blocked("x"), Unreachable("x"), Permanent("x")])
def test_what_people_put_right_is_a_config_error_at_opening(error):
    with pytest.raises(ConfigError, match="x"), proving():
        raise error


def test_a_service_that_asks_for_patience_at_opening_is_logged(caplog):
    with proving():
        raise Transient("busy today")
    assert "busy today" in caplog.text


@pytest.mark.parametrize(
    ("factory", "config", "named"),
    [
        (discord, DiscordConfig(), [("secret", "DISCORD_WEBHOOK_URL")]),
        (discord, DiscordConfig(webhook=Secret("file:/run/secrets/discord")), []),
        (telegram, TelegramConfig(chat_id="-1"), [("secret", "TELEGRAM_BOT_TOKEN")]),
        (webhook, WebhookConfig(secret=Secret("env:S"), headers={"A": Secret("env:H")}), [*"WSH"]),
        (apprise, AppriseConfig(urls=(Secret("env:ONE"), Secret("env:TWO"))), [("secret", "ONE"), ("secret", "TWO")]),
        (sns, SnsConfig(topic_arn=TOPIC), [("topic", TOPIC), ("permission", TOPIC)]),
        (
            mail,
            EmailConfig(sender="a@b.co", to=("c@d.co",), host="m", username="u", password=Secret("env:P")),
            [("secret", "P")],
        ),
        (
            mail,
            EmailConfig(sender="A <a@b.co>", to=("c@d.co",), via="ses", region="eu-west-1"),
            [("permission", f"arn:aws:ses:eu-west-1:*:identity/{identity}") for identity in ("a@b.co", "b.co")],
        ),
    ],
)
def test_a_deployment_is_told_what_it_must_provide(factory, config, named):
    needs = [(need.kind, need.name) for need in factory.FACTORY.needs(config)]
    expected = [("secret", "WEBHOOK_URL"), ("secret", "S"), ("secret", "H")] if named == [*"WSH"] else named
    assert needs == expected


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LookConfig(zone="Europe/Berln"), "zone: no such time zone"),
        (lambda: LookConfig(zone="Europe"), "zone: no such time zone"),
        (lambda: LookConfig(zone="../../etc/passwd"), "zone: no such time zone"),
        (lambda: LookConfig(explorer="app.example"), "explorer: must begin with https"),
        (lambda: DiscordConfig(thread_id="x"), "thread_id: must be"),
        (lambda: TelegramConfig(chat_id="me"), "chat_id: must be"),
        (lambda: TelegramConfig(chat_id=True), "chat_id: must be"),
        (lambda: TelegramConfig(chat_id="1", url="x"), "url: is not a URL"),
        (lambda: SnsConfig(topic_arn="alerts"), "topic_arn: must be"),
        (lambda: SnsConfig(topic_arn=TOPIC, endpoint_url="x"), "endpoint_url: must begin"),
        (lambda: AppriseConfig(urls=()), "urls: must not be empty"),
    ],
)
def test_a_config_that_cannot_work_is_refused_with_the_field(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_plugin_that_is_not_used_costs_no_client():
    code = (
        "import sys, hlmon_notify.plugin as plugin; plugin.hlmon_notifiers();"
        "print(sorted({'requests', 'boto3', 'apprise', 'smtplib'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_without_apprise_its_notifier_says_what_to_install(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    config = AppriseConfig(urls=(Secret("env:APPRISE_URL"),))
    with (
        pytest.raises(ConfigError, match=r"pip install 'hlmon-notify\[apprise\]'"),
        apprise.FACTORY.open(config, settings),
    ):
        pass


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
def test_of_several_places_only_the_one_that_failed_is_told_again(receiver, settings, monkeypatch):
    monkeypatch.setenv("TWO", receiver.hook.replace("http", "json", 1))
    with Receiver() as other:
        monkeypatch.setenv("ONE", other.hook.replace("http", "json", 1))
        alert, later = make_alert(), make_alert()
        config = AppriseConfig(urls=(Secret("env:ONE"), Secret("env:TWO")))
        with apprise.FACTORY.open(config, settings) as notifier:
            with other.answering(Reply(500)):
                for alerts in ([alert], [alert], [alert, later]):
                    with pytest.raises(Transient, match=r"env:ONE$"):
                        notifier.send(alerts)
            notifier.send([alert, later])
            notifier.send([alert])
    assert [alert.title in text for text in receiver.accepted] == [True, False, True]
    assert [later.title in text for text in receiver.accepted] == [False, True, False]
    assert [alert.title in text for text in other.accepted] == [True, True]
