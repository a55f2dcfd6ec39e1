"""The webhook: its signature is that of a library that others wrote, its document that of the published schema."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.resources import files

import jsonschema
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from hlmon import Permanent, Secret, Transient
from hlmon.testing.builders import make_alert
from hlmon_notify import webhook
from hlmon_notify.errors import Blocked
from hlmon_notify.webhook import FACTORY, WebhookConfig, key_of, sign
from tests.servers.chat import Reply

SCHEMA = json.loads(files("hlmon_notify").joinpath("webhook.schema.json").read_text())
SIGNED = WebhookConfig(secret=Secret("env:WEBHOOK_SECRET"))


def send(config, settings, *alerts):
    with FACTORY.open(config, settings) as notifier:
        notifier.send(alerts)


def headers_of(request):
    return {name.lower(): value for name, value in request.headers.items()}


def test_the_library_of_the_standard_accepts_the_signature(receiver, settings, monkeypatch):
    alert = make_alert(title="Größe 🚨")
    send(SIGNED, settings, alert)
    request = receiver.requests[-1]
    document = Webhook("whsec_aHVzaC1odXNoLWh1c2gtaHVzaC1odXNoLWh1c2g=").verify(request.body, headers_of(request))
    assert document["alerts"][0]["title"] == "Größe 🚨"


def test_the_library_refuses_a_message_that_was_changed(receiver, settings):
    send(SIGNED, settings, make_alert(severity="info"))
    request = receiver.requests[-1]
    library = Webhook("whsec_aHVzaC1odXNoLWh1c2gtaHVzaC1odXNoLWh1c2g=")
    with pytest.raises(WebhookVerificationError):
        library.verify(request.body.replace(b"info", b"warn"), headers_of(request))


def test_the_signature_is_that_of_the_standards_own_example():
    body, time_s = b'{"test": 2432232314}', datetime.fromtimestamp(1614265330, UTC)
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    ours = sign(key_of(secret), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert ours == Webhook(secret).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time_s, body.decode())
    assert ours == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "alerts",
    [
        [make_alert()],
        [make_alert(account="", cause=None, labels={}, body="")],
        [make_alert(state="firing", labels={"tx_hash": "0x" + "c" * 64}, details={"a": "1"}) for _ in range(3)],
    ],
)
def test_the_document_is_that_of_the_schema(receiver, settings, alerts):
    send(SIGNED, settings, *alerts)
    document = json.loads(receiver.accepted[-1])
    jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker()).validate(document)
    assert [each["key"] for each in document["alerts"]] == [alert.key for alert in alerts]


def test_the_same_alerts_have_the_same_id_and_others_another(receiver, settings):
    one, two = make_alert(), make_alert()
    for alerts in ([one], [one], [two], [one, two]):
        send(SIGNED, settings, *alerts)
    ids = [request.headers["webhook-id"] for request in receiver.requests if request.method == "POST"]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert [json.loads(text)["id"] for text in receiver.accepted] == ids


def test_without_a_secret_nothing_is_signed_and_own_headers_are_sent(receiver, settings, monkeypatch):
    monkeypatch.setenv("AUTHORIZATION", "Bearer hush-token")
    send(WebhookConfig(headers={"Authorization": Secret("env:AUTHORIZATION")}), settings, make_alert())
    request = receiver.requests[-1]
    assert request.headers["Authorization"] == "Bearer hush-token"
    assert "webhook-signature" not in headers_of(request)
    assert request.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((status, Permanent) for status in (400, 413, 415, 422)),
        *((status, Blocked) for status in (301, 401, 403, 404, 405, 410, 451)),
        *((status, Transient) for status in (408, 425, 429, 500, 502, 503, 504)),
    ],
)
def test_a_refusal_says_whose_matter_it_is(receiver, settings, status, error):
    with FACTORY.open(SIGNED, settings) as notifier, receiver.answering(Reply(status, b"hush " * 50)):
        receiver.requests.clear()
        with pytest.raises(error, match=str(status)) as caught:
            notifier.send([make_alert()])
    assert isinstance(caught.value, Blocked) == (error is Blocked)
    assert "hush" not in str(caught.value)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 407, 413, 451])
def test_a_page_for_people_is_of_a_proxy_and_the_message_waits(receiver, settings, status):
    page = Reply(status, b"<html>blocked</html>", {"Content-Type": "text/html; charset=utf-8"})
    with FACTORY.open(SIGNED, settings) as notifier, receiver.answering(page):
        with pytest.raises(Transient, match=f"something on the way did .{status}"):
            notifier.send([make_alert()])


@pytest.mark.parametrize("status", [200, 401, 404, 405, 500])
def test_opening_needs_an_answer_whatever_it_is(receiver, settings, status):
    with receiver.answering(Reply(status)), FACTORY.open(SIGNED, settings):
        assert [request.method for request in receiver.requests] == ["HEAD"]


@pytest.mark.parametrize("name", ["", "a b", "Host", "content-type", "Webhook-Id", "x\n"])
def test_a_name_that_no_header_may_have_is_refused(name):
    with pytest.raises(ValueError, match="headers"):
        WebhookConfig(headers={name: Secret("env:X")})


def test_the_signature_is_dated_by_the_clock(receiver, settings):
    from hlmon_notify.config import look_of
    from hlmon_notify.http import Http

    with Http("the webhook") as http:
        look = look_of(SIGNED, settings)
        webhook.WebhookNotifier(SIGNED, look, http, clock_s=lambda: 1_700_000_000.9).send([make_alert()])
    assert receiver.requests[-1].headers["webhook-timestamp"] == "1700000000"
