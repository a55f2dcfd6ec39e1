"""Funding, ledger, orders and states: exact fields and signs."""

import json
from decimal import Decimal

import pytest

from hlmon.errors import WireError
from hlmon.events import AccountState, Balance, DexState, Funding, Order, PositionReading, SpotState
from hlmon.hyperliquid.decode import decode_answer, decode_frame

ME = "0x" + "a" * 40
OTHER = "0x" + "b" * 40
HASH = "0x" + "1f" * 32


def frame(channel, **data):
    return decode_frame(json.dumps({"channel": channel, "data": {"user": ME.upper()} | data}), clock_ms=5)


FUNDING = {"coin": "xyz:SILVER", "usdc": "-0.000794", "szi": "-0.26", "fundingRate": "0.0000412775", "nSamples": None}


def test_funding_is_the_same_event_from_a_frame_and_from_an_answer_and_negative_when_paid():
    expected = Funding(
        account=ME,
        time_ms=7,
        coin="xyz:SILVER",
        amount=Decimal("-0.000794"),
        size=Decimal("-0.26"),
        rate=Decimal("0.0000412775"),
    )
    seen = frame("userFundings", isSnapshot=True, fundings=[FUNDING | {"time": 7}])
    answer = [{"time": 7, "hash": HASH, "delta": FUNDING | {"type": "funding"}}]
    assert seen.events == (expected,)
    assert seen.is_snapshot
    assert decode_answer("userFunding", ME, answer, clock_ms=1) == [expected]


def entry(time=7, **delta):
    return {"time": time, "hash": HASH, "delta": delta}


def ledger(**delta):
    return decode_answer("userNonFundingLedgerUpdates", ME, [entry(**delta)], clock_ms=1)[0]


TO_ME, FROM_ME, INSIDE = (
    {"user": OTHER, "destination": ME},
    {"user": ME, "destination": OTHER},
    {"user": ME, "destination": ME},
)


@pytest.mark.parametrize(
    ("delta", "amount"),
    [
        ({"type": "deposit", "usdc": "5"}, "5"),
        ({"type": "withdraw", "usdc": "5", "nonce": 1, "fee": "1"}, "-5"),
        ({"type": "accountClassTransfer", "usdc": "5", "toPerp": False}, "0"),
        ({"type": "activateDexAbstraction", "dex": "xyz", "token": "USDC", "amount": "5"}, "0"),
        ({"type": "internalTransfer", "usdc": "5", "fee": "1"} | FROM_ME, "-5"),
        ({"type": "internalTransfer", "usdc": "5", "fee": "1"} | TO_ME, "5"),
        ({"type": "subAccountTransfer", "usdc": "5"} | FROM_ME, "-5"),
        ({"type": "subAccountTransfer", "usdc": "5"} | TO_ME, "5"),
        ({"type": "spotTransfer", "token": "MAX", "amount": "5", "usdcValue": "0"} | FROM_ME, "-5"),
        ({"type": "spotTransfer", "token": "MAX", "amount": "5", "usdcValue": "0"} | TO_ME, "5"),
        ({"type": "send", "token": "MAX", "amount": "5", "sourceDex": "", "destinationDex": "xyz"} | FROM_ME, "-5"),
        ({"type": "send", "token": "MAX", "amount": "5"} | TO_ME, "5"),
        ({"type": "send", "token": "MAX", "amount": "5", "sourceDex": "", "destinationDex": "xyz"} | INSIDE, "0"),
        ({"type": "vaultCreate", "vault": OTHER, "usdc": "5", "fee": "1"}, "-5"),
        ({"type": "vaultDeposit", "vault": OTHER, "usdc": "5"}, "-5"),
        ({"type": "vaultDeposit", "vault": ME, "usdc": "5"}, "5"),
        ({"type": "vaultDistribution", "vault": OTHER, "usdc": "5"}, "5"),
        ({"type": "vaultDistribution", "vault": ME, "usdc": "5"}, "-5"),
        ({"type": "vaultWithdraw", "vault": OTHER, "user": ME, "requestedUsd": "9", "netWithdrawnUsd": "5"}, "5"),
        ({"type": "vaultWithdraw", "vault": ME, "user": OTHER, "requestedUsd": "9", "netWithdrawnUsd": "5"}, "-5"),
        ({"type": "vaultLeaderCommission", "user": ME, "usdc": "5"}, "5"),
        ({"type": "rewardsClaim", "amount": "5", "token": "HYPE"}, "5"),
        ({"type": "cStakingTransfer", "token": "HYPE", "amount": "5", "isDeposit": True}, "-5"),
        ({"type": "cStakingTransfer", "token": "HYPE", "amount": "5", "isDeposit": False}, "5"),
        ({"type": "borrowLend", "token": "USDC", "operation": "supply", "amount": "5", "interestAmount": "0"}, "-5"),
        ({"type": "borrowLend", "token": "USDC", "operation": "repay", "amount": "5", "interestAmount": "0"}, "-5"),
        ({"type": "borrowLend", "token": "USDC", "operation": "borrow", "amount": "5", "interestAmount": "0"}, "5"),
        ({"type": "borrowLend", "token": "USDC", "operation": "withdraw", "amount": "5", "interestAmount": "0"}, "5"),
        ({"type": "spotGenesis", "token": "MAX", "amount": "5"}, "5"),
        ({"type": "deployGasAuction", "token": "HYPE", "amount": "5"}, "-5"),
    ],
)
def test_the_amount_is_what_the_account_received(delta, amount):
    found = ledger(**delta)
    assert found.amount == Decimal(amount)
    assert (found.type, found.token) == (delta["type"], delta.get("token", "USDC"))


