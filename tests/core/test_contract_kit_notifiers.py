"""The notifier contract bites: a reference notifier keeps it, and each case catches one that is wrong."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from functools import cached_property
from typing import ClassVar

import msgspec
import pytest

from hlmon.contract import NotifierFactory
from hlmon.errors import ConfigError, Permanent, Transient
from hlmon.testing import BrokenPromise, NotifierContract

TOKEN = "correct-horse-battery"


class Chat:
    """A service that takes texts of up to 2,000 characters."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.answer = 200
        self.retry_after = 0.0

    def post(self, text: str) -> int:
        if self.answer == 200:
            if not 0 < len(text) <= 2000:
                return 400
            self.texts.append(text)
        return self.answer


class ChatNotifier:
    """The reference: what the contract asks for, and nothing else."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat

    def send(self, alerts):
        for alert in alerts:
            self.check(self.chat.post(self.text(alert)))

    def text(self, alert):
        return f"[{alert.severity}] {alert.title}\n{alert.body}"[:2000]

    def check(self, answer):
        if answer == 429:
            raise Transient("too many messages", retry_after=self.chat.retry_after)
        if answer >= 500:
            raise Transient(f"the chat answered {answer}")
        if answer >= 400:
            raise Permanent(f"the chat refused the message: {answer}")


class ChatConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    room: str = "traders"


class ChatContract(NotifierContract):
    secrets = (TOKEN,)
    notifier: ClassVar[type[ChatNotifier]] = ChatNotifier
    proves_config: ClassVar[bool] = True

    @cached_property
    def chat(self):
        return Chat()

    def factory(self):
        return NotifierFactory(name="chat", config=ChatConfig, open=self.open_chat, max_batch=7)

    @contextmanager
    def open_chat(self, config, _settings):
        if self.proves_config and config.room != "traders":
            raise ConfigError(f"no room {config.room!r}")
        yield self.notifier(self.chat)

    def config(self):
        return ChatConfig()

    def wrong_configs(self):
        return {"an unknown room": ChatConfig(room="nowhere")}

    def sent(self):
        return self.chat.texts

    @contextmanager
    def answering(self, answer, retry_after=0.0):
        self.chat.answer, self.chat.retry_after = answer, retry_after
        yield
        self.chat.answer = 200

    def outage(self):
        return self.answering(502)

    def refusal(self):
        return self.answering(403)

    def throttling(self, seconds):
        return self.answering(429, seconds)


class TestChatNotifier(ChatContract):
    """The reference passes every case."""


class TellsTheFirst(ChatNotifier):
    def send(self, alerts):
        super().send(alerts[:1])


class StaysInItsThread(ChatNotifier):
    def __init__(self, chat):
        super().__init__(chat)
        self.thread = threading.get_ident()

    def send(self, alerts):
        if threading.get_ident() != self.thread:
            raise RuntimeError("there is no current event loop in this thread")
        super().send(alerts)


class TellsAnEmptyDigest(ChatNotifier):
    def send(self, alerts):
        self.chat.post(f"{len(alerts)} alerts")
        super().send(alerts)


class GreetsAtOpening(ChatNotifier):
    def __init__(self, chat):
        super().__init__(chat)
        chat.post("hlmon is watching")


class NeedsAnAccount(ChatNotifier):
    def send(self, alerts):
        super().send([alert for alert in alerts if alert.account])


class FormatsBodies(ChatNotifier):
    def text(self, alert):
        return super().text(alert) % ()


class DropsHtml(ChatNotifier):
    def send(self, alerts):
        super().send([alert for alert in alerts if "<" not in alert.title])


class SendsAnyLength(ChatNotifier):
    def text(self, alert):
        return f"{alert.title}\n{alert.body}"


class EditsAlerts(ChatNotifier):
    def send(self, alerts):
        super().send(alerts)
        for alert in alerts:
            alert.labels["sent"] = "yes"


class SwallowsOutages(ChatNotifier):
    def check(self, answer):
        if answer < 500:
            super().check(answer)


class TriesOnce(ChatNotifier):
    tried: ClassVar[set[str]] = set()

    def send(self, alerts):
        new = [alert for alert in alerts if alert.key not in self.tried]
        self.tried |= {alert.key for alert in new}
        super().send(new)


class RepeatsRefusals(ChatNotifier):
    def check(self, answer):
        if answer >= 400:
            raise Transient("try again", retry_after=self.chat.retry_after)


class ForgetsTheWait(ChatNotifier):
    def check(self, answer):
        if answer == 429:
            raise Transient("too many messages")
        super().check(answer)


class LeaksItsToken(ChatNotifier):
    def check(self, answer):
        if answer >= 500:
            raise Transient(f"POST https://chat.example/{TOKEN}: {answer}")
        super().check(answer)


class LogsItsToken(ChatNotifier):
    def send(self, alerts):
        logging.getLogger("chat").debug("POST https://chat.example/%s", TOKEN)
        super().send(alerts)


class TellsTitlesOnly(ChatNotifier):
    def text(self, alert):
        return f"[{alert.severity}] {alert.title}"


class TellsEverythingAlike(ChatNotifier):
    def text(self, alert):
        return f"{alert.title}\n{alert.body}"[:2000]


class LeavesAThread(ChatNotifier):
    def __init__(self, chat):
        super().__init__(chat)
        threading.Thread(target=threading.Event().wait, args=[10], name="poller", daemon=True).start()


def contract_of(notifier_type: type[ChatNotifier], **proofs: bool) -> ChatContract:
    return type(f"{notifier_type.__name__}Contract", (ChatContract,), {"notifier": notifier_type, **proofs})()


WRONG_NOTIFIERS = [
    (contract_of(TellsTheFirst), "test_every_alert_of_a_batch_is_told"),
    (contract_of(StaysInItsThread), "test_another_thread_sends_than_the_one_that_opened"),
    (contract_of(TellsAnEmptyDigest), "test_an_empty_batch_tells_nothing"),
    (contract_of(GreetsAtOpening), "test_opening_tells_nothing"),
    (contract_of(NeedsAnAccount), "test_an_alert_with_nothing_optional_is_told"),
    (contract_of(FormatsBodies), "test_odd_texts_are_told"),
    (contract_of(DropsHtml), "test_an_odd_title_is_no_error"),
    (contract_of(SendsAnyLength), "test_a_text_that_is_too_long_is_cut"),
    (contract_of(EditsAlerts), "test_alerts_are_not_changed"),
    (contract_of(SwallowsOutages), "test_an_outage_raises_transient"),
    (contract_of(TriesOnce), "test_an_open_notifier_recovers_from_an_outage"),
    (contract_of(RepeatsRefusals), "test_a_refusal_raises_permanent"),
    (contract_of(ForgetsTheWait), "test_the_wait_that_was_asked_for_is_passed_on"),
    (contract_of(ChatNotifier, proves_config=False), "test_opening_with_a_wrong_config_raises_config_error"),
    (contract_of(TellsTitlesOnly), "test_body_and_severity_reach_the_reader"),
    (contract_of(TellsEverythingAlike), "test_body_and_severity_reach_the_reader"),
    (contract_of(LeavesAThread), "test_closing_leaves_no_thread_and_no_connection"),
    (contract_of(LeaksItsToken), "test_secrets_never_show"),
    (contract_of(LogsItsToken), "test_secrets_never_show"),
]


@pytest.mark.parametrize(("contract", "case"), WRONG_NOTIFIERS, ids=[type(c).__name__ for c, _ in WRONG_NOTIFIERS])
def test_a_wrong_notifier_is_caught_by_the_case_about_it(contract, case):
    with pytest.raises(BrokenPromise, match=r"(?s)^promise: .+\n  because: .+\n  seen: .+"):
        getattr(contract, case)()


def test_every_case_of_the_notifier_contract_catches_some_wrong_notifier():
    assert {case for _, case in WRONG_NOTIFIERS} == set(NotifierContract.cases())
