"""What is wrong with a secret by its form alone is known before anybody is asked, and said without repeating it."""

from __future__ import annotations

import pytest

from hlmon.secret import Secret
from hlmon_notify import discord, telegram, webhook

RIGHT = {
    "discord": ("webhook", "https://discord.com/api/webhooks/123/abc-DEF_456"),
    "telegram": ("token", "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0"),
    "webhook": ("url", "https://hooks.example/x"),
    "webhook, signed": ("secret", "whsec_aHVzaC1odXNoLWh1c2gtaHVzaC1odXNoLWh1c2g="),
}


def found_in(service: str, value: str, monkeypatch) -> dict[str, str]:
    """What the check of this service says of a config with this value in the field."""
    monkeypatch.setenv("VALUE", value)
    monkeypatch.setenv("HOOK", RIGHT["webhook"][1])
    secret, hook = Secret("env:VALUE"), Secret("env:HOOK")
    if service == "discord":
        return discord.FACTORY.check(discord.DiscordConfig(webhook=secret))
    if service == "telegram":
        return telegram.FACTORY.check(telegram.TelegramConfig(token=secret, chat_id="1"))
    if service == "webhook":
        return webhook.FACTORY.check(webhook.WebhookConfig(url=secret))
    return webhook.FACTORY.check(webhook.WebhookConfig(url=hook, secret=secret))


@pytest.mark.parametrize("service", RIGHT)
def test_what_can_be_right_is_not_doubted(service, monkeypatch):
    assert found_in(service, RIGHT[service][1], monkeypatch) == {}


@pytest.mark.parametrize("service", RIGHT)
def test_what_cannot_be_right_is_named_by_its_field_and_not_repeated(service, monkeypatch):
    found = found_in(service, "hush-4711", monkeypatch)
    assert list(found) == [RIGHT[service][0]]
    assert "hush-4711" not in str(found)
