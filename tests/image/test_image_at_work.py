"""The image within the limits of its task on AWS, between a simulated exchange and an emulated DynamoDB."""

from __future__ import annotations

import contextlib
import os
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hlmon.journal import Journal
from hlmon_dynamodb.config import DynamodbConfig
from hlmon_dynamodb.create import create_tables
from hlmon_sim.background import BackgroundServer
from hlmon_sim.scenario import Limits, Scenario
from hlmon_sim.server import SimServer
from tests.e2e import truth as t
from tests.e2e.watching import is_whole
from tests.image.conftest import AWS
from tests.servers.dynamodb import ministack
from tests.servers.items import Items
from tests.servers.podman import Container
from tests.servers.waiting import wait_for

ACCOUNTS = 10
FILLS_PER_S = 28
LOAD_S = 20
TASK = ("--read-only", "--memory=512m", "--cpus=0.25")
NOBODY = 10_001
LIMITS = Limits(weight_per_minute=1_000_000, connections=100, new_connections_per_minute=1_000)
CONFIG = """
[hyperliquid]
url = "{url}"
coins = ["BTC"]
weight_per_minute = 1000000
[sink.dynamodb]
type = "dynamodb"
endpoint_url = "{store}"
"""


@dataclass
class Story:
    """What was measured, what truly happened, and what was stored."""

    ready_s: float = 0.0
    healthy: bool = False
    events_per_s: float = 0.0
    cpu_share: float = 0.0
    peak_mb: float = 0.0
    stopping_s: float = 0.0
    exit_code: int = -1
    left_over: int = -1
    truth: t.Truth = field(default_factory=dict)
    stored: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


class Task:
    """Runs the image as ECS does, each time on an empty disk."""

    def __init__(self, podman, image: str, plan, folder: Path, addresses: list[str]) -> None:
        self._podman, self._image, self._folder = podman, image, folder
        environ = {
            "ACCOUNT_ADDRESS": ",".join(addresses),
            "HLMON_CONFIG_TOML": plan.manifest.toml(1, "arn:aws:sns:us-east-1:000000000000:hl-monitor-alerts"),
            "HLMON_SHARD": "1/1",
            "HLMON_WANTED_SECRETS": "{}",
        }
        self._options = [f"--env={name}={value}" for name, value in environ.items()]
        self.disk = folder

    @contextlib.contextmanager
    def running(self, name: str):
        self.disk = self._folder / name
        self.disk.mkdir()
        os.chown(self.disk, NOBODY, NOBODY)
        volume = f"--volume={self.disk}:/var/lib/hlmon"
        with self._podman.container(self._image, *TASK, volume, *self._options) as container:
            yield container

    @property
    def journal(self) -> Path:
        return self.disk / "hlmon.db"

    def newest(self) -> int:
        """The number of the journal's last event."""
        with Journal.open(self.journal, read_only=True) as journal:
            return int(journal.query("SELECT max(seq) FROM events")[0][0])

    def left_over(self) -> int:
        """How many events of its journal are not delivered."""
        with Journal.open(self.journal, read_only=True) as journal:
            ((behind,),) = journal.query("SELECT count(*) FROM events WHERE seq > (SELECT min(seq) FROM cursors)")
        return int(behind)


def measure(story: Story, task: Task, container: Container) -> None:
    """CPU and events over the load's time, and the most memory so far."""
    began, cpu_s, seq = time.monotonic(), container.cpu_s(), task.newest()
    wait_for(lambda: time.monotonic() - began > LOAD_S, 2 * LOAD_S)
    elapsed_s = time.monotonic() - began
    story.events_per_s = (task.newest() - seq) / elapsed_s
    story.cpu_share = (container.cpu_s() - cpu_s) / elapsed_s / 0.25
    story.peak_mb = container.peak_mb()


@pytest.fixture(scope="module")
def story(podman, image, plan_of, tmp_path_factory) -> Story:
    """A task starts, works, is killed, starts without its disk, is stopped in the middle of work, starts once more."""
    folder = tmp_path_factory.mktemp("work")
    truth = folder / "truth.jsonl"
    server = SimServer(
        Scenario(accounts=ACCOUNTS, rate=FILLS_PER_S, trades_rate=5, speed=1, limits=LIMITS), truth=truth
    )
    story = Story()
    with ExitStack() as stack:
        store = Items(stack.enter_context(ministack(folder)))
        stack.enter_context(closing(store.client))
        with pytest.MonkeyPatch.context() as patch:
            for name, value in AWS.items():
                patch.setenv(name, value)
            list(create_tables(DynamodbConfig(endpoint_url=store.url)))
        exchange = stack.enter_context(BackgroundServer(server))
        plan = plan_of(folder, CONFIG.format(url=server.url, store=store.url))
        task = Task(podman, image, plan, folder, server.addresses)

        began = time.monotonic()
        with task.running("first") as container:
            wait_for(lambda: is_whole(task.journal, ACCOUNTS), 120, "the first start")
            story.ready_s = time.monotonic() - began
            story.healthy = container.run("hlmon", "health", "--journal", "/var/lib/hlmon/hlmon.db").returncode == 0
            measure(story, task, container)
            container.kill()
        with task.running("second") as container:
            wait_for(lambda: is_whole(task.journal, ACCOUNTS), 120, "the start after the kill")
            story.stopping_s, story.exit_code = container.stop(120)
            story.left_over = task.left_over()
        with task.running("third") as container:
            wait_for(lambda: is_whole(task.journal, ACCOUNTS), 120, "the last start")
            exchange.do(lambda: t.stop_trading(server))
            wait_for(lambda: t.is_caught_up(store.bodies, t.truth_of(truth)), 120, "everything stored", every=0.5)
            container.stop(120)
        story.truth = t.truth_of(truth)
        story.stored = {kind: store.bodies(kind) for kind in ("fill", "funding", "order", "position_closed")}
    return story


def test_it_watches_every_account_within_15_seconds_of_its_start(story):
    assert story.ready_s < 15
    assert story.healthy


def test_at_50_events_a_second_it_takes_less_than_a_third_of_its_quarter_of_a_cpu(story):
    assert story.events_per_s > 50
    assert story.cpu_share < 0.33


def test_it_stays_below_150_mb(story):
    assert story.peak_mb < 150


def test_sigterm_drains_everything_in_less_than_20_seconds(story):
    assert story.exit_code == 0
    assert story.stopping_s < 20
    assert story.left_over == 0


def test_killed_and_started_on_an_empty_disk_the_store_has_everything_once(story):
    assert len(story.truth["fill"]) > FILLS_PER_S * LOAD_S
    assert t.stored_fills(story.stored["fill"]) == t.true_fills(story.truth)
    assert t.stored_fundings(story.stored["funding"]) == t.true_fundings(story.truth)
    assert t.stored_statuses(story.stored["order"]) == t.final_statuses(story.truth)
    assert t.stored_closes(story.stored["position_closed"]) == t.true_closes(story.truth)
