"""The states of an account, and numbers that are none in whatever is said about it."""

import json
from decimal import Decimal

import msgspec
import pytest

from hlmon.events import AccountState, Balance, DexState, PositionReading, SpotState
from hlmon.hyperliquid.decode import decode_answer, decode_frame
from tests.core.account_frames import BEGIN_MS, FUNDING, ME, frame, order, status

STATE = {
    "marginSummary": {"accountValue": "100.5", "totalNtlPos": "50", "totalRawUsd": "1", "totalMarginUsed": "10"},
    "crossMarginSummary": {"accountValue": "90.5", "totalNtlPos": "40", "totalRawUsd": "1", "totalMarginUsed": "0"},
    "crossMaintenanceMarginUsed": "2.5",
    "withdrawable": "80",
    "assetPositions": [
        {
            "type": "oneWay",
            "position": {
                "coin": "SOL",
                "szi": "-2.5",
                "leverage": {"type": "isolated", "value": 20, "rawUsd": "95.1"},
                "entryPx": "20.1",
                "positionValue": "50",
                "unrealizedPnl": "-0.8",
                "returnOnEquity": "-9.2",
                "liquidationPx": None,
                "marginUsed": "10",
                "maxLeverage": 40,
                "cumFunding": {"allTime": "9", "sinceOpen": "0.25", "sinceChange": "3"},
            },
        }
    ],
    "time": BEGIN_MS + 77,
}
DEX_STATE = DexState(
    dex="",
    account_value=Decimal("100.5"),
    cross_account_value=Decimal("90.5"),
    notional=Decimal(50),
    margin_used=Decimal(10),
    cross_maintenance_margin=Decimal("2.5"),
    withdrawable=Decimal(80),
    positions=(
        PositionReading(
            coin="SOL",
            size=Decimal("-2.5"),
            position_value=Decimal(50),
            entry_price=Decimal("20.1"),
            unrealized_pnl=Decimal("-0.8"),
            margin_used=Decimal(10),
            leverage=20,
            margin_mode="isolated",
            max_leverage=40,
            funding=Decimal("-0.25"),
        ),
    ),
)
EMPTY = {"marginSummary": {"accountValue": "0.0"}, "assetPositions": [], "time": BEGIN_MS + 78}


def test_the_account_state_holds_every_dex_and_funding_that_was_paid_is_negative():
    seen = frame("allDexsClearinghouseState", clearinghouseStates=[["", STATE], ["xyz", EMPTY]])
    (state,) = seen.events
    assert isinstance(state, AccountState)
    assert (state.account, state.time_ms) == (ME, BEGIN_MS + 78)
    assert state.dexes[0] == DEX_STATE
    assert (state.dexes[1].dex, state.dexes[1].positions) == ("xyz", ())


def test_the_state_of_one_dex_is_an_account_state_of_that_dex_alone():
    (live,) = frame("clearinghouseState", dex="", clearinghouseState=STATE).events
    (asked,) = decode_answer("clearinghouseState", ME, STATE, clock_ms=1).events
    assert live == asked == AccountState(account=ME, time_ms=BEGIN_MS + 77, dexes=(DEX_STATE,))


def test_a_state_without_a_time_is_of_the_largest_time_seen():
    (state,) = frame(
        "clearinghouseState", dex="", clearinghouseState={"marginSummary": {"accountValue": "1"}, "assetPositions": []}
    ).events
    assert state.time_ms == 5


BALANCES = {
    "balances": [
        {"coin": "USDC", "token": 0, "total": "100.5", "hold": "49.5", "entryNtl": "1.0", "borrowed": "2"},
        {"coin": "+107580", "total": "3", "hold": "0.0", "entryNtl": "0.0"},
    ],
    "tokenToAvailableAfterMaintenance": [[0, "100.5"]],
}


def test_the_spot_state_holds_tokens_and_outcomes_and_takes_the_largest_time_seen():
    expected = (
        Balance(
            coin="USDC",
            total=Decimal("100.5"),
            hold=Decimal("49.5"),
            entry_notional=Decimal(1),
            borrowed=Decimal(2),
        ),
        Balance(coin="+107580", total=Decimal(3)),
    )
    (live,) = frame("spotState", spotState=BALANCES).events
    assert live == SpotState(account=ME, time_ms=5, balances=expected)
    assert decode_answer("spotClearinghouseState", ME, BALANCES, clock_ms=5).events == [live]


