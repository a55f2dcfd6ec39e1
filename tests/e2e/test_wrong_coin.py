"""A coin that does not exist costs nobody anything, although the exchange closes the connection over it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

LONG_ENOUGH_TO_BE_CLOSED_MS = 2_000  # the exchange closes 0.8 s after it was asked for such a coin


@pytest.fixture(scope="module")
def story(exchange_of, monitor_of, make_toml, wait):
    exchange = exchange_of(accounts=2, rate=5.0, trades_rate=20.0)
    world = exchange.server.world
    coins = 'coins = ["BTC", "kPEPPE", "xyz:SILVR", "HYPE/USDC", "ETH"]'
    monitor = monitor_of(make_toml(exchange.url, exchange.server.addresses, exchange=coins))
    monitor.start()
    subscribed_ms = wait(lambda: exchange.do(lambda: trades_subscribed_ms(exchange)), 60, "the good coins' trades")
    wait(lambda: exchange.do(lambda: world.now_ms) > subscribed_ms + LONG_ENOUGH_TO_BE_CLOSED_MS, 60)
    source = wait(lambda: len((found := monitor.source())["problems"]) == 3 and found, 60, "the problems", every=0.5)
    fills = monitor.query("SELECT count(*) FROM fills")[0][0]
    wait(lambda: monitor.query("SELECT count(*) FROM fills")[0][0] > fills, 60, "fills afterwards")
    return SimpleNamespace(monitor=monitor, source=source, exchange=exchange)


def trades_subscribed_ms(exchange) -> int | None:
    """The exchange's time, once it streams two coins' trades."""
    streams = [key for connection in exchange.server.hub.connections for key in connection.subscriptions]
    return exchange.server.world.now_ms if sum('"trades"' in key for key in streams) >= 2 else None


@pytest.mark.parametrize(("wrong", "right"), [("kPEPPE", "kPEPE"), ("xyz:SILVR", "xyz:SILVER"), ("HYPE/USDC", "@107")])
def test_a_wrong_coin_is_reported_with_the_nearest_valid_name(wrong, right, story):
    for texts in (story.source["problems"], [line["message"] for line in story.monitor.log_lines()]):
        assert any(repr(wrong) in text and repr(right) in text for text in texts)


def test_the_connection_survives_a_wrong_coin(story):
    assert story.source["connection"]["state"] == "live"
    assert story.source["connection"]["reconnects"] == 0
    assert not any("connection lost" in line["message"] for line in story.monitor.log_lines())


def test_the_other_coins_are_watched_beside_a_wrong_one(story, wait):
    assert story.source["coins"] == ["BTC", "ETH"]


def test_accounts_are_watched_beside_a_wrong_coin(story):
    assert {account["status"] for account in story.source["accounts"]} == {"watched"}
