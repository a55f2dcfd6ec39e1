"""The notifier "email": one mail for each message, and its headers; `smtp` and `ses` carry the mails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final, Protocol

from hlmon import Alert, Need, NotifierFactory, Settings
from hlmon_notify.config import MAX_BATCH, look_of
from hlmon_notify.errors import proving
from hlmon_notify.mail_config import EmailConfig
from hlmon_notify.needs import permission, secrets
from hlmon_notify.render import Look, message_of
from hlmon_notify.render.document import identity_of
from hlmon_notify.render.mail import mail_of

_SES_ACTIONS: Final = ("ses:GetEmailIdentity", "ses:SendEmail", "ses:SendRawEmail")


class Carrier(Protocol):
    """Takes mails on their way."""

    def carry(self, mail: EmailMessage) -> None:
        """Hand the mail over; returning is the promise that it was accepted."""

    def check(self) -> None:
        """Raise unless mails of this sender would be accepted; nothing is sent."""


class EmailNotifier:
    """Sends each group of alerts as one mail; those about the same condition make one thread."""

    def __init__(
        self, config: EmailConfig, look: Look, carrier: Carrier, *, clock_s: Callable[[], float] = time.time
    ) -> None:
        self._config, self._look, self._carrier, self._clock_s = config, look, carrier, clock_s

    def send(self, alerts: Sequence[Alert], /) -> None:
        """Permanent if the mail is refused as it is, Transient otherwise."""
        if alerts:
            self._carrier.carry(envelope(self._config, self._look, alerts, self._clock_s()))


def envelope(config: EmailConfig, look: Look, alerts: Sequence[Alert], time_s: float) -> EmailMessage:
    """The mail with its headers; the same alerts make the same Message-ID, by which a repetition can be told."""
    content = mail_of(message_of(alerts, look), alerts)
    domain = config.sender_address.rpartition("@")[2]
    mail = EmailMessage(policy=SMTP)
    mail["From"] = config.sender
    mail["To"] = ", ".join(config.to)
    mail["Subject"] = content.subject
    mail["Date"] = format_datetime(datetime.fromtimestamp(time_s, UTC))
    mail["Message-ID"] = f"<{identity_of(alerts)}@{domain}>"
    mail["References"] = mail["In-Reply-To"] = f"<{content.thread}.hlmon@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(content.text, cte="quoted-printable")
    mail.add_alternative(content.html, subtype="html", cte="quoted-printable")
    return mail


def carrier_of(config: EmailConfig) -> AbstractContextManager[Carrier]:
    """The way that the config chooses; its client is imported now."""
    if config.via == "ses":
        from hlmon_notify import ses  # noqa: PLC0415  # boto3 is for those who use it

        return ses.carrier(config)
    from hlmon_notify import smtp  # noqa: PLC0415

    return smtp.carrier(config)


@contextmanager
def open_email(config: EmailConfig, settings: Settings) -> Iterator[EmailNotifier]:
    """Prove that the server takes the login, or SES the sender, which sends nothing; then send until the end."""
    with carrier_of(config) as carrier:
        with proving():
            carrier.check()
        yield EmailNotifier(config, look_of(config, settings), carrier)


def needs(config: EmailConfig) -> Sequence[Need]:
    """The password, as far as it comes from the environment; or the right to send by SES as this sender."""
    if config.via == "smtp":
        return secrets((config.password, "the password of the mail account"))
    domain = config.sender_address.rpartition("@")[2]
    why = "to send alerts by mail, and to prove at the start that the sender is verified"
    return [
        permission(f"arn:aws:ses:{config.region or '*'}:*:identity/{identity}", why, *_SES_ACTIONS)
        for identity in (config.sender_address, domain)
    ]


FACTORY: Final = NotifierFactory(name="email", config=EmailConfig, open=open_email, needs=needs, max_batch=MAX_BATCH)
