"""From the exchange to the notifier: a burst is one message, a silence holds, and kills lose nothing."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from tests.servers.site import install

BURST = 500
KILLS = 4
TO_FILE = """
import json
from contextlib import nullcontext
import msgspec
from hlmon import NotifierFactory, hookimpl

class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str

class ToFile:
    def __init__(self, path):
        self.path = path

    def send(self, alerts):
        with open(self.path, "a") as file:
            file.write(json.dumps([alert.rule + " " + alert.key for alert in alerts]) + "\\n")

@hookimpl
def hlmon_notifiers():
    opening = lambda config, settings: nullcontext(ToFile(config.path))
    return [NotifierFactory(name="to_file", config=Config, open=opening, max_batch=500)]
"""
PARTS = """
[rule.fills]
type = "fill"
coins = ["BTC"]
[rule.closes]
type = "position_closed"
[notifier.file]
type = "to_file"
path = "{path}"
messages_per_minute = 1000
"""


@pytest.fixture(scope="module")
def story(exchange, monitor_of, make_toml, tmp_path_factory, wait):
    """A burst, then a close that is silenced, then closes with a kill at each of some of them."""
    world = exchange.server.world
    account = exchange.do(world.add_account)
    site, file = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("told") / "told"
    install(site, "to_file", TO_FILE)
    monitor = monitor_of(
        make_toml(exchange.url, [account.address], more=PARTS.format(path=file)), {"PYTHONPATH": str(site)}
    )

    def messages(rule: str) -> list[list[str]]:
        found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [message for message in found if message[0].startswith(rule)]

    def close() -> None:
        exchange.do(lambda: (world.open(account, "SOL", 1), world.close(account, "SOL")))

    def closes_are(number: int):
        return wait(lambda: monitor.query("SELECT count(*) FROM closes") == [(number,)], 60, "the closes")

    monitor.start()
    wait(lambda: monitor.status()["running"] and monitor.source()["accounts"][0]["status"] == "watched", 60, every=0.5)
    exchange.do(lambda: world.burst(account, BURST))
    wait(lambda: sum(map(len, messages("fills"))) >= BURST, 30, "the burst")
    silenced = monitor.hlmon("silence", "add", "1h", "--rule", "closes", "--why", "a test")
    wait(lambda: not monitor.query("SELECT 1 FROM notices WHERE state = 'waiting'"), 60)
    close()
    closes_are(1)
    wait(lambda: monitor.query("SELECT state FROM notices ORDER BY seq DESC LIMIT 1") == [("dropped",)], 60)
    explained = monitor.hlmon("explain", str(monitor.query("SELECT max(id) FROM alerts")[0][0])).stdout
    name = json.loads(monitor.hlmon("silence", "list", "--json").stdout)[0]["id"]
    monitor.hlmon("silence", "remove", name)
    for number in range(KILLS):
        close()
        closes_are(number + 2)
        monitor.kill()  # while the alert waits for others, is sent, or was sent
        monitor.start()
    wait(lambda: not monitor.query("SELECT 1 FROM notices WHERE state = 'waiting'"), 60, "an empty outbox")
    wait(lambda: len([key for message in messages("closes") for key in message]) >= KILLS, 60, "the last closes")
    assert monitor.terminate() == 0
    return SimpleNamespace(
        fills=messages("fills"),
        closes=[key for message in messages("closes") for key in message],
        silenced=silenced,
        explained=explained,
        monitor=monitor,
    )


def test_a_burst_of_500_fills_is_one_message(story):
    assert [len(message) for message in story.fills] == [BURST]


def test_a_silenced_close_is_not_told_and_its_explanation_says_so(story):
    assert story.silenced.stdout.endswith("rule closes.\n")
    assert "dropped" in story.explained
    assert "(a test)" in story.explained


def test_after_kills_every_close_was_told_once(story):
    assert len(set(story.closes)) == KILLS
    assert len(story.closes) <= KILLS + 1  # one more only if a kill came between the send and its note


def test_what_became_of_each_alert_is_in_the_journal(story):
    counts = story.monitor.query("SELECT state, count(*) FROM notices GROUP BY state ORDER BY state")
    assert counts == [("dropped", 1), ("sent", BURST + KILLS)]
