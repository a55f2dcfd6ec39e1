"""An account turns to another mode while it is watched: noticed within 10 s, and no figure is wrong meanwhile."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

CENT = Decimal("0.01")
RULES = "".join(
    f'[rule.{name}]\ntype = "{name}"\n{more}\n'
    for name, more in {
        "margin": "above = 5",
        "health": "below = 5",
        "leverage": "above = 20",
        "drawdown": "above = 1\nfor_seconds = 0",
    }.items()
)


def add_trader(world, spot: int, coins):
    """Positions backed by 100,000 USDC on the perp dex."""
    account = world.add_account(usdc=100_000)
    account.balance("USDC", 0).total += spot
    for coin, size in coins.items():
        world.open(account, coin, size, price=world.market.price(coin))
    return account


@pytest.fixture(scope="module")
def story(exchange, monitor_of, make_toml, wait):
    """The accounts, what they are worth, the monitor, and how long each switch took to be known."""
    world = exchange.server.world
    world.market.move = lambda seconds: None

    def begin():
        return {
            "little on spot": add_trader(world, 0, {"BTC": "1"}),
            "much on spot": add_trader(world, 900_000, {"BTC": "1", "xyz:SILVER": "-20"}),
            "no position": add_trader(world, 500, {}),
        }

    accounts = exchange.do(begin)
    addresses = [account.address for account in accounts.values()]
    monitor = monitor_of(make_toml(exchange.url, addresses, exchange="snapshot_seconds = 5", more=RULES))
    monitor.start()
    await_snapshots(monitor, wait, dict.fromkeys(addresses, 2))
    values = exchange.do(lambda: {a.address: a.value(world.market) for a in accounts.values()})
    took = []
    for wanted in (dict.fromkeys(addresses, "unified"), dict.fromkeys(addresses, "portfolio_margin")):
        exchange.do(lambda: [world.switch_mode(account) for account in accounts.values()])
        begun = time.monotonic()
        wait(lambda wanted=wanted: modes(monitor) == wanted, 30, "the new mode")
        took.append(time.monotonic() - begun)
        await_snapshots(monitor, wait, {address: count + 1 for address, count in counts(monitor).items()})
    assert monitor.terminate() == 0
    return monitor, values, took


def counts(monitor) -> dict[str, int]:
    return dict(monitor.query("SELECT account_address, count(*) FROM hl_dashboard GROUP BY account_address"))


def await_snapshots(monitor, wait, at_least: dict[str, int]) -> None:
    wait(lambda: all(counts(monitor).get(name, 0) >= n for name, n in at_least.items()), 30, "snapshots of each")


def modes(monitor) -> dict[str, str]:
    return {info["account"]: info.get("mode", "unknown") for info in monitor.bodies("account_info")}


def test_a_switch_is_noticed_within_ten_seconds(story):
    _, _, took = story
    assert max(took) < 10


def test_every_snapshot_shows_what_the_account_is_worth(story):
    monitor, values, _ = story
    bodies = monitor.bodies("account")
    assert {body.get("mode", "classic") for body in bodies} == {"classic", "unified", "portfolio_margin"}
    wrong = [b for b in bodies if abs(Decimal(b["account_value"]) - values[b["account"]]) > CENT]
    assert wrong == []


def test_no_alert_comes_of_it(story):
    monitor, _, _ = story
    assert [body["title"] for body in monitor.bodies("alert")] == []
