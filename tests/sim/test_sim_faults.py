"""What goes wrong between the simulated exchange and its clients."""

import asyncio

import aiohttp
import pytest

from hlmon_sim import Planned
from hlmon_sim.faults import KINDS, parse, random_plan


async def watched(server, client):
    """An account, and a socket that hears of its fills."""
    account = server.world.accounts[server.addresses[0]]
    socket = await client.connect()
    await client.subscribe(socket, "userFills", user=account.address)
    return account, socket


async def open_a_second_apart(server, account) -> None:
    """Fills of 1 and 2 SOL."""
    server.world.open(account, "SOL", 1)
    await server.advance(1)
    server.world.open(account, "SOL", 2)


async def two_sizes(client, socket) -> list[str]:
    return [(await client.hear(socket))["data"]["fills"][0]["sz"] for _ in range(2)]


def test_a_drop_loses_frames_only_with_the_connection_and_rest_has_them(with_server) -> None:
    async def body(server, client) -> None:
        account, socket = await watched(server, client)
        server.faults.drop_all()
        server.world.open(account, "SOL", 1)
        assert await client.hear(socket) in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
        _, rows = await client.ask(type="userFillsByTime", user=account.address, startTime=0)
        assert len(rows) == 1
        again = await client.connect()
        _, snapshot = await client.subscribe(again, "userFills", user=account.address)
        assert snapshot["data"]["fills"] == rows

    with_server(body)


def test_a_silent_connection_sends_nothing_and_is_not_closed(with_server) -> None:
    async def body(server, client) -> None:
        silent = await client.connect()
        server.faults.silence()
        await silent.send_json({"method": "ping"})
        await silent.ping()
        other = await client.connect()
        await other.send_json({"method": "ping"})
        assert await client.hear(other) == {"channel": "pong"}
        await server.advance(120)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(silent.receive(), 0.02)
        assert not silent.closed

    with_server(body)


def test_duplicated_frames_come_twice_until_it_ends(with_server) -> None:
    async def body(server, client) -> None:
        socket = await client.connect()
        server.faults.duplicate(seconds=5)
        await socket.send_json({"method": "ping"})
        assert [await client.hear(socket) for _ in range(2)] == [{"channel": "pong"}] * 2
        await server.advance(5)
        await socket.send_json({"method": "ping"})
        await socket.send_json({"method": "nonsense"})
        assert await client.hear(socket) == {"channel": "pong"}
        assert (await client.hear(socket))["channel"] == "error"

    with_server(body)


def test_delayed_frames_come_later_and_in_order(with_server) -> None:
    async def body(server, client) -> None:
        account, socket = await watched(server, client)
        server.faults.delay(seconds=1, delay_ms=2_000)
        await open_a_second_apart(server, account)
        await server.advance(0.9)
        assert not server.hub.connections[0].outbox
        await server.advance(0.1)
        assert await two_sizes(client, socket) == ["1.0", "2.0"]

    with_server(body)


def test_malformed_frames_come_between_the_true_ones(with_server) -> None:
    async def body(server, client) -> None:
        socket = await client.connect()
        server.faults.malformed()
        await socket.send_json({"method": "ping"})
        frames = []
        while not frames or frames[-1] != {"channel": "pong"}:
            frames.append(await client.hear(socket))
        assert aiohttp.WSMsgType.BINARY in frames
        assert any(isinstance(frame, str) and frame.startswith('{"channel":"userFills"') for frame in frames)

    with_server(body)


@pytest.mark.parametrize(
    ("status", "answer"), [(429, None), (502, "<html><body><h1>502 Bad Gateway</h1></body></html>")]
)
def test_a_storm_refuses_rest_for_a_while(with_server, status: int, answer: object) -> None:
    async def body(server, client) -> None:
        server.faults.rest_storm(status, seconds=30)
        assert await client.ask(type="allMids") == (status, answer)
        await server.advance(30)
        assert (await client.ask(type="allMids"))[0] == 200

    with_server(body)


def test_a_restart_closes_the_listener_and_opens_it_on_the_same_port(with_server) -> None:
    async def body(server, client) -> None:
        socket = await client.connect()
        url = server.url
        server.faults.restart(down_seconds=3)
        await server.advance(0)
        assert await client.hear(socket) in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
        with pytest.raises(aiohttp.ClientError):
            await client.ask(type="allMids")
        with pytest.raises(aiohttp.ClientError):
            await client.connect()
        server.world.open(server.world.accounts[server.addresses[0]], "SOL", 1)
        await server.advance(3)
        assert server.url == url
        assert (await client.ask(type="allMids"))[0] == 200
        await client.connect()

    with_server(body)


def test_late_fills_reach_the_stream_late_too(with_server) -> None:
    async def body(server, client) -> None:
        account, socket = await watched(server, client)
        server.faults.late(seconds=1, late_ms=3_000)
        await open_a_second_apart(server, account)
        await server.advance(2)
        assert await two_sizes(client, socket) == ["2.0", "1.0"]

    with_server(body)


def test_planned_faults_come_at_their_time(with_server) -> None:
    async def body(server, client) -> None:
        await server.advance(4)
        assert server.faults.done == []
        await server.advance(1)
        assert server.faults.done == ["drop"]
        await server.advance(5)
        assert server.faults.done == ["drop", "storm_502", "late"]

    with_server(body, plan=[parse("storm_502@9.5"), Planned("drop", 5), Planned("late", 9.6)])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fault_can_be_planned(with_server, kind: str) -> None:
    async def body(server, client) -> None:
        await client.connect()
        await server.advance(1)
        assert server.faults.done == [kind]

    with_server(body, plan=[Planned(kind, 1)])


def test_a_random_plan_is_seeded_and_has_every_kind_early(with_server) -> None:
    plan = random_plan(3, KINDS, count=50)
    assert plan == random_plan(3, KINDS, count=50)
    assert plan != random_plan(4, KINDS, count=50)
    assert {planned.kind for planned in plan[: len(KINDS)]} == set(KINDS)
