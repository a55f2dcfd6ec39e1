"""GET /healthz over real HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import socket

import pytest

from hlmon import ConfigError, Secret, redaction
from hlmon.watchdog import WatchdogSection, healthz, watching
from hlmon.watchdog.healthz import answering


@pytest.fixture
def ask():
    """A function that asks a port for a path and gives status, headers and text."""

    def ask(port: int, path: str = "/healthz", method: str = "GET", address: str = "127.0.0.1"):
        with contextlib.closing(http.client.HTTPConnection(address, port, timeout=60)) as connection:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()

    return ask


def test_it_is_200_while_there_is_no_reason_and_503_with_the_reasons_else(ask):
    reasons: list[str] = []
    with answering("127.0.0.1:0", lambda: reasons) as port:
        status, headers, text = ask(port)
        assert (status, json.loads(text)) == (200, {"well": True, "reasons": []})
        assert (headers["Content-Type"], headers["Cache-Control"]) == ("application/json", "no-store")
        reasons.append("account main is not watched yet")
        status, _, text = ask(port)
        assert (status, json.loads(text)) == (503, {"well": False, "reasons": reasons})


def test_a_head_is_answered_without_the_body_and_another_path_not_at_all(ask):
    with answering("127.0.0.1:0", list) as port:
        assert ask(port, method="HEAD")[::2] == (200, "")
        assert ask(port, "/healthz?probe=1")[0] == 200
        assert ask(port, "/")[0] == 404
        assert ask(port, method="DELETE")[0] == 501


def test_a_secret_that_got_into_a_reason_is_replaced_by_its_reference(ask, monkeypatch):
    monkeypatch.setattr(redaction, "_revealed", {})
    monkeypatch.setenv("KEY", 'pass"word')
    Secret("env:KEY").reveal()
    with answering("127.0.0.1:0", lambda: ['sink db fails: no entry for pass"word']) as port:
        assert json.loads(ask(port)[2])["reasons"] == ["sink db fails: no entry for [env:KEY]"]


def test_who_connects_and_says_nothing_keeps_others_waiting_for_a_moment_only(ask, monkeypatch):
    assert healthz._Answers.timeout <= 2.0
    monkeypatch.setattr(healthz._Answers, "timeout", 0.05)
    with answering("127.0.0.1:0", list) as port, socket.create_connection(("127.0.0.1", port)):
        assert ask(port)[0] == 200


def test_requests_leave_no_trace_in_the_log(ask, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    with answering("127.0.0.1:0", list) as port:
        ask(port)
        ask(port, "/nothing")
    assert (caplog.messages, capfd.readouterr().err) == ([], "")


def test_it_listens_on_ipv6_as_well(ask):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with answering("[::1]:0", list) as port:
        assert ask(port, address="::1")[0] == 200


def test_an_address_that_is_taken_is_an_error_at_the_start():
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ConfigError, match=f"^watchdog.healthz: cannot listen on {address}: Address already in use"):
            with watching(WatchdogSection(healthz=address)):
                pass


def test_the_address_is_free_again_at_the_end(ask):
    with answering("127.0.0.1:0", list) as port:
        ask(port)
    with answering(f"127.0.0.1:{port}", list):
        assert ask(port)[0] == 200
    with pytest.raises(ConnectionRefusedError):
        ask(port)


@pytest.mark.parametrize("text", ["8731", ":8731", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:65536", "::1:8731", ""])
def test_an_address_needs_a_port_and_a_host(text):
    with pytest.raises(ValueError, match=r"^healthz must "):
        WatchdogSection(healthz=text)
