"""Fills and trades: exact fields, the close rule, self-trades."""

import json
from decimal import Decimal

import pytest

from hlmon.events import Fill, Liquidation, MarketTrades, Trade
from hlmon.hyperliquid.decode import decode_answer, decode_frame

USER = "0x" + "Ab" * 20
HASH = "0x" + "1f" * 32
BEGIN_MS = 1_796_000_000_000  # times are told from here


def row(**changes):
    fill = {
        "coin": "BTC",
        "px": "77229.0",
        "sz": "0.5",
        "side": "B",
        "time": 1_789_327_177_549,
        "startPosition": "0.0",
        "dir": "Open Long",
        "closedPnl": "0.0",
        "hash": HASH,
        "oid": 543942106444,
        "crossed": True,
        "fee": "7.19705",
        "tid": 94052030734491,
        "feeToken": "USDC",
        "twapId": None,
    } | changes
    return {field: value for field, value in fill.items() if value != "left out"}


def fills(*rows):
    return decode_answer("userFills", USER, list(rows), clock_ms=1).events


def closes(**changes):
    return fills(row(**changes))[0].is_position_close


def frame(channel, **data):
    return decode_frame(json.dumps({"channel": channel, "data": data}), clock_ms=5)


def test_a_fill_carries_every_field_of_its_row():
    (fill,) = fills(
        row(
            side="A",
            startPosition="-0.1",
            dir="Open Short",
            closedPnl="-1.5",
            fee="-0.25",
            feeToken="USDH",
            builderFee="0.125",
            crossed=False,
            cloid="0x01",
            liquidation={"liquidatedUser": "0xCC", "markPx": "86010.0", "method": "market"},
        )
    )
    assert fill == Fill(
        account=USER.lower(),
        time_ms=1_789_327_177_549,
        coin="BTC",
        side="sell",
        price=Decimal("77229.0"),
        size=Decimal("0.5"),
        direction="Open Short",
        start_position=Decimal("-0.1"),
        closed_pnl=Decimal("-1.5"),
        fee=Decimal("-0.25"),
        fee_token="USDH",
        builder_fee=Decimal("0.125"),
        order_id=543942106444,
        trade_id=94052030734491,
        tx_hash=HASH,
        crossed=False,
        cloid="0x01",
        liquidation=Liquidation(user="0xcc", mark_price=Decimal("86010.0"), method="market"),
    )


def test_a_row_of_2023_without_trade_id_fee_token_and_start_position_is_a_fill():
    (fill,) = fills(row(tid="left out", feeToken="left out", startPosition="left out", twapId="left out"))
    assert (fill.trade_id, fill.fee_token, fill.start_position, fill.is_position_close) == (0, "USDC", None, False)


def test_an_unknown_field_and_an_unknown_direction_do_no_harm():
    (fill,) = fills(row(dir="Sideways", deployerFee="0.1", nested={"more": [1]}))
    assert fill.direction == "Sideways"


def test_a_liquidation_without_a_user_has_an_empty_one():
    (fill,) = fills(row(liquidation={"markPx": "1.0", "method": "backstop"}))
    assert fill.liquidation == Liquidation(user="", mark_price=Decimal("1.0"), method="backstop")


@pytest.mark.parametrize(
    ("side", "start", "size", "expected"),
    [
        ("A", "0.5", "0.5", True),  # closed
        ("B", "-0.5", "0.50", True),
        ("A", "0.5", "0.7", True),  # flipped
        ("B", "-0.5", "0.7", True),
        ("A", "0.5", "0.4999", False),  # reduced
        ("B", "-0.5", "0.4999", False),
        ("B", "0.0", "0.5", False),  # opened
        ("A", "0.0", "0.5", False),
        ("B", "0.5", "0.5", False),  # increased
        ("A", "-0.5", "0.5", False),
        ("B", "-0.0", "0.5", False),
    ],
)
def test_a_fill_ends_a_position_when_nothing_or_the_opposite_is_left(side, start, size, expected):
    assert closes(side=side, startPosition=start, sz=size, dir="whatever") is expected


@pytest.mark.parametrize("coin", ["@107", "PURR/USDC", "#118440"])
def test_spot_and_outcomes_have_no_position_to_close(coin):
    assert not closes(coin=coin, side="A", startPosition="0.5", sz="0.5")


def test_a_perp_of_another_dex_has_a_position_to_close():
    assert closes(coin="xyz:SILVER", side="A", startPosition="0.5", sz="0.5")


