"""Every payload that was ever recorded decodes."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from hlmon.events import AccountState, Fill, Funding, Ledger, Order, SpotState
from hlmon.hyperliquid.decode import decode_answer, decode_frame
from hlmon.hyperliquid.decode_market import (
    decode_meta,
    decode_mids,
    decode_perp_dexs,
    decode_spot_meta,
    token_prices,
)
from hlmon.hyperliquid.decode_role import decode_role
from hlmon.hyperliquid.frames import Ack, Events, Greeting, Ignored, Pong, Refusal

RECORDED = Path(__file__).resolve().parents[2].parent / "shared" / "hyperliquid" / "recorded"

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings are not on this machine")

ANSWERS = {
    "userFills": Fill,
    "userFillsByTime": Fill,
    "userTwapSliceFills": Fill,
    "userFunding": Funding,
    "userNonFundingLedgerUpdates": Ledger,
    "historicalOrders": Order,
    "clearinghouseState": AccountState,
    "spotClearinghouseState": SpotState,
}


def recordings(pattern):
    for path in sorted(RECORDED.glob(pattern)):
        for line in path.read_text().splitlines():
            yield path.stem.split("_", 1)[1], json.loads(line)


def frames(pattern):
    for name, line in recordings(pattern):
        payload = line["payload"]
        yield name, (payload if isinstance(payload, str) else json.dumps(payload)).encode()


def events_of(name, line):
    account = line.get("request", {}).get("user", "0xa")
    return decode_answer(name, account, json.dumps(line["payload"]).encode(), clock_ms=1).events


def all_fills():
    for name, line in recordings("rest_userFills*.jsonl"):
        yield events_of(name, line)
    for _, line in recordings("rest_fills_special.jsonl"):
        yield decode_answer("userFills", "0xa", [line["payload"]], clock_ms=1).events
    for _, line in recordings("ws_userEvents.jsonl"):
        yield decode_answer("userFills", "0xa", line["payload"]["data"].get("fills", []), clock_ms=1).events
    for _, line in recordings("node_fills_by_block.jsonl"):
        for account, row in line["payload"]["events"]:
            yield decode_answer("userFills", account, [row], clock_ms=1).events
    for _, frame in frames("ws_session*.jsonl"):
        yield getattr(decode_frame(frame, clock_ms=1), "events", ())
    for _, frame in frames("ws_userFills.jsonl"):
        yield decode_frame(frame, clock_ms=1).events
    for _, frame in frames("ws_userTwapSliceFills.jsonl"):
        yield decode_frame(frame, clock_ms=1).events


def test_every_recorded_frame_is_understood_and_only_unused_channels_are_ignored():
    kinds = Counter(type(decode_frame(frame, clock_ms=1)) for _, frame in frames("ws_*.jsonl"))
    ignored = {
        seen.channel
        for _, frame in frames("ws_*.jsonl")
        if isinstance(seen := decode_frame(frame, clock_ms=1), Ignored)
    }
    assert kinds == {Ack: 18, Refusal: 28, Greeting: 1, Pong: 2, Events: 23, Ignored: 38}
    assert ignored == {
        "activeAssetCtx",
        "activeAssetData",
        "activeSpotAssetCtx",
        "allDexsAssetCtxs",
        "allMids",
        "bbo",
        "candle",
        "l2Book",
        "notification",
        "orderUpdates",
        "twapStates",
        "user",
        "webData3",
    }


def test_every_recorded_refusal_is_told_by_its_reason():
    refusals = [decode_frame(frame, clock_ms=1) for _, frame in frames("ws_*.jsonl")]
    assert {refusal.reason for refusal in refusals if isinstance(refusal, Refusal)} == {"user_cap", "unparsable"}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_recorded_answer_has_one_event_per_row(name):
    seen = 0
    for _, line in recordings(f"rest_{name}.jsonl"):
        seen += 1
        events = events_of(name, line)
        assert all(type(event) is ANSWERS[name] for event in events)
        assert [event.time_ms for event in events] == sorted(event.time_ms for event in events)
        rows = line["payload"]
        assert len(events) == (len(rows) if isinstance(rows, list) else 1)
    assert seen


def test_bytes_text_and_parsed_answers_give_the_same_events():
    for name, line in recordings("rest_userFillsByTime.jsonl"):
        assert decode_answer(name, "0xa", line["payload"], clock_ms=1) == decode_answer(
            name, "0xa", json.dumps(line["payload"]).encode(), clock_ms=1
        )


def test_the_close_mark_agrees_with_the_exchanges_words_on_every_recorded_perp_fill():
    distinct = {}
    for fills in all_fills():
        distinct |= {fill.name[2]: fill for fill in fills if fill.is_perp and fill.start_position is not None}
    assert len(distinct) == 594
    closes = 0
    for fill in distinct.values():
        if fill.self_trade:
            assert not fill.is_position_close
            continue
        end = fill.start_position + fill.signed_size
        flipped = ">" in fill.direction
        if flipped or end == 0:
            closes += 1
            assert fill.is_position_close
            assert flipped == (end != 0)
        else:
            assert not fill.is_position_close
        if fill.direction.startswith("Open"):
            assert not fill.is_position_close
    assert closes > 30


def test_the_83_self_trades_of_2023_are_paired():
    for name, line in recordings("rest_userFills*.jsonl"):
        twins = [fill for fill in events_of(name, line) if fill.self_trade]
        if twins:
            assert len(twins) == 166
            assert sum(fill.signed_size for fill in twins) == 0


def test_the_recorded_chains_have_no_break_after_decoding():
    for name, line in recordings("rest_userFillsByTime.jsonl"):
        if "S08:user_fills_full_page" not in line["src"]:
            continue
        fills = [fill for fill in events_of(name, line) if fill.coin == "BTC"]
        for before, after in pairwise(fills):
            assert after.start_position == before.start_position + before.signed_size
        assert [index for index, fill in enumerate(fills) if fill.is_position_close] == [34]


def test_the_newest_first_answer_of_2023_keeps_the_order_inside_a_millisecond():
    for name, line in recordings("rest_userFills.jsonl"):
        fills = events_of(name, line)
        if len(fills) != 500:
            continue
        last, good = {}, 0
        for fill in fills:
            good += last.get(fill.coin) == fill.start_position
            last[fill.coin] = fill.start_position + (0 if fill.self_trade else fill.signed_size)
        assert good >= 400


def test_numbers_that_some_layer_made_text_are_numbers_again():
    rows = [line["payload"] for _, line in recordings("rest_fills_special.jsonl") if line["src"].startswith("S13")]
    fills = decode_answer("userFills", "0xa", rows, clock_ms=1).events
    assert all(isinstance(fill.trade_id, int) and fill.trade_id for fill in fills)


def test_the_recorded_markets_price_the_tokens():
    markets = [decode_spot_meta(line["payload"]) for _, line in recordings("rest_spotMeta.jsonl")]
    mids = [decode_mids(line["payload"]) for _, line in recordings("rest_allMids.jsonl")]
    assert {pair.coin for pair in markets[0]} >= {"PURR/USDC", "@107"}
    assert str(token_prices(markets[0], mids[-1])["HYPE"]) == "28.718"
    assert all("BTC" in decode_meta(line["payload"]) for _, line in recordings("rest_meta.jsonl"))
    assert all(decode_perp_dexs(line["payload"])[0] == "" for _, line in recordings("rest_perpDexs.jsonl"))
    assert {decode_role(line["payload"]).role for _, line in recordings("rest_userRole.jsonl")} == {"vault"}
