"""Single silent streams, and what happens at the exchange seldom."""

import json
from decimal import Decimal

import pytest

from hlmon_sim import Scenario
from hlmon_sim.faults import Faults
from hlmon_sim.faults.events import CROWD
from hlmon_sim.truth import Truth


@pytest.fixture
def faults(net) -> Faults:
    return Faults(net.hub, 1)


def ask(net, kind: str, **fields):
    return net.hub.answer(kind, {"type": kind, "user": net.account.address} | fields)


def test_a_muted_stream_is_silent_until_it_is_subscribed_again(net, faults) -> None:
    for stream in ("userFills", "orderUpdates"):
        net.line.subscribe(stream, user=net.account.address)
    faults.mute("userFills")
    net.world.open(net.account, "BTC", 1)
    assert {frame["channel"] for frame in net.line.heard()} == {"orderUpdates"}
    assert net.line.unsubscribe("userFills", user=net.account.address)
    _, snapshot = net.line.subscribe("userFills", user=net.account.address)
    assert len(snapshot["data"]["fills"]) == 1
    net.world.open(net.account, "BTC", 1)
    assert "userFills" in {frame["channel"] for frame in net.line.heard()}


def test_a_stream_that_is_mute_for_some_time_is_acknowledged_and_silent(net, faults) -> None:
    faults.mute_for(20, "userFills")
    (ack,) = net.line.subscribe("userFills", user=net.account.address)
    assert ack["channel"] == "subscriptionResponse"
    net.world.open(net.account, "BTC", 1)
    assert net.line.heard() == []
    net.pass_seconds(20)
    faults.end_what_is_due()
    net.world.open(net.account, "BTC", 1)
    assert len(net.line.heard()) == 1


def test_a_crowded_millisecond_holds_more_than_a_page_and_changes_no_position(net, faults) -> None:
    net.world.open(net.account, "BTC", 1)
    faults.crowd()
    rows = ask(net, "userFillsByTime", startTime=0)
    assert len(rows) == 2_000
    assert len(net.account.fills) == CROWD + 1
    assert len({fill.time_ms for fill in list(net.account.fills)[1:]}) == 1
    assert net.account.positions["BTC"].size == 1
    assert net.line.aborted


def test_a_switch_to_unified_moves_all_collateral_to_the_spot_balances(net) -> None:
    net.world.open(net.account, "xyz:SILVER", 1)
    before = net.account.value(net.world.market)
    net.world.switch_mode(net.account)
    assert net.account.value(net.world.market) == before
    assert ask(net, "userAbstraction") == "unifiedAccount"
    assert Decimal(ask(net, "spotClearinghouseState")["balances"][0]["total"]) > 90_000
    net.world.switch_mode(net.account)
    assert ask(net, "userAbstraction") == "portfolioMargin"
    assert "spotHold" in ask(net, "spotClearinghouseState")["balances"][0]


def test_a_renamed_dex_renames_its_coins_everywhere_but_in_the_past(net, faults) -> None:
    net.world.open(net.account, "xyz:SILVER", 2)
    net.world.place(net.account, "xyz:SILVER", 1, 50)
    net.line.subscribe("openOrders", user=net.account.address, dex="xyz")
    net.line.subscribe("candle", coin="xyz:SILVER", interval="1m")
    faults.rename_dex()
    new = net.world.market.dexes[-1]
    assert new != "xyz"
    assert ask(net, "clearinghouseState", dex=new)["assetPositions"][0]["position"]["coin"] == f"{new}:SILVER"
    assert ask(net, "frontendOpenOrders", dex=new)[0]["coin"] == f"{new}:SILVER"
    assert [row["coin"] for row in ask(net, "userFills")] == ["xyz:SILVER"]
    (fill,) = net.world.close(net.account, f"{new}:SILVER")
    assert fill.start_position == 2
    net.pass_seconds(10)  # what follows the old names is sent nothing, and nothing breaks


def test_equal_rows_are_equal_in_every_field(net, faults) -> None:
    net.world.open(net.account, "BTC", 1)
    faults.equal_rows()
    fundings = ask(net, "userFunding", startTime=0)
    assert len(fundings) == 2
    assert fundings[0] == fundings[1]
    entries = ask(net, "userNonFundingLedgerUpdates", startTime=0)
    assert len(entries) == 2
    assert entries[0] == entries[1]


def test_a_vanished_order_is_in_the_truth_and_in_no_history(net, faults, tmp_path) -> None:
    with Truth(tmp_path / "truth") as truth:
        truth.follow(net.world)
        order = net.world.place(net.account, "BTC", 1, 50_000)
        faults.vanish()
    told = [json.loads(row) for row in (tmp_path / "truth").read_text().splitlines()]
    ends = [(row["status"], row.get("hidden", False)) for row in told if row["what"] == "order"]
    assert ends == [("open", False), ("canceled", True)]
    assert [row["status"] for row in ask(net, "historicalOrders")] == ["open"]
    assert ask(net, "frontendOpenOrders") == []
    assert ask(net, "orderStatus", oid=order.order_id)["order"]["status"] == "open"


def test_children_wait_for_their_parent_and_end_with_it(net) -> None:
    order = net.world.place_bracket(net.account, "BTC", 1, 80_000)
    (listed,) = ask(net, "frontendOpenOrders")
    assert [child["orderType"] for child in listed["children"]] == ["Stop Market", "Take Profit Market"]
    assert [row["status"] for row in ask(net, "historicalOrders")] == ["open", "waitingForFill", "waitingForFill"]
    net.world.fill_order(order)
    assert {row["orderType"] for row in ask(net, "frontendOpenOrders")} == {"Stop Market", "Take Profit Market"}
    other = net.world.place_bracket(net.account, "BTC", 1, 80_000)
    net.world.cancel(other)
    assert len(ask(net, "frontendOpenOrders")) == 2


def test_the_exchange_tells_of_a_halt_and_of_the_end_of_its_api_wallets(net, faults) -> None:
    assert net.hub.answer("exchangeStatus", {"type": "exchangeStatus"})["specialStatuses"] is None
    faults.halt()
    assert net.hub.answer("exchangeStatus", {"type": "exchangeStatus"})["specialStatuses"]
    net.world.add_agent(net.account, days=3)
    (agent,) = ask(net, "extraAgents")
    assert agent["validUntil"] == net.world.now_ms + 3 * 86_400_000


def test_the_exchanges_clock_may_be_ahead_and_jump(with_server) -> None:
    async def body(server, client) -> None:
        assert server.world.now_ms == server.clock() + 7_200_000
        server.faults.jump(20)
        await server.advance(1)
        assert server.world.now_ms == server.clock() + 7_220_000
        _, status = await client.ask(type="exchangeStatus")
        assert status["time"] == server.world.now_ms

    with_server(body, Scenario(accounts=1, rate=0, trades_rate=0, skew_seconds=7_200))


def test_an_account_lists_what_waits_on_the_evm_side(net) -> None:
    net.account.escrows["USDC"] = Decimal(5)
    assert ask(net, "spotClearinghouseState")["evmEscrows"] == [{"coin": "USDC", "token": 0, "total": "5.0"}]
