"""What Discord answers, and what becomes of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from hlmon import Alert, ConfigError, Permanent, Secret, Transient
from hlmon.testing.builders import make_alert
from hlmon_notify.config import look_of
from hlmon_notify.discord import FACTORY, DiscordConfig, DiscordNotifier
from hlmon_notify.errors import Blocked
from hlmon_notify.http import Http
from hlmon_notify.render import Look, message_of
from hlmon_notify.render.discord import discord_message, escaped
from tests.servers.chat import Discord, Reply


@pytest.fixture
def notifier(discord, settings):
    with FACTORY.open(DiscordConfig(), settings) as notifier:
        discord.requests.clear()
        yield notifier


def limited(remaining, reset_after):
    return Reply(200, {"id": "1"}, {"X-RateLimit-Remaining": remaining, "X-RateLimit-Reset-After": reset_after})


def test_a_message_is_posted_once_and_waits_until_discord_keeps_it(notifier, discord):
    notifier.send([make_alert()])
    (request,) = discord.requests
    assert (request.method, request.query) == ("POST", {"wait": "true"})
    assert request.fields["allowed_mentions"] == {"parse": []}
    assert request.headers["User-Agent"].startswith("DiscordBot (")


def test_opening_only_asks_for_the_webhook(discord, settings):
    with FACTORY.open(DiscordConfig(), settings):
        assert [request.method for request in discord.requests] == ["GET"]


def test_a_thread_is_posted_to(discord, settings):
    with FACTORY.open(DiscordConfig(thread_id=discord.threads[0]), settings) as notifier:
        notifier.send([make_alert()])
    assert discord.requests[-1].query["thread_id"] == discord.threads[0]


def test_500_alerts_are_one_message_with_a_file(notifier, discord):
    alerts = [make_alert(details={"size": "1"}) for _ in range(500)]
    notifier.send(alerts)
    (request,) = discord.requests
    (text,) = request.files.values()
    assert all(alert.title in text for alert in alerts)
    assert "more, in the file below" in json.loads(request.fields["payload_json"])["embeds"][0]["description"]


@pytest.mark.parametrize(
    ("status", "code", "error", "words"),
    [
        (400, 50035, Permanent, "refuses the message"),
        (413, 40005, Permanent, "refuses the message"),
        (401, 50027, Blocked, "make a new webhook"),
        (403, 50013, Blocked, "make a new webhook"),
        (404, 10015, Blocked, "make a new webhook"),
        (404, 10003, Blocked, "correct thread_id"),
        (401, 0, Blocked, "make a new webhook"),
        (404, 0, Blocked, "make a new webhook"),
        (400, 220001, Blocked, "correct thread_id"),
        (400, 50083, Blocked, "correct thread_id"),
        (500, 0, Transient, "answers 500"),
        (502, 0, Transient, "answers 502"),
    ],
)
def test_a_refusal_says_whose_matter_it_is(notifier, discord, status, code, error, words):
    with discord.answering(Reply(status, {"message": "No", "code": code})):
        with pytest.raises(error, match=words) as caught:
            notifier.send([make_alert()])
    assert isinstance(caught.value, Transient) == (error is not Permanent)
    assert len(discord.requests) == 1


@pytest.mark.parametrize(
    ("reply", "wait"),
    [
        (Reply(429, {"message": "slow", "retry_after": 0.4, "global": False}, {"Retry-After": "1"}), 1),
        (Reply(429, {"message": "slow", "retry_after": 64.57, "global": True}), 64.57),
        (Reply(429, b"error code: 1015", {"Retry-After": "30"}), 30),  # of the network before Discord
        (Reply(429, {"message": "slow"}, {"X-RateLimit-Reset-After": "2.5"}), 2.5),
        (Reply(429, b"", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), None),
    ],
)
def test_the_longest_wait_that_discord_names_is_passed_on(notifier, discord, reply, wait):
    with discord.answering(reply), pytest.raises(Transient) as caught:
        notifier.send([make_alert()])
    assert caught.value.retry_after == wait


def test_an_empty_bucket_is_waited_for_before_the_next_message(discord, settings):
    waits, now = [], [100.0]
    with Http("Discord") as http:
        config = DiscordConfig()
        notifier = DiscordNotifier(config, look_of(config, settings), http, wait=waits.append, clock=lambda: now[0])
        with discord.answering(limited("0", "1.5"), limited("3", "1.0"), limited("0", "60")):
            notifier.send([make_alert()])
            now[0] += 0.5
            notifier.send([make_alert()])
            assert waits == [1.0]
            now[0] += 1.0
            notifier.send([make_alert()])
            assert waits == [1.0]
            with pytest.raises(Transient) as caught:
                notifier.send([make_alert()])
    assert caught.value.retry_after == 60
    assert len(discord.requests) == 3


def test_a_webhook_that_is_replaced_needs_no_restart(notifier, discord, monkeypatch):
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", f"{discord.webhook}x")
    with pytest.raises(Blocked):
        notifier.send([make_alert()])
    monkeypatch.delenv("DISCORD_WEBHOOK_URL")
    with pytest.raises(Blocked, match="env:DISCORD_WEBHOOK_URL"):
        notifier.send([make_alert()])
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", discord.webhook)
    notifier.send([make_alert()])
    assert len(discord.accepted) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 407, 409, 413, 418, 451])
@pytest.mark.parametrize("body", [b"", b"<html>blocked</html>", b"[]", {"message": "No"}, {"code": 50035}, b'"x"'])
def test_an_answer_that_is_not_discords_is_no_refusal_and_the_message_waits(notifier, discord, status, body):
    with discord.answering(Reply(status, body)), pytest.raises(Transient, match=str(status)) as caught:
        notifier.send([make_alert()])
    assert not isinstance(caught.value, Blocked)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_service_in_trouble_does_not_keep_the_monitor_from_starting(discord, settings, status):
    alert = make_alert()
    with discord.answering(Reply(status)):
        opened = FACTORY.open(DiscordConfig(), settings)
        notifier = opened.__enter__()
    notifier.send([alert])
    opened.__exit__(None, None, None)
    assert len(discord.accepted) == 1


@pytest.mark.parametrize(
    "url", ["https://discord.com/api/webhooks/1", "https://discord.com/api/webhooks/x/y?z=1", "hush"]
)
def test_what_is_no_webhook_is_refused_at_opening(url, settings, monkeypatch):
    monkeypatch.setenv("HOOK", url)
    with (
        pytest.raises(ConfigError, match="whole URL"),
        FACTORY.open(DiscordConfig(webhook=Secret("env:HOOK")), settings),
    ):
        pass


def test_markdown_of_others_is_only_text():
    assert (
        escaped("*a* _b_ [f](g) ~c~ `d` ||e|| <@1> \\") == r"\*a\* \_b\_ \[f\](g) \~c\~ \`d\` \|\|e\|\| \<@1> " + "\\\\"
    )
    assert escaped("# a\n> b\n- c\n1. d\n-1.5\n0.5 e") == "\\# a\n\\> b\n\\- c\n1\\. d\n-1.5\n0.5 e"


def test_figures_that_are_too_many_are_in_the_file():
    alert = make_alert(details={f"figure {number}": "x" * 1000 for number in range(25)})
    message = discord_message(message_of([alert], Look()))
    assert Discord.problem_of(message.payload, {"files[0]": message.file}) == ""
    assert 3 < len(message.payload["embeds"][0]["fields"]) < 6
    assert message.file.count("x" * 1000) == 25


TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)
ALERTS = st.builds(
    Alert,
    account=st.sampled_from(["", "0x" + "a" * 40]),
    time_ms=st.integers(0, 4_000_000_000_000),
    rule=TEXTS,
    subject=TEXTS,
    severity=st.sampled_from(["info", "warning", "critical"]),
    state=st.sampled_from(["event", "firing", "resolved"]),
    title=TEXTS | st.integers(1, 6000).map("🚨".__mul__),
    body=TEXTS | st.integers(1, 6000).map("*".__mul__),
    details=st.dictionaries(TEXTS, TEXTS | st.integers(1, 3000).map("ä".__mul__), max_size=40),
    labels=st.just({"tx_hash": "0x" + "c" * 64}),
)


@given(st.lists(ALERTS, min_size=1, max_size=30))
@examples(max_examples=60, deadline=None)
def test_whatever_the_alerts_are_discord_takes_the_message(alerts):
    message = discord_message(message_of(alerts, Look(explorer="https://app.hyperliquid.xyz/explorer")))
    files = {"files[0]": message.file} if message.file else {}
    assert Discord.problem_of(message.payload, files) == ""
