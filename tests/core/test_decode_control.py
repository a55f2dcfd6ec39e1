"""Frames without events, refusals, and answers about markets and addresses."""

import json
from decimal import Decimal

import pytest

from hlmon.errors import WireError
from hlmon.hyperliquid.decode import decode_answer, decode_frame
from hlmon.hyperliquid.decode_market import (
    SpotPair,
    decode_meta,
    decode_mids,
    decode_outcome_meta,
    decode_perp_dexs,
    decode_spot_meta,
    token_prices,
)
from hlmon.hyperliquid.decode_role import decode_account_mode, decode_role
from hlmon.hyperliquid.frames import Ack, Greeting, Ignored, Pong, Refusal
from hlmon.hyperliquid.requests import Subscription


def frame(value):
    return decode_frame(json.dumps(value).encode(), clock_ms=1)


def test_the_greeting_is_no_json_and_understood():
    assert decode_frame(b"Websocket connection established.", clock_ms=1) == Greeting()
    assert decode_frame("Websocket connection established.", clock_ms=1) == Greeting()


def test_a_pong_has_no_data():
    assert frame({"channel": "pong"}) == Pong()


def test_an_ack_names_the_subscription_whatever_case_and_defaults_it_has():
    echoed = {"type": "userFills", "user": "0xAB", "aggregateByTime": False, "dex": None}
    assert frame({"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": echoed}}) == Ack(
        "subscribe", Subscription("userFills", user="0xab")
    )


def test_the_channel_may_stand_behind_the_data():
    assert decode_frame(b'{"data":[],"channel":"trades"}', clock_ms=1).events == ()


@pytest.mark.parametrize("channel", ["allMids", "user", "orderUpdates", "somethingNew"])
def test_a_channel_that_is_not_used_is_ignored_whatever_its_data(channel):
    assert frame({"channel": channel, "data": {"any": ["thing"]}}) == Ignored(channel)


FILLS = Subscription("userFills", user="0xab")


@pytest.mark.parametrize(
    ("text", "reason", "limit", "subscription"),
    [
        ("Cannot track more than 15 total users.", "user_cap", 15, None),
        ("Cannot subscribe to more than 1000 channels.", "subscription_cap", 1000, None),
        ("Cannot send more than 2000 messages per minute.", "send_cap", 2000, None),
        ("too many pending post requests id=7", "post_cap", None, None),
        ('Already subscribed: {"type":"userFills","user":"0xAB"}', "already_subscribed", None, FILLS),
        ('Already unsubscribed: {"type":"userFills","user":"0xAB"}', "already_unsubscribed", None, FILLS),
        ('Invalid subscription {"type":"userFills","user":"0xAB"}', "invalid_subscription", None, FILLS),
        (
            'Error parsing JSON into valid websocket request: {"subscription":{"type":"userFills","user":"0xAB"}}',
            "unparsable",
            None,
            FILLS,
        ),
        ('Error parsing JSON into valid websocket request: {"method":"subsc', "unparsable", None, None),
        ("Already subscribed: [1]", "already_subscribed", None, None),
        ("Invalid subscription {}", "invalid_subscription", None, None),
        (f"Cannot track more than {'9' * 40} total users.", "user_cap", None, None),
        ("Something new.", "other", None, None),
        ("", "other", None, None),
    ],
)
def test_a_refusal_is_told_by_its_text(text, reason, limit, subscription):
    assert frame({"channel": "error", "data": text}) == Refusal(text, reason, limit, subscription)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"channel":5}',
        b'{"data":{}}',
        b'{"channel":"userFills"}',
        b'{"channel":"userFills","data":{"user":"0xa","fills":[{}]}}',
        b'{"channel":"error","data":{}}',
        b'{"channel":"trades","data":{}}',
        b"[" * 100_000,
        b'{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":%s}}' % (b'{"a":' * 100_000),
        "\ud800",
        b"Websocket connection established",
    ],
)
def test_what_is_no_frame_is_a_wire_error(body):
    with pytest.raises(WireError):
        decode_frame(body, clock_ms=1)


@pytest.mark.parametrize("body", [b"", None, {}, [1], object(), float("nan"), ["\ud800"], {1: {2}}])
def test_what_is_no_answer_is_a_wire_error(body):
    for request in ("userFillsByTime", "userFunding", "historicalOrders", "clearinghouseState"):
        with pytest.raises(WireError):
            decode_answer(request, "0xa", body, clock_ms=1)