def test_both_sides_of_a_self_trade_are_marked_and_neither_closes():
    buy, sell, other = fills(
        row(side="B", startPosition="-0.5", oid=1),
        row(side="A", startPosition="-0.5", oid=2),
        row(side="B", startPosition="-0.5", oid=3, tid=7),
    )
    assert [fill.self_trade for fill in (buy, sell, other)] == [True, True, False]
    assert [fill.is_position_close for fill in (buy, sell, other)] == [False, False, True]


def test_without_a_trade_id_a_self_trade_is_two_rows_that_agree_in_all_but_the_side():
    shared = {"tid": "left out", "startPosition": "0.5"}
    found = fills(row(side="A", **shared), row(side="B", **shared), row(side="A", **shared | {"px": "1.0"}))
    assert [fill.self_trade for fill in found] == [True, True, False]


def test_two_conversions_of_dust_with_trade_id_0_are_no_self_trade():
    dust = {"tid": 0, "hash": "0x" + "0" * 64, "dir": "Spot Dust Conversion", "side": "A"}
    assert not any(fill.self_trade for fill in fills(row(coin="@1", **dust), row(coin="@2", **dust)))


def test_a_shared_trade_id_in_another_coin_or_millisecond_is_no_self_trade():
    found = fills(row(side="A"), row(side="B", coin="ETH"), row(side="B", time=1_789_327_177_550))
    assert not any(fill.self_trade for fill in found)


def test_an_answer_newest_first_is_sorted_and_keeps_the_order_inside_a_millisecond():
    found = fills(row(time=BEGIN_MS + 2, tid=1), row(time=BEGIN_MS + 2, tid=2), row(time=BEGIN_MS + 1, tid=3))
    assert [fill.trade_id for fill in found] == [3, 1, 2]


def test_a_frame_of_fills_names_its_account_in_lower_case_and_its_times():
    seen = frame(
        "userFills", user=USER, isSnapshot=True, fills=[row(time=BEGIN_MS + 1, tid=1), row(time=BEGIN_MS + 9, tid=2)]
    )
    assert (seen.account, seen.stream, seen.is_snapshot) == (USER.lower(), "userFills", True)
    assert (seen.oldest_ms, seen.newest_ms) == (BEGIN_MS + 1, BEGIN_MS + 9)
    assert [fill.account for fill in seen.events] == [USER.lower()] * 2


@pytest.mark.parametrize("flag", [{}, {"isSnapshot": False}, {"isSnapshot": None}])
def test_without_the_flag_a_frame_is_live(flag):
    assert not frame("userFills", user=USER, fills=[row()], **flag).is_snapshot


def test_an_empty_snapshot_has_no_times():
    seen = frame("userFills", user=USER, isSnapshot=True, fills=[])
    assert (seen.events, seen.oldest_ms, seen.newest_ms) == ((), None, None)


def test_a_twap_slice_is_a_fill_with_the_id_of_its_order():
    seen = frame("userTwapSliceFills", user=USER, twapSliceFills=[{"fill": row(), "twapId": 2278664}])
    assert seen.stream == "userTwapSliceFills"
    assert [fill.twap_id for fill in seen.events] == [2278664]
    answer = decode_answer("userTwapSliceFillsByTime", USER, [{"fill": row(), "twapId": 2278664}], clock_ms=1)
    assert tuple(answer.events) == seen.events


def unread(*rows):
    return decode_answer("userFills", USER, list(rows), clock_ms=1).unread


NO_NUMBERS = ["NaN", "-nan", "sNaN1", "Infinity", "-inf"]


@pytest.mark.parametrize("field", ["px", "sz"])
@pytest.mark.parametrize("number", [*NO_NUMBERS, None, "", "x", [], "1e99", "left out"])
def test_without_a_price_or_size_a_row_alone_is_odd_and_kept_whole(field, number):
    odd = row(**{field: number})
    (kept,) = unread(odd, row(tid=7))
    assert (json.loads(kept.payload), kept.time_ms) == (odd, row()["time"])
    assert (kept.unit, kept.stream, kept.request, kept.account) == ("row", "userFills", "userFills", USER.lower())
    assert [fill.trade_id for fill in fills(odd, row(tid=7))] == [7]
    seen = frame("userFills", user=USER, fills=[odd, row(tid=7)])
    assert [fill.trade_id for fill in seen.events] == [7]
    assert [one.name for one in seen.unread] == [kept.name]


