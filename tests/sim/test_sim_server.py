"""The simulated exchange on real sockets."""

import asyncio

import aiohttp
import pytest

from hlmon_sim import Limits, Scenario, SimServer


def test_websocket_and_rest_are_on_one_port(with_server) -> None:
    async def body(server, client) -> None:
        user = server.addresses[0]
        socket = await client.connect()
        await client.subscribe(socket, "userFills", user=user)
        server.world.open(server.world.accounts[user], "SOL", 2)
        live = await client.hear(socket)
        status, rows = await client.ask(type="userFills", user=user)
        assert status == 200
        assert live == {"channel": "userFills", "data": {"user": user, "fills": rows}}

    with_server(body)


def test_an_idle_connection_is_cut_after_a_minute_without_a_close_frame(with_server) -> None:
    async def body(server, client) -> None:
        socket = await client.connect()
        await server.advance(59.9)
        await server.advance(0.1)
        assert await client.hear(socket) in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
        assert socket.close_code == 1006

    with_server(body)


def test_an_unknown_coin_closes_the_connection_without_a_close_frame(with_server) -> None:
    async def body(server, client) -> None:
        socket = await client.connect()
        await client.subscribe(socket, "trades", answers=0, coin="btc")
        await socket.ping()
        assert await client.hear(socket) is aiohttp.WSMsgType.PONG
        await server.advance(0.8)
        assert await client.hear(socket) in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
        assert socket.close_code == 1006

    with_server(body)


def test_too_much_weight_is_refused_with_429_until_the_minute_has_slid(with_server) -> None:
    async def body(server, client) -> None:
        for _ in range(20):
            assert (await client.ask(type="userRole", user=server.addresses[0]))[0] == 200
        assert await client.ask(type="allMids") == (429, None)
        await server.advance(60)
        assert (await client.ask(type="allMids"))[0] == 200

    with_server(body)


def test_the_rows_of_an_answer_are_charged_too(with_server) -> None:
    async def body(server, client) -> None:
        user = server.addresses[0]
        server.world.burst(server.world.accounts[user], 2_000)
        for _ in range(10):
            assert (await client.ask(type="userFillsByTime", user=user, startTime=0))[0] == 200
        assert (await client.ask(type="allMids"))[0] == 429

    with_server(body)


def test_an_unknown_request_is_answered_with_422_and_its_text(with_server) -> None:
    async def body(server, client) -> None:
        text = "Failed to deserialize the JSON body into the target type"
        assert await client.ask(type="nope") == (422, text)
        assert await client.ask(type="userFills") == (422, text)

    with_server(body)


def test_more_connections_than_allowed_are_refused(with_server) -> None:
    async def body(server, client) -> None:
        first = await client.connect()
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.connect()
        assert not first.closed

    with_server(body, Scenario(accounts=0, rate=0, trades_rate=0, limits=Limits(connections=1)))


def test_a_history_is_there_before_the_first_connection(with_server) -> None:
    async def body(server, client) -> None:
        rows = (await client.ask(type="userFillsByTime", user=server.addresses[0], startTime=0))[1]
        assert len(rows) >= 50
        assert rows[-1]["time"] <= server.world.now_ms
        assert server.world.now_ms == server.clock()

    with_server(body, Scenario(accounts=2, rate=0, trades_rate=0, history=50))


def test_the_server_runs_by_itself_on_the_system_s_clock(make_client) -> None:
    async def run() -> None:
        async with SimServer(Scenario(rate=200), tick_seconds=0.01) as server, aiohttp.ClientSession() as session:
            client = make_client(server, session)
            socket = await client.connect()
            for user in server.addresses:
                await socket.send_json({"method": "subscribe", "subscription": {"type": "userFills", "user": user}})
            live = None
            while live is None:
                frame = await client.hear(socket)
                if frame["channel"] == "userFills" and "isSnapshot" not in frame["data"]:
                    live = frame
            assert live["data"]["user"] in server.addresses

    asyncio.run(run())
