"""Pings over real HTTP, and a URL that shows nowhere."""

from __future__ import annotations

import io
import ssl
import threading

import pytest
import trustme

from hlmon import ConfigError, Secret
from hlmon.status import AccountStatus, ConnectionStatus, SourceStatus, Status
from hlmon.telemetry import configure_logging
from hlmon.testing.builders import ALICE
from hlmon.watchdog import Rhythm, Watchdog, WatchdogSection, ping, prove, watching
from hlmon.watchdog.ping import Pinger, url_for
from tests.servers.pings import Received, ping_server

pytestmark = pytest.mark.usefixtures("nothing_revealed_before")
KEY = "c0ffee00-1234-4bcd-8e0f-00c0ffee0000"


@pytest.fixture
def server():
    with ping_server() as server:
        yield server


@pytest.fixture
def url(server, monkeypatch):
    monkeypatch.setenv("PING_URL", f"{server.url}/{KEY}")
    return Secret("env:PING_URL")


def well(now_ms: int) -> Status:
    accounts = [AccountStatus(address=ALICE, status="watched", last_seen_ms=now_ms)]
    sources = [SourceStatus(connection=ConnectionStatus(state="live"), accounts=accounts)]
    return Status(pid=1, version="0", started_ms=now_ms, updated_ms=now_ms, sources=sources)


def test_each_signal_has_its_url_and_a_text_is_its_body(server, url):
    pinger = Pinger(url)
    assert [pinger("start"), pinger("success"), pinger("fail", "sink archive fails")] == ["", "", ""]
    assert server.received == [
        Received("GET", f"/{KEY}/start", ""),
        Received("GET", f"/{KEY}", ""),
        Received("POST", f"/{KEY}/fail", "sink archive fails"),
    ]


def test_a_query_stays_behind_the_path():
    assert url_for("fail", "https://hc.example/ping/k/slug?create=1") == "https://hc.example/ping/k/slug/fail?create=1"
    assert url_for("start", "https://hc.example/k/") == "https://hc.example/k/start"
    assert url_for("success", "https://hc.example/k/") == "https://hc.example/k/"


def test_an_answer_that_is_no_success_is_named_by_its_number(server, url):
    server.status = 404
    assert Pinger(url)("success") == "the answer was 404"


def test_an_answer_that_the_url_is_not_known_is_no_success_though_its_number_is_200(server, url):
    server.answer = b"OK (not found)"
    assert Pinger(url)("success") == "the answer was OK (not found)"


def test_a_redirect_is_not_followed(server, url):
    server.status, server.location = 302, f"{server.url}/elsewhere"
    assert Pinger(url)("success") == "the answer was 302"
    assert server.paths() == [f"/{KEY}"]


def test_a_server_that_is_not_there_is_said_to_be_so_and_found_again_later(server, url):
    pinger = Pinger(url)
    with server.outage():
        assert pinger("success") == "Connection refused"
    assert pinger("success") == ""


def test_a_server_that_does_not_answer_is_given_up(server, url, monkeypatch):
    monkeypatch.setattr(ping, "TIMEOUT_S", 0.05)
    server.hangs = True
    assert Pinger(url)("success") == "no answer in time"


def test_a_certificate_is_verified(monkeypatch, tmp_path):
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with ping_server(context) as server:
        monkeypatch.setenv("PING_URL", f"{server.url}/{KEY}".replace("http:", "https:"))
        assert "certificate verify failed" in Pinger(Secret("env:PING_URL"))("success")
        authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        assert Pinger(Secret("env:PING_URL"))("success") == ""
    assert server.paths() == [f"/{KEY}"]


def test_a_url_that_is_replaced_while_it_runs_counts_from_the_next_ping_on(server, url, monkeypatch):
    pinger = Pinger(url)
    monkeypatch.setenv("PING_URL", f"{server.url}/new")
    pinger("success")
    monkeypatch.delenv("PING_URL")
    assert pinger("success") == "the secret env:PING_URL is not set"
    assert server.paths() == ["/new"]


@pytest.mark.parametrize("value", ["", KEY, f"file:///etc/{KEY}"])
def test_what_is_no_url_is_an_error_at_the_start_that_names_the_reference_only(value, monkeypatch):
    monkeypatch.setenv("PING_URL", value)
    with pytest.raises(ConfigError, match="env:PING_URL") as error, watching(section("env:PING_URL")):
        pass
    assert KEY not in str(error.value)


def section(ping_url: str, **changes) -> WatchdogSection:
    return WatchdogSection(ping_url=Secret(ping_url), **changes)


