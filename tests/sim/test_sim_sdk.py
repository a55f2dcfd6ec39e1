"""The exchange's official Python SDK works against the simulator unchanged."""

import asyncio
import queue
import threading

import pytest
from hyperliquid.info import Info

from hlmon_sim import Scenario, SimServer

PATIENCE_SECONDS = 10


class Running:
    """A quiet server in a thread of its own; `do` runs something in its loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self.server = SimServer(Scenario(accounts=2, rate=0, trades_rate=0))

    async def _serve(self) -> None:
        async with self.server:
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> "Running":
        self._thread.start()
        assert self._ready.wait(PATIENCE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()

    def do(self, action, *args, **options):
        async def call():
            return action(*args, **options)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(PATIENCE_SECONDS)


@pytest.fixture
def running():
    with Running() as running:
        yield running


def test_the_sdk_reads_over_rest(running: Running) -> None:
    world, user = running.server.world, running.server.addresses[0]
    account = world.accounts[user]
    running.do(world.open, account, "BTC", "0.1", parts=2)
    running.do(world.place, account, "SOL", 1, 100)
    info = Info(base_url=running.server.url, skip_ws=True, perp_dexs=["", "xyz"])
    assert [row["position"]["szi"] for row in info.user_state(user)["assetPositions"]] == ["0.1"]
    assert len(info.user_fills_by_time(user, 0)) == len(info.user_fills(user)) == 2
    assert info.coin_to_asset["xyz:SILVER"] == 110_001
    assert info.name_to_coin["HYPE/USDC"] == "@107"
    assert float(info.all_mids()["BTC"]) == pytest.approx(86_000, rel=0.05)
    assert [order["coin"] for order in info.open_orders(user)] == ["SOL"]
    assert len(info.historical_orders(user)) == 3
    assert info.user_role(user) == {"role": "user"}
    assert info.l2_snapshot("BTC")["coin"] == "BTC"
    assert len(info.portfolio(user)) == 8
    assert info.spot_user_state(user)["balances"][0]["coin"] == "USDC"
    info.session.close()


def test_the_sdk_follows_its_subscriptions(running: Running) -> None:
    world, user = running.server.world, running.server.addresses[0]
    account = world.accounts[user]
    info = Info(base_url=running.server.url)
    heard: queue.Queue = queue.Queue()
    try:
        info.subscribe({"type": "userFills", "user": user}, heard.put)
        assert heard.get(timeout=PATIENCE_SECONDS)["data"]["isSnapshot"] is True
        info.subscribe({"type": "trades", "coin": "BTC"}, heard.put)
        info.subscribe({"type": "allMids"}, heard.put)
        assert heard.get(timeout=PATIENCE_SECONDS)["channel"] == "allMids"
        running.do(world.open, account, "BTC", "0.1")
        channels = {}
        while {"userFills", "trades"} - channels.keys():
            message = heard.get(timeout=PATIENCE_SECONDS)
            channels[message["channel"]] = message["data"]
        assert channels["userFills"]["fills"][0]["sz"] == "0.1"
        assert channels["trades"][0]["users"][0] == user
    finally:
        # Without this the SDK's thread notices its own close only after ten seconds.
        running.do(running.server.faults.drop_all)
        info.ws_manager.join(PATIENCE_SECONDS)
        info.disconnect_websocket()
        info.session.close()
    assert not info.ws_manager.is_alive()