@pytest.mark.parametrize(
    ("channel", "data"),
    [
        ("spotState", {"spotState": {"balances": [{"coin": "USDC", "total": "NaN"}]}}),
        ("clearinghouseState", {"clearinghouseState": EMPTY | {"withdrawable": "x"}}),
        ("allDexsClearinghouseState", {"clearinghouseStates": [["", EMPTY | {"marginSummary": {}}]]}),
        ("userFundings", {"fundings": [FUNDING | {"time": BEGIN_MS, "usdc": "N\u0061N"}]}),
        ("userHistoricalOrders", {"orderHistory": [status("open", 1, children=[order(sz="inf")])]}),
    ],
)
def test_what_cannot_be_read_is_kept_whole_and_named(channel, data):
    (kept,) = frame(channel, **data).unread
    assert (kept.account, kept.stream, kept.unit, kept.origin) == (ME, channel, "row", "wire")
    assert json.loads(kept.payload)


POSITION = STATE["assetPositions"][0]["position"]


def test_a_position_that_cannot_be_read_costs_itself_and_its_dex_is_incomplete():
    sent = STATE | {"assetPositions": [{"position": POSITION | {"szi": None}}, {"position": POSITION}]}
    seen = frame("allDexsClearinghouseState", clearinghouseStates=[["", sent], ["xyz", EMPTY]])
    (state,) = seen.events
    assert [(dex.dex, dex.complete, len(dex.positions)) for dex in state.dexes] == [("", False, 1), ("xyz", True, 0)]
    assert len(seen.unread) == 1


def test_a_dex_that_cannot_be_read_costs_itself():
    seen = frame(
        "allDexsClearinghouseState", clearinghouseStates=[["", EMPTY | {"marginSummary": None}], ["xyz", EMPTY]]
    )
    assert [dex.dex for dex in seen.events[0].dexes] == ["xyz"]
    assert len(seen.unread) == 1


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("leverage", None, {"leverage": 0, "margin_mode": "cross"}),
        ("maxLeverage", None, {"max_leverage": 0}),
        ("cumFunding", None, {"funding": 0}),
        ("marginUsed", None, {"margin_used": 0}),
        ("liquidationPx", "", {"liquidation_price": None}),
        ("liquidationPx", "NaN", {"liquidation_price": None}),
    ],
)
def test_a_position_with_a_field_that_says_nothing_is_read(field, value, expected):
    sent = STATE | {"assetPositions": [{"position": POSITION | {field: value}}]}
    seen = frame("clearinghouseState", dex="", clearinghouseState=sent)
    assert seen.events[0].dexes == (
        msgspec.structs.replace(
            DEX_STATE,
            positions=(msgspec.structs.replace(DEX_STATE.positions[0], **expected),),
            exact=field != "marginUsed",  # of an isolated position it is the equity
        ),
    )
    assert seen.unread == ()


def test_a_balance_without_a_total_is_unknown_and_not_0():
    sent = {"balances": [{"coin": "USDC", "total": None}, {"coin": "HYPE", "total": "3"}]}
    (state,) = frame("spotState", spotState=sent).events
    assert ([balance.coin for balance in state.balances], state.complete) == (["HYPE"], False)


@pytest.mark.parametrize("missing", [{}, {"balances": None}, None, [], "x"])
def test_a_spot_state_without_balances_says_nothing_and_is_kept_as_a_frame_of_its_account(missing):
    seen = frame("spotState", spotState=missing)
    assert (seen.account, seen.events, seen.oldest_ms) == (ME, (), None)
    assert [(kept.unit, kept.account, kept.stream) for kept in seen.unread] == [("frame", ME, "spotState")]


@pytest.mark.parametrize("time", [0, -1, BEGIN_MS + 10**9, 2**63 - 1, 10**30, "x", None, True])
def test_a_state_with_an_odd_time_is_of_now_and_what_it_said_is_told(time):
    states = [["", EMPTY | {"time": time}]]
    body = {"channel": "allDexsClearinghouseState", "data": {"user": ME, "clearinghouseStates": states}}
    seen = decode_frame(json.dumps(body), clock_ms=BEGIN_MS, latest_ms=BEGIN_MS + 300_000)
    assert (seen.events[0].time_ms, seen.unread) == (BEGIN_MS, ())
    assert seen.sent_ms == (time if type(time) is int else None)


