"""Old events raise no alert, new ones exactly one, whatever happens to the process in between."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

OLD_FILLS = 500
ALERTS = """
[rule.closes]
type = "position_closed"
[notifier.console]
type = "log"
"""
MAX_AGE_MS = 60_000


def told(monitor) -> list[str]:
    return [line["message"] for line in monitor.log_lines() if line["logger"] == "hlmon.alerts"]


@pytest.fixture(scope="module")
def story(exchange_of, monitor_of, make_toml, wait):
    """First an account with a history, then a close, then a kill, then another close."""
    exchange = exchange_of(accounts=1, history=OLD_FILLS)
    world = exchange.server.world
    (account,) = world.accounts.values()
    made = len(account.fills)
    exchange.do(lambda: world.open(account, "SOL", 10))
    monitor = monitor_of(make_toml(exchange.url, [account.address], more=ALERTS))

    def delivered():
        """Whether every alert is settled at the notifier, which the outbox says."""
        settled = "SELECT count(*) FROM notices WHERE state IN ('sent', 'dropped')"
        return monitor.query(settled) == monitor.query("SELECT count(*) FROM alerts")

    def close(coin: str, closes: int) -> None:
        exchange.do(lambda: world.close(account, coin))
        wait(lambda: monitor.query("SELECT count(*) FROM closes") == [(closes,)], 60, "the close")
        wait(lambda: any(f"{coin} long closed" in text for text in told(monitor)), 60, "the alert")
        wait(delivered, 60, "the outbox")

    monitor.start()
    wait(lambda: monitor.query("SELECT count(*) FROM fills") == [(made + 1,)], 60, "the old fills")
    wait(lambda: monitor.status()["status"]["sources"][0]["accounts"][0]["status"] == "watched", 60, every=0.5)
    ((old,),) = monitor.query("SELECT count(*) FROM closes")
    ((youngest_ms,),) = monitor.query("SELECT max(closed_at_ms) FROM closes")
    age_ms = time.time_ns() // 1_000_000 - youngest_ms
    told_of_old = told(monitor)
    close("SOL", old + 1)
    monitor.kill()
    monitor.start()
    exchange.do(lambda: world.open(account, "SUI", 100))
    wait(lambda: monitor.query("SELECT count(*) FROM fills") == [(made + 3,)], 60, "a fill after the kill")
    close("SUI", old + 2)
    assert monitor.terminate() == 0
    return SimpleNamespace(monitor=monitor, old=old, age_ms=age_ms, told_of_old=told_of_old, told=told(monitor))


def test_closes_that_are_too_old_raise_no_alert(story):
    assert story.old > 10
    assert story.age_ms > MAX_AGE_MS
    assert story.told_of_old == []


def test_a_new_close_is_told_exactly_once_also_across_a_kill(story):
    assert [text.split(" closed")[0] for text in story.told] == ["SOL long", "SUI long"]


def test_alerts_of_old_closes_are_in_the_journal_nevertheless(story):
    assert story.monitor.query("SELECT count(*) FROM alerts") == [(story.old + 2,)]
