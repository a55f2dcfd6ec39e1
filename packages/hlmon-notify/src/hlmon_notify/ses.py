"""Mails through Amazon SES."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from functools import partial
from typing import Any, Final

from hlmon_notify import aws
from hlmon_notify.errors import Blocked
from hlmon_notify.mail_config import EmailConfig

NAME: Final = "Amazon SES"

_logger = logging.getLogger(__name__)


class SesCarrier:
    """Hands mails to SES as they are, so that they look and thread the same as over SMTP."""

    def __init__(self, config: EmailConfig, connection: aws.Connection) -> None:
        self._config, self._connection = config, connection

    def carry(self, mail: EmailMessage) -> None:
        """One call."""
        with self._connection.using() as client:
            answer = client.send_email(
                FromEmailAddress=self._config.sender,
                Destination={"ToAddresses": list(self._config.to)},
                Content={"Raw": {"Data": mail.as_bytes()}},
            )
        _logger.debug("%s took it as message %s", NAME, answer["MessageId"])

    def check(self) -> None:
        """Raise unless the sender's address or domain is verified for sending."""
        address = self._config.sender_address
        with self._connection.using() as client:
            found = [_identity(client, name) for name in (address, address.rpartition("@")[2])]
        if not any(identity.get("VerifiedForSendingStatus") for identity in found):
            raise Blocked(f"{NAME} has not verified {address} or its domain for sending in this region")


def _identity(client: Any, name: str) -> dict[str, Any]:
    try:
        return dict(client.get_email_identity(EmailIdentity=name))
    except client.exceptions.NotFoundException:
        return {}


@contextmanager
def carrier(config: EmailConfig) -> Iterator[SesCarrier]:
    """SES of the region, with the credentials that AWS's settings give."""
    connection = aws.Connection(NAME, partial(aws.client, "sesv2", config.region, config.endpoint_url))
    try:
        yield SesCarrier(config, connection)
    finally:
        connection.close()
