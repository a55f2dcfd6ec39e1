"""The orders that the monitor calls open are those that rest on the exchange, whatever its history can still show."""

from __future__ import annotations

from decimal import Decimal

import pytest

RULES = """
[rule.bare]
type = "position_without_stop"
for_seconds = 0
[rule.twaps]
type = "twap"
[rule.halted]
type = "exchange_halt"
[rule.wallets]
type = "agent_expiry"
days = 200
"""
HISTORY_ROWS = 2_000


class Desk:
    """One account on a simulated exchange, and a monitor of it."""

    def __init__(self, exchange, monitor_of, make_toml, wait) -> None:
        self.exchange = exchange
        self.world = exchange.server.world
        self.account = exchange.do(self.world.add_account)
        self.monitor = monitor_of(make_toml(exchange.url, [self.account.address], more=RULES))
        self.wait = wait

    def do(self, name: str, *arguments, **options):
        act = getattr(self.world, name)
        return self.exchange.do(lambda: act(*arguments, **options))

    def trade_past_the_history(self) -> None:
        """So much happens that the history holds no older row."""

        def busy() -> None:
            for _ in range(HISTORY_ROWS // 2 + 10):
                self.world.cancel(self.world.place(self.account, "SOL", 1, 10))

        self.exchange.do(busy)

    def resting(self) -> dict[int, Decimal]:
        """What truly rests, with what is left of it."""
        return self.exchange.do(lambda: {order_id: each.remaining for order_id, each in self.account.orders.items()})

    def stored(self, status: str = "open") -> dict[int, Decimal]:
        rows = self.monitor.query(f"SELECT order_id, remaining FROM hl_orders WHERE status = '{status}'")
        return {int(order_id): Decimal(str(remaining)) for order_id, remaining in rows}

    def agree(self) -> None:
        self.wait(lambda: self.stored() == self.resting(), 20, "the open orders")

    def told(self, rule: str) -> list[str]:
        return [alert.get("state", "event") for alert in self.monitor.bodies("alert") if alert["rule"] == rule]


@pytest.fixture
def desk(exchange_of, monitor_of, make_toml, wait):
    return Desk(exchange_of(), monitor_of, make_toml, wait)


def test_a_stop_behind_the_history_protects_and_one_that_was_cancelled_there_does_not(desk):
    desk.do("open", desk.account, "BTC", 1)
    price = desk.exchange.do(lambda: desk.world.market.price("BTC"))
    stop = desk.do("place_trigger", desk.account, "BTC", price / 2, above=False)
    silver = desk.do("place", desk.account, "xyz:SILVER", 1, 1)
    desk.trade_past_the_history()
    desk.monitor.start()
    desk.agree()
    assert set(desk.stored()) == {stop.order_id, silver.order_id}
    desk.wait(lambda: desk.monitor.query("SELECT 1 FROM hl_dashboard"), 90, "a snapshot, after account states")
    assert desk.told("bare") == []

    desk.monitor.kill()
    desk.do("cancel", stop)
    desk.trade_past_the_history()
    added = desk.do("place", desk.account, "@107", 5, 1)
    desk.monitor.start()
    desk.agree()
    assert set(desk.stored()) == {silver.order_id, added.order_id}
    assert set(desk.stored("unknown")) <= {stop.order_id}
    desk.wait(lambda: desk.told("bare") == ["firing"], 20, "the alert that the position is bare")
    assert desk.monitor.terminate() == 0


def test_what_rests_is_followed_while_it_changes(desk):
    desk.monitor.start()
    bracket = desk.do("place_bracket", desk.account, "ETH", 2, 2_000)
    plain = desk.do("place", desk.account, "ETH", 4, 1_900)
    desk.wait(lambda: set(desk.stored("waiting")) == {child.order_id for child in bracket.children}, 20, "children")
    desk.agree()
    desk.do("fill_order", plain, 1)
    desk.agree()
    assert desk.stored()[plain.order_id] == 3
    desk.wait(lambda: desk.told("bare") == ["firing"], 20, "a position whose stop still waits")
    children = bracket.children
    desk.do("fill_order", bracket)
    desk.agree()
    assert set(desk.stored()) == {plain.order_id, *(child.order_id for child in children)}
    price = desk.exchange.do(lambda: desk.world.market.price("ETH"))
    desk.do("place_trigger", desk.account, "ETH", price / 2, above=False)
    desk.wait(lambda: desk.told("bare") == ["firing", "resolved"], 20, "a stop for all of it")
    desk.do("vanish", plain)
    desk.agree()
    assert set(desk.stored("unknown")) == {plain.order_id}
    assert desk.monitor.terminate() == 0


def test_the_exchange_api_wallets_and_twaps_are_told_of(desk):
    def run_twap(status: str) -> None:
        twap = desk.do("twap", desk.account, "SOL", 3, slices=3)
        desk.do("end_twap", twap, status)

    desk.do("add_agent", desk.account)
    desk.monitor.start()
    desk.wait(lambda: any(each["status"] == "watched" for each in desk.monitor.source()["accounts"]), 20, "watched")
    run_twap("error")
    desk.wait(lambda: desk.told("twaps") == ["event"], 20, "the TWAP that failed")
    desk.exchange.do(lambda: setattr(desk.world, "notice", "an upgrade"))
    desk.monitor.kill()
    run_twap("terminated")
    desk.monitor.start()
    desk.wait(lambda: desk.told("twaps") == ["event", "event"], 20, "the TWAP that was stopped meanwhile")
    desk.wait(lambda: desk.told("halted") == ["firing"], 20, "the notice")
    desk.wait(lambda: desk.told("wallets") == ["firing"], 20, "the API wallet")
    assert desk.monitor.terminate() == 0