def test_a_position_of_size_0_is_none():
    sent = STATE | {"assetPositions": [{"position": POSITION | {"szi": "0.0"}}]}
    seen = frame("clearinghouseState", dex="", clearinghouseState=sent)
    assert (seen.events[0].dexes[0].positions, seen.events[0].dexes[0].complete) == ((), True)


def test_portfolio_margin_is_told_with_what_it_holds_net_of_what_could_be_borrowed():
    row = {"coin": "USDC", "token": 0, "total": "10", "hold": "6", "spotHold": "2", "ltv": "0.0", "supplied": "4"}
    (state,) = frame("spotState", spotState={"balances": [row], "portfolioMarginEnabled": True}).events
    assert state.portfolio_margin
    assert [(held.hold, held.spot_hold) for held in state.balances] == [(6, 2)]


def test_escrows_are_told_apart_from_balances_and_held_whole():
    (state,) = frame("spotState", spotState={"balances": [], "evmEscrows": [ESCROW]}).events
    assert state.escrows == (Balance(coin="HYPE", total=Decimal(3), hold=Decimal(3)),)
    assert state.complete


ESCROW = {"coin": "HYPE", "token": 150, "total": "3"}


@pytest.mark.parametrize("odd", [{"coin": "HYPE"}, ESCROW | {"total": "NaN"}, None])
def test_an_escrow_that_cannot_be_read_costs_itself_and_is_kept(odd):
    seen = frame("spotState", spotState={"balances": [{"coin": "USDC", "total": "7"}], "evmEscrows": [ESCROW, odd]})
    (state,) = seen.events
    assert [held.total for held in (*state.balances, *state.escrows)] == [7, 3]
    assert not state.complete
    assert [row.unit for row in seen.unread] == ["row"]


@pytest.mark.parametrize("odd", [{"HYPE": 3}, 7, "x"])
def test_what_is_no_list_of_escrows_costs_no_balance(odd):
    sent = {"balances": [{"coin": "USDC", "total": "7"}], "evmEscrows": odd, "portfolioMarginEnabled": odd}
    (state,) = frame("spotState", spotState=sent).events
    assert [held.total for held in state.balances] == [7]
    assert (state.escrows, state.portfolio_margin) == ((), False)


ISOLATED = {"type": "isolated", "value": 10, "rawUsd": "-1"}


def dex_with(state=(), summary=(), **position):
    """One position on the main dex, of which these fields are odd."""
    whole = {"coin": "BTC", "szi": "1", "leverage": {"type": "cross", "value": 10}, "entryPx": "100"}
    whole |= {
        "positionValue": "100",
        "unrealizedPnl": "1",
        "liquidationPx": "50",
        "marginUsed": "10",
        "maxLeverage": 40,
    }
    totals = {"accountValue": "1000", "totalNtlPos": "100", "totalMarginUsed": "10"}
    sent = {"marginSummary": totals | dict(summary), "crossMarginSummary": totals, "crossMaintenanceMarginUsed": "5"}
    sent |= {"withdrawable": "10", "assetPositions": [{"position": whole | position}], "time": BEGIN_MS} | dict(state)
    (found,) = frame("allDexsClearinghouseState", clearinghouseStates=[["", sent]]).events
    return found.dexes[0]


@pytest.mark.parametrize("odd", [None, "", "NaN"])
def test_a_figure_that_margin_is_made_of_is_not_taken_for_0_where_it_was_not_told(odd):
    inexact = [
        dex_with(positionValue=odd),
        dex_with(unrealizedPnl=odd),
        dex_with(leverage=ISOLATED, marginUsed=odd),
        dex_with(state={"crossMaintenanceMarginUsed": odd}),
        dex_with(summary={"totalNtlPos": odd}),
    ]
    assert [(dex.exact, len(dex.positions)) for dex in inexact] == [(False, 1)] * 5


@pytest.mark.parametrize("odd", [None, "", "NaN"])
def test_a_figure_that_nothing_is_made_of_costs_nothing(odd):
    exact = [
        dex_with(),
        dex_with(marginUsed=odd, maxLeverage=odd, liquidationPx=odd, entryPx=odd, cumFunding=odd),
        dex_with(leverage=ISOLATED, state={"crossMaintenanceMarginUsed": odd}),
        dex_with(state={"crossMaintenanceMarginUsed": odd, "assetPositions": []}, summary={"totalNtlPos": odd}),
    ]
    assert [dex.exact for dex in exact] == [True] * 4
