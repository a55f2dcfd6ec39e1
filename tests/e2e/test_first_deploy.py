"""Before anything is configured, when something is configured wrongly, and when nothing runs any more."""

from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest

START_S = 15


@pytest.fixture(scope="module")
def bare(monitor_of, wait):
    """A monitor with an empty config, as a first deployment starts it."""
    monitor = monitor_of("")
    monitor.start("run", "--wait-for-accounts")
    wait(lambda: monitor.status()["running"], START_S, "a status", every=0.2)
    return monitor


@pytest.fixture(scope="module")
def killed(exchange, monitor_of, make_toml, wait):
    """A monitor that was killed after a look at its health."""
    account = exchange.do(exchange.server.world.add_account)
    monitor = monitor_of(make_toml(exchange.url, [account.address]))
    monitor.start()
    wait(lambda: monitor.status()["running"], START_S, "a status", every=0.2)
    before = monitor.hlmon("health")
    monitor.kill()
    return SimpleNamespace(monitor=monitor, before=before, pid=monitor.process.pid)


def test_a_monitor_without_an_account_stays_up_and_says_what_to_do(bare):
    (line,) = [line for line in bare.log_lines() if line["level"] == "warning"]
    assert "[[account]]" in line["message"]
    assert "--account 0x" in line["message"]
    assert bare.process.poll() is None


def test_a_monitor_without_an_account_needs_no_restart_and_says_what_is_missing(bare):
    result = bare.hlmon("health")
    assert result.returncode == 0
    assert "not well: nothing is watched" in result.stdout
    assert bare.status()["status"]["sources"][0]["connection"]["state"] == "idle"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_monitor_that_is_told_to_stop_ends_with_success(number, bare, monitor_of, wait):
    monitor = monitor_of("")
    monitor.start("run", "--wait-for-accounts")
    wait(lambda: monitor.query("SELECT 1 FROM marks WHERE name = 'status'"), START_S, "a status")
    monitor.process.send_signal(number)
    assert monitor.process.wait(timeout=20) == 0


def test_a_killed_monitor_is_not_running_by_its_status(killed):
    assert killed.before.returncode == 0
    status = killed.monitor.status()
    assert (status["running"], status["healthy"]) == (False, False)
    assert f"process {killed.pid} is gone" in status["why"]
    assert killed.monitor.hlmon("status").stdout.startswith("Not running: ")


def test_a_killed_monitor_is_unhealthy(killed):
    result = killed.monitor.hlmon("health")
    assert result.returncode == 1
    assert result.stdout.startswith("unhealthy: ")
    assert result.stdout.count("\n") == 1


def test_a_journal_on_which_no_monitor_ever_ran_is_an_error_in_one_line(tmp_path, hlmon):
    result = hlmon("health", "--journal", tmp_path / "none.db", cwd=tmp_path)
    assert result.returncode == 3
    assert result.stderr.count("\n") == 1
    assert "there is no such file" in result.stderr


def test_check_with_connect_opens_everything_on_a_config_that_is_right(exchange, monitor_of, make_toml, tmp_path):
    account = exchange.do(exchange.server.world.add_account)
    sink = f'[sink.archive]\ntype = "jsonl"\npath = "{tmp_path}/archive.jsonl"\n'
    monitor = monitor_of(make_toml(exchange.url, [account.address], more=sink))
    result = monitor.check("--connect")
    assert (result.returncode, result.stderr) == (0, "")
    assert account.address in result.stdout
    assert result.stdout.endswith("The config is right.\n")


def test_check_with_connect_names_a_url_where_no_exchange_is(monitor_of, make_toml):
    url = "http://127.0.0.1:9"
    result = monitor_of(make_toml(url, ["0x" + "1" * 40])).check("--connect")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert url in result.stderr


def test_check_with_connect_names_a_sink_that_cannot_be_opened(exchange, monitor_of, make_toml):
    account = exchange.do(exchange.server.world.add_account)
    sink = '[sink.archive]\ntype = "jsonl"\npath = "/nowhere/archive.jsonl"\n'
    result = monitor_of(make_toml(exchange.url, [account.address], more=sink)).check("--connect")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "archive" in result.stderr
    assert "/nowhere/archive.jsonl" in result.stderr


def test_check_with_connect_names_every_account_and_coin_that_the_exchange_does_not_know(
    exchange, monitor_of, make_toml
):
    known = exchange.do(exchange.server.world.add_account)
    missing = ["0x" + "1" * 40, "0x" + "2" * 40]
    toml = make_toml(exchange.url, [missing[0], known.address, missing[1]], exchange='coins = [\n"BTC",\n"BTCC",\n]')
    monitor = monitor_of(toml)
    result = monitor.check("--connect")
    lines = [number for number, line in enumerate(toml.splitlines(), 1) if any(each in line for each in missing)]
    coin = toml.splitlines().index('"BTCC",') + 1
    where = f"error: {monitor.config}"
    assert (result.returncode, result.stdout) == (2, "")
    assert [line.split(";")[0] for line in result.stderr.splitlines()] == [
        f"{where}:{lines[0]}: account[0].address: the exchange knows no account {missing[0]}",
        f"{where}:{lines[1]}: account[2].address: the exchange knows no account {missing[1]}",
        f"{where}:{coin}: hyperliquid.coins[1]: unknown coin 'BTCC'",
    ]
    assert "did you mean 'BTC'?" in result.stderr


@pytest.mark.parametrize("config", ["", "[watchdog]\n"])
def test_without_being_told_to_wait_a_monitor_with_nothing_to_watch_says_what_to_do_and_ends(monitor_of, config):
    monitor = monitor_of(config)
    result = monitor.hlmon("run")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert result.stderr.startswith(f"error: {monitor.config}: nothing to watch: add an [[account]]")
    assert not monitor.journal.exists()
