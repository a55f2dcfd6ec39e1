"""The contract of every notifier, as tests that its author inherits in one class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, ClassVar, Final

from hlmon.contract import Notifier, NotifierFactory, Settings
from hlmon.errors import ConfigError, Permanent, Transient
from hlmon.events import Alert, encode
from hlmon.testing.builders import START_MS, make_alert
from hlmon.testing.contract_case import Contract
from hlmon.testing.leaks import check_closed
from hlmon.testing.promises import captured_logs, check, check_error, error_of, texts_of
from hlmon.testing.time_limit import error_in_thread

ODD_TEXTS: Final[Mapping[str, str]] = {
    "mentions": "@everyone @here <@123> <!channel> @all",
    "HTML": "<b>bold</b> <script>alert(1)</script> &amp; </p>",
    "Markdown": "*a* _b_ `c` ~d~ ||e|| [f](g) \\ ```",
    "other scripts": "Grüße 你好 🚀 \u202e",
    "line breaks": "one\r\ntwo\nthree\x00four",
    "format signs": "%s %d {} {0} ${x}",
    "blanks": "   ",
}
_BODY: Final = "Wiedervorlage"  # one word of letters, so that no markup changes it
_ACKED: Final = "whoever returns is acked and never asked again: nobody would be told"


class NotifierCase(Contract):
    """What a subclass defines. `secrets` are the secret texts that `config` leads to."""

    to_define: ClassVar[frozenset[str]] = frozenset(
        {"config", "factory", "outage", "refusal", "secrets", "sent", "settings", "throttling", "wrong_configs"}
    )
    secrets: ClassVar[Sequence[str]] = ()
    settings: ClassVar[Settings] = Settings(name="contract")

    def factory(self) -> NotifierFactory[Any]:
        """The factory of the notifier."""
        self.missing("factory()", "returns the notifier's factory", excusable=False)

    def config(self) -> Any:
        """A config with which the notifier opens; it leads to a stand-in for the service."""
        self.missing("config()", "returns a config with which the notifier opens", excusable=False)

    def sent(self) -> Sequence[str]:
        """The texts that the stand-in for the service accepted in this case, in order."""
        self.missing("sent()", "returns the texts that the service accepted", excusable=False)

    def wrong_configs(self) -> Mapping[str, Any]:
        """What can be wrong with a config -> such a config."""
        self.missing("wrong_configs()", "returns configs that cannot work, each under what is wrong with it")

    def outage(self) -> AbstractContextManager[None]:
        """A context in which the service cannot be reached or answers with 5xx."""
        self.missing("outage()", "returns a context in which the service cannot be reached")

    def refusal(self) -> AbstractContextManager[None]:
        """A context in which the service refuses what it is sent for good, e.g. with 400 or 404."""
        self.missing("refusal()", "returns a context in which the service refuses messages for good")

    def throttling(self, seconds: float) -> AbstractContextManager[None]:
        """A context in which the service asks to come again after so many seconds, e.g. with 429."""
        self.missing(f"throttling({seconds})", "returns a context in which the service asks for patience")

    @contextmanager
    def opened(self) -> Iterator[Notifier]:
        """The notifier, opened as the host opens it."""
        with self.factory().open(self.config(), self.settings) as notifier:
            yield notifier

    def expect_told(self, alerts: Sequence[Alert], promise: str, *, because: str) -> None:
        """Check that the title of every alert reached the service."""
        __tracebackhide__ = True
        text = "\n".join(self.sent())
        missing = [alert.title for alert in alerts if alert.title not in text]
        check(not missing, promise, because=because, seen=f"nothing was sent of {missing[:3]}")


class NotifierContract(NotifierCase, defines_cases=True):
    """Subclass it as `class TestMyNotifier(NotifierContract)` and define what NotifierCase names."""

    def test_every_alert_of_a_batch_is_told(self) -> None:
        """A full batch, all severities."""
        count = self.factory().max_batch
        alerts = [make_alert(severity=("info", "warning", "critical")[index % 3]) for index in range(count)]
        with self.opened() as notifier:
            notifier.send(alerts)
            self.expect_told(alerts, f"all of a batch of max_batch = {count} alerts are told", because=_ACKED)

    def test_an_empty_batch_tells_nothing(self) -> None:
        """Nothing to tell is no error."""
        with self.opened() as notifier:
            notifier.send([])
        check(not self.sent(), "an empty batch sends nothing", because="people read every message", seen=self.sent())

    def test_opening_tells_nothing(self) -> None:
        """A restart is no news."""
        with self.opened():
            pass
        check(not self.sent(), "opening sends nothing", because="every restart would be a message", seen=self.sent())

    def test_an_alert_with_nothing_optional_is_told(self) -> None:
        """No account, no body, no labels, no cause."""
        alert = make_alert(account="", body="", labels={}, cause=None)
        with self.opened() as notifier:
            notifier.send([alert])
        self.expect_told([alert], "an alert needs no account, body, labels or cause", because="market alerts have none")

    def test_another_thread_sends_than_the_one_that_opened(self) -> None:
        """Calls come one at a time; on which thread is the host's affair, now and in later versions."""
        alert = make_alert()
        with self.opened() as notifier:
            error = error_in_thread(lambda: notifier.send([alert]))
        promise = "send works in another thread than the one that opened the notifier"
        because = "which thread calls is the host's affair: nothing may be tied to the one that opened it"
        check(error is None, promise, because=because, seen=error and f"{type(error).__name__}: {error}")
        self.expect_told([alert], promise, because=_ACKED)

    def test_odd_texts_are_told(self) -> None:
        """Mentions, HTML and Markdown are text."""
        for what, text in ODD_TEXTS.items():
            alert = make_alert(body=text, labels={"text": text})
            with self.opened() as notifier:
                error = error_of(partial(notifier.send, [alert]))
            seen = error or "not sent"
            told = error is None and alert.title in "\n".join(self.sent())
            check(told, f"an alert with {what} is told", because="coins and labels are named by others", seen=seen)

    def test_an_odd_title_is_no_error(self) -> None:
        """Whatever the title is made of, the service gets something."""
        for what, text in ODD_TEXTS.items():
            before = len(self.sent())
            with self.opened() as notifier:
                error = error_of(partial(notifier.send, [make_alert(title=text)]))
            told = error is None and len(self.sent()) > before
            check(told, f"an alert whose title is {what} is told", because=_ACKED, seen=error or "not sent")

    def test_a_text_that_is_too_long_is_cut(self) -> None:
        """A service's limit of length is the notifier's business."""
        before = len(self.sent())
        alert = make_alert(title="T" * 5_000, body="B" * 100_000, labels={"L" * 500: "V" * 5_000})
        with self.opened() as notifier:
            error = error_of(lambda: notifier.send([alert]))
        told = error is None and len(self.sent()) > before
        check(told, "a long alert is told, cut to what the service takes", because=_ACKED, seen=error or "not sent")

    def test_alerts_are_not_changed(self) -> None:
        """A notifier reads alerts, it does not edit them."""
        alert = make_alert(body="B" * 10_000)
        before = encode(alert)
        with self.opened() as notifier:
            notifier.send([alert])
        check(
            encode(alert) == before, "sending leaves the alerts as they are", because="a retry sends them", seen=alert
        )

    def test_body_and_severity_reach_the_reader(self) -> None:
        """The text below the title is there, and whoever reads can tell a warning from the end of the world."""
        same, told = {"subject": "contract", "title": "Contract", "time_ms": START_MS}, {}
        for severity in ("info", "warning", "critical"):
            before = len(self.sent())
            with self.opened() as notifier:
                notifier.send([make_alert(**same, body=_BODY, severity=severity)])
            told[severity] = "\n".join(self.sent()[before:])
        without = [severity for severity, text in told.items() if _BODY not in text]
        because = "the body has the figures, and by the title alone nobody can decide anything"
        check(not without, "the body of an alert is told", because=because, seen=f"not with {', '.join(without)}")
        because = "people look at once at what is critical, and later at the rest"
        alike = len(set(told.values())) < len(told)
        promise = "one alert as info, as warning and as critical is told in three different ways"
        check(not alike, promise, because=because, seen=list(told.values()))

    def test_closing_leaves_no_thread_and_no_connection(self) -> None:
        """However often it is opened."""

        def use() -> object:
            with self.opened() as notifier:
                notifier.send([make_alert()])
            return notifier

        check_closed(use)

    def test_an_outage_raises_transient(self) -> None:
        """A service that cannot be reached is no success and no fault of the alert."""
        with self.opened() as notifier, self.outage():
            error = error_of(lambda: notifier.send([make_alert()]))
        check_error(error, (Transient, OSError), "sending in an outage raises Transient or OSError", because=_ACKED)

    def test_an_open_notifier_recovers_from_an_outage(self) -> None:
        """The same object works again: nobody reopens a notifier."""
        alerts = [make_alert()]
        with self.opened() as notifier:
            with self.outage():
                for _ in range(3):
                    error_of(lambda: notifier.send(alerts))
            error = error_of(lambda: notifier.send(alerts))
        check(error is None, "an open notifier works again after an outage", because=_ACKED, seen=error)
        self.expect_told(alerts, "the batch that failed in an outage is told afterwards", because=_ACKED)

    def test_a_refusal_raises_permanent(self) -> None:
        """What the service will never take is set aside, and the others go on."""
        with self.opened() as notifier, self.refusal():
            error = error_of(lambda: notifier.send([make_alert()]))
        because = "a Transient refusal would be repeated for ever and hold up every alert behind it"
        check_error(error, (Permanent,), "an alert refused for good raises Permanent", because=because)

    def test_the_wait_that_was_asked_for_is_passed_on(self) -> None:
        """`retry_after` carries it."""
        with self.opened() as notifier, self.throttling(7.5):
            error = error_of(lambda: notifier.send([make_alert()]))
        because = "services ban those who come too early"
        check_error(error, (Transient,), "a throttled call raises Transient", because=because)
        wait = getattr(error, "retry_after", None)
        check(
            wait is not None and wait >= 7.5,
            "retry_after is what was asked for: 7.5 s",
            because=because,
            seen=f"retry_after = {wait}",
        )

    def test_opening_with_a_wrong_config_raises_config_error(self) -> None:
        """Opening proves that the config works."""
        for wrong, config in self.wrong_configs().items():
            error = error_of(partial(self._open_and_close, config))
            because = "the monitor fails at start with one readable line, not at the first alert"
            check_error(error, (ConfigError,), f"opening raises ConfigError: {wrong}", because=because)

    def test_secrets_never_show(self) -> None:
        """Not in a repr, not in an error, not in a log."""
        hooks = {
            "test_an_outage_raises_transient": self.outage,
            "test_a_refusal_raises_permanent": self.refusal,
        }
        with captured_logs() as lines, self.opened() as notifier:
            shown = [repr(notifier), repr(self.config()), str(self.config())]
            notifier.send([make_alert()])
            for case, trouble in hooks.items():
                if case not in self.excused:
                    with trouble():
                        shown.append(texts_of(error_of(lambda: notifier.send([make_alert()]))))
            if "test_opening_with_a_wrong_config_raises_config_error" not in self.excused:
                configs = self.wrong_configs().values()
                shown += [texts_of(error_of(partial(self._open_and_close, config))) for config in configs]
        text = "\n".join([*shown, *lines])
        leaked = [secret[:2] + "…" for secret in self.secrets if secret in text]
        because = "a webhook's address in a log is a key under the mat"
        check(not leaked, "a secret shows in no repr, error or log", because=because, seen=f"begins with {leaked}")

    def _open_and_close(self, config: object) -> None:
        with self.factory().open(config, self.settings):
            pass
