"""Two monitors write to two stores, one is killed and loses its disk again and again: the stores hold the truth."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from hlmon_dynamodb.config import DynamodbConfig
from hlmon_dynamodb.create import create_tables
from hlmon_sim.background import BackgroundServer
from hlmon_sim.faults import NETWORK, random_plan
from hlmon_sim.scenario import Limits, Scenario
from hlmon_sim.server import SimServer
from hlmon_supabase.tables import TABLES
from tests.e2e import truth as t
from tests.e2e.watching import is_whole
from tests.servers.dynamodb import ministack
from tests.servers.items import Items
from tests.servers.postgrest import plain_postgrest
from tests.servers.supabase import SERVICE_KEY, Project, postgres

SEED = int(os.environ.get("HLMON_STORY_SEED", "7"))  # another one tells another story
ACCOUNTS = 6
KILLS = 4
BUSY_S = 14
# With late a trade from before a start is the first one seen.
FAULTS = [kind for kind in NETWORK if kind != "late"]
CVD_SECONDS = 1
AWS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
HISTORY_STREAMS = {
    "userFills",
    "userTwapSliceFills",
    "userFundings",
    "userNonFundingLedgerUpdates",
    "userHistoricalOrders",
}
LIMITS = Limits(weight_per_minute=1_000_000, connections=100, new_connections_per_minute=1_000)

# Where a column of PostgreSQL is not called like the field.
COLUMNS = {"account_address": "account", "created_at_ms": "time_ms", "closed_at_ms": "time_ms"}


class Rows:
    """What is in Supabase's database."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        rows = self.project.rows(TABLES[kind].name)
        return [{COLUMNS.get(name, name): value for name, value in row.items()} for row in rows]


def config_of(exchange: SimServer, dynamodb_url: str) -> str:
    accounts = "".join(f'[[account]]\naddress = "{address}"\n' for address in exchange.addresses)
    source = f'[hyperliquid]\nurl = "{exchange.url}"\ncoins = ["BTC", "ETH"]\nweight_per_minute = 1000000\n'
    aws = f'[sink.aws]\ntype = "dynamodb"\nendpoint_url = "{dynamodb_url}"\n'
    return f'{accounts}{source}cvd_seconds = {CVD_SECONDS}\n{aws}[sink.pg]\ntype = "supabase"\n'


class Story:
    """What truly happened, and what was stored of it."""

    def __init__(self, truth: t.Truth, stored: dict[str, dict[str, list[dict[str, Any]]]], exchange: SimServer) -> None:
        self.truth = truth
        self.stored = stored
        self.accounts = set(exchange.addresses)
        self.faults = set(exchange.faults.done)


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> Iterator[dict[str, Items | Rows]]:
    with ExitStack() as stack:
        url = stack.enter_context(ministack(tmp_path_factory.mktemp("ministack")))
        items = Items(url)
        stack.enter_context(closing(items.client))
        with pytest.MonkeyPatch.context() as patch:
            for name, value in AWS.items():
                patch.setenv(name, value)
            list(create_tables(DynamodbConfig(endpoint_url=url)))
        project = stack.enter_context(plain_postgrest(stack.enter_context(postgres())))
        yield {"dynamodb": items, "supabase": Rows(project)}


@pytest.fixture(scope="module")
def story(tmp_path_factory, stores, monitor_of, wait) -> Story:
    """Six accounts trade through faults of every kind, watched by two monitors that write to both stores."""
    path = tmp_path_factory.mktemp("truth") / "truth.jsonl"
    chance = random.Random(SEED)
    scenario = Scenario(seed=SEED, accounts=ACCOUNTS, rate=12, trades_rate=6, history=60, speed=600, limits=LIMITS)
    plan = random_plan(SEED, FAULTS, every_seconds=BUSY_S / len(FAULTS), count=len(FAULTS))
    server = SimServer(scenario, plan=plan, truth=path)
    environ = AWS | {"SUPABASE_URL": stores["supabase"].project.url, "SUPABASE_SERVICE_KEY": SERVICE_KEY}
    with BackgroundServer(server) as exchange:
        steady, killed = (monitor_of(config_of(server, stores["dynamodb"].url), environ) for _ in range(2))
        steady.start()
        for life in range(KILLS):
            start_on_empty_disk(killed, life)
            ends = time.monotonic() + chance.uniform(0.5, 1.5) * BUSY_S / KILLS
            wait(lambda ends=ends: time.monotonic() > ends, BUSY_S)
            killed.kill()
        start_on_empty_disk(killed, KILLS)
        wait(lambda: len(server.faults.done) >= len(plan), 3 * BUSY_S, "every fault")
        for monitor in (steady, killed):
            wait(
                lambda monitor=monitor: is_whole(monitor.journal, ACCOUNTS),
                60,
                "every account watched again",
                every=0.2,
            )
        exchange.do(lambda: t.stop_trading(server))
        for store in stores.values():
            wait(
                lambda store=store: t.is_caught_up(store.bodies, t.truth_of(path)),
                120,
                "everything in the store",
                every=0.5,
            )
        assert [steady.terminate(), killed.terminate()] == [0, 0]
    kinds = ("fill", "funding", "ledger", "order", "position_closed", "cvd", "gap", "checkpoint")
    stored = {name: {kind: store.bodies(kind) for kind in kinds} for name, store in stores.items()}
    return Story(t.truth_of(path), stored, server)


def start_on_empty_disk(monitor, life: int) -> None:
    monitor.journal = Path(monitor.folder / f"{life}.db")
    monitor.start()


@pytest.fixture(params=["dynamodb", "supabase"])
def stored(story, request) -> dict[str, list[dict[str, Any]]]:
    """The stored events of one store, by kind."""
    return story.stored[request.param]


def test_all_faults_came_while_the_stores_were_written(story):
    assert story.faults == set(FAULTS)


def test_a_store_has_every_fill_exactly_once_with_its_exact_numbers(story, stored):
    assert len(story.truth["fill"]) > 400
    assert t.stored_fills(stored["fill"]) == t.true_fills(story.truth)


def test_a_store_has_every_funding_payment_exactly_once(story, stored):
    assert t.stored_fundings(stored["funding"]) == t.true_fundings(story.truth)


def test_a_store_has_every_ledger_entry_exactly_once(story, stored):
    assert t.stored_ledger(stored["ledger"]) == t.true_ledger(story.truth)


def test_a_store_has_the_final_status_of_every_order(story, stored):
    assert t.stored_statuses(stored["order"]) == t.final_statuses(story.truth)


def test_a_store_has_one_close_of_every_position_that_was_closed(story, stored):
    assert t.stored_closes(stored["position_closed"]) == t.true_closes(story.truth)


def test_a_stored_close_that_calls_itself_complete_spans_the_whole_life_of_the_position(story, stored):
    complete = t.stored_lives(stored["position_closed"])
    assert set(complete) <= t.true_lives(story.truth)
    assert complete


def test_a_stored_cvd_bucket_that_calls_itself_complete_equals_the_trades_that_truly_happened(story, stored):
    true = t.true_deltas(story.truth, CVD_SECONDS * 1000)
    complete = t.stored_deltas(stored["cvd"])
    assert complete == {bucket: true[bucket] for bucket in complete}
    assert complete


def test_no_gap_of_an_account_is_left_open_in_a_store(stored):
    assert t.open_gaps(stored["gap"]) == []


def test_a_store_has_the_checkpoints_of_every_account(story, stored):
    found = {(body.get("account"), body["stream"]) for body in stored["checkpoint"]}
    assert {(account, stream) for account in story.accounts for stream in HISTORY_STREAMS} <= found
