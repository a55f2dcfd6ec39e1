"""Mails over SMTP: one connection for each, TLS verified, the login never in an error.

A server's lasting refusal of the mail itself (5yz after DATA) is Permanent. That of the login, the sender or every
recipient is for the owner: see `errors` for why those wait. A recipient who is refused for now (4yz: greylisted, a full
mailbox) is tried again alone. Once the server has answered 250 to DATA the mail is its own (RFC 5321, 6.1), whatever it
answers to QUIT.
"""

from __future__ import annotations

import logging
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from typing import Final

from hlmon import HlmonError, Permanent, Transient
from hlmon_notify.answers import short
from hlmon_notify.errors import Blocked, Unreachable, working
from hlmon_notify.mail_config import EmailConfig

PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
TIMEOUT_S: Final = 15.0
_REMEMBERED_MAILS: Final = 32

_logger = logging.getLogger(__name__)


class SmtpCarrier:
    """Hands mails to one server, each in a connection of its own: alerts are rare and servers close idle ones."""

    def __init__(self, config: EmailConfig) -> None:
        self._config = config
        self._name = f"the mail server {config.host}"
        self._waiting: dict[str, list[str]] = {}  # Message-ID -> recipients who were refused for now, others have it

    def carry(self, mail: EmailMessage) -> None:
        """Send it to all recipients; those whom the server does not know are logged, if it takes any.

        Transient while a recipient is refused for now; the same mail again goes to those only.
        """
        identity = mail["Message-ID"]
        recipients = self._waiting.get(identity) or self._config.to
        with self._connected() as server:
            self._refuse_to_fail(server.mail(self._config.sender_address), "the sender")
            answers = {address: server.rcpt(address) for address in recipients}
            refused = {address: answer for address, answer in answers.items() if answer[0] not in (250, 251)}
            later = {address: answer for address, answer in refused.items() if answer[0] < 500}
            if len(refused) < len(answers):
                self._hand_over(server, mail)
            elif later or identity not in self._waiting:
                self._refuse_to_fail(next(iter((later or refused).values())), "the recipients")
        for address in refused.keys() - later.keys():
            _logger.warning("%s does not take %s (%s)", self._name, address, _said(*refused[address]))
        self._remember(identity, list(later))
        for address, answer in later.items():
            raise Transient(f"{self._name} does not take {address} for now ({_said(*answer)}); others have the mail")

    def _hand_over(self, server: smtplib.SMTP, mail: EmailMessage) -> None:
        code, text = server.data(mail.as_bytes())
        if code != 250:
            raise self._refusal(code, text, "the mail", of_the_mail=True)
        _logger.debug("%s answers %s", self._name, _said(code, text))

    def _remember(self, identity: str, later: list[str]) -> None:
        self._waiting.pop(identity, None)
        if later:
            self._waiting[identity] = later
        while len(self._waiting) > _REMEMBERED_MAILS:
            del self._waiting[next(iter(self._waiting))]

    def check(self) -> None:
        """Connect, log in, and be told that the sender may send."""
        with self._connected() as server:
            self._refuse_to_fail(server.mail(self._config.sender_address), "the sender")
            server.rset()

    def _refuse_to_fail(self, answer: tuple[int, bytes], what: str) -> None:
        code, text = answer
        if code not in (250, 251):
            raise self._refusal(code, text, what)

    def _refusal(self, code: int, text: bytes | str, what: str, *, of_the_mail: bool = False) -> HlmonError:
        said = f"{self._name} refuses {what} ({_said(code, text)})"
        if code < 500:
            return Transient(said)
        return Permanent(said) if of_the_mail else Blocked(said)

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        try:
            server = self._connection()
            try:
                self._log_in(server)
                yield server
                with suppress(smtplib.SMTPException, OSError):  # what it says to our farewell changes nothing
                    server.quit()
            finally:
                server.close()
        except smtplib.SMTPResponseException as error:
            failure: HlmonError = self._refusal(error.smtp_code, error.smtp_error, "the connection")
        except smtplib.SMTPServerDisconnected:
            failure = Unreachable(f"{self._name} closed the connection or said nothing; see port and security")
        except ssl.SSLCertVerificationError as error:
            failure = Unreachable(f"{self._name} shows a certificate that is not trusted ({error.verify_message})")
        except TimeoutError:
            failure = Unreachable(f"{self._name} did not answer in time")
        except OSError as error:  # also what smtplib raises besides the above
            failure = Unreachable(f"{self._name} cannot be reached ({error.strerror or type(error).__name__})")
        else:
            return
        raise failure

    def _connection(self) -> smtplib.SMTP:
        """Connected, and encrypted unless the config wants it plain."""
        config = self._config
        port, context = config.port or PORTS[config.security], ssl.create_default_context()
        if config.security == "tls":
            return smtplib.SMTP_SSL(config.host, port, timeout=TIMEOUT_S, context=context)
        server = smtplib.SMTP(config.host, port, timeout=TIMEOUT_S)
        try:
            if config.security == "starttls":
                self._start_tls(server, context)
        except BaseException:
            server.close()
            raise
        return server

    def _start_tls(self, server: smtplib.SMTP, context: ssl.SSLContext) -> None:
        server.ehlo()
        if not server.has_extn("starttls"):
            raise Blocked(f'{self._name} offers no STARTTLS; with security = "tls" it may be encrypted from the start')
        server.starttls(context=context)

    def _log_in(self, server: smtplib.SMTP) -> None:
        if self._config.password is None:
            server.ehlo_or_helo_if_needed()
            return
        with working():
            password = self._config.password.reveal()
        try:
            server.login(self._config.username, password)
        except smtplib.SMTPNotSupportedError:
            refused: HlmonError = Blocked(f"{self._name} takes no login on this connection; see security and port")
        except smtplib.SMTPAuthenticationError as error:
            refused = self._refusal(error.smtp_code, error.smtp_error, "the login")
        except smtplib.SMTPException:
            refused = Blocked(f"{self._name} offers no way to log in that hlmon knows")
        except UnicodeError:
            refused = Blocked(f"{self._name}: username and password must be ASCII")
        else:
            return
        raise refused


def _said(code: int, text: bytes | str) -> str:
    return short(f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}")


@contextmanager
def carrier(config: EmailConfig) -> Iterator[SmtpCarrier]:
    """Nothing is open between two mails."""
    yield SmtpCarrier(config)
