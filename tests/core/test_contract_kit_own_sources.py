"""The sources of hlmon itself keep the contract that third parties inherit."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import ClassVar

import pytest

from hlmon.contract import Settings
from hlmon.hyperliquid import feed
from hlmon.sections import HyperliquidSection
from hlmon.sources import replay
from hlmon.testing import SourceContract
from hlmon.testing.builders import ALICE, BOB, START_MS
from hlmon_sim.background import BackgroundServer
from hlmon_sim.scenario import Limits, Scenario
from hlmon_sim.server import SimServer

GREETING = "Websocket connection established."


def fill_row(number):
    return {
        "coin": "BTC", "px": "100.5", "sz": "1.0", "side": "B", "time": START_MS + number, "startPosition": "0.0",
        "dir": "Open Long", "closedPnl": "0.0", "hash": "0x" + "0" * 64, "oid": number, "crossed": True, "fee": "0.1",
        "tid": number, "feeToken": "USDC", "twapId": None,
    }  # fmt: skip


def fills(account, *numbers, **more):
    return json.dumps(
        {"channel": "userFills", "data": {"user": account, "fills": [fill_row(n) for n in numbers], **more}}
    )


def trades(number):
    row = {"coin": "BTC", "side": "A", "px": "100", "sz": "2", "time": START_MS + number, "hash": "0x0", "tid": number}
    return json.dumps({"channel": "trades", "data": [row]})


class TestReplay(SourceContract):
    @pytest.fixture(autouse=True)
    def _files(self, tmp_path):
        self.first, self.second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
        lines = [GREETING, fills(ALICE, 1, 2), "no frame at all", trades(3), fills(BOB.upper().replace("X", "x"), 4)]
        self.first.write_text("\n".join(lines))
        lines = [fills(ALICE, number) for number in range(5, 5 + replay.LINES_PER_STEP)]
        self.second.write_text("\n".join([*lines, GREETING, fills(ALICE, 1000, isSnapshot=True)]))

    def factory(self):
        return replay.FACTORY

    def config(self):
        return replay.ReplayConfig(files=(str(self.first), str(self.second)))

    def expected(self):
        return {"fill": 4 + replay.LINES_PER_STEP, "trades": 1, "gap": 1, "quarantine": 1}

    def wrong_configs(self):
        return {"a file that is not there": replay.ReplayConfig(files=(str(self.first) + "x",))}

    @contextmanager
    def outage(self):
        away = self.second.rename(self.second.with_name("away"))
        yield
        away.rename(self.second)


@pytest.fixture(scope="module")
def exchange():
    """A simulated exchange with a past, where nothing further happens; the contract asks more often than a user may."""
    generous = Limits(connections=1000, new_connections_per_minute=1000, weight_per_minute=1_000_000)
    scenario = Scenario(accounts=2, rate=0, trades_rate=0, speed=0.001, history=12, limits=generous)
    with BackgroundServer(SimServer(scenario)) as server:
        yield server


class TestHyperliquidFeed(SourceContract):
    excused: ClassVar = {
        "test_opening_with_a_wrong_config_raises_config_error": "its section of the config is checked before it opens",
    }

    @pytest.fixture(autouse=True)
    def _exchange(self, exchange):
        self.exchange = exchange
        self.settings = Settings(
            name="hyperliquid", accounts=dict.fromkeys(exchange.server.addresses, ""), url=exchange.url
        )

    def factory(self):
        return feed.FACTORY

    def config(self):
        return HyperliquidSection()

    def expected(self):
        world = self.exchange.server.world
        return {"fill": sum(len(world.accounts[a].fills) for a in self.exchange.server.addresses), "account_info": 2}

    @contextmanager
    def outage(self):
        before, self.settings = self.settings, Settings(name="hyperliquid", url="http://127.0.0.1:1")
        yield
        self.settings = before
