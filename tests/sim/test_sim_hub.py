"""The WebSocket side of the simulated exchange, without sockets: acks, snapshots, frames."""

import json

import pytest

from hlmon_sim import Limits

A, B = "0x" + "aA" * 20, "0x" + "b" * 40


def test_the_first_frame_is_a_greeting_that_is_no_json(net) -> None:
    assert net.greeting == ["Websocket connection established."]


def test_a_ping_is_answered_with_a_pong_without_data(net) -> None:
    assert net.line.say({"method": "ping"}) == [{"channel": "pong"}]


def test_an_ack_echoes_the_subscription_normalised(net) -> None:
    ack, snapshot = net.line.say({"subscription": {"user": A, "type": "userFills"}, "method": "subscribe"})
    form = {"type": "userFills", "user": A.lower(), "aggregateByTime": False}
    assert ack == {"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": form}}
    assert snapshot == {"channel": "userFills", "data": {"isSnapshot": True, "user": A.lower(), "fills": []}}


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("userFills", "fills"),
        ("userFundings", "fundings"),
        ("userNonFundingLedgerUpdates", "nonFundingLedgerUpdates"),
        ("userTwapSliceFills", "twapSliceFills"),
        ("userTwapHistory", "history"),
        ("userHistoricalOrders", "orderHistory"),
    ],
)
def test_the_snapshot_flag_is_on_the_first_message_only_and_absent_later(net, kind: str, rows: str) -> None:
    def happen() -> None:
        net.world.open(net.account, "SOL", 1)
        net.world.fund()
        net.world.deposit(net.account, 5)
        net.world.twap_slice(net.world.twap(net.account, "SOL", 1, slices=1))

    happen()
    _, snapshot = net.line.subscribe(kind, user=A)
    assert snapshot["data"]["isSnapshot"] is True
    assert snapshot["data"][rows]
    happen()
    later = net.line.heard()
    assert later
    assert all("isSnapshot" not in frame["data"] and frame["data"]["user"] == A.lower() for frame in later)


def test_a_snapshot_is_oldest_first_and_holds_the_newest_rows(make_net) -> None:
    net = make_net(Limits(snapshot_rows=3))
    net.world.burst(net.account, 10, per_block=2)
    _, snapshot = net.line.subscribe("userFills", user=A)
    expected = [fill.trade_id for fill in net.account.fills][-3:]
    assert [row["tid"] for row in snapshot["data"]["fills"]] == expected


def test_trades_are_replayed_without_any_flag(net) -> None:
    for _ in range(40):
        net.world.background("BTC", "0.1")
    _, replay = net.line.subscribe("trades", coin="BTC")
    assert len(replay["data"]) == 30
    assert set(replay) == {"channel", "data"}
    net.world.background("BTC", "0.1", "A")
    (live,) = net.line.heard()
    assert [row["side"] for row in live["data"]] == ["A"]


def test_fills_of_one_block_come_in_one_frame_even_of_several_coins(net) -> None:
    net.line.subscribe("userFills", user=A)
    with net.world.block():
        net.world.open(net.account, "SOL", 1, parts=2)
        net.world.open(net.account, "BTC", "0.1")
    (frame,) = net.line.heard()
    assert [row["coin"] for row in frame["data"]["fills"]] == ["SOL", "SOL", "BTC"]


def test_user_events_and_order_updates_name_no_user(net) -> None:
    net.line.subscribe("userEvents", user=A)
    net.line.subscribe("orderUpdates", user=A)
    net.world.open(net.account, "SOL", 1)
    frames = net.line.heard()
    assert {frame["channel"] for frame in frames} == {"user", "orderUpdates"}
    assert A.lower() not in json.dumps(frames)
    updates = next(frame["data"] for frame in frames if frame["channel"] == "orderUpdates")
    assert [(row["status"], row["order"]["sz"]) for row in updates] == [("open", "1.0"), ("filled", "0.0")]


def test_a_message_of_user_events_holds_exactly_one_thing(net) -> None:
    net.line.subscribe("userEvents", user=A)
    net.world.open(net.account, "SOL", 1, parts=2)
    net.world.liquidate(net.account, "SOL", parts=1)
    net.world.open(net.account, "SOL", 1)
    net.world.fund()
    things = [list(frame["data"]) for frame in net.line.heard()]
    assert things == [["fills"], ["liquidation"], ["fills"], ["fills"], ["funding"]]


def test_account_state_comes_every_five_seconds_even_when_idle(net) -> None:
    net.line.subscribe("allDexsClearinghouseState", user=A)
    net.line.subscribe("spotState", user=A)
    net.pass_seconds(4.9)
    assert net.line.heard() == []
    net.pass_seconds(0.1)
    assert [frame["channel"] for frame in net.line.heard()] == ["allDexsClearinghouseState", "spotState"]


def test_open_orders_are_sent_whole_at_every_change(net) -> None:
    net.line.subscribe("openOrders", user=A)
    order = net.world.place(net.account, "BTC", 1, 80_000)
    (frame,) = net.line.heard()
    assert [row["oid"] for row in frame["data"]["orders"]] == [order.order_id]
    net.world.cancel(order)
    assert net.line.heard()[-1]["data"]["orders"] == []


def test_an_agent_address_is_accepted_and_stays_silent(net) -> None:
    agent = net.world.add_agent(net.account)
    ack, snapshot = net.line.subscribe("userFills", user=agent)
    assert (ack["channel"], snapshot["data"]["fills"]) == ("subscriptionResponse", [])
    net.world.open(net.account, "SOL", 1)
    assert net.line.heard() == []


def test_requests_over_the_socket_are_answered_in_their_envelope(net) -> None:
    (frame,) = net.line.say({"method": "post", "id": 7, "request": {"type": "info", "payload": {"type": "allMids"}}})
    assert frame["channel"] == "post"
    assert frame["data"]["id"] == 7
    assert frame["data"]["response"]["type"] == "info"
    assert frame["data"]["response"]["payload"]["data"]["BTC"] == "86000.0"
    (bad,) = net.line.say({"method": "post", "id": 8, "request": {"type": "info", "payload": {"type": "nope"}}})
    assert bad["data"]["response"]["type"] == "error"


def test_a_candle_frame_is_one_object(net) -> None:
    net.line.subscribe("candle", coin="BTC", interval="1m")
    net.world.background("BTC", "0.1")
    assert net.line.heard()[-1]["data"]["n"] == 1


def test_merged_fills_are_sent_to_those_who_asked_for_them(net) -> None:
    net.line.subscribe("userFills", user=A, aggregateByTime=True)
    net.world.open(net.account, "SOL", 3, parts=3)
    (frame,) = net.line.heard()
    assert [row["sz"] for row in frame["data"]["fills"]] == ["3.0"]