def test_a_meta_names_the_perps_and_says_which_can_still_be_traded():
    universe = [{"name": "BTC", "szDecimals": 5}, {"name": "MATIC", "isDelisted": True}, {"name": "xyz:GOLD"}]
    assert decode_meta({"universe": universe}) == {"BTC": True, "MATIC": False, "xyz:GOLD": True}


def test_the_main_dex_has_no_name():
    assert decode_perp_dexs([None, {"name": "xyz", "fullName": "XYZ"}]) == ("", "xyz")


SPOT_META = {
    "tokens": [
        {"name": "USDC", "index": 0},
        {"name": "PURR", "index": 1},
        {"name": "USDH", "index": 9},
        {"name": "HYPE", "index": 150},
    ],
    "universe": [
        {"name": "PURR/USDC", "tokens": [1, 0], "index": 0},
        {"name": "@105", "tokens": [150, 9], "index": 105},
        {"name": "@107", "tokens": [150, 0], "index": 107},
        {"name": "@108", "tokens": [150, 0], "index": 108},
        {"name": "@9", "tokens": [777, 0], "index": 9},
        {"name": "@12", "tokens": [9, 0], "index": 12},
    ],
}


def test_a_spot_market_is_a_pair_of_tokens_and_a_token_without_a_name_has_none():
    pairs = decode_spot_meta(SPOT_META)
    assert [pair.coin for pair in pairs] == ["PURR/USDC", "@105", "@107", "@108", "@9", "@12"]
    assert pairs[1] == SpotPair("@105", "HYPE", "USDH")
    assert pairs[4] == SpotPair("@9", "", "USDC")


def test_tokens_are_priced_by_their_first_market_and_usdc_is_one():
    mids = decode_mids(b'{"@107":"28.5","@108":"99","@9":"7","BTC":"1"}')
    assert token_prices(decode_spot_meta(SPOT_META), mids) == {"USDC": 1, "HYPE": Decimal("28.5")}


def test_a_token_is_priced_through_its_quote_token_where_needed():
    mids = decode_mids(b'{"@105":"30","@12":"0.5"}')
    assert token_prices(decode_spot_meta(SPOT_META), mids) == {"USDC": 1, "USDH": Decimal("0.5"), "HYPE": 15}


def test_the_sides_of_an_outcome_are_two_coins():
    assert decode_outcome_meta({"outcomes": [{"outcome": 7, "name": "Rain"}], "questions": []}) == ("#70", "#71")


def test_a_mid_that_is_no_number_is_a_wire_error():
    with pytest.raises(WireError):
        decode_mids(b'{"BTC":"NaN"}')


@pytest.mark.parametrize(
    ("body", "role", "master"),
    [
        ({"role": "user"}, "user", ""),
        ({"role": "vault"}, "vault", ""),
        ({"role": "missing"}, "missing", ""),
        ({"role": "agent", "data": {"user": "0xAB"}}, "agent", "0xab"),
        ({"role": "subAccount", "data": {"master": "0xAB"}}, "subAccount", "0xab"),
        ({"role": "somethingNew"}, "unknown", ""),
    ],
)
def test_a_role_comes_with_the_account_behind_it(body, role, master):
    answer = decode_role(body)
    assert (answer.role, answer.master) == (role, master)


def test_an_agent_without_a_master_is_a_wire_error():
    with pytest.raises(WireError):
        decode_role({"role": "agent"})


@pytest.mark.parametrize(
    ("word", "mode"),
    [
        ("default", "classic"),
        ("disabled", "classic"),
        ("unifiedAccount", "unified"),
        ("portfolioMargin", "portfolio_margin"),
        ("dexAbstraction", "dex_abstraction"),
        ("somethingNew", "unknown"),
        ("classic", "unknown"),
    ],
)
def test_the_account_mode_is_told_by_a_bare_word(word, mode):
    assert decode_account_mode(word) == mode
    assert decode_account_mode(json.dumps(word).encode()) == mode


@pytest.mark.parametrize("body", [None, {}, [], "", 7, True, {"mode": "default"}, b"null", b"", b"<html>"])
def test_an_answer_that_is_no_word_says_nothing_about_the_account_mode(body):
    with pytest.raises(WireError):
        decode_account_mode(body)
