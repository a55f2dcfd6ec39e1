"""`hlmon notify test` sends a sample through real notifiers and says what came of it."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

import hlmon.cli.notify
from hlmon.cli import program
from hlmon.contract import NoConfig, NotifierFactory
from hlmon.errors import ConfigError, Permanent, Transient
from hlmon.events import decode, encode
from hlmon.testing.builders import ALICE

pytestmark = pytest.mark.usefixtures("logging_as_it_was")
LOG = logging.getLogger("hlmon_phone.http")


class Phone:
    """A notifier that keeps what it is given, or raises `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.sent: list = []
        self.error = error

    def send(self, alerts) -> None:
        LOG.debug("the service answered 204")
        self.sent += alerts
        if self.error is not None:
            raise self.error


@pytest.fixture
def notify(monkeypatch, tmp_path):
    """A function that runs `hlmon notify test` with these notifiers configured, by name."""

    def notify(*arguments: str, **notifiers: Phone | ConfigError) -> Result:
        @contextmanager
        def opened(_config, settings):
            found = notifiers[settings.name]
            if isinstance(found, ConfigError):
                raise found
            yield found

        opened.__module__ = "hlmon_phone"
        factory = NotifierFactory(name="phone", config=NoConfig, open=opened)
        catalogue = SimpleNamespace(
            notifier=lambda name: factory, source=None, sink=None, rule=None, always_derivers=lambda: ()
        )
        monkeypatch.setattr(hlmon.cli.notify, "load_catalogue", lambda **_: catalogue)
        tables = "".join(f'[notifier.{name}]\ntype = "phone"\n' for name in notifiers)
        (tmp_path / "hlmon.toml").write_text(f'[[account]]\naddress = "{ALICE}"\n{tables}')
        return run(*arguments, "-c", str(tmp_path / "hlmon.toml"))

    return notify


def run(*arguments: str) -> Result:
    return CliRunner().invoke(program, ["notify", "test", *arguments], prog_name="hlmon")


def test_every_notifier_of_the_config_gets_one_sample_and_is_named_with_what_came_of_it(notify):
    one, two = Phone(), Phone()
    result = notify(one=one, two=two)
    assert (result.exit_code, [len(one.sent), len(two.sent)]) == (0, [1, 1])
    lines = result.stdout.splitlines()
    assert (lines[0], lines[2]) == ("one (phone):", "two (phone):")
    assert lines[1].startswith("  accepted after 0.")


def test_the_sample_is_an_alert_as_a_rule_gives_it_that_nobody_takes_for_news(notify):
    phone = Phone()
    notify(phone=phone)
    (alert,) = phone.sent
    assert decode("alert", encode(alert)) == alert
    assert alert.title.startswith("TEST: ")
    assert (alert.account, alert.severity, alert.labels["type"], "Held" in alert.details) == (
        ALICE,
        "info",
        "test",
        True,
    )


def test_only_those_that_are_named_are_tried_with_the_severity_that_is_asked_for(notify):
    one, two = Phone(), Phone()
    notify("two", "--severity", "critical", one=one, two=two)
    assert (one.sent, [alert.severity for alert in two.sent]) == ([], ["critical"])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Permanent("the webhook answers 400"), "  refused: the webhook answers 400"),
        (Transient("busy", retry_after=30), "  not taken now: busy (wait 30 s)"),
        (ConnectionRefusedError(111, "Connection refused"), "  not taken now: [Errno 111] Connection refused"),
        (KeyError("x"), "  KeyError: 'x' (this is a fault of the plugin)"),
    ],
)
def test_what_went_wrong_is_said_in_the_words_of_the_notifier_and_the_others_are_tried(notify, error, words):
    well = Phone()
    result = notify(bad=Phone(error), well=well)
    assert (result.exit_code, result.stdout.splitlines()[1], len(well.sent)) == (1, words, 1)


def test_one_that_cannot_be_opened_is_one_that_did_not_take_it(notify):
    result = notify(bad=ConfigError("no such webhook"))
    assert (result.exit_code, result.stdout) == (1, "bad (phone):\n  cannot be opened: bad (phone): no such webhook\n")


def test_what_the_service_answered_is_shown_from_the_plugins_own_log(notify):
    assert "the service answered 204" in notify(phone=Phone()).stderr
    assert logging.getLogger("hlmon_phone").level == logging.NOTSET


def test_a_secret_in_the_words_of_a_notifier_is_replaced(notify, monkeypatch):
    monkeypatch.setattr("hlmon.redaction._revealed", {"env:HOOK": "https://hooks.example/very-secret"})
    result = notify(phone=Phone(RuntimeError("cannot post to https://hooks.example/very-secret")))
    assert "very-secret" not in result.output
    assert "[env:HOOK]" in result.stdout


def test_a_name_that_the_config_does_not_have_is_wrong_use(notify):
    result = notify("fone", phone=Phone())
    assert (result.exit_code, result.stderr) == (2, "error: unknown notifier 'fone'; did you mean 'phone'?\n")


def test_a_config_without_notifiers_is_wrong_use(notify):
    assert "write a [notifier.NAME]" in notify().stderr


def test_the_log_of_the_program_is_a_notifier_like_any_other(tmp_path):
    (tmp_path / "hlmon.toml").write_text('[notifier.screen]\ntype = "log"\n')
    result = run("-c", str(tmp_path / "hlmon.toml"))
    assert (result.exit_code, "TEST: BTC long closed" in result.stderr) == (0, True)
