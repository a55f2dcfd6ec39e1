"""A scripted exchange on a real loopback socket, and a time that passes only when a test says so."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest
from websockets.asyncio.server import serve

from tests.core.feed.exchange import ALICE, BOB, CAROL, Exchange, fill, trade
from tests.core.feed.rest import Rest
from tests.core.feed.running import Running
from tests.core.feed.virtual_time import START_MS, VirtualTime, settle, until


@pytest.fixture
def run():
    return asyncio.run


@pytest.fixture
def watching():
    """An async context: a scripted exchange, a virtual time and a feed that is not started yet."""

    @contextlib.asynccontextmanager
    async def open_all():
        exchange, time = Exchange(), VirtualTime()
        async with serve(exchange.converse, "127.0.0.1", 0, close_timeout=0.1) as server:
            running = Running(exchange, time, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            try:
                yield running
            finally:
                await running.stop()

    return open_all


@pytest.fixture
def rest():
    server = Rest()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def hurried():
    return VirtualTime(hurried=True)


@pytest.fixture
def virtual_time():
    return VirtualTime()


@pytest.fixture
def tools():
    """What the tests of this directory share: rows, addresses, waiting."""

    class Tools:
        start_ms, alice, bob, carol = START_MS, ALICE, BOB, CAROL
        fill, trade, until, settle = staticmethod(fill), staticmethod(trade), staticmethod(until), staticmethod(settle)

    return Tools
