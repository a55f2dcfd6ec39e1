"""Account values equal the exchange's own in every mode, and positions of every dex are followed to their end."""

from __future__ import annotations

from decimal import Decimal

import pytest

MODES = ("default", "disabled", "unifiedAccount", "portfolioMargin")
ONLY_TOKENS = "unified, all in tokens"
CENT = Decimal("0.01")
SLOW_MS = 3_000


CLOSING = "unified, one position closes"


class Story:
    """Accounts of every sort, what the exchange says that they are worth, and what the monitor made of it."""

    def __init__(self, exchange, monitor, accounts: dict) -> None:
        self.exchange = exchange
        self.monitor = monitor
        self.accounts = accounts
        self.values = exchange.do(lambda: {name: each.value(exchange.server.world.market) for name, each in self.items})

    @property
    def items(self):
        return self.accounts.items()

    def has_snapshots(self, at_least: int) -> bool:
        rows = self.monitor.query("SELECT account_address, count(*) FROM hl_dashboard GROUP BY account_address")
        return len(rows) == len(self.accounts) and all(count >= at_least for _, count in rows)


def stand_still(world) -> None:
    world.market.move = lambda seconds: None


def add_tokens_only(world):
    account = world.add_account(usdc=0, mode="unifiedAccount")
    account.balance("HYPE", 150).total = Decimal(50)
    return account


def add_trader(world, mode: str):
    """Positions on two dexes, one of them isolated, and spot tokens."""
    account = world.add_account(usdc=100_000, mode=mode)
    account.balance("USDC", 0).total += 5_000
    world.open(account, "BTC", "0.2", price=80_000)
    world.open(account, "xyz:SILVER", "-20")
    world.open(account, "xyz:TSLA", "3")
    world.spot_buy(account, "@107", 10)
    return account


@pytest.fixture(scope="module")
def slow(exchange_of, monitor_of, make_toml):
    """An exchange whose REST takes its time, as it does while much history is read, and an account with tokens only."""
    exchange = exchange_of()
    world = exchange.server.world

    def begin():
        stand_still(world)
        exchange.server.faults.rest_latency_ms = SLOW_MS
        return add_tokens_only(world)

    account = exchange.do(begin)
    monitor = monitor_of(make_toml(exchange.url, [account.address], exchange="snapshot_seconds = 5"))
    monitor.start()
    return Story(exchange, monitor, {ONLY_TOKENS: account})


@pytest.fixture(scope="module")
def story(exchange, monitor_of, make_toml, slow, wait):
    world = exchange.server.world

    def begin():
        stand_still(world)
        accounts = {mode: add_trader(world, mode) for mode in MODES}
        accounts[ONLY_TOKENS] = add_tokens_only(world)
        accounts[CLOSING] = closing = world.add_account(mode="unifiedAccount")
        world.open(closing, "xyz:SILVER", "-20")
        return accounts

    accounts = exchange.do(begin)
    addresses = [account.address for account in accounts.values()]
    monitor = monitor_of(make_toml(exchange.url, addresses, exchange="snapshot_seconds = 5"))
    monitor.start()
    story = Story(exchange, monitor, accounts)
    wait(lambda: monitor.query("SELECT count(*) FROM positions WHERE is_open") == [(13,)], 60, "the positions")
    exchange.do(lambda: world.close(accounts[CLOSING], "xyz:SILVER"))
    wait(lambda: story.has_snapshots(2), 30, "two snapshots of each")
    wait(lambda: monitor.query("SELECT 1 FROM positions WHERE realized_pnl IS NOT NULL"), 60, "the closed position")
    assert monitor.terminate() == 0
    return story


def snapshots_of(story, mode: str) -> list[Decimal]:
    address = story.accounts[mode].address
    return [Decimal(body["account_value"]) for body in story.monitor.bodies("account") if body["account"] == address]


@pytest.mark.parametrize("mode", [*MODES, ONLY_TOKENS])
def test_the_account_value_is_the_exchanges_own_in_every_snapshot(mode, story):
    first, second, *_ = snapshots_of(story, mode)
    assert abs(first - story.values[mode]) <= CENT
    assert abs(second - story.values[mode]) <= CENT


def test_no_account_is_worth_nothing_while_the_prices_of_its_tokens_are_not_known(slow, story, wait):
    wait(lambda: slow.has_snapshots(1), 30, "a snapshot")
    assert abs(snapshots_of(slow, ONLY_TOKENS)[0] - slow.values[ONLY_TOKENS]) <= CENT


def test_the_mode_of_every_account_is_known(story):
    modes = {body["account"]: body.get("mode", "classic") for body in story.monitor.bodies("account_info")}
    known = {mode: modes[account.address] for mode, account in story.accounts.items()}
    assert known == {
        "default": "classic",
        "disabled": "classic",
        "unifiedAccount": "unified",
        "portfolioMargin": "portfolio_margin",
        ONLY_TOKENS: "unified",
        CLOSING: "unified",
    }


@pytest.mark.parametrize("mode", MODES)
def test_positions_of_every_dex_are_shown(mode, story):
    address = story.accounts[mode].address
    rows = story.monitor.query("SELECT account_address, coin, size, side, margin_mode FROM positions WHERE is_open")
    assert {row[1:] for row in rows if row[0] == address} == {
        ("BTC", 0.2, "long", "cross"),
        ("xyz:SILVER", 20.0, "short", "cross"),
        ("xyz:TSLA", 3.0, "long", "isolated"),
    }


def test_a_position_that_was_closed_has_its_realized_pnl(story):
    ((account, coin, pnl, closed_at),) = story.monitor.query(
        "SELECT account_address, coin, realized_pnl, closed_at FROM positions WHERE NOT is_open"
    )
    assert (account, coin) == (story.accounts[CLOSING].address, "xyz:SILVER")
    assert story.monitor.query("SELECT net_pnl, closed_at FROM closes") == [(pnl, closed_at)]
    assert pnl < 0  # opened and closed at one price, for two fees