@pytest.mark.parametrize(
    "delta",
    [
        {"type": "liquidation", "liquidatedNtlPos": "356.8", "accountValue": "2.9", "liquidatedPositions": []},
        {"type": "somethingNew", "amount": "5"},
        {"type": "borrowLend", "token": "USDC", "operation": "somethingNew", "amount": "5"},
        {},
    ],
)
def test_an_entry_whose_meaning_is_not_known_has_no_amount_but_is_kept(delta):
    found = ledger(**delta)
    assert found.amount is None
    assert found.details == delta


def test_the_sender_pays_the_fee_and_the_other_party_is_named():
    sent, received = (ledger(type="internalTransfer", usdc="5", fee="1", **parties) for parties in (FROM_ME, TO_ME))
    assert (sent.fee, sent.counterparty) == (1, OTHER)
    assert (received.fee, received.counterparty) == (0, OTHER)
    assert ledger(type="vaultDeposit", usdc="5", vault=OTHER).counterparty == OTHER


def test_entries_of_one_time_and_hash_are_told_apart_and_known_again_whatever_the_order_of_keys():
    one = ledger(type="deposit", usdc="5")
    assert one.name != ledger(type="deposit", usdc="6").name
    body = b'[{"delta":{"usdc":"5","type":"deposit"},"hash":"%s","time":7}]' % HASH.encode()
    assert decode_answer("userNonFundingLedgerUpdates", ME, body, clock_ms=1) == [one]


def test_the_digest_of_an_entry_stays_the_same_for_ever_since_stores_know_it():
    assert ledger(type="deposit", usdc="5").entry_id == "1d01ee0b930cafd7"


def test_a_frame_of_the_ledger_is_sorted_by_time():
    rows = [entry(9, type="deposit", usdc="5"), entry(3, type="deposit", usdc="6")]
    seen = frame("userNonFundingLedgerUpdates", nonFundingLedgerUpdates=rows)
    assert [event.time_ms for event in seen.events] == [3, 9]
    assert (seen.oldest_ms, seen.newest_ms) == (3, 9)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "much", [], True])
def test_an_entry_without_a_real_number_is_refused(number):
    with pytest.raises(WireError):
        ledger(type="deposit", usdc=number)


def order(**changes):
    return {
        "coin": "BTC",
        "side": "A",
        "limitPx": "30000.0",
        "sz": "0.2",
        "oid": 5,
        "timestamp": 100,
        "triggerCondition": "N/A",
        "isTrigger": False,
        "triggerPx": "0.0",
        "children": [],
        "isPositionTpsl": False,
        "reduceOnly": False,
        "orderType": "Limit",
        "origSz": "0.5",
        "tif": "Gtc",
        "cloid": None,
    } | changes


def orders(*rows):
    return decode_answer("historicalOrders", ME, list(rows), clock_ms=1)


def status(word, time, **changes):
    return {"order": order(**changes), "status": word, "statusTimestamp": time}


def test_an_order_carries_every_field_and_the_time_of_its_status():
    trigger = {"isTrigger": True, "triggerPx": "31000.0", "triggerCondition": "Price above 31000"}
    (found,) = orders(status("canceled", 170, reduceOnly=True, cloid="0x1", isPositionTpsl=True, **trigger))
    assert found == Order(
        account=ME,
        time_ms=170,
        order_id=5,
        coin="BTC",
        side="sell",
        size=Decimal("0.5"),
        remaining=Decimal("0.2"),
        price=Decimal("30000.0"),
        status="canceled",
        created_ms=100,
        order_type="Limit",
        tif="Gtc",
        reduce_only=True,
        trigger_price=Decimal("31000.0"),
        trigger_condition="Price above 31000",
        is_position_tpsl=True,
        cloid="0x1",
    )


def test_a_short_order_is_what_is_left_of_it():
    row = {"coin": "BTC", "limitPx": "1.5", "oid": 62269971, "side": "B", "sz": "2", "timestamp": 167}
    (found,) = orders({"order": row, "status": "open", "statusTimestamp": 168})
    assert (found.time_ms, found.created_ms, found.size, found.remaining, found.order_type) == (168, 167, 2, 2, "")


def test_an_order_without_a_trigger_has_no_trigger_price():
    (found,) = orders(status("open", 100))
    assert (found.trigger_price, found.trigger_condition) == (None, "")


def test_the_newest_status_comes_last_and_in_one_millisecond_the_final_one():
    found = orders(status("filled", 170), status("canceled", 180, oid=6), status("triggered", 170), status("open", 170))
    assert [each.status for each in found] == ["open", "triggered", "filled", "canceled"]


@pytest.mark.parametrize(
    ("parent", "child"), [("open", "open"), ("filled", "open"), ("triggered", "open"), ("canceled", "canceled")]
)
def test_children_of_an_order_are_orders_that_begin_or_end_with_it(parent, child):
    grandchild = order(oid=7)
    found = orders(status(parent, 170, children=[order(oid=6, children=[grandchild])]))
    assert {each.order_id: each.status for each in found} == {5: parent, 6: child, 7: child}
    assert {each.time_ms for each in found} == {170}


def test_a_frame_of_orders_names_its_account():
    seen = frame("userHistoricalOrders", isSnapshot=True, orderHistory=[status("open", 100)])
    assert (seen.account, seen.stream, seen.is_snapshot) == (ME, "userHistoricalOrders", True)
    assert [event.account for event in seen.events] == [ME]


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
