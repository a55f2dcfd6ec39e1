"""Every type of rule on a real monitor: what happens on the exchange is told once, in a few seconds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

MISSING = "0x" + "dead" * 10
RULES = {
    "position_closed": "",
    "position_opened": "",
    "position_flipped": "",
    "fill": 'above = 100000\nper = "order"',
    "liquidation": "",
    "adl": "",
    "liquidation_distance": "below = 60",
    "margin": "above = 1",
    "health": "below = 99",
    "leverage": "above = 0.1",
    "drawdown": "",
    "pnl": "below = -0.01",
    "funding_cost": "above = 0.01",
    "order": 'statuses = ["rejected"]',
    "position_without_stop": "for_seconds = 0",
    "transfer": "",
    "cvd": 'coins = ["BTC"]\nabove = 5',
    "stream": "",
    "delivery": "minutes = 0.1",
    "expression": 'event = "fill"\nwhen = \'coin == "ETH" && size > 1.5\'',
}
TABLES = "".join(f'[rule.{name}]\ntype = "{name}"\n{toml}\n' for name, toml in RULES.items())
MORE = f'{TABLES}[notifier.console]\ntype = "log"\n'


def told(monitor) -> list[tuple[str, str, str]]:
    return [(alert["rule"], alert.get("state", "event"), alert["title"]) for alert in monitor.bodies("alert")]


@pytest.fixture(scope="module")
def story(exchange_of, monitor_of, make_toml, wait):
    exchange = exchange_of()
    world = exchange.server.world
    account = exchange.do(world.add_account)
    toml = make_toml(
        exchange.url, [account.address, MISSING], exchange='coins = ["BTC"]\nsnapshot_seconds = 5', more=MORE
    )
    monitor = monitor_of(toml)

    def tell(rule: str, state: str = "event", count: int = 1) -> None:
        wait(lambda: [each[:2] for each in told(monitor)].count((rule, state)) >= count, 15, f"{state} of {rule}")

    monitor.start()
    wait(lambda: account.address in [each["address"] for each in monitor.source()["accounts"]], 60, every=0.5)
    wait(lambda: any(each["status"] == "watched" for each in monitor.source()["accounts"]), 60, every=0.5)
    exchange.do(lambda: world.open(account, "ETH", 2))
    exchange.do(lambda: world.open(account, "BTC", 3))
    tell("position_without_stop", "firing", 2)
    tell("liquidation_distance", "firing")
    tell("margin", "firing")
    tell("leverage", "firing")
    stop = exchange.do(lambda: world.place_trigger(account, "BTC", world.market.price("BTC") / 2, above=False))
    tell("position_without_stop", "resolved")
    exchange.do(lambda: world.cancel(stop))
    exchange.do(lambda: world.flip(account, "ETH"))
    exchange.do(lambda: world.reject(account, "SOL", 1))
    exchange.do(lambda: world.withdraw(account, 5_000))
    exchange.do(lambda: world.fund(1) and None)
    exchange.do(lambda: world.adl(account, "BTC", 1) and None)
    exchange.do(lambda: world.liquidate(account, "BTC") and None)
    exchange.do(lambda: world.close(account, "ETH") and None)
    tell("position_without_stop", "resolved", 2)
    tell("margin", "resolved")
    monitor.kill()
    monitor.start()
    exchange.do(lambda: world.deposit(account, 7_000))
    tell("transfer", count=2)
    failures = monitor.status()["status"]["counters"]
    assert monitor.terminate() == 0
    return SimpleNamespace(monitor=monitor, told=told(monitor), failures=failures)


def test_every_type_but_those_whose_case_did_not_arise_has_spoken(story):
    spoken = {rule for rule, _, _ in story.told}
    assert RULES.keys() - spoken <= {"drawdown", "cvd", "delivery"}


def test_no_rule_failed(story):
    assert story.failures == {}


def test_an_account_that_nobody_knows_is_named(story):
    assert ("stream", "firing", f"{MISSING[:6]}…dead: is not known to the exchange") in story.told


def test_a_liquidation_of_many_fills_is_told_once_and_its_close_once(story):
    assert [title.split(" at ")[0] for rule, _, title in story.told if rule == "liquidation"] == [
        "BTC long is being liquidated"
    ]
    closes = [title.split(":")[0] for rule, _, title in story.told if rule == "position_closed"]
    assert sorted(closes) == ["BTC long liquidated", "ETH long flipped", "ETH short closed"]


def test_no_condition_is_told_twice_while_it_holds(story):
    states: dict[tuple[str, str, str], list[str]] = {}
    for alert in story.monitor.bodies("alert"):
        if alert.get("state", "event") != "event":
            condition = (alert["rule"], alert.get("account", ""), alert["subject"])
            states.setdefault(condition, []).append(alert["state"])
    assert len(states) > 5
    for condition, found in states.items():
        assert found == (["firing", "resolved"] * len(found))[: len(found)], condition
