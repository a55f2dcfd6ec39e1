"""Rows and states that are odd: the same in frames and over REST, and told by the ground truth."""

import asyncio
import json

import msgspec
import pytest

from hlmon_sim.faults import Faults
from hlmon_sim.hub import Hub
from hlmon_sim.oddities import ESSENTIAL, HARMLESS, MISSING, with_odd
from hlmon_sim.records import Fill, FundingPayment, LedgerEntry, OrderChange, Trade
from hlmon_sim.scenario import Limits
from hlmon_sim.truth import line

STREAMS = {
    Fill: ("userFills", "fills", "userFills"),
    FundingPayment: ("userFundings", "fundings", "userFunding"),
    LedgerEntry: ("userNonFundingLedgerUpdates", "nonFundingLedgerUpdates", "userNonFundingLedgerUpdates"),
    OrderChange: ("userHistoricalOrders", "orderHistory", "historicalOrders"),
}
CASES = [
    (kind, path, value) for kind in STREAMS for path, values in ESSENTIAL[kind.__name__].items() for value in values
]


@pytest.fixture
def faults(net) -> Faults:
    return Faults(net.hub, 1)


def rows_of(frames: list, name: str) -> list:
    return [row for frame in frames for row in frame["data"].get(name, [])]


@pytest.mark.parametrize(("kind", "path", "value"), CASES)
def test_an_unreadable_row_is_the_same_in_frames_over_rest_and_in_the_truth(net, faults, kind, path, value) -> None:
    stream, name, request = STREAMS[kind]
    net.line.subscribe(stream, user=net.account.address)
    record = faults.unreadable_row(net.account, kind, ((path, value),))
    told = json.loads(msgspec.json.encode(line(record)))
    assert (told["what"], told["stream"]) == ("unread", stream)
    assert told["row"] in rows_of(net.line.heard(), name)
    asked = {"type": request, "user": net.account.address, "startTime": 0}
    assert told["answer"] in json.loads(msgspec.json.encode(net.hub.answer(request, asked)))


def test_an_unreadable_fill_stands_between_true_ones_and_moves_no_position(net, faults) -> None:
    net.line.subscribe("userFills", user=net.account.address)
    faults.unreadable_row(net.account, Fill, (("side", "X"),))
    sides = [[row["side"] for row in frame["data"]["fills"]] for frame in net.line.heard()]
    assert sides == [["B", "X", "A"]]
    assert not net.account.positions


def test_rows_with_harmless_odd_fields_say_the_same_in_all_else(net, faults) -> None:
    net.line.subscribe("userFills", user=net.account.address)
    faults.odd_rows(share=1)
    fills = [net.world.open(net.account, "BTC", 1)[0] for _ in range(50)]
    rows = rows_of(net.line.heard(), "fills")
    assert len(rows) == len(fills) == 50
    assert {row["tid"] for row in rows} == {fill.trade_id for fill in fills}
    assert all({"coin", "px", "sz", "side", "time", "oid", "startPosition"} <= row.keys() for row in rows)
    net.pass_seconds(6)
    faults.end_what_is_due()
    net.line.heard()
    assert net.world.open(net.account, "BTC", 1)[0].odd == ()


@pytest.mark.parametrize("what", sorted(HARMLESS.keys() & ESSENTIAL.keys()))
def test_a_field_that_is_essential_is_not_harmless(what: str) -> None:
    assert not HARMLESS[what].keys() & ESSENTIAL[what].keys()


def test_an_odd_field_leaves_the_row_itself_as_it_is() -> None:
    row = {"a": {"b": 1}, "c": 2}
    assert with_odd(row, (("a.b", None), ("c", MISSING))) == {"a": {"b": None}}
    assert with_odd(row, (("", 5),)) == 5
    assert row == {"a": {"b": 1}, "c": 2}


