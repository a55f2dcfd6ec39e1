"""The services that the notifiers talk to, and the secrets for them."""

from __future__ import annotations

import functools
import os
import ssl
from types import SimpleNamespace

import boto3
import pytest
import trustme
from botocore.loaders import JSONFileLoader
from moto.server import ThreadedMotoServer
from moto.ses.models import ses_backends
from moto.sns.models import sns_backends

from hlmon import Settings
from tests.servers.chat import Discord, Receiver, Telegram
from tests.servers.mail import PASSWORD
from tests.servers.supabase_proxy import Proxy

SIGNING_SECRET = "whsec_aHVzaC1odXNoLWh1c2gtaHVzaC1odXNoLWh1c2g="
AWS_SECRET_KEY = "hush/hush/AQIDBAUGBwgJCgsMDQ4PEBESExQVFhc"
SENDER = "hlmon@example.com"


@pytest.fixture(scope="session", autouse=True)
def _aws_models_read_once():
    """A client reads the descriptions of AWS's interfaces anew each time, which takes most of a short test."""
    read = functools.cache(functools.partial(JSONFileLoader.load_file, JSONFileLoader()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read(path))
        yield


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    for name in os.environ:
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAHLMONTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", AWS_SECRET_KEY)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
    monkeypatch.setenv("WEBHOOK_SECRET", SIGNING_SECRET)


@pytest.fixture
def settings():
    return Settings(name="people", accounts={"0x" + "a" * 40: "main"})


@pytest.fixture
def discord(monkeypatch):
    with Discord() as service:
        monkeypatch.setenv("DISCORD_WEBHOOK_URL", service.webhook)
        yield service


@pytest.fixture
def telegram(monkeypatch):
    with Telegram() as service:
        monkeypatch.setenv("TELEGRAM_BOT_TOKEN", service.token)
        yield service


@pytest.fixture
def receiver(monkeypatch):
    with Receiver() as service:
        monkeypatch.setenv("WEBHOOK_URL", service.hook)
        yield service


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture(scope="session")
def server_context(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority, monkeypatch, tmp_path):
    """This machine trusts the authority of the tests."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))


@pytest.fixture(scope="session")
def moto_url():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def aws(moto_url):
    """SNS and SES behind a proxy that can do harm, with a topic, a verified domain, and nothing sent yet."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    clients = {name: session.client(name, endpoint_url=moto_url) for name in ("sns", "sesv2")}
    topic = clients["sns"].create_topic(Name="alerts")["TopicArn"]
    published = sns_backends["123456789012"]["us-east-1"].topics[topic].sent_notifications
    ses = ses_backends["123456789012"]["us-east-1"]
    clients["sesv2"].create_email_identity(EmailIdentity="example.com")
    ses.email_identities["example.com"].verified_for_sending_status = True
    published.clear()
    ses.sent_messages.clear()
    with Proxy(moto_url) as proxy:
        yield SimpleNamespace(
            url=proxy.url, proxy=proxy, topic=topic, published=published, mails=ses.sent_messages, ses=ses, **clients
        )
    clients["sesv2"].delete_email_identity(EmailIdentity="example.com")
    for client in clients.values():
        client.close()
