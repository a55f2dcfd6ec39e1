"""The states of an account, and numbers that are none in whatever is said about it."""

from decimal import Decimal

import pytest

from hlmon.errors import WireError
from hlmon.events import AccountState, Balance, DexState, PositionReading, SpotState
from hlmon.hyperliquid.decode import decode_answer
from tests.core.account_frames import FUNDING, ME, frame, order, status

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
    "time": 77,
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
EMPTY = {"marginSummary": {"accountValue": "0.0"}, "assetPositions": [], "time": 78}


def test_the_account_state_holds_every_dex_and_funding_that_was_paid_is_negative():
    seen = frame("allDexsClearinghouseState", clearinghouseStates=[["", STATE], ["xyz", EMPTY]])
    (state,) = seen.events
    assert isinstance(state, AccountState)
    assert (state.account, state.time_ms) == (ME, 78)
    assert state.dexes[0] == DEX_STATE
    assert (state.dexes[1].dex, state.dexes[1].positions) == ("xyz", ())


def test_the_state_of_one_dex_is_an_account_state_of_that_dex_alone():
    (live,) = frame("clearinghouseState", dex="", clearinghouseState=STATE).events
    (asked,) = decode_answer("clearinghouseState", ME, STATE, clock_ms=1)
    assert live == asked == AccountState(account=ME, time_ms=77, dexes=(DEX_STATE,))


def test_a_state_without_a_time_is_of_the_largest_time_seen():
    (state,) = frame("clearinghouseState", dex="", clearinghouseState={"marginSummary": {"accountValue": "1"}}).events
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
    assert decode_answer("spotClearinghouseState", ME, BALANCES, clock_ms=5) == [live]


@pytest.mark.parametrize(
    ("channel", "data"),
    [
        ("spotState", {"spotState": {"balances": [{"coin": "USDC", "total": "NaN"}]}}),
        ("clearinghouseState", {"clearinghouseState": EMPTY | {"withdrawable": "-Infinity"}}),
        ("allDexsClearinghouseState", {"clearinghouseStates": [["", EMPTY | {"withdrawable": "nan"}]]}),
        ("userFundings", {"fundings": [FUNDING | {"time": 1, "usdc": "N\u0061N"}]}),
        ("userHistoricalOrders", {"orderHistory": [status("open", 1, children=[order(sz="inf")])]}),
    ],
)
def test_a_number_that_is_none_refuses_the_frame(channel, data):
    with pytest.raises(WireError):
        frame(channel, **data)
