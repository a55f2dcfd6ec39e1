"""Who cannot be watched is named, at once and everywhere; the others are watched all the same."""

from __future__ import annotations

import pytest

from hlmon_sim.scenario import Limits

USER_CAP = 3
ACCOUNTS = 5
PROMISED_S = 10


def statuses(monitor) -> dict[str, dict]:
    return {account["address"]: account for account in monitor.source()["accounts"]}


class Cap:
    """Five accounts on an exchange that takes three."""

    def __init__(self, exchange, monitor) -> None:
        self.exchange = exchange
        self.monitor = monitor
        self.taken = exchange.server.addresses[:USER_CAP]
        self.refused = exchange.server.addresses[USER_CAP:]


@pytest.fixture(scope="module")
def cap(exchange_of, monitor_of, make_toml):
    limits = Limits(weight_per_minute=1_000_000, users=USER_CAP)
    exchange = exchange_of(accounts=ACCOUNTS, limits=limits)
    monitor = monitor_of(make_toml(exchange.url, exchange.server.addresses))
    monitor.start()
    return Cap(exchange, monitor)


class Strangers:
    """An agent's address and one that nobody has, beside an account that is neither's."""

    def __init__(self, exchange, monitor, *, master: str, agent: str, missing: str, plain: str) -> None:
        self.exchange = exchange
        self.monitor = monitor
        self.master = master
        self.agent = agent
        self.missing = missing
        self.plain = plain


@pytest.fixture(scope="module")
def strangers(exchange_of, monitor_of, make_toml):
    exchange = exchange_of()
    world = exchange.server.world
    master, plain = exchange.do(lambda: (world.add_account(), world.add_account()))
    agent, missing = exchange.do(lambda: (world.add_agent(master), world.new_address()))
    monitor = monitor_of(make_toml(exchange.url, [agent, missing, plain.address]))
    monitor.start()
    return Strangers(exchange, monitor, master=master.address, agent=agent, missing=missing, plain=plain.address)


def test_accounts_beyond_the_user_cap_are_named_in_the_status_within_ten_seconds(cap, strangers, wait):
    def named():
        return {each for each, account in statuses(cap.monitor).items() if account["status"] == "refused"}

    wait(lambda: named() == set(cap.refused), PROMISED_S, "the refused accounts in the status", every=0.5)
    for address in cap.refused:
        assert f"more than {USER_CAP} total users" in statuses(cap.monitor)[address]["reason"]
        assert any(address in problem for problem in cap.monitor.source()["problems"])


def test_accounts_beyond_the_user_cap_are_named_in_the_log(cap, wait):
    def warned():
        return [line["message"] for line in cap.monitor.log_lines() if line["level"] == "warning"]

    for address in cap.refused:
        wait(lambda address=address: any(address in text for text in warned()), PROMISED_S, f"{address} in the log")
    assert not any(address in text for text in warned() for address in cap.taken)


def test_accounts_beyond_the_user_cap_are_stored_as_refused(cap, wait):
    def stored():
        return {body["account"] for body in cap.monitor.bodies("account_info") if body.get("status") == "refused"}

    wait(lambda: stored() == set(cap.refused), PROMISED_S, "account_info events")


def test_accounts_within_the_user_cap_are_watched_beside_the_refused_ones(cap, wait):
    world = cap.exchange.server.world
    accounts = list(world.accounts.values())
    for account in accounts:
        cap.exchange.do(lambda account=account: world.open(account, "BTC", "0.01"))
    wait(lambda: cap.monitor.query("SELECT count(*) FROM fills") == [(USER_CAP,)], PROMISED_S, "their fills")
    assert {account for (account,) in cap.monitor.query("SELECT account_address FROM fills")} == set(cap.taken)


def test_the_master_of_an_agents_address_is_watched_instead(strangers, wait):
    world = strangers.exchange.server.world
    wait(
        lambda: statuses(strangers.monitor).get(strangers.master, {}).get("status") == "watched", PROMISED_S, every=0.5
    )
    strangers.exchange.do(lambda: world.open(world.accounts[strangers.master], "ETH", 1))
    wait(lambda: strangers.monitor.query("SELECT account_address FROM fills") == [(strangers.master,)], PROMISED_S)


def test_an_agents_address_gives_a_warning_that_names_its_master(strangers):
    reason = statuses(strangers.monitor)[strangers.agent]["reason"]
    assert "agent" in reason
    assert strangers.master in reason
    warnings = [line["message"] for line in strangers.monitor.log_lines() if line["level"] == "warning"]
    assert any(strangers.agent in text and strangers.master in text for text in warnings)


def test_an_address_that_the_exchange_does_not_know_is_an_error_that_names_it(strangers):
    assert statuses(strangers.monitor)[strangers.missing]["status"] == "missing"
    assert any(strangers.missing in problem for problem in strangers.monitor.source()["problems"])
    errors = [line["message"] for line in strangers.monitor.log_lines() if line["level"] == "error"]
    assert any(strangers.missing in text for text in errors)


def test_an_address_that_cannot_be_watched_does_not_make_the_monitor_unhealthy(strangers):
    result = strangers.monitor.hlmon("health")
    assert result.returncode == 0
    assert strangers.missing in result.stdout
