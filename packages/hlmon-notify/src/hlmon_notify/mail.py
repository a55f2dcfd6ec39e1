"""The notifier "email": config, addresses and headers; `smtp` and `ses` carry the mails."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Annotated, Final, Literal, Protocol

from msgspec import Meta

from hlmon import Alert, Need, NotifierFactory, Secret, Settings
from hlmon_notify.config import MAX_BATCH, LookConfig, look_of
from hlmon_notify.errors import proving
from hlmon_notify.needs import permission, secrets
from hlmon_notify.render import Look, message_of
from hlmon_notify.render.document import identity_of
from hlmon_notify.render.mail import mail_of

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*", re.ASCII)
_MOST_RECIPIENTS: Final = 50  # of one SES message
_SES_ACTIONS: Final = ("ses:GetEmailIdentity", "ses:SendEmail", "ses:SendRawEmail")


class EmailConfig(LookConfig, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """Who writes to whom, and by which way."""

    sender: Annotated[str, Meta(description="an address, or `Name <address>`")]
    to: Annotated[tuple[str, ...], Meta(description="up to 50 addresses")]
    via: Annotated[Literal["smtp", "ses"], Meta(description="a mail server, or Amazon SES")] = "smtp"
    host: Annotated[str, Meta(description="the mail server; required for smtp")] = ""
    port: Annotated[int, Meta(ge=0, le=65535, description="its port; 0: 587, 465 or 25, by `security`")] = 0
    security: Annotated[
        Literal["starttls", "tls", "none"],
        Meta(description="`tls`: encrypted from the first byte; `none`: only for a server on the same machine"),
    ] = "starttls"
    username: Annotated[str, Meta(description="who signs in at the mail server; left out: nobody")] = ""
    password: Annotated[Secret | None, Meta(description="refers to the password")] = None
    region: Annotated[str, Meta(description="for ses; left out: that of AWS's own settings")] = ""
    endpoint_url: Annotated[str, Meta(description="another SES, e.g. a local one for tests")] = ""

    def __post_init__(self) -> None:
        """Refuse what is no address, and fields that do not go together."""
        super().__post_init__()
        if not _ADDRESS.fullmatch(address_of(self.sender)) or not self.sender.isprintable():
            raise ValueError('from: must be an address, or "Name <address>"')
        if not 0 < len(self.to) <= _MOST_RECIPIENTS or not all(map(_ADDRESS.fullmatch, self.to)):
            raise ValueError(f"to: must be 1 to {_MOST_RECIPIENTS} plain addresses")
        if self.via == "smtp":
            self._check_smtp()
        elif self.host or self.port or self.username or self.password:
            raise ValueError('via: host, port, username and password belong to "smtp"')

    def _check_smtp(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9.:-]+", self.host, re.ASCII):
            raise ValueError("host: must be the name of a mail server")
        if bool(self.username) != (self.password is not None):
            raise ValueError("username: needs password beside it, and the other way round")
        if self.region or self.endpoint_url:
            raise ValueError('via: region and endpoint_url belong to "ses"')

    @property
    def sender_address(self) -> str:
        """The address without the name."""
        return address_of(self.sender)


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


def address_of(sender: str) -> str:
    """The address in `Name <address>`, or the whole."""
    return parseaddr(sender)[1] if "<" in sender else sender


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
