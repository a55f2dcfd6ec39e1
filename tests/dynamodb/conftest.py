"""Servers that speak DynamoDB, and tables on them."""

from __future__ import annotations

import contextlib
import functools
import os
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.loaders import JSONFileLoader

from hlmon import Settings
from hlmon_dynamodb.config import DynamodbConfig
from hlmon_dynamodb.create import create_tables
from hlmon_dynamodb.items import event_of
from hlmon_dynamodb.sink import FACTORY
from hlmon_dynamodb.tables import TABLES
from tests.servers.dynamodb import dynamodb_local, ministack
from tests.servers.dynamodb_proxy import Proxy
from tests.servers.process import Unavailable

SECRET_KEY = "hush/hush/AQIDBAUGBwgJCgsMDQ4PEBESExQVFhc"
SESSION = boto3.Session(aws_access_key_id="AKIATEST", aws_secret_access_key="test", region_name="us-east-1")


@pytest.fixture(scope="session", autouse=True)
def _aws_models_read_once():
    """A client reads the descriptions of AWS's interfaces anew each time, which takes most of a short test."""
    read = functools.cache(functools.partial(JSONFileLoader.load_file, JSONFileLoader()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read(path))
        yield


@pytest.fixture(autouse=True)
def _aws_environment(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAHLMONTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture(scope="session")
def ministack_url(tmp_path_factory):
    with ministack(tmp_path_factory.mktemp("ministack")) as url:
        yield url


@pytest.fixture(scope="session")
def dynamodb_local_url(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(dynamodb_local(tmp_path_factory.mktemp("dynamodb-local")))
        except Unavailable as reason:
            pytest.skip(str(reason))
        yield url


@pytest.fixture
def ministack_proxy(ministack_url):
    with Proxy(ministack_url) as proxy:
        yield proxy


@pytest.fixture
def dynamodb_local_proxy(dynamodb_local_url):
    with Proxy(dynamodb_local_url) as proxy:
        yield proxy


@contextlib.contextmanager
def raw_client(url: str) -> Iterator[Any]:
    """A plain client of a test, past the sink."""
    session = SESSION if url else boto3.Session()  # what runs in process takes hold of new sessions only
    with contextlib.closing(session.client("dynamodb", endpoint_url=url or None)) as client:
        yield client


def stored_in(url: str, prefix: str) -> list[Any]:
    """Every event of every table."""
    found = []
    with raw_client(url) as client:
        for name in DynamodbConfig(prefix=prefix).table_names():
            for page in client.get_paginator("scan").paginate(TableName=name, ConsistentRead=True):
                found += [event_of(item) for item in page["Items"]]
    return found


def fresh(url: str = "", **options: Any) -> DynamodbConfig:
    """Tables of a prefix of their own."""
    config = DynamodbConfig(prefix=f"t{uuid.uuid4().hex[:12]}-", endpoint_url=url, region="us-east-1", **options)
    list(create_tables(config))
    return config


shared = functools.cache(fresh)


def emptied(url: str) -> DynamodbConfig:
    """The tables of this server that the tests share, with nothing in them."""
    config = shared(url)
    with raw_client(url) as client:
        for table in TABLES:
            name = config.prefix + table.name
            for item in client.scan(TableName=name, ConsistentRead=True)["Items"]:
                client.delete_item(TableName=name, Key={part: item[part] for part in table.key_names})
            assert client.scan(TableName=name, ConsistentRead=True)["Count"] == 0
    return config


@pytest.fixture
def dynamodb() -> SimpleNamespace:
    """What tests of this folder share."""
    return SimpleNamespace(
        fresh=fresh, emptied=emptied, stored_in=stored_in, raw_client=raw_client, secret_key=SECRET_KEY
    )


class Case:
    """The sink on empty tables behind a proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.direct = emptied(f"http://{proxy.upstream.netloc}")
        self.config = DynamodbConfig(prefix=self.direct.prefix, region="us-east-1", endpoint_url=proxy.url)

    def open(self):
        return FACTORY.open(self.config, Settings(name="aws"))

    def events(self):
        return stored_in(self.direct.endpoint_url, self.direct.prefix)

    def stored(self):
        return {event.name: event for event in self.events()}


@pytest.fixture(scope="session")
def root_session():
    """Of somebody who may do everything."""
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")


@pytest.fixture
def case_of():
    return Case


@pytest.fixture
def case(ministack_proxy):
    return Case(ministack_proxy)


@pytest.fixture
def sink(case):
    with case.open() as sink:
        case.proxy.requests.clear()
        yield sink
