"""The monitor's journal equals what truly happened, whatever goes wrong on the way."""

from __future__ import annotations

import json
import random
import time
from decimal import Decimal

import pytest

from hlmon_sim.background import BackgroundServer
from hlmon_sim.faults import KINDS, random_plan
from hlmon_sim.scenario import Limits, Scenario
from hlmon_sim.server import SimServer
from tests.e2e.truth import (
    final_statuses,
    is_caught_up,
    open_gaps,
    rounded,
    stop_trading,
    stored_closes,
    stored_deltas,
    stored_fills,
    stored_fundings,
    stored_ledger,
    stored_lives,
    stored_statuses,
    true_closes,
    true_deltas,
    true_fills,
    true_fundings,
    true_ledger,
    true_lives,
    truth_of,
)

ACCOUNTS = 10
SEED = 20
BUSY_S = 45
KILLS = 5


def config_of(server: SimServer) -> str:
    accounts = "".join(f'[[account]]\naddress = "{address}"\n' for address in server.addresses)
    return f'{accounts}[hyperliquid]\nurl = "{server.url}"\ncoins = ["BTC", "ETH"]\nweight_per_minute = 1000000\n'


class Story:
    """What truly happened, and what the monitor made of it."""

    def __init__(self, truth: dict[str, list[dict]], monitor, faults: list[str]) -> None:
        self.truth = truth
        self.monitor = monitor
        self.faults = faults


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

        exchange.do(lambda: stop_trading(server))
        wait(lambda: is_caught_up(monitor.bodies, truth_of(truth)), 120, "everything in the journal", every=1.0)
        monitor.terminate()
    return Story(truth_of(truth), monitor, server.faults.done)


def test_every_kind_of_fault_came_before_the_end(story):
    assert set(story.faults) == set(KINDS)


def test_every_fill_is_stored_exactly_once_with_its_exact_numbers(story):
    assert stored_fills(story.monitor.bodies("fill")) == true_fills(story.truth)


def test_every_funding_payment_is_stored_exactly_once(story):
    assert stored_fundings(story.monitor.bodies("funding")) == true_fundings(story.truth)


def test_every_ledger_entry_is_stored_exactly_once(story):
    assert stored_ledger(story.monitor.bodies("ledger")) == true_ledger(story.truth)


def test_every_order_has_its_final_status(story):
    assert stored_statuses(story.monitor.bodies("order")) == final_statuses(story.truth)


def test_every_position_that_was_closed_has_one_close(story):
    assert stored_closes(story.monitor.bodies("position_closed")) == true_closes(story.truth)


def test_a_close_that_calls_itself_complete_spans_the_whole_life_of_the_position(story):
    complete = stored_lives(story.monitor.bodies("position_closed"))
    assert set(complete) <= true_lives(story.truth)
    # The exception: fills that the exchange shows later than newer ones of their coin, as the fault `late` makes it.
    assert len(complete) > 0.95 * len(story.truth["close"])


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
    assert open_gaps(story.monitor.bodies("gap")) == []


def test_a_complete_cvd_bucket_equals_the_trades_that_truly_happened(story):
    true = true_deltas(story.truth, 60_000)
    stored = stored_deltas(story.monitor.bodies("cvd"))
    assert stored == {bucket: true[bucket] for bucket in stored}