@pytest.mark.parametrize(
    "odd", ["{base}/{key} with a space", "{base}:no-port/{key}", "http://[{key}/", "http://\x00{key}"]
)
def test_the_url_shows_in_no_error_no_log_and_no_repr(odd, server, monkeypatch, tmp_path):
    stream = io.StringIO()
    configure_logging("DEBUG", json=True, stream=stream)
    file = tmp_path / "ping"
    values = [odd.format(base=server.url, key=KEY), f"{server.url}/{KEY}"]
    said = []
    for value, server.status in zip(values, (200, 500), strict=True):
        file.write_text(value)
        pinger, watchdog = Pinger(Secret(f"file:{file}")), Watchdog()
        watchdog.look(Rhythm(60.0, 0.0), pinger, 0.0)
        said += [pinger("fail", f"about {value}"), repr(pinger), repr(watchdog), repr(section(f"file:{file}"))]
    assert "did not arrive" in stream.getvalue()
    assert [text for text in (*said, stream.getvalue()) if KEY in text] == []
    assert [each.text for each in server.received if KEY in each.text] == []


def test_a_ping_arrives_each_minute_while_all_is_well_none_while_it_is_not_and_then_a_failure_with_the_reasons(
    server, url
):
    now_ms = 1_780_000_000_000
    watchdog, rhythm, pinger = Watchdog(clock_ms=lambda: now_ms), Rhythm(60.0, 0.0), Pinger(url)
    watchdog.see(well(now_ms))
    for now in range(0, 70, 5):
        watchdog.look(rhythm, pinger, float(now))
    assert server.paths() == [f"/{KEY}/start", f"/{KEY}", f"/{KEY}"]
    failing = well(now_ms)
    failing.problems.append("sink archive fails since 3 s: OSError: gone")
    watchdog.see(failing)
    for now in range(70, 135, 5):
        watchdog.look(rhythm, pinger, float(now))
    assert server.received[3:] == [Received("POST", f"/{KEY}/fail", failing.problems[0])]


def test_a_monitor_that_stands_still_gives_no_sign_of_life(server, url):
    clock_ms = iter([0, *range(0, 10_000_000, 20_000)])
    watchdog, rhythm, pinger = Watchdog(clock_ms=lambda: next(clock_ms)), Rhythm(60.0, 0.0), Pinger(url)
    watchdog.see(well(1_780_000_000_000))
    for now in range(0, 200, 20):
        watchdog.look(rhythm, pinger, float(now))
    assert server.paths() == [f"/{KEY}/start", f"/{KEY}", f"/{KEY}/fail", f"/{KEY}/fail"]
    assert server.received[2].text == "the monitor said nothing for 100 s: look at the end of its log and restart it"


class Waits:
    """A wait in which time passes at once, `looks` times; then it is over when the context is."""

    def __init__(self, looks: int) -> None:
        self.now = 0.0
        self.done = threading.Event()
        self._looks = looks

    def clock(self) -> float:
        return self.now

    def wait(self, over, seconds: float) -> bool:
        self.now += seconds
        self._looks -= 1
        if self._looks > 0:
            return over.is_set()
        self.done.set()
        return over.wait(60)


def test_its_own_thread_looks_every_few_seconds_until_the_end(server, url):
    waits = Waits(looks=27)
    with watching(section("env:PING_URL"), clock=waits.clock, wait=waits.wait):
        assert waits.done.wait(60)
    assert server.paths() == [f"/{KEY}/start", f"/{KEY}/fail", f"/{KEY}/fail"]
    assert server.received[1].text == "the monitor is starting"


def test_an_error_that_ends_the_monitor_is_a_failure_at_once(server, url):
    waits = Waits(looks=1)
    with pytest.raises(ValueError, match="disk"):
        with watching(section("env:PING_URL"), clock=waits.clock, wait=waits.wait):
            raise ValueError("the disk is full")
    assert server.received[-1] == Received("POST", f"/{KEY}/fail", "the monitor ended: the disk is full")


def test_the_ordinary_end_is_no_failure(server, url):
    waits = Waits(looks=1)
    with watching(section("env:PING_URL"), clock=waits.clock, wait=waits.wait):
        assert waits.done.wait(60)
    assert server.paths() == [f"/{KEY}/start"]


def test_a_check_says_what_a_run_would_do_and_sends_nothing(server, url, monkeypatch):
    config = section("env:PING_URL", healthz="127.0.0.1:8731")
    assert prove(config) == [
        "watchdog: a ping every 60 s to the URL in env:PING_URL",
        "watchdog: http://127.0.0.1:8731/healthz",
    ]
    assert (server.received, prove(WatchdogSection())) == ([], [])
    monkeypatch.delenv("PING_URL")
    with pytest.raises(ConfigError, match="the secret env:PING_URL is not set"):
        prove(config)


def test_without_a_ping_url_nothing_is_sent_and_nothing_runs(server):
    with watching(WatchdogSection()) as watchdog:
        assert watchdog.reasons() == ["the monitor is starting"]
    assert server.received == []
