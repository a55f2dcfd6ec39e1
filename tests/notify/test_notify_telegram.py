"""What Telegram answers, and what becomes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from hlmon import Alert, ConfigError, Permanent, Transient
from hlmon.testing.builders import make_alert
from hlmon_notify.errors import Blocked
from hlmon_notify.render import Look, message_of
from hlmon_notify.render.telegram import MOST_PARTS, telegram_message
from hlmon_notify.telegram import FACTORY, TelegramConfig
from tests.servers.chat import Reply, Request, Telegram


def config_of(service, **changes):
    return TelegramConfig(**{"chat_id": service.chat_id, "url": service.url} | changes)


@pytest.fixture
def notifier(telegram, settings):
    with FACTORY.open(config_of(telegram), settings) as notifier:
        telegram.requests.clear()
        yield notifier


def methods(service):
    return [request.path.rpartition("/")[2] for request in service.requests]


def refused(status, description, parameters=None):
    return Telegram.refuse(status, description, parameters)


def test_the_number_of_a_chat_may_be_written_as_a_number(telegram, settings):
    telegram.chat_id = "-100123"
    with FACTORY.open(config_of(telegram, chat_id=-100123), settings) as notifier:
        notifier.send([make_alert()])
    assert telegram.requests[-1].fields["chat_id"] == "-100123"


def test_opening_asks_for_the_bot_and_the_chat_and_writes_nothing(telegram, settings):
    with FACTORY.open(config_of(telegram), settings):
        assert methods(telegram) == ["getMe", "getChat"]


@pytest.mark.parametrize(
    ("severities", "silent"),
    [(["info"], True), (["info", "warning"], False), (["critical"], False), (["info"] * 20, True)],
)
def test_only_what_is_all_info_rings_no_phone(notifier, telegram, severities, silent):
    notifier.send([make_alert(severity=severity) for severity in severities])
    assert telegram.requests[-1].fields["disable_notification"] is silent


def test_a_topic_of_a_group_is_written_to_and_no_link_is_previewed(telegram, settings):
    with FACTORY.open(config_of(telegram, thread_id=7), settings) as notifier:
        notifier.send([make_alert()])
    fields = telegram.requests[-1].fields
    assert (fields["message_thread_id"], fields["link_preview_options"]) == (7, {"is_disabled": True})


def test_a_long_alert_is_several_messages_split_on_line_ends(notifier, telegram):
    lines = [f"line {number} of a long story" for number in range(400)]
    notifier.send([make_alert(body="\n".join(lines))])
    assert methods(telegram) == ["sendMessage"] * 3
    told = [line for text in telegram.accepted for line in text.split("\n") if line.startswith("line")]
    assert told == lines


def test_the_parts_that_were_accepted_are_not_sent_again(notifier, telegram):
    alert = make_alert(body="\n".join(f"line {number} of a long story" for number in range(400)))
    second = [Reply(200, {"ok": True}), refused(500, "Internal Server Error")]
    with telegram.answering(*second), pytest.raises(Transient):
        notifier.send([alert])
    first = telegram.requests[0].fields["text"]
    telegram.requests.clear()
    notifier.send([alert])
    assert methods(telegram) == ["sendMessage"] * 2
    assert first not in [request.fields["text"] for request in telegram.requests]
    telegram.requests.clear()
    notifier.send([alert])  # the same again, later, is a message of its own
    assert methods(telegram) == ["sendMessage"] * 3


def test_500_alerts_are_a_few_messages_and_never_a_document_which_a_chat_may_forbid(notifier, telegram):
    alerts = [make_alert() for _ in range(500)]
    notifier.send(alerts)
    assert set(methods(telegram)) == {"sendMessage"}
    assert len(telegram.accepted) <= MOST_PARTS
    told = "\n".join(telegram.accepted)
    assert all(alert.title in told for alert in alerts)


def test_what_is_longer_than_ten_messages_is_cut_and_says_so(notifier, telegram):
    lines = [f"line {number} of an endless story" for number in range(5_000)]
    notifier.send([make_alert(body="\n".join(lines))])
    assert len(telegram.accepted) == MOST_PARTS
    told = [line for text in telegram.accepted for line in text.split("\n")]
    after_the_story = 3  # an empty line, the account, the time
    left = int(told[-1].split()[1]) - after_the_story
    assert [line for line in told if line.startswith("line")] == lines[: len(lines) - left]
    assert "hlmon explain has all" in told[-1]


def test_a_group_that_has_moved_is_followed_at_once_and_from_then_on(telegram, settings, caplog):
    telegram.moved_from = "-42"
    with FACTORY.open(config_of(telegram, chat_id="-42"), settings) as notifier:
        telegram.requests.clear()
        notifier.send([make_alert()])
        assert telegram.requests[-1].fields["chat_id"] == telegram.chat_id
    assert len(telegram.accepted) == len(telegram.requests) == 1
    assert f"chat_id = '{telegram.chat_id}'" in caplog.text


def test_a_group_may_move_while_the_monitor_runs(notifier, telegram):
    telegram.moved_from, telegram.chat_id = telegram.chat_id, "-100777"
    notifier.send([make_alert()])
    notifier.send([make_alert()])
    assert len(telegram.accepted) == 2
    assert len(telegram.requests) == 3


@pytest.mark.parametrize(
    ("status", "description", "error", "words"),
    [
        (400, "Bad Request: message is too long", Permanent, "refuses the message"),
        (400, "Bad Request: can't parse entities: unsupported start tag", Permanent, "refuses the message"),
        (400, "Bad Request: chat not found", Blocked, "let the bot into the chat"),
        (400, "Bad Request: message thread not found", Blocked, "let the bot into the chat"),
        (400, "Bad Request: TOPIC_CLOSED", Blocked, "let the bot into the chat"),
        (400, "Bad Request: not enough rights to send text messages to the chat", Blocked, "let the bot into"),
        (400, "Bad Request: CHAT_WRITE_FORBIDDEN", Blocked, "let the bot into the chat"),
        (403, "Forbidden: bot was blocked by the user", Blocked, "let the bot into the chat"),
        (403, "Forbidden: bot was kicked from the supergroup chat", Blocked, "let the bot into the chat"),
        (401, "Unauthorized", Blocked, "@BotFather has the right one"),
        (404, "Not Found", Blocked, "@BotFather has the right one"),
        (500, "Internal Server Error", Transient, "answers 500"),
        (502, "Bad Gateway", Transient, "answers 502"),
    ],
)
def test_a_refusal_says_whose_matter_it_is(notifier, telegram, status, description, error, words):
    with telegram.answering(refused(status, description)), pytest.raises(error, match=words) as caught:
        notifier.send([make_alert()])
    assert isinstance(caught.value, Transient) == (error is not Permanent)
    assert len(telegram.requests) == 1


def test_the_wait_that_telegram_names_is_passed_on(notifier, telegram):
    with telegram.answering(refused(429, "Too Many Requests: retry after 34", {"retry_after": 34})):
        with pytest.raises(Transient) as caught:
            notifier.send([make_alert()])
    assert caught.value.retry_after == 34


@pytest.mark.parametrize("status", [400, 401, 403, 404, 407, 409, 413, 418, 451, 502])
@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b"[]", b'{"parameters": 7}', b'"x"'])
def test_an_answer_that_is_not_telegrams_is_no_refusal_and_the_message_waits(notifier, telegram, status, body):
    with telegram.answering(Reply(status, body)), pytest.raises(Transient, match=str(status)) as caught:
        notifier.send([make_alert()])
    assert not isinstance(caught.value, Blocked)


@pytest.mark.parametrize(
    "token", ["123:short", "bot123456:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K", "123456:AAE/../x" + "x" * 20]
)
def test_what_is_no_token_never_becomes_part_of_an_address(telegram, settings, monkeypatch, token):
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", token)
    with pytest.raises(ConfigError, match="@BotFather"), FACTORY.open(config_of(telegram), settings):
        pass
    assert telegram.requests == []


TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)
ALERTS = st.builds(
    Alert,
    account=st.sampled_from(["", "0x" + "a" * 40]),
    time_ms=st.integers(0, 4_000_000_000_000),
    rule=TEXTS,
    subject=TEXTS,
    severity=st.sampled_from(["info", "warning", "critical"]),
    title=TEXTS | st.integers(1, 6000).map("&".__mul__),
    body=TEXTS | st.integers(1, 5_000).map("</b><u>&🚨".__mul__),
    details=st.dictionaries(TEXTS, TEXTS | st.integers(1, 3000).map('"'.__mul__), max_size=40),
    labels=st.just({"tx_hash": "0x" + "c" * 64}),
)


@given(st.lists(ALERTS, min_size=1, max_size=30))
@examples(max_examples=60, deadline=None)
def test_whatever_the_alerts_are_telegram_takes_the_message(alerts):
    message = telegram_message(message_of(alerts, Look(explorer="https://app.hyperliquid.xyz/explorer")))
    service = Telegram()
    with service:
        for text in message.texts:
            request = Request("POST", "", {}, {}, b"", {"parse_mode": "HTML", "text": text})
            assert service.take("sendMessage", request).body["ok"]
