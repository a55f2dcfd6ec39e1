"""The notifier "sns": publishes to an Amazon SNS topic, from where mail, SMS, queues and functions take it."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import Meta

from hlmon import Alert, Need, NotifierFactory, Settings
from hlmon_notify.config import MAX_BATCH, LookConfig, look_of
from hlmon_notify.errors import proving
from hlmon_notify.needs import permission
from hlmon_notify.render import Look, message_of
from hlmon_notify.render.document import identity_of
from hlmon_notify.render.mail import thread_of
from hlmon_notify.render.sns import sns_message

if TYPE_CHECKING:
    from hlmon_notify.aws import Connection

NAME: Final = "Amazon SNS"

_logger = logging.getLogger(__name__)
_TOPIC = re.compile(r"arn:aws[\w-]*:sns:(?P<region>[\w-]+):\d{12}:[\w-]{1,256}(?P<fifo>\.fifo)?", re.ASCII)


class SnsConfig(LookConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which topic."""

    topic_arn: Annotated[str, Meta(description="the topic; its region is that of the ARN")]
    endpoint_url: Annotated[str, Meta(description="another SNS, e.g. a local one for tests")] = ""

    def __post_init__(self) -> None:
        """Refuse what names no topic."""
        super().__post_init__()
        if not _TOPIC.fullmatch(self.topic_arn):
            raise ValueError("topic_arn: must be the ARN of a topic, like arn:aws:sns:us-east-1:123456789012:alerts")
        if self.endpoint_url and not self.endpoint_url.startswith(("http://", "https://")):
            raise ValueError("endpoint_url: must begin with https:// (or http://)")

    @property
    def region(self) -> str:
        """Where the topic is."""
        return self.topic_arn.split(":")[3]

    @property
    def is_fifo(self) -> bool:
        """Whether the topic keeps an order and drops repetitions."""
        return self.topic_arn.endswith(".fifo")


class SnsNotifier:
    """Publishes each group of alerts as one message."""

    def __init__(self, config: SnsConfig, look: Look, connection: Connection) -> None:
        self._config, self._look, self._connection = config, look, connection

    def send(self, alerts: Sequence[Alert], /) -> None:
        """Permanent if SNS refuses the message as it is, Transient otherwise."""
        if not alerts:
            return
        message = sns_message(message_of(alerts, self._look), alerts)
        attributes = {name: {"DataType": "String", "StringValue": text} for name, text in message.attributes.items()}
        options: dict[str, Any] = {"Subject": message.subject, "MessageAttributes": attributes}
        if self._config.is_fifo:
            names = hashlib.sha256(identity_of(alerts).encode()).hexdigest()
            options |= {"MessageGroupId": thread_of(alerts), "MessageDeduplicationId": names}
        with self._connection.using() as client:
            answer = client.publish(TopicArn=self._config.topic_arn, Message=message.text, **options)
        _logger.debug("%s took it as message %s", NAME, answer["MessageId"])

    def check(self) -> None:
        """Raise unless the topic is there and may be looked at."""
        with self._connection.using() as client:
            client.get_topic_attributes(TopicArn=self._config.topic_arn)


@contextmanager
def open_sns(config: SnsConfig, settings: Settings) -> Iterator[SnsNotifier]:
    """Look at the topic, which publishes nothing, then publish to it until the end of the context."""
    from hlmon_notify import aws  # noqa: PLC0415  # boto3 is for those who use it

    connection = aws.Connection(NAME, partial(aws.client, "sns", config.region, config.endpoint_url))
    notifier = SnsNotifier(config, look_of(config, settings), connection)
    try:
        with proving():
            notifier.check()
        yield notifier
    finally:
        connection.close()


def needs(config: SnsConfig) -> Sequence[Need]:
    """The topic and the right to publish there; no secret, since a task's role gives the credentials."""
    why = "to publish alerts, and to prove at the start that the topic is there"
    topic = Need(kind="topic", name=config.topic_arn, why="alerts go there", details={"fifo": config.is_fifo})
    return [topic, permission(config.topic_arn, why, "sns:GetTopicAttributes", "sns:Publish")]


FACTORY: Final = NotifierFactory(name="sns", config=SnsConfig, open=open_sns, needs=needs, max_batch=MAX_BATCH)
