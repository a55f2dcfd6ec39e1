"""Requests go out once, to where they were meant, and their errors tell no address."""

from __future__ import annotations

import ssl
import traceback

import pytest

from hlmon import ConfigError, Transient
from hlmon_notify import http
from hlmon_notify.answers import checked_url
from hlmon_notify.errors import Blocked, Unreachable
from hlmon_notify.http import Http
from tests.servers.chat import Receiver, Reply

SECRET = "hush-hush-hush"


@pytest.fixture
def client():
    with Http("the service") as client:
        yield client


@pytest.fixture
def over_tls(server_context):
    with Receiver() as service:
        service.socket = server_context.wrap_socket(service.socket, server_side=True)
        yield f"https://127.0.0.1:{service.server_port}/hook/{SECRET}"


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_a_request_is_never_repeated(client, receiver, status):
    with receiver.answering(Reply(status)):
        assert client.send("POST", receiver.hook, data=b"{}").status == status
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_without_a_word_of_where_it_leads(client, receiver, status):
    with receiver.answering(Reply(status, headers={"Location": f"{receiver.url}/{SECRET}/elsewhere"})):
        with pytest.raises(Blocked, match="redirect") as caught:
            client.send("POST", receiver.hook, data=b"{}")
    assert len(receiver.requests) == 1
    assert SECRET not in str(caught.value)


def test_a_certificate_that_is_not_trusted_is_refused(client, over_tls):
    with pytest.raises(Unreachable, match=r"certificate that is not trusted \(.*(self-signed|unable to get).*\)"):
        client.send("POST", over_tls)


def test_a_trusted_certificate_is_accepted(client, over_tls, trusted):
    assert client.send("POST", over_tls, data=b"{}").is_accepted


def test_a_certificate_for_another_name_is_refused(client, authority, trusted):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("example.org").configure_cert(context)
    with Receiver() as service:
        service.socket = context.wrap_socket(service.socket, server_side=True)
        with pytest.raises(Unreachable, match="certificate that is not trusted"):
            client.send("POST", f"https://127.0.0.1:{service.server_port}/")


def test_a_proxy_of_the_environment_is_used(client, receiver, monkeypatch):
    monkeypatch.setenv("http_proxy", receiver.url)
    monkeypatch.delenv("no_proxy", raising=False)
    client.send("POST", "http://service.example/hook", data=b"{}")
    assert receiver.requests[0].headers["Host"] == "service.example"


def test_a_password_file_of_the_user_adds_nothing(client, receiver, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password own\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    client.send("POST", receiver.hook, data=b"{}")
    assert "Authorization" not in receiver.requests[0].headers


def test_a_service_that_says_nothing_is_left_after_a_while(client, receiver, monkeypatch):
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.05)
    with receiver.answering(Reply(200)):
        receiver.trouble = _slowly(receiver.trouble)
        with pytest.raises(Unreachable, match="did not answer in time"):
            client.send("POST", receiver.hook)


def _slowly(answer):
    import threading

    def trouble(request):
        threading.Event().wait(0.3)  # longer than the client's patience
        return answer(request)

    return trouble


def test_only_the_begin_of_an_endless_answer_is_read(client, receiver):
    with receiver.answering(Reply(200, b"x" * 1_000_000)):
        assert len(client.send("POST", receiver.hook).body) <= 65_536


@pytest.mark.parametrize(
    "url",
    [
        f"http://127.0.0.1:1/{SECRET}",
        f"https://127.0.0.1:1/{SECRET}",
        f"http://{SECRET}.invalid/{SECRET}",
        f"http://[::1]:1/{SECRET}",
        f"http://{'a' * 70}.example/{SECRET}",
        f"http://127.0.0.1:99999/{SECRET}",
        f"ftp://127.0.0.1/{SECRET}",
        f"http:///{SECRET}",
    ],
)
def test_an_error_tells_no_address_however_deep_one_looks(client, url):
    with pytest.raises(Transient) as caught:
        client.send("POST", url)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.__context__)
    assert SECRET not in shown
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize(
    "url", ["", "example.com", "ftp://x.y", "http://", "https://x y", "http://[", "http://x:port/", "a\n"]
)
def test_what_is_no_url_is_refused_without_repeating_it(url):
    with pytest.raises(ConfigError, match=r"^the URL is not a URL that begins with https"):
        checked_url(url, "the URL")
