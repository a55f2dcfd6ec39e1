"""Limits and refusals of the WebSocket side of the simulated exchange, without sockets."""

import json

import pytest

from hlmon_sim import Limits

A, B = "0x" + "aA" * 20, "0x" + "b" * 40


def error(text: str) -> dict:
    return {"channel": "error", "data": text}


def test_the_user_cap_counts_distinct_users_over_all_connections(make_line, make_net) -> None:
    net = make_net(Limits(users=2))
    other = make_line(net.hub)
    other.heard()
    assert len(net.line.subscribe("userFills", user=A)) == 2
    assert len(other.subscribe("userFundings", user=A)) == 2
    assert len(other.subscribe("userFills", user=B)) == 2
    refused = net.line.subscribe("userFills", user="0x" + "c" * 40)
    assert refused == [error("Cannot track more than 2 total users.")]
    assert len(net.line.subscribe("spotState", user=B)) == 2
    elsewhere = make_line(net.hub, "5.6.7.8")
    elsewhere.heard()
    assert len(elsewhere.subscribe("userFills", user="0x" + "c" * 40)) == 2


def test_unsubscribing_the_last_one_frees_the_slot_at_once(make_net) -> None:
    net = make_net(Limits(users=1))
    net.line.subscribe("userFills", user=A)
    net.line.subscribe("userFundings", user=A)
    net.line.unsubscribe("userFills", user=A)
    assert net.line.subscribe("userFills", user=B)[0]["channel"] == "error"
    (ack,) = net.line.unsubscribe("userFundings", user=A)
    assert ack["data"]["method"] == "unsubscribe"
    assert len(net.line.subscribe("userFills", user=B)) == 2


def test_closing_the_socket_frees_the_slot_after_two_seconds(make_line, make_net) -> None:
    net = make_net(Limits(users=1))
    net.line.subscribe("userFills", user=A)
    net.line.connection.abort()
    second = make_line(net.hub)
    second.heard()
    assert second.subscribe("userFills", user=B)[0]["channel"] == "error"
    net.pass_seconds(2)
    assert len(second.subscribe("userFills", user=B)) == 2


def test_the_default_user_cap_is_fifteen(net) -> None:
    frames = [net.line.subscribe("userFills", user=f"0x{n:040x}")[0] for n in range(40)]
    assert [frame["channel"] for frame in frames] == ["subscriptionResponse"] * 15 + ["error"] * 25
    assert frames[-1]["data"] == "Cannot track more than 15 total users."


def test_the_subscription_cap_has_its_text(make_net) -> None:
    net = make_net(Limits(subscriptions=1))
    net.line.subscribe("bbo", coin="BTC")
    assert net.line.subscribe("bbo", coin="ETH") == [error("Cannot subscribe to more than 1 channels.")]


def test_the_send_cap_has_its_text_and_is_a_sliding_minute(make_net) -> None:
    net = make_net(Limits(messages_per_minute=2))
    ping = {"method": "ping"}
    net.line.say(ping)
    net.line.say(ping)
    assert net.line.say(ping) == [error("Cannot send more than 2 messages per minute.")]
    net.pass_seconds(60)
    net.line.heard()
    assert net.line.say(ping) == [{"channel": "pong"}]


def test_a_second_subscription_of_the_same_is_refused_with_its_normal_form(net) -> None:
    net.line.subscribe("userFills", user=A)
    form = f'{{"type":"userFills","user":"{A.lower()}","aggregateByTime":false}}'
    assert net.line.subscribe("userFills", user=A.lower()) == [error(f"Already subscribed: {form}")]
    net.line.unsubscribe("userFills", user=A)
    assert net.line.unsubscribe("userFills", user=A) == [error(f"Already unsubscribed: {form}")]


@pytest.mark.parametrize(
    "text",
    [
        '{"method":"subscribe","xsubscription":{"type":"bbo","coin":"SOL"}}',
        '{"method": "subscribe", "subscription": {"type": "noSuchType", "coin": "BTC"}}',
        '{"method":"subscribe","subscription":{"type":"webData2","user":"0x1"}}',
        '{"method":"subscribe","subscription":{"type":"liquidations"}}',
        "nonsense",
        "[]",
        '{"method":"dance"}',
    ],
)
def test_what_is_not_understood_is_echoed(net, text: str) -> None:
    assert net.line.say(text) == [error(f"Error parsing JSON into valid websocket request: {text}")]


@pytest.mark.parametrize(
    "form", [{"type": "userFills"}, {"type": "userFills", "user": "0x1"}, {"type": "candle", "coin": "BTC"}]
)
def test_a_known_type_with_bad_parameters_is_invalid(net, form: dict) -> None:
    text = json.dumps(form, separators=(",", ":"))
    assert net.line.say({"method": "subscribe", "subscription": form}) == [error(f"Invalid subscription {text}")]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("trades", {"coin": "btc"}), ("bbo", {"coin": "NOPE"}), ("l2Book", {"coin": "BTC", "nSigFigs": 1})],
)
def test_a_bad_coin_or_grouping_closes_the_whole_connection_without_a_word(net, kind: str, fields: dict) -> None:
    net.line.subscribe("trades", coin="ETH")
    assert net.line.subscribe(kind, **fields) == []
    net.pass_seconds(0.7)
    assert not net.line.aborted
    net.pass_seconds(0.1)
    assert net.line.aborted


def test_a_connection_that_is_sent_nothing_for_a_minute_is_cut(net) -> None:
    net.pass_seconds(59)
    assert not net.line.aborted
    net.line.say({"method": "ping"})
    net.pass_seconds(59)
    assert not net.line.aborted
    net.pass_seconds(1)
    assert net.line.aborted


def test_at_most_ten_connections_and_thirty_new_ones_a_minute_are_let_in(make_line, net) -> None:
    lines = [make_line(net.hub) for _ in range(9)]
    assert net.hub.connect("1.2.3.4") is None
    for _ in range(20):
        lines.pop().connection.abort()
        lines.append(make_line(net.hub))
    lines.pop().connection.abort()
    assert net.hub.connect("1.2.3.4") is None
    net.pass_seconds(60)
    assert net.hub.connect("1.2.3.4") is not None


@pytest.mark.parametrize("form", [{"type": []}, {"type": "l2Book", "coin": "BTC", "nSigFigs": []}, 5, None])
def test_values_of_any_type_are_survived(net, form: object) -> None:
    net.line.say({"method": "subscribe", "subscription": form})
    assert net.line.say({"method": "ping"}) == [{"channel": "pong"}] or net.line.connection.abort_ms is not None
