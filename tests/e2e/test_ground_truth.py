"""The monitor's journal equals what truly happened, whatever goes wrong on the way."""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from decimal import Decimal

import pytest

from hlmon_sim.background import BackgroundServer
from hlmon_sim.faults import KINDS, random_plan
from hlmon_sim.scenario import Limits, Scenario
from hlmon_sim.server import SimServer

ACCOUNTS = 10
SEED = 20
BUSY_S = 45
KILLS = 5


def config_of(server: SimServer) -> str:
    accounts = "".join(f'[[account]]\naddress = "{address}"\n' for address in server.addresses)
    return f'{accounts}[hyperliquid]\nurl = "{server.url}"\ncoins = ["BTC", "ETH"]\nweight_per_minute = 1000000\n'


def truth_of(path) -> dict[str, list[dict]]:
    found = defaultdict(list)
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        found[entry["what"]].append(entry)
    return found


def true_fill(account: str, fill: dict) -> tuple:
    side = {"B": "buy", "A": "sell"}[fill["side"]]
    numbers = (Decimal(fill[name]) for name in ("px", "sz", "startPosition", "closedPnl", "fee"))
    return (account, fill["coin"], side, fill["time"], fill["tid"], fill["oid"], *numbers)


def stored_fill(body: dict) -> tuple:
    numbers = (Decimal(body.get(name, "0")) for name in ("price", "size", "start_position", "closed_pnl", "fee"))
    ids = (body["time_ms"], body.get("trade_id", 0), body["order_id"])
    return (body["account"], body["coin"], body["side"], *ids, *numbers)


def final_statuses(truth: dict[str, list[dict]]) -> dict[tuple, str]:
    return {(entry["account"], entry["order"]["oid"]): entry["status"] for entry in truth["order"]}


def is_caught_up(monitor, truth: dict[str, list[dict]]) -> bool:
    """Whether there is as much in the journal as there should be; what exactly is there is for the tests to say."""
    counts = dict(monitor.query("SELECT kind, count(*) FROM events GROUP BY kind"))
    resting = sum(status == "open" for status in final_statuses(truth).values())
    open_orders = monitor.query("SELECT count(*) FROM hl_orders WHERE status = 'open'")
    return open_orders == [(resting,)] and all(
        counts[kind] >= len(truth[kind]) for kind in ("fill", "funding", "ledger")
    )


class Story:
    """What truly happened, and what the monitor made of it."""

    def __init__(self, truth: dict[str, list[dict]], monitor, faults: list[str]) -> None:
        self.truth = truth
        self.monitor = monitor
        self.faults = faults

    @property
    def true_fills(self) -> list[tuple]:
        return sorted(true_fill(entry["account"], entry["fill"]) for entry in self.truth["fill"])


@pytest.fixture(scope="module")
def story(tmp_path_factory, monitor_of, wait):
    """Ten accounts trade through faults of every kind while the monitor is killed again and again."""
    truth = tmp_path_factory.mktemp("truth") / "truth.jsonl"
    limits = Limits(weight_per_minute=1_000_000, connections=100, new_connections_per_minute=1_000)
    scenario = Scenario(seed=SEED, accounts=ACCOUNTS, rate=25, trades_rate=10, history=100, speed=600, limits=limits)
    plan = random_plan(SEED, KINDS, every_seconds=2.5, count=2 * len(KINDS))
    chance = random.Random(SEED)
    server = SimServer(scenario, plan=plan, truth=truth)
    with BackgroundServer(server) as exchange:
        monitor = monitor_of(config_of(server))
        ends = time.monotonic() + BUSY_S
        monitor.start()
        for _ in range(KILLS):
            lived = time.monotonic() + chance.uniform(0.5, 1.5 * BUSY_S / KILLS)
            wait(lambda lived=lived: time.monotonic() > lived, BUSY_S)
            monitor.kill()
            monitor.start()
        wait(lambda: len(server.faults.done) >= len(plan) and time.monotonic() > ends, 3 * BUSY_S, "every fault")

        def stop_trading():
            server.traffic.rate = server.traffic.trades_rate = 0.0
            server.world.set_speed(0.001)

        exchange.do(stop_trading)
        wait(lambda: is_caught_up(monitor, truth_of(truth)), 120, "everything in the journal", every=1.0)
        monitor.terminate()
    return Story(truth_of(truth), monitor, server.faults.done)


