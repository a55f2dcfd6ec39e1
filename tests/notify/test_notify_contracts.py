"""Every notifier keeps the contract, over real connections to services that answer as documented."""

from __future__ import annotations

import json
import unicodedata
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from typing import ClassVar

import pytest

from hlmon import Secret, Settings
from hlmon.testing import NotifierContract, PluginContract
from hlmon.testing.builders import ALICE, make_alert
from hlmon_notify import apprise, discord, mail, sns, telegram, webhook
from hlmon_notify.apprise import AppriseConfig
from hlmon_notify.discord import DiscordConfig
from hlmon_notify.mail_config import EmailConfig
from hlmon_notify.plugin import hlmon_notifiers
from hlmon_notify.sns import SnsConfig
from hlmon_notify.telegram import TelegramConfig
from hlmon_notify.webhook import WebhookConfig
from tests.servers.chat import Discord, Reply, Telegram
from tests.servers.mail import PASSWORD, USERNAME, MailServer

NOWHERE = "http://127.0.0.1:1"
AWS_KEY = "hush/hush/AQIDBAUGBwgJCgsMDQ4PEBESExQVFhc"


def answering(status, body=b"{}", *headers):
    return lambda exchange: exchange.answer(status, body, ("Content-Type", "application/json"), *headers)


EVIL = "\x1b]52;c;eA==\x07\x9b31m\u202eABC\u2066\u200b\u2028\u2029\x7f\x00\r\nend"
LABELLED = Settings(name="contract", accounts={ALICE: EVIL})


class PlainContract(NotifierContract):
    """What every notifier of this package does beyond the contract: text from outside is only text."""

    def raw(self) -> list[str]:
        """What came over the wire, as its receiver reads it."""
        return list(self.sent())

    def test_no_text_from_outside_acts_on_its_reader(self):
        evil = {
            "subject": EVIL,
            "title": EVIL,
            "body": EVIL,
            "details": {EVIL: EVIL},
            "labels": {"coin": EVIL, EVIL: EVIL},
        }
        with self.factory().open(self.config(), LABELLED) as notifier:
            notifier.send([make_alert(account=ALICE, **evil)])
            notifier.send([make_alert(account=ALICE, **evil), make_alert(account=ALICE, **evil)])
        text = "".join(self.raw())
        assert "ABC" in text
        kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
        assert [c for c in text if unicodedata.category(c) in kinds and c not in "\r\n"] == []


