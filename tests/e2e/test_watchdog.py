"""A monitor that pings while all is well; the ping, /healthz and the status give the same reasons when it is not."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import closing
from types import SimpleNamespace

import pytest

from tests.servers.pings import ping_server
from tests.servers.process import free_port
from tests.servers.site import install

KEY = "0ff1ce00-c0de-4bad-8bad-decade000000"
PING_SECONDS = 10
WITHIN_S = 60
STORE = """
from contextlib import nullcontext
from pathlib import Path
from hlmon import NoConfig, SinkFactory, hookimpl

class Store:
    def write(self, events):
        if Path("store-is-down").exists():
            raise OSError("the store is down")

    def load_checkpoints(self):
        return ()

@hookimpl
def hlmon_sinks():
    return [SinkFactory(name="store", open=lambda config, settings: nullcontext(Store()), config=NoConfig)]
"""


def asked(port: int) -> tuple[int, list[str]]:
    """What /healthz answers."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=WITHIN_S)) as connection:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())["reasons"]


def look(pings, port, monitor) -> SimpleNamespace:
    """What the ping server, /healthz and the status say at one time."""
    status, reasons = asked(port)
    said = monitor.status()
    return SimpleNamespace(
        pings=list(pings.received), status=status, reasons=reasons, well=said["well"], stated=said["reasons"]
    )


@pytest.fixture(scope="module")
def story(exchange_of, monitor_of, make_toml, tmp_path_factory, wait):
    """All is well; the store goes down and comes back; the exchange goes away; a stop."""
    exchange = exchange_of()
    world, faults = exchange.server.world, exchange.server.faults
    account = exchange.do(world.add_account)
    site = tmp_path_factory.mktemp("site")
    install(site, "store", STORE)
    port = free_port()
    watchdog = f'[watchdog]\nping_url = "env:PING_URL"\nping_seconds = {PING_SECONDS}\nhealthz = "127.0.0.1:{port}"\n'
    more = f'{watchdog}[sink.store]\ntype = "store"\n'
    with ping_server() as pings:
        environ = {"PYTHONPATH": str(site), "PING_URL": f"{pings.url}/{KEY}"}
        monitor = monitor_of(make_toml(exchange.url, [account.address], more=more), environ)
        down = monitor.folder / "store-is-down"
        seen = {}

        def until(path: str) -> None:
            """Until a ping of this path comes after those that came before."""
            before = len(pings.received)
            wait(lambda: path in [each.path for each in pings.received[before:]], WITHIN_S, path)

        monitor.start()
        until(f"/{KEY}")
        seen["well"] = look(pings, port, monitor)
        down.touch()
        exchange.do(lambda: world.trade(account, "BTC", "0.01"))
        wait(lambda: asked(port)[0] == 503, WITHIN_S, "503", every=0.5)
        seen["store before"] = len(pings.received)
        until(f"/{KEY}/fail")
        seen["store"] = look(pings, port, monitor)
        down.unlink()
        until(f"/{KEY}")
        seen["store again"] = look(pings, port, monitor)
        exchange.do(lambda: faults.restart(down_seconds=1e6))
        wait(lambda: asked(port)[0] == 503, WITHIN_S, "503", every=0.5)
        seen["exchange before"] = len(pings.received)
        until(f"/{KEY}/fail")
        seen["exchange"] = look(pings, port, monitor)
        code = monitor.terminate()
        seen["stopped"] = list(pings.received)
    return SimpleNamespace(seen=seen, code=code, monitor=monitor)


def test_while_all_is_well_a_start_and_then_successes_come(story):
    seen = story.seen["well"]
    assert [(each.method, each.path) for each in seen.pings] == [("GET", f"/{KEY}/start"), ("GET", f"/{KEY}")]
    assert (seen.status, seen.reasons, seen.well, seen.stated) == (200, [], True, [])


@pytest.mark.parametrize("trouble", ["store", "exchange"])
def test_while_it_is_not_no_success_comes_but_a_failure_with_the_reasons(story, trouble):
    seen = story.seen[trouble]
    (failure,) = seen.pings[story.seen[f"{trouble} before"] :]
    assert (failure.method, failure.path) == ("POST", f"/{KEY}/fail")
    words = {"store": "sink store fails since", "exchange": "not connected to the exchange"}[trouble]
    assert words in failure.text


@pytest.mark.parametrize("trouble", ["store", "exchange"])
def test_healthz_and_the_status_give_the_same_reasons_meanwhile(story, trouble):
    def without_seconds(reasons):
        return ["".join(" " if character.isdigit() else character for character in text) for text in reasons]

    seen = story.seen[trouble]
    assert (seen.status, seen.well) == (503, False)
    assert without_seconds(seen.reasons)[0].split() == without_seconds(seen.stated)[0].split()


def test_when_it_is_over_a_success_comes_and_healthz_is_200_again(story):
    seen = story.seen["store again"]
    assert (seen.pings[-1].path, seen.status, seen.reasons, seen.well) == (f"/{KEY}", 200, [], True)


def test_a_stop_on_purpose_sends_nothing(story):
    assert story.code == 0
    assert story.seen["stopped"] == story.seen["exchange"].pings


def test_the_ping_url_is_nowhere_in_the_log_and_the_journal(story):
    for file in story.monitor.folder.iterdir():
        assert KEY.encode() not in file.read_bytes(), file


def test_a_monitor_that_cannot_start_says_so_at_once_and_why(monitor_of, make_toml, exchange):
    with ping_server() as pings, socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        more = f'[watchdog]\nping_url = "env:PING_URL"\nhealthz = "{address}"\n'
        monitor = monitor_of(make_toml(exchange.url, [], more=more), {"PING_URL": f"{pings.url}/{KEY}"})
        result = monitor.hlmon("run", "--wait-for-accounts")
    problem = f"watchdog.healthz: cannot listen on {address}: Address already in use"
    assert (result.returncode, result.stderr) == (2, f"error: {problem}\n")
    assert (pings.paths()[-1], pings.received[-1].text) == (f"/{KEY}/fail", f"the monitor ended: {problem}")


def test_a_monitor_that_is_refused_for_its_config_says_so_at_once_and_why(monitor_of, make_toml, exchange):
    with ping_server() as pings:
        monitor = monitor_of(
            make_toml(exchange.url, [], more='[watchdog]\nping_url = "env:PING_URL"\n'),
            {"PING_URL": f"{pings.url}/{KEY}"},
        )
        result = monitor.hlmon("run")
    assert result.returncode == 2
    assert pings.paths()[-1] == f"/{KEY}/fail"
    assert "nothing to watch" in pings.received[-1].text
