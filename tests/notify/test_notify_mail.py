"""Mails: what they look like on the wire, and what becomes of a server's refusals."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default

import msgspec
import pytest

from hlmon import Permanent, Secret, Transient
from hlmon.testing.builders import START_MS, make_alert
from hlmon_notify import smtp
from hlmon_notify.errors import Blocked
from hlmon_notify.mail import FACTORY, envelope
from hlmon_notify.mail_config import EmailConfig
from hlmon_notify.render import Look
from tests.servers.mail import PASSWORD, USERNAME, MailServer

ODD = "one\r\nBcc: all@example.org\r\n\r\n<b>\x00\x1b\u2028\u2029\x85"


@pytest.fixture
def server(server_context, trusted):
    with MailServer(server_context) as server:
        yield server


def config_of(server, **changes):
    options = {"host": "127.0.0.1", "port": server.port, "username": USERNAME, "password": Secret("env:SMTP_PASSWORD")}
    return EmailConfig(**options | {"sender": "hlmon <hlmon@example.com>", "to": ("you@example.org",)} | changes)


@pytest.fixture
def notifier(server, settings):
    with FACTORY.open(config_of(server), settings) as notifier:
        yield notifier


def test_a_mail_has_a_plain_and_an_html_part_and_says_that_a_program_sent_it(notifier, server):
    notifier.send([make_alert(title="Größe <1>", details={"size": "1 & 2"})])
    (mail,) = server.mails
    plain, html = mail.iter_parts()
    assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert "⚠️ Größe <1>" in plain.get_content()
    assert "⚠️ Größe &lt;1&gt;" in html.get_content()
    assert "1 &amp; 2" in html.get_content()
    assert (mail["Subject"], mail["From"], mail["To"]) == (
        "⚠️ Größe <1>",
        "hlmon <hlmon@example.com>",
        "you@example.org",
    )
    assert mail["Auto-Submitted"] == "auto-generated"
    assert server.envelopes == [("hlmon@example.com", ["you@example.org"])]


def test_opening_logs_in_and_sends_nothing(server, settings):
    with FACTORY.open(config_of(server), settings):
        pass
    assert server.mails == []


def test_no_text_of_others_becomes_a_header_or_a_recipient(notifier, server):
    notifier.send([make_alert(title=ODD, rule=ODD, subject=ODD, body=ODD, details={ODD: ODD}, labels={ODD: ODD})])
    (mail,) = server.mails
    assert "Bcc" not in mail
    assert mail.keys() == [
        *("From", "To", "Subject", "Date", "Message-ID", "References", "In-Reply-To", "Auto-Submitted"),
        *("MIME-Version", "Content-Type"),
    ]
    assert server.envelopes == [("hlmon@example.com", ["you@example.org"])]


def thread(*alerts, **changes):
    config = EmailConfig(**{"sender": "a@example.com", "to": ("b@example.org",), "host": "mail"} | changes)
    mail = message_from_bytes(envelope(config, Look(), alerts, START_MS / 1000).as_bytes(), policy=default)
    return mail["References"], mail["Message-ID"]


def test_all_mails_about_one_condition_make_one_thread():
    firing = make_alert(subject="margin", state="firing")
    resolved = msgspec.structs.replace(firing, state="resolved", time_ms=firing.time_ms + 1, title="Over")
    other = msgspec.structs.replace(firing, subject="other")
    assert thread(firing)[0] == thread(resolved)[0] != thread(other)[0]
    assert thread(firing)[1] != thread(resolved)[1]


def test_a_repeated_mail_has_the_same_message_id():
    alert = make_alert()
    assert thread(alert) == thread(alert)
    assert thread(alert)[1].endswith("@example.com>")


@pytest.mark.parametrize(
    ("command", "answer", "error", "words"),
    [
        ("DATA", "552 5.3.4 Message too big", Permanent, "refuses the mail .552 5.3.4 Message too big"),
        ("DATA", "451 4.7.1 Greylisted", Transient, "refuses the mail .451"),
        ("RCPT", "550 5.1.1 No such user", Blocked, "refuses the recipients .550 5.1.1 No such user"),
        ("RCPT", "452 4.2.2 Mailbox full", Transient, "refuses the recipients .452"),
        ("MAIL", "553 5.7.1 Not your address", Blocked, "refuses the sender .553"),
        ("MAIL", "421 4.3.0 Closing", Transient, "refuses the sender .421"),
    ],
)
def test_a_refusal_says_whose_matter_it_is(notifier, server, command, answer, error, words):
    with server.answering(**{command: answer}), pytest.raises(error, match=words) as caught:
        notifier.send([make_alert()])
    assert isinstance(caught.value, Blocked) == (error is Blocked)
    notifier.send([make_alert()])
    assert len(server.mails) == 1


def test_one_unknown_recipient_does_not_keep_the_mail_from_the_others(server, settings, caplog):
    config = config_of(server, to=("you@example.org", "gone@example.org"))
    with FACTORY.open(config, settings) as notifier, server.answering(gone="550 5.1.1 No such user"):
        notifier.send([make_alert()])
    assert server.envelopes == [("hlmon@example.com", ["you@example.org"])]
    assert "does not take gone@example.org (550 5.1.1 No such user)" in caplog.text


def test_a_recipient_who_is_refused_for_now_gets_the_mail_later_and_the_others_get_it_once(server, settings):
    config = config_of(server, to=("you@example.org", "grey@example.org", "gone@example.org"))
    alert = make_alert()
    with FACTORY.open(config, settings) as notifier:
        with server.answering(grey="450 4.7.1 Greylisted", gone="550 5.1.1 No such user"):
            for _ in range(2):
                with pytest.raises(Transient, match=r"does not take grey@example.org for now .450|recipients .450"):
                    notifier.send([alert])
        notifier.send([alert])
    told = [("hlmon@example.com", ["you@example.org"]), ("hlmon@example.com", ["grey@example.org"])]
    assert server.envelopes == told


def test_recipients_of_whom_some_are_refused_for_now_at_first_and_for_good_later_are_done(server, settings, caplog):
    config = config_of(server, to=("you@example.org", "grey@example.org"))
    alert = make_alert()
    with FACTORY.open(config, settings) as notifier:
        with server.answering(grey="450 4.7.1 Greylisted"), pytest.raises(Transient):
            notifier.send([alert])
        with server.answering(grey="550 5.1.1 No such user"):
            notifier.send([alert])
    assert len(server.mails) == 1
    assert "does not take grey@example.org (550 5.1.1 No such user)" in caplog.text


@pytest.mark.parametrize("farewell", ["421 4.3.2 Closing", "250 OK", "554 no", None])
def test_what_the_server_says_to_our_farewell_sends_no_mail_twice(server, settings, farewell):
    with FACTORY.open(config_of(server), settings) as notifier:
        with server.answering(**{} if farewell is None else {"QUIT": farewell}):
            server.hangs_up = farewell is None
            notifier.send([make_alert()])
    assert len(server.mails) == 1


def test_a_password_that_is_changed_there_waits_for_the_new_one_here(notifier, server, monkeypatch):
    monkeypatch.setenv("SMTP_PASSWORD", "hush-old")
    with pytest.raises(Blocked, match=r"refuses the login \(535") as caught:
        notifier.send([make_alert()])
    assert "hush" not in str(caught.value)
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
    notifier.send([make_alert()])
    assert len(server.mails) == 1


def opening_fails(config, settings, words):
    from hlmon import ConfigError

    with pytest.raises(ConfigError, match=words), FACTORY.open(config, settings):
        pass


def test_a_certificate_that_is_not_trusted_is_refused(server_context, settings):
    with MailServer(server_context) as server, MailServer(server_context, implicit=True) as encrypted:
        opening_fails(config_of(server), settings, "certificate that is not trusted")
        opening_fails(config_of(encrypted, security="tls"), settings, "certificate that is not trusted")
        assert server.mails == []


def test_a_server_without_starttls_gets_neither_login_nor_mail(settings):
    with MailServer(None) as server:
        opening_fails(config_of(server), settings, "offers no STARTTLS")
        with FACTORY.open(config_of(server, security="none", username="", password=None), settings) as notifier:
            notifier.send([make_alert()])
    assert len(server.mails) == 1


def test_the_wrong_kind_of_encryption_is_noticed_in_time(server_context, trusted, settings, monkeypatch):
    monkeypatch.setattr(smtp, "TIMEOUT_S", 0.2)
    with MailServer(server_context, implicit=True) as encrypted:
        opening_fails(config_of(encrypted), settings, "said nothing; see port and security")
    with MailServer(server_context) as server:
        opening_fails(config_of(server, security="tls"), settings, "cannot be reached")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sender": "nobody"}, "from: must be an address"),
        ({"sender": "A\r\nBcc: b@example.com <a@example.com>"}, "from: must be an address"),
        ({"to": ()}, "to: must be"),
        ({"to": ("Me <me@example.com>",)}, "to: must be"),
        ({"to": ("me@example.com\n",)}, "to: must be"),
        ({"host": ""}, "host: must be"),
        ({"username": ""}, "username: needs password"),
        ({"region": "us-east-1"}, 'belong to "ses"'),
        ({"via": "ses"}, 'belong to "smtp"'),
    ],
)
def test_a_config_that_cannot_work_is_refused_with_the_field(server, changes, words):
    with pytest.raises(ValueError, match=words):
        config_of(server, **changes)


def test_in_the_config_the_sender_is_called_from():
    table = {"from": "a@example.com", "to": ["b@example.org"], "host": "mail.example.com"}
    assert msgspec.convert(table, EmailConfig).sender_address == "a@example.com"