def texts_in(value):
    """Every text of a JSON value, names of fields too."""
    if isinstance(value, dict):
        return [text for name, inner in value.items() for text in (name, *texts_in(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in texts_in(inner)]
    return [value] if isinstance(value, str) else []


class OverHttp(PlainContract):
    """`self.service` is the stand-in."""

    refused = Reply(400)

    def sent(self):
        return self.service.accepted

    def raw(self):
        requests = [request for request in self.service.requests if request.method == "POST"]
        found = []
        for request in requests:
            found += texts_in(json.loads(request.body)) if request.body.startswith(b"{") else texts_in(request.fields)
            found += [*request.files.values(), *request.headers.values()]
        return found

    def outage(self):
        return self.service.outage()

    def refusal(self):
        return self.service.answering(self.refused)


class TestDiscord(OverHttp):
    secrets: ClassVar = (Discord.token,)
    refused = Reply(400, {"message": "Invalid Form Body", "code": 50035})

    @pytest.fixture(autouse=True)
    def _service(self, discord, monkeypatch):
        self.service = discord
        monkeypatch.setenv("NOWHERE", f"{NOWHERE}/api/webhooks/4711/{Discord.token}")
        monkeypatch.setenv("OTHER_WEBHOOK", f"{discord.url}/api/webhooks/4712/{Discord.token}")
        monkeypatch.setenv("REVOKED", f"{discord.webhook}x")
        monkeypatch.setenv("NO_URL", Discord.token)

    def factory(self):
        return discord.FACTORY

    def config(self):
        return DiscordConfig()

    def wrong_configs(self):
        what = {
            "nobody there": "NOWHERE",
            "deleted": "OTHER_WEBHOOK",
            "revoked": "REVOKED",
            "no URL": "NO_URL",
            "unset": "X",
        }
        return {name: DiscordConfig(webhook=Secret(f"env:{variable}")) for name, variable in what.items()}

    def throttling(self, seconds):
        body = {"message": "You are being rate limited.", "retry_after": seconds, "global": False}
        return self.service.answering(Reply(429, body, {"Retry-After": str(int(seconds))}))


class TestTelegram(OverHttp):
    secrets: ClassVar = (Telegram.token, Telegram.token.partition(":")[2])
    refused = Reply(400, {"ok": False, "error_code": 400, "description": "Bad Request: message is too long"})

    @pytest.fixture(autouse=True)
    def _service(self, telegram, monkeypatch):
        self.service = telegram
        monkeypatch.setenv("OTHER_TOKEN", f"{Telegram.token}x")
        monkeypatch.setenv("NO_TOKEN", Telegram.token.partition(":")[2])

    def factory(self):
        return telegram.FACTORY

    def config(self, **changes):
        return TelegramConfig(**{"chat_id": self.service.chat_id, "url": self.service.url} | changes)

    def wrong_configs(self):
        return {
            "nobody there": self.config(url=NOWHERE),
            "a chat that the bot is not in": self.config(chat_id="-42"),
            "another token": self.config(token=Secret("env:OTHER_TOKEN")),
            "no token": self.config(token=Secret("env:NO_TOKEN")),
            "no variable": self.config(token=Secret("env:X")),
        }

    def throttling(self, seconds):
        wait = int(seconds) + 1
        text = f"Too Many Requests: retry after {wait}"
        return self.service.answering(Telegram.refuse(429, text, {"retry_after": wait}))


class TestWebhook(OverHttp):
    secrets: ClassVar = ("hush-hush-hush", "aHVzaC1odXNoLWh1c2gtaHVzaC1odXNoLWh1c2g=", "hush-token")

    @pytest.fixture(autouse=True)
    def _service(self, receiver, monkeypatch):
        self.service = receiver
        monkeypatch.setenv("AUTHORIZATION", "Bearer hush-token")
        monkeypatch.setenv("NOWHERE", f"{NOWHERE}/hush-hush-hush")
        monkeypatch.setenv("NO_URL", "hush-hush-hush")
        monkeypatch.setenv("SHORT", "hush-token")
        monkeypatch.setenv("TWO_LINES", "Bearer hush-token\nX-Other: 1")

    def factory(self):
        return webhook.FACTORY

    def config(self, **changes):
        headers = {"Authorization": Secret("env:AUTHORIZATION")}
        return WebhookConfig(**{"secret": Secret("env:WEBHOOK_SECRET"), "headers": headers} | changes)

    def wrong_configs(self):
        return {
            "nobody there": self.config(url=Secret("env:NOWHERE")),
            "no URL": self.config(url=Secret("env:NO_URL")),
            "a secret that is too short": self.config(secret=Secret("env:SHORT")),
            "a header of two lines": self.config(headers={"Authorization": Secret("env:TWO_LINES")}),
        }

    def throttling(self, seconds):
        return self.service.answering(Reply(429, headers={"Retry-After": str(seconds)}))


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
class TestApprise(OverHttp):
    secrets: ClassVar = ("hush-hush-hush",)
    _SILENT = "Apprise does not say why a service did not take a message"
    excused: ClassVar = {
        "test_a_refusal_raises_permanent": _SILENT,
        "test_the_wait_that_was_asked_for_is_passed_on": _SILENT,
    }

    @pytest.fixture(autouse=True)
    def _service(self, receiver, monkeypatch):
        self.service = receiver
        monkeypatch.setenv("APPRISE_URL", receiver.hook.replace("http", "json", 1))
        monkeypatch.setenv("NO_URL", "hush-hush-hush")

    def factory(self):
        return apprise.FACTORY

    def config(self):
        return AppriseConfig(urls=(Secret("env:APPRISE_URL"),))

    def wrong_configs(self):
        return {what: AppriseConfig(urls=(Secret(f"env:{what}"),)) for what in ("NO_URL", "UNSET")}

    def sent(self):
        documents = [json.loads(text) for text in self.service.accepted]
        return [f"{each['title']}\n{each['message']}" for each in documents]


class ByMail(PlainContract):
    """Over a mail server that keeps what it takes."""

    secrets: ClassVar = (PASSWORD,)
    excused: ClassVar = {"test_the_wait_that_was_asked_for_is_passed_on": "SMTP has no way to say how long to wait"}

    def factory(self):
        return mail.FACTORY

    def config(self, **changes):
        options = {"host": "127.0.0.1", "port": self.server.port, "security": self.security, "username": USERNAME}
        options |= {"sender": "hlmon <hlmon@example.com>", "to": ("you@example.org",)}
        return EmailConfig(**options | {"password": Secret("env:SMTP_PASSWORD")} | changes)

    def sent(self):
        return self.server.texts()

    def outage(self):
        return self.server.outage()

    def refusal(self):
        return self.server.answering(DATA="554 5.6.0 Message content rejected")

    def wrong_configs(self):
        return {
            "nobody there": self.config(port=1),
            "another password": self.config(password=Secret("env:WEBHOOK_SECRET")),
            "no variable": self.config(password=Secret("env:X")),
        }


class TestMailOverStarttls(ByMail):
    security = "starttls"

    @pytest.fixture(autouse=True)
    def _server(self, server_context, trusted):
        with MailServer(server_context) as self.server:
            yield


class TestMailOverTls(ByMail):
    security = "tls"

    @pytest.fixture(autouse=True)
    def _server(self, server_context, trusted):
        with MailServer(server_context, implicit=True) as self.server:
            yield


class OnAws(PlainContract):
    """Over moto, behind a proxy."""

    secrets: ClassVar = (AWS_KEY,)
    excused: ClassVar = {"test_the_wait_that_was_asked_for_is_passed_on": "AWS does not say how long to wait"}

    @pytest.fixture(autouse=True)
    def _aws(self, aws):
        self.aws = aws

    def outage(self):
        return self.aws.proxy.outage()

    @contextmanager
    def refusal(self):
        self.aws.proxy.faults.extend([self.refused] * 3)
        yield
        self.aws.proxy.faults.clear()


class TestSns(OnAws):
    error = b"<Error><Type>Sender</Type><Code>InvalidParameter</Code><Message>no</Message></Error>"
    refused = staticmethod(answering(400, b"<ErrorResponse>" + error + b"</ErrorResponse>"))

    def factory(self):
        return sns.FACTORY

    def config(self, **changes):
        return SnsConfig(**{"topic_arn": self.aws.topic, "endpoint_url": self.aws.url} | changes)

    def sent(self):
        return [f"{subject}\n{text}" for _, text, subject, _, _ in self.aws.published]

    def wrong_configs(self):
        return {
            "nobody there": self.config(endpoint_url=NOWHERE),
            "no such topic": self.config(topic_arn=f"{self.aws.topic}-other"),
        }


class TestMailThroughSes(OnAws):
    refused = staticmethod(answering(400, b'{"message":"too long"}', ("x-amzn-errortype", "BadRequestException")))

    def factory(self):
        return mail.FACTORY

    def config(self, **changes):
        options = {"via": "ses", "region": "us-east-1", "endpoint_url": self.aws.url, "to": ("you@example.org",)}
        return EmailConfig(**options | {"sender": "hlmon <hlmon@example.com>"} | changes)

    def sent(self):
        mails = [message_from_bytes(mail.raw_data.encode(), policy=default) for mail in self.aws.mails]
        return [mail["Subject"] + "".join(part.get_content() for part in mail.iter_parts()) for mail in mails]

    def wrong_configs(self):
        return {
            "nobody there": self.config(endpoint_url=NOWHERE),
            "a sender that is not verified": self.config(sender="hlmon@example.net"),
        }


class TestPlugin(PluginContract):
    entry_point = "notify"

    def configs(self):
        return {
            "telegram": TelegramConfig(chat_id="-1"),
            "email": EmailConfig(sender="a@example.com", to=("b@example.com",), host="mail.example.com"),
            "sns": SnsConfig(topic_arn="arn:aws:sns:us-east-1:123456789012:alerts"),
            "apprise": AppriseConfig(urls=(Secret("env:APPRISE_URL"),)),
        }


def test_every_notifier_of_the_package_is_held_to_it():
    cases = [
        case for case in map(globals().get, globals()) if isinstance(case, type) and issubclass(case, PlainContract)
    ]
    held = {case().factory().name for case in cases if case.__name__.startswith("Test")}
    assert held == {factory.name for factory in hlmon_notifiers()}