@pytest.mark.parametrize(
    ("field", "attribute", "default"),
    [
        ("startPosition", "start_position", None),
        ("closedPnl", "closed_pnl", 0),
        ("fee", "fee", 0),
        ("builderFee", "builder_fee", None),
    ],
)
@pytest.mark.parametrize("number", [*NO_NUMBERS, None, "", "left out"])
def test_another_number_that_is_none_is_as_if_it_were_not_there(field, attribute, default, number):
    (fill,) = fills(row(**{field: number}))
    assert getattr(fill, attribute) == default


@pytest.mark.parametrize("nothing", [None, "", "left out"])
@pytest.mark.parametrize(
    "field", ["dir", "hash", "crossed", "feeToken", "tid", "oid", "cloid", "liquidation", "twapId"]
)
def test_a_field_that_says_nothing_costs_nothing(field, nothing):
    assert len(fills(row(**{field: nothing}))) == 1


def test_a_liquidation_may_say_nothing_but_that_it_was_one():
    (fill,) = fills(row(liquidation={"liquidatedUser": None, "markPx": None, "method": None}))
    assert fill.liquidation == Liquidation()


@pytest.mark.parametrize("number", [-1, 2**63])
def test_a_time_or_id_that_no_64_bit_column_holds_makes_the_row_odd(number):
    for field in ("time", "oid", "tid"):
        assert len(unread(row(**{field: number}), row())) == 1


@pytest.mark.parametrize("time", [0, 1_640_995_199_999, 2**63 - 1, BEGIN_MS + 300_001])
def test_a_row_of_a_time_that_cannot_be_is_odd_and_kept_by_the_time_of_its_neighbour(time):
    rows = [row(time=BEGIN_MS, tid=1), row(time=time, tid=2)]
    answer = decode_answer("userFills", USER, rows, clock_ms=BEGIN_MS, latest_ms=BEGIN_MS + 300_000)
    assert [fill.trade_id for fill in answer.events] == [1]
    assert [kept.time_ms for kept in answer.unread] == [BEGIN_MS]


def test_ids_and_times_as_text_are_numbers():
    (fill,) = frame("userFills", user=USER, fills=[row(time=f"{BEGIN_MS}", oid="34", tid="56")]).events
    assert (fill.time_ms, fill.order_id, fill.trade_id) == (BEGIN_MS, 34, 56)


def trade(**changes):
    return {"coin": "BTC", "side": "B", "px": "10.5", "sz": "2", "time": BEGIN_MS + 7, "hash": HASH, "tid": 3} | changes


def market(*trades):
    return decode_frame(json.dumps({"channel": "trades", "data": trades}), clock_ms=1)


def test_trades_of_a_coin_are_one_reading_with_the_aggressors_side():
    seen = market(trade(users=["0xa", "0xb"]), trade(side="A", time=BEGIN_MS + 8, tid=4))
    assert (seen.account, seen.stream, seen.is_snapshot) == ("", "trades:BTC", False)
    assert (seen.oldest_ms, seen.newest_ms) == (BEGIN_MS + 7, BEGIN_MS + 8)
    assert seen.events == (
        MarketTrades(
            time_ms=BEGIN_MS + 8,
            coin="BTC",
            trades=(
                Trade(BEGIN_MS + 7, "buy", Decimal("10.5"), Decimal(2), 3),
                Trade(BEGIN_MS + 8, "sell", Decimal("10.5"), Decimal(2), 4),
            ),
        ),
    )


def test_trades_of_several_coins_are_a_reading_each():
    seen = market(trade(), trade(coin="@107", time=BEGIN_MS + 6), trade(time=BEGIN_MS + 5))
    assert [(reading.coin, reading.time_ms, len(reading.trades)) for reading in seen.events] == [
        ("BTC", BEGIN_MS + 7, 2),
        ("@107", BEGIN_MS + 6, 1),
    ]
    assert [each.time_ms for each in seen.events[0].trades] == [BEGIN_MS + 5, BEGIN_MS + 7]
    assert (seen.oldest_ms, seen.newest_ms) == (BEGIN_MS + 5, BEGIN_MS + 7)


def test_a_frame_without_trades_has_no_events():
    assert market().events == ()


@pytest.mark.parametrize("field", ["px", "sz", "time", "side", "coin"])
def test_a_trade_that_cannot_be_read_costs_itself(field):
    seen = market(trade(tid=1), trade(**{field: "NaN" if field != "coin" else None}), trade(tid=2))
    assert [each.trade_id for each in seen.events[0].trades] == [1, 2]
    assert [(kept.stream, kept.account, kept.unit) for kept in seen.unread] == [("trades:BTC", "", "row")]
