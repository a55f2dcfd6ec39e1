"""The sink contract, kept over every server that there is."""

from __future__ import annotations

from contextlib import contextmanager
from typing import ClassVar

import pytest
from botocore.exceptions import ConnectTimeoutError
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

from hlmon.testing import PluginContract, SinkContract
from hlmon.testing.builders import make_alert
from hlmon_dynamodb.config import DynamodbConfig
from hlmon_dynamodb.sink import FACTORY


class DynamodbContract(SinkContract):
    """The tables of `self.fresh`, seen through `self.url`."""

    url = ""
    secrets: ClassVar = ("hush/hush/AQIDBAUGBwgJCgsMDQ4PEBESExQVFhc",)

    def factory(self):
        return FACTORY

    def config(self):
        return DynamodbConfig(prefix=self.fresh.prefix, region="us-east-1", endpoint_url=self.url)

    def stored(self):
        return self.shared.stored_in(self.fresh.endpoint_url, self.fresh.prefix)

    def refusal(self):
        return make_alert(subject="x" * 2_000)  # a key may have 1,024 bytes

    def wrong_configs(self):
        return {
            "tables that are not there": DynamodbConfig(prefix="none-", region="us-east-1", endpoint_url=self.url),
            "nobody at the address": DynamodbConfig(region="us-east-1", endpoint_url="http://127.0.0.1:1"),
        }


class TestInProcess(DynamodbContract):
    """moto: fast, and right where the contract asks it."""

    @pytest.fixture(autouse=True)
    def _tables(self, dynamodb, monkeypatch):
        self.shared, self.monkeypatch = dynamodb, monkeypatch
        with mock_aws():
            self.fresh = dynamodb.fresh()
            yield

    def wrong_configs(self):
        elsewhere = DynamodbConfig(prefix=self.fresh.prefix, region="eu-west-1")
        return super().wrong_configs() | {"another region": elsewhere}

    @contextmanager
    def outage(self):
        def unreachable(*_, **__):
            raise ConnectTimeoutError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")

        with self.monkeypatch.context() as patch:
            patch.setattr(BotocoreStubber, "__call__", unreachable)
            yield


class OverAServer(DynamodbContract):
    """Through a proxy, which makes the outages."""

    def use(self, proxy, shared):
        self.shared, self.proxy, self.url = shared, proxy, proxy.url
        self.fresh = shared.emptied(f"http://{proxy.upstream.netloc}")

    def outage(self):
        return self.proxy.outage()


class TestOverMinistack(OverAServer):
    @pytest.fixture(autouse=True)
    def _tables(self, dynamodb, ministack_proxy):
        self.use(ministack_proxy, dynamodb)


class TestOverDynamodbLocal(OverAServer):
    """The most faithful one: AWS's own."""

    @pytest.fixture(autouse=True)
    def _tables(self, dynamodb, dynamodb_local_proxy):
        self.use(dynamodb_local_proxy, dynamodb)


class TestPlugin(PluginContract):
    entry_point = "dynamodb"