def test_every_kind_of_fault_came_before_the_end(story):
    assert set(story.faults) == set(KINDS)


def test_every_fill_is_stored_exactly_once_with_its_exact_numbers(story):
    assert sorted(stored_fill(body) for body in story.monitor.bodies("fill")) == story.true_fills


def test_every_funding_payment_is_stored_exactly_once(story):
    true = sorted(
        (entry["account"], entry["funding"]["time"], entry["funding"]["coin"], Decimal(entry["funding"]["usdc"]))
        for entry in story.truth["funding"]
    )
    stored = sorted(
        (body["account"], body["time_ms"], body["coin"], Decimal(body["amount"]))
        for body in story.monitor.bodies("funding")
    )
    assert stored == true


def test_every_ledger_entry_is_stored_exactly_once(story):
    true = sorted(
        (entry["account"], entry["time"], entry["hash"], entry["delta"]["type"]) for entry in story.truth["ledger"]
    )
    bodies = story.monitor.bodies("ledger")
    assert sorted((body["account"], body["time_ms"], body["tx_hash"], body["type"]) for body in bodies) == true


def test_every_order_has_its_final_status(story):
    stored = {(body["account"], body["order_id"]): body["status"] for body in story.monitor.bodies("order")}
    assert stored == final_statuses(story.truth)


def rounded(number: str | Decimal) -> Decimal:
    return round(Decimal(number), 6)


def closes_of(story) -> list[dict]:
    return [close for close in story.monitor.bodies("position_closed") if close["cause"] != "state"]


def test_every_position_that_was_closed_has_one_close(story):
    true = sorted((entry["account"], entry["coin"], entry["closed"], entry["side"]) for entry in story.truth["close"])
    stored = [(close["account"], close["coin"], close["time_ms"], close["side"]) for close in closes_of(story)]
    assert sorted(stored) == true


def test_a_close_that_calls_itself_complete_spans_the_whole_life_of_the_position(story):
    true = {
        (
            entry["account"],
            entry["coin"],
            entry["closed"],
            rounded(entry["gross"]),
            rounded(entry["fees"]),
            entry["fills"],
        )
        for entry in story.truth["close"]
    }
    complete = [close for close in closes_of(story) if close.get("complete", True)]
    for close in complete:
        place = (close["account"], close["coin"], close["time_ms"])
        assert (*place, rounded(close["gross_pnl"]), rounded(close["fees"]), close["fills"]) in true
    # The exception: fills that the exchange shows later than newer ones of their coin, as the fault `late` makes it.
    assert len(complete) > 0.95 * len(true)


def test_a_complete_close_has_the_funding_that_was_known_when_it_closed(story):
    rows = story.monitor.query("SELECT seq, body FROM events WHERE kind = 'funding'")
    payments = [(seq, json.loads(body)) for seq, body in rows]
    lives = {(entry["account"], entry["coin"], entry["closed"]): entry for entry in story.truth["close"]}
    for seq, body in story.monitor.query("SELECT seq, body FROM events WHERE kind = 'position_closed'"):
        close = json.loads(body)
        life = lives.get((close["account"], close["coin"], close["time_ms"]))
        if life is None or close["cause"] == "state" or not close.get("complete", True):
            continue
        late = sum(
            Decimal(payment["amount"])
            for place, payment in payments
            if (payment["account"], payment["coin"]) == (close["account"], close["coin"])
            and life["opened"] < payment["time_ms"] <= life["closed"]
            and place > seq
        )
        assert rounded(Decimal(close.get("funding", "0")) + late) == rounded(life["funding"])


def test_no_gap_of_an_account_is_left_open(story):
    assert [body for body in story.monitor.bodies("gap") if body.get("account") and not body.get("healed")] == []


def test_a_complete_cvd_bucket_equals_the_trades_that_truly_happened(story):
    true = defaultdict(Decimal)
    for entry in story.truth["trade"]:
        trade = entry["trade"]
        true[trade["coin"], trade["time"] // 60_000] += Decimal(trade["sz"]) * (1 if trade["side"] == "B" else -1)
    complete = [body for body in story.monitor.bodies("cvd") if body.get("complete", True)]
    for body in complete:
        delta = Decimal(body["buy_volume"]) - Decimal(body["sell_volume"])
        assert delta == true[body["coin"], body["start_ms"] // 60_000]
