"""A journal with much that is older than its retention: what is new does not wait until that is removed."""

from __future__ import annotations

import re
import time

from hlmon.journal import Journal
from hlmon.testing.builders import make_alert

OLD = 600_000  # removing them takes seconds
AT_ONCE = 20_000
DAY_MS = 86_400_000
START_S = 10.0  # the promise of the first subscription, with the start of the interpreter
STORED_S = 2.0  # one step takes some 10 ms, the test's own looks most of this


def test_the_first_subscription_and_every_trade_come_in_time_while_a_big_journal_is_pruned(
    exchange, monitor_of, make_toml, wait
):
    account = exchange.do(exchange.server.world.add_account)
    monitor = monitor_of("retention_days = 30\n" + make_toml(exchange.url, [account.address]))
    long_ago_ms = time.time_ns() // 1_000_000 - 100 * DAY_MS
    with Journal.open(monitor.journal) as journal:
        for first in range(0, OLD, AT_ONCE):
            journal.append([make_alert(time_ms=long_ago_ms + number) for number in range(first, first + AT_ONCE)])

    started = time.monotonic()
    monitor.start()
    wait(lambda: "watched" in str((monitor.said() or {}).get("sources")), START_S, "the account is watched", every=0.1)
    stored_s, trades = [], 0
    while not (told := re.search(r"removed (\d+) events", monitor.log.read_text())):
        assert time.monotonic() - started < 120
        exchange.do(lambda: exchange.server.world.trade(account, "BTC", "0.01"))
        trades, traded = trades + 1, time.monotonic()
        wait(lambda: monitor.query("SELECT count(*) FROM fills") == [(trades,)], 30, "the fill", every=0.05)  # noqa: B023
        stored_s.append(time.monotonic() - traded)
    assert int(told[1]) == OLD
    assert len(stored_s) > 10
    assert max(stored_s) < STORED_S
    assert monitor.terminate() == 0
