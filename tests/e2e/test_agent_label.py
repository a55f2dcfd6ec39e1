"""An account that is configured by its agent's address: rules and routes know its master by the agent's label."""

from __future__ import annotations

import pytest

ALERTS = """
[rule.closes]
type = "position_closed"
accounts = ["main"]
[notifier.console]
type = "log"
[[route]]
accounts = ["main"]
to = ["console"]
"""


@pytest.fixture(scope="module")
def story(exchange, monitor_of, make_toml, wait):
    """A close of the master before a restart and one after it, beside a close of somebody else."""
    world = exchange.server.world
    master, other = exchange.do(lambda: (world.add_account(), world.add_account()))
    agent = exchange.do(lambda: world.add_agent(master))
    toml = make_toml(exchange.url, [agent, other.address], more=ALERTS)
    monitor = monitor_of(toml.replace(f'address = "{agent}"', f'address = "{agent}"\nlabel = "main"'))

    def close(coin: str, closes: int) -> None:
        for account in (other, master):
            exchange.do(lambda account=account: world.open(account, coin, 10))
            exchange.do(lambda account=account: world.close(account, coin))
        wait(lambda: monitor.query("SELECT count(*) FROM closes") == [(closes,)], 60, "the closes")
        wait(lambda: any(line["alert_account"] == master.address for line in told(coin)), 60, "the alert")

    def told(coin: str = "") -> list[dict]:
        return [line for line in monitor.log_lines() if line["logger"] == "hlmon.alerts" and coin in line["message"]]

    def watched() -> bool:
        status = monitor.status()["status"]
        accounts = status["sources"][0]["accounts"] if status and status["pid"] == monitor.process.pid else []
        return any(each["address"] == master.address and each["status"] == "watched" for each in accounts)

    monitor.start()
    wait(watched, 60, "the master is watched", every=0.5)
    close("SOL", 2)
    assert monitor.terminate() == 0
    monitor.start()
    wait(watched, 60, "the master is watched again", every=0.5)
    close("SUI", 4)
    assert monitor.terminate() == 0
    return told(), master.address


def test_the_masters_alerts_pass_filters_by_the_label_of_its_agent_and_nobody_elses_do(story):
    lines, master = story
    assert [line["alert_account"] for line in lines] == [master, master]
