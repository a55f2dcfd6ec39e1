"""The relay as a function of an emulated AWS, between real alarms and alerts and services on loopback.

The emulator runs it with its own interpreter, so what it imports is what is installed here.
"""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest

from hlmon import Settings
from hlmon.testing.builders import make_alert
from hlmon_deploy.names import NOTIFY
from hlmon_notify.sns import FACTORY as SNS
from hlmon_notify.sns import SnsConfig
from tests.servers.cdk import YES, assembled
from tests.servers.chat import Discord, Reply, Telegram
from tests.servers.mail import MailServer
from tests.servers.waiting import wait_for

TOPIC = "arn:aws:sns:us-east-1:000000000000:hl-monitor-alerts"
QUEUE = "hl-monitor-relay-undelivered"
CONFIG = """
[notifier.topic]
type = "sns"
topic_arn = "arn:aws:sns:eu-west-1:123456789012:hl-monitor-alerts"
[notifier.chat]
type = "discord"
[notifier.phone]
type = "telegram"
chat_id = "{telegram.chat_id}"
url = "{telegram.url}"
[notifier.mail]
type = "email"
host = "127.0.0.1"
port = {mail.port}
security = "none"
from = "hlmon <hlmon@example.com>"
to = ["you@example.org"]
"""


class People:
    """Those who are told, and the AWS that tells them."""

    def __init__(self, aws, url: str, stack: ExitStack) -> None:
        self.aws, self.url = aws, url
        self.discord = stack.enter_context(Discord())
        self.telegram = stack.enter_context(Telegram())
        self.mail = stack.enter_context(MailServer(None))

    @property
    def config(self) -> str:
        return CONFIG.format(telegram=self.telegram, mail=self.mail)

    @property
    def secret(self) -> str:
        return json.dumps({"DISCORD_WEBHOOK_URL": self.discord.webhook, "TELEGRAM_BOT_TOKEN": self.telegram.token})

    def await_message(self, *texts: str) -> None:
        """Until the last message of each service holds all of these."""
        for mine in (self.discord.accepted, self.telegram.accepted, self.mail.texts):
            last = mine if callable(mine) else lambda mine=mine: mine
            wait_for(lambda last=last: last() and all(text in last()[-1] for text in texts), 60, str(texts))


@pytest.fixture(scope="module")
def people(place, deploy):
    """A deployed stack whose relay tells three services."""
    cdk, aws, folder = place
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        people = People(aws, cdk.url, stack)
        deploy.relay_alone(patch)
        deploy.config(folder, people.config)
        context = {"config": "hlmon.toml", "relay": "chat,phone,mail", "db_mode": "dynamodb", "data": "delete"}
        plan = deploy.plan(folder, image="example/hlmon:1", budget="0", **context)
        deploy.synthesize(plan, folder=folder / "relayed")
        cdk("deploy", *YES, *assembled(folder, "relayed"))
        aws("secretsmanager").put_secret_value(SecretId=NOTIFY, SecretString=people.secret)
        yield people
        cdk("destroy", "--force", *assembled(folder, "relayed"))


def test_an_alert_that_the_monitor_publishes_reaches_every_service_in_its_words(people, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    config = SnsConfig(topic_arn=TOPIC, endpoint_url=people.url)
    with SNS.open(config, Settings(name="topic")) as notifier:
        notifier.send([make_alert(title="Größte Position geschlossen: BTC", body="Net -12.5 USDC.")])
    people.await_message("Größte Position geschlossen: BTC", "Net -12.5 USDC.")


@pytest.mark.parametrize("state", ["ALARM", "OK"])
def test_an_alarm_reaches_every_service_when_it_begins_and_when_it_ends(people, state):
    people.aws("cloudwatch").set_alarm_state(AlarmName="hl-monitor-silence", StateValue=state, StateReason="no data")
    people.await_message(f"hl-monitor-silence: {state}", "hears nothing from the exchange")


def test_what_a_service_refuses_lies_in_the_queue_and_the_others_are_told(people):
    aws, queue = people.aws("lambda"), people.aws("sqs")
    url = queue.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    arn = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    # The emulator's CloudFormation drops this property, which another test sees in the template.
    aws.update_function_configuration(FunctionName="hl-monitor-relay", DeadLetterConfig={"TargetArn": arn})
    message = {"Message": "over", "Subject": "AWS Budgets", "MessageId": "m", "Timestamp": "2026-11-24T04:00:00.500Z"}
    event = {"Records": [{"EventSource": "aws:sns", "Sns": message}]}
    with people.discord.answering(Reply(500), when=lambda request: request.method == "POST"):
        aws.invoke(FunctionName="hl-monitor-relay", InvocationType="Event", Payload=json.dumps(event))
        (kept,) = wait_for(lambda: queue.receive_message(QueueUrl=url).get("Messages"), 60, "a message in the queue")
    assert "AWS Budgets" in kept["Body"]
    assert "AWS Budgets" in people.telegram.accepted[-1]
    assert "AWS Budgets" not in people.discord.accepted[-1]