def test_odd_states_are_odd_over_both_ways_and_for_some_time(net, faults) -> None:
    net.world.open(net.account, "BTC", 1)
    true = net.hub.answer("clearinghouseState", {"type": "clearinghouseState", "user": net.account.address})
    net.line.subscribe("allDexsClearinghouseState", user=net.account.address)
    faults.odd_states()
    net.pass_seconds(5)
    (frame,) = net.line.heard()
    assert frame["data"]["clearinghouseStates"][0][1]["assetPositions"] != true["assetPositions"]
    asked = {"type": "clearinghouseState", "user": net.account.address}
    assert net.hub.answer("clearinghouseState", asked)["assetPositions"] != true["assetPositions"]
    net.pass_seconds(5)
    faults.end_what_is_due()
    keys = {key for row in true["assetPositions"] for key in row["position"]}
    (position,) = net.hub.answer("clearinghouseState", asked)["assetPositions"]
    assert position["position"].keys() == keys


def test_a_state_may_lack_a_dex_and_be_ahead_of_time(net, faults) -> None:
    net.line.subscribe("allDexsClearinghouseState", user=net.account.address)
    faults.missing_dex()
    faults.ahead()
    net.line.heard()
    net.pass_seconds(5)
    (frame,) = net.line.heard()
    ((_, state),) = frame["data"]["clearinghouseStates"]
    assert state["time"] > net.world.now_ms + 80_000_000
    net.pass_seconds(15)
    faults.end_what_is_due()
    net.line.heard()
    net.pass_seconds(5)
    (frame,) = net.line.heard()
    assert [dex for dex, _ in frame["data"]["clearinghouseStates"]] == ["", "xyz"]
    assert frame["data"]["clearinghouseStates"][0][1]["time"] == net.world.now_ms


def test_an_unreadable_trade_is_in_the_stream_and_among_the_recent_ones(net, faults) -> None:
    net.line.subscribe("trades", coin="BTC")
    told = line(faults.unreadable_row(net.account, Trade, (("px", "NaN"),)))
    (frame,) = net.line.heard()
    assert told["row"] in frame["data"]
    assert told["row"] in net.hub.answer("recentTrades", {"type": "recentTrades", "coin": "BTC"})


def test_a_hub_of_odd_rows_serves_merged_fills_too(net, faults) -> None:
    net.line.subscribe("userFills", user=net.account.address, aggregateByTime=True)
    faults.odd_rows(share=1)
    for _ in range(30):
        net.world.open(net.account, "BTC", 1, parts=3)
    faults.unreadable_rows()
    assert net.line.heard()
    hub = Hub(net.world, Limits())
    asked = {"type": "userFillsByTime", "user": net.account.address, "startTime": 0, "aggregateByTime": True}
    assert hub.answer("userFillsByTime", asked)


@pytest.mark.parametrize("kind", ["foreign", "deep", "bomb"])
def test_foreign_answers_are_none_of_the_exchanges_own(with_server, kind: str) -> None:
    async def body(server, client) -> None:
        server.faults.foreign_answers(kind, seconds=1)
        bodies = []
        for _ in range(1 if kind == "bomb" else 10):
            async with client.session.post(
                f"{server.url}/info", json={"type": "allMids"}, headers={"Accept-Encoding": "identity"}
            ) as response:
                bodies.append(await response.content.read(64) if kind == "bomb" else await response.text())
        if kind == "bomb":
            assert bodies[0].startswith(b"[   ")
        else:
            assert not any("BTC" in text for text in bodies)
        await server.advance(1)
        assert "BTC" in (await client.ask(type="allMids"))[1]

    with_server(body)


def test_a_dribbled_answer_comes_a_byte_at_a_time(with_server) -> None:
    async def body(server, client) -> None:
        server.faults.foreign_answers("dribble")
        async with client.session.post(f"{server.url}/info", json={"type": "allMids"}) as response:
            assert await response.content.readany() == b"{"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(response.content.readany(), 0.05)

    with_server(body)
