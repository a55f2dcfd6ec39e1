"""A dex that is missing from a state, or has another name, makes no figure wrong."""

from __future__ import annotations

from decimal import Decimal

import pytest

CENT = Decimal("0.01")
RULES = '[rule.drawdown]\ntype = "drawdown"\nabove = 1\nfor_seconds = 0\n[rule.margin]\ntype = "margin"\nabove = 5\n'


@pytest.fixture(scope="module")
def story(exchange, monitor_of, make_toml, wait):
    """A classic account on two dexes, one of which is missing for a while and is renamed afterwards."""
    world = exchange.server.world
    world.market.move = lambda seconds: None

    def begin():
        account = world.add_account(usdc=100_000)
        for coin, size in (("BTC", "0.2"), ("xyz:SILVER", "-20")):
            world.open(account, coin, size, price=world.market.price(coin))
        return account

    account = exchange.do(begin)
    monitor = monitor_of(make_toml(exchange.url, [account.address], exchange="snapshot_seconds = 5", more=RULES))
    monitor.start()

    def await_snapshots(count):
        so_far = len(monitor.bodies("account"))
        wait(lambda: len(monitor.bodies("account")) >= so_far + count, 40, "snapshots")

    await_snapshots(2)
    value = exchange.do(lambda: account.value(world.market))
    for _ in range(3):
        exchange.do(lambda: exchange.server.faults.missing_dex(7))
        await_snapshots(2)
    exchange.do(lambda: world.rename_dex("xyz", "metals"))
    wait(lambda: "metals:SILVER" in positions(monitor), 20, "the position under its new name")
    await_snapshots(2)
    assert monitor.terminate() == 0
    return monitor, value


def positions(monitor) -> set[str]:
    return {coin for (coin,) in monitor.query("SELECT coin FROM positions WHERE is_open")}


def test_every_snapshot_shows_what_the_account_is_worth(story):
    monitor, value = story
    assert [b for b in monitor.bodies("account") if abs(Decimal(b["account_value"]) - value) > CENT] == []


def test_no_alert_comes_of_it_and_the_positions_are_those_that_there_are(story):
    monitor, _ = story
    assert [body["title"] for body in monitor.bodies("alert")] == []
    assert positions(monitor) == {"BTC", "metals:SILVER"}
