"""Sinks that hang or fail, and plugins that cannot even be imported, are nobody else's trouble."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest

from tests.servers.site import install

PROMISED_STOP_S = 20
WRONG_SINKS = """
import threading
from contextlib import nullcontext
from hlmon import NoConfig, SinkFactory, hookimpl

class Hanging:
    def write(self, events):
        threading.Event().wait()

    def load_checkpoints(self):
        return ()

class Raising(Hanging):
    def write(self, events):
        raise RuntimeError("this sink is out of order")

@hookimpl
def hlmon_sinks():
    return [
        SinkFactory(name="hanging", open=lambda config, settings: nullcontext(Hanging()), config=NoConfig),
        SinkFactory(name="raising", open=lambda config, settings: nullcontext(Raising()), config=NoConfig),
    ]
"""
BROKEN = "import a_module_that_nobody_has\n"


@pytest.fixture(scope="module")
def environ(tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    install(site, "wrong_sinks", WRONG_SINKS)
    install(site, "broken", BROKEN)
    return {"PYTHONPATH": str(site)}


@pytest.fixture(scope="module")
def story(exchange, monitor_of, make_toml, environ, tmp_path_factory, wait):
    """A monitor with one good sink between a hanging and a raising one, from its first fills to its end."""
    world = exchange.server.world
    account = exchange.do(world.add_account)
    archive = tmp_path_factory.mktemp("archive") / "archive.jsonl"
    sinks = f"""
        [sink.stuck]
        type = "hanging"
        [sink.archive]
        type = "jsonl"
        path = "{archive}"
        [sink.bad]
        type = "raising"
    """
    monitor = monitor_of(make_toml(exchange.url, [account.address], more=sinks), environ)

    def fills_in_archive():
        lines = archive.read_text().splitlines()
        return sum(json.loads(line)["kind"] == "fill" for line in lines)

    monitor.start()
    ways = []
    for count in range(1, 6):
        exchange.do(lambda: world.trade(account, "BTC", "0.01"))
        stored = wait(lambda count=count: monitor.query("SELECT count(*) FROM fills") == [(count,)], 60)
        ways.append((stored, wait(lambda count=count: fills_in_archive() == count, 15)))
    failing = wait(
        lambda: {
            follower["name"]: follower["error"]
            for follower in monitor.status()["status"]["followers"]
            if follower["failing_since_ms"] is not None
        },
        15,
        "a failing follower in the status",
        every=0.5,
    )
    plugins = monitor.status()
    asked = time.monotonic()
    code = monitor.terminate()
    took_s = time.monotonic() - asked
    return SimpleNamespace(
        monitor=monitor, ways=ways, failing=failing, code=code, took_s=took_s, plugins=plugins, archive=archive
    )


def test_fills_are_stored_and_delivered_while_one_sink_hangs_and_another_raises(story):
    assert len(story.ways) == 5


def test_a_sink_that_raises_is_named_in_the_status_with_its_error(story):
    assert "this sink is out of order" in story.failing["bad"]
    assert "archive" not in story.failing
    assert any("sink bad fails" in problem for problem in story.plugins["reasons"])


def test_a_monitor_with_a_hanging_sink_stops_within_twenty_seconds(story):
    assert story.took_s < PROMISED_STOP_S
    assert story.code == 0


def test_a_sink_that_hangs_is_named_when_the_monitor_stops(story):
    texts = [line["message"] for line in story.monitor.log_lines()]
    assert any("stuck" in text and "left to itself" in text for text in texts)


def test_what_a_hanging_sink_did_not_take_waits_for_it_in_the_journal(story):
    cursors = dict(story.monitor.query("SELECT name, seq FROM cursors"))
    assert cursors.get("sink.stuck", 0) == 0
    assert cursors["sink.archive"] > 0


def test_a_broken_plugin_that_is_not_used_is_a_warning(exchange, monitor_of, make_toml, environ):
    result = monitor_of(make_toml(exchange.url, ["0x" + "1" * 40]), environ).check()
    assert result.returncode == 0
    (warning,) = result.stderr.splitlines()
    assert "the plugin broken is broken: ModuleNotFoundError" in warning


def test_a_broken_plugin_that_the_config_uses_is_an_error_that_says_what_is_wrong_with_it(
    exchange, monitor_of, make_toml, environ
):
    sink = '[sink.archive]\ntype = "broken"\n'
    monitor = monitor_of(make_toml(exchange.url, ["0x" + "1" * 40], more=sink), environ)
    for result in (monitor.check(), monitor.hlmon("run")):
        assert result.returncode == 2
        assert result.stderr.count("\n") == 1
        assert "sink.archive.type" in result.stderr
        assert "the plugin broken is broken: ModuleNotFoundError" in result.stderr
        assert "a_module_that_nobody_has" in result.stderr
    assert not monitor.journal.exists()


def test_a_broken_plugin_is_listed_with_its_error(hlmon, environ, tmp_path):
    result = hlmon("plugins", "--json", cwd=tmp_path, environ=environ)
    broken = {plugin["name"]: plugin["broken"] for plugin in json.loads(result.stdout)}
    assert "a_module_that_nobody_has" in broken["broken"]
    assert broken["wrong_sinks"] is None
