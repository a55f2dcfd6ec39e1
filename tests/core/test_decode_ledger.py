"""Funding and the ledger: exact fields and signs."""

from decimal import Decimal
from pathlib import Path

import pytest

from hlmon.events import Funding
from hlmon.hyperliquid.decode import decode_answer, decode_frame
from hlmon.hyperliquid.decode_ledger import EFFECTS
from tests.core.account_frames import BEGIN_MS, FUNDING, ME, frame

OTHER = "0x" + "b" * 40
GOOD = {"type": "deposit", "usdc": "1"}
HASH = "0x" + "1f" * 32


def test_funding_is_the_same_event_from_a_frame_and_from_an_answer_and_negative_when_paid():
    expected = Funding(
        account=ME,
        time_ms=BEGIN_MS + 7,
        coin="xyz:SILVER",
        amount=Decimal("-0.000794"),
        size=Decimal("-0.26"),
        rate=Decimal("0.0000412775"),
    )
    seen = frame("userFundings", isSnapshot=True, fundings=[FUNDING | {"time": BEGIN_MS + 7}])
    answer = [{"time": BEGIN_MS + 7, "hash": HASH, "delta": FUNDING | {"type": "funding"}}]
    assert seen.events == (expected,)
    assert seen.is_snapshot
    assert decode_answer("userFunding", ME, answer, clock_ms=1).events == [expected]


def entry(time=BEGIN_MS + 7, **delta):
    return {"time": time, "hash": HASH, "delta": delta}


def ledger(**delta):
    return decode_answer("userNonFundingLedgerUpdates", ME, [entry(**delta)], clock_ms=1).events[0]


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
        ({"type": "vaultLeaderCommission", "vault": OTHER, "usdc": "5"}, "5"),
        ({"type": "vaultLeaderCommission", "vault": ME, "user": OTHER, "usdc": "5"}, "-5"),
        ({"type": "vaultLeaderCommission", "vault": ME, "usdc": "5"}, "-5"),
        ({"type": "rewardsClaim", "amount": "5", "token": "HYPE"}, "5"),
        ({"type": "rewardsClaim", "amount": "5"}, "5"),
        ({"type": "welcomeBonus", "usdc": "5"}, "5"),
        ({"type": "cStakingTransfer", "token": "HYPE", "amount": "5", "isDeposit": True}, "0"),
        ({"type": "cStakingTransfer", "token": "HYPE", "amount": "5", "isDeposit": False}, "0"),
        ({"type": "perpDexClassTransfer", "dex": "xyz", "token": "USDC", "amount": "5", "toPerp": True}, "0"),
        ({"type": "borrowLend", "token": "USDC", "operation": "supply", "amount": "5", "interestAmount": "0"}, "0"),
        ({"type": "borrowLend", "token": "USDC", "operation": "supply", "amount": "5", "interestAmount": "2"}, "2"),
        ({"type": "borrowLend", "token": "USDC", "operation": "withdraw", "amount": "5", "interestAmount": "2"}, "2"),
        ({"type": "borrowLend", "token": "USDC", "operation": "borrow", "amount": "5", "interestAmount": "2"}, "-2"),
        ({"type": "borrowLend", "token": "USDC", "operation": "repay", "amount": "5", "interestAmount": "2"}, "-2"),
        ({"type": "borrowLend", "token": "USDC", "operation": "repay", "amount": "5"}, "0"),
        ({"type": "borrowLend", "token": "HYPE", "operation": "liquidate", "amount": "5", "interestAmount": "0"}, "-5"),
        ({"type": "spotGenesis", "token": "MAX", "amount": "5"}, "5"),
        ({"type": "spotGenesis", "token": "MAX", "amount": "-5"}, "-5"),
        ({"type": "deployGasAuction", "token": "HYPE", "amount": "5"}, "-5"),
        ({"type": "gossipPriorityGasAuction", "token": "HYPE", "amount": "5"}, "-5"),
        ({"type": "accountActivationGas", "token": "USDC", "amount": "5"}, "-5"),
        ({"type": "hip3LiquidatorDeposit", "dex": "xyz", "token": "USDC", "amount": "5"}, "-5"),
        ({"type": "liquidation", "liquidatedNtlPos": "356.8", "accountValue": "2.9", "liquidatedPositions": []}, "0"),
    ],
)
def test_the_amount_is_what_the_account_received(delta, amount):
    found = ledger(**delta)
    assert found.amount == Decimal(amount)
    assert (found.type, found.token) == (delta["type"], delta.get("token", "USDC"))


@pytest.mark.parametrize(
    "delta",
    [
        {"type": "somethingNew", "amount": "5"},
        {"type": "somethingNew", "amount": "", "usdc": None, "fee": "much", "token": 7},
        {"type": "send", "user": OTHER, "destination": "0x" + "c" * 40, "token": "MAX", "amount": "5"},
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


@pytest.mark.parametrize(
    ("delta", "fee", "token"),
    [
        ({"type": "withdraw", "usdc": "5", "nonce": 1, "fee": "1"}, "1", "USDC"),
        ({"type": "internalTransfer", "usdc": "5", "fee": "1"} | FROM_ME, "1", "USDC"),
        ({"type": "send", "token": "USDC", "amount": "5", "fee": "0.2", "feeToken": "USDC"} | FROM_ME, "0.2", "USDC"),
        ({"type": "send", "token": "MAX", "amount": "5", "fee": "0.2", "feeToken": "MAX"} | INSIDE, "0.2", "MAX"),
        (
            {"type": "spotTransfer", "token": "MAX", "amount": "5", "fee": "0.0", "nativeTokenFee": "0.05"} | FROM_ME,
            "0.05",
            "HYPE",
        ),
        ({"type": "spotTransfer", "token": "MAX", "amount": "5", "nativeTokenFee": "0.05"} | TO_ME, "0", "USDC"),
        ({"type": "send", "token": "MAX", "amount": "5", "fee": "", "feeToken": ""} | FROM_ME, "0", "USDC"),
        ({"type": "vaultCreate", "vault": OTHER, "usdc": "100", "fee": "100"}, "100", "USDC"),
    ],
)
def test_a_fee_is_told_in_the_token_that_it_was_paid_in(delta, fee, token):
    found = ledger(**delta)
    assert (found.fee, found.fee_token) == (Decimal(fee), token)


def test_every_known_type_needs_its_number_unless_it_moves_between_pockets():
    pockets = {
        "accountClassTransfer", "activateDexAbstraction", "perpDexClassTransfer", "cStakingTransfer", "liquidation",
    }  # fmt: skip
    for kind in EFFECTS.keys() - pockets:
        delta = {"type": kind, "operation": "liquidate"} | FROM_ME
        for odd in ({}, {"usdc": "", "amount": "", "netWithdrawnUsd": ""}, {"usdc": None, "amount": None}):
            answer = decode_answer("userNonFundingLedgerUpdates", ME, [entry(**delta | odd), entry(**GOOD)], clock_ms=1)
            assert [event.type for event in answer.events] == ["deposit"], kind
            assert [row.unit for row in answer.unread] == ["row"], kind


def test_the_ledger_of_the_cases_has_an_amount_for_every_type_that_is_known():
    path = next((up / "shared/cases" for up in Path(__file__).parents if (up / "shared/cases").is_dir()), None)
    if path is None:
        pytest.skip("no ../shared/cases beside this checkout")
    read = decode_frame((path / "ledger_all_types.jsonl").read_bytes().strip(), clock_ms=1)
    assert read.unread == ()
    assert {event.type for event in read.events if event.amount is None} == {"somethingNew2027"}
    inside = {"accountClassTransfer", "activateDexAbstraction", "cStakingTransfer", "perpDexClassTransfer"}
    assert {event.amount for event in read.events if event.type in inside} == {0}
    assert [event.amount for event in read.events if event.type == "send"] == [0, -50]
    assert [event.amount for event in read.events if event.type == "borrowLend"] == [0, Decimal("0.934"), -5]


def test_entries_of_one_time_and_hash_are_told_apart_and_known_again_whatever_the_order_of_keys():
    one = ledger(type="deposit", usdc="5")
    assert one.name != ledger(type="deposit", usdc="6").name
    body = b'[{"delta":{"usdc":"5","type":"deposit"},"hash":"%s","time":%d}]' % (HASH.encode(), BEGIN_MS + 7)
    assert decode_answer("userNonFundingLedgerUpdates", ME, body, clock_ms=1).events == [one]


def test_the_digest_of_an_entry_stays_the_same_for_ever_since_stores_know_it():
    assert ledger(type="deposit", usdc="5").entry_id == "1d01ee0b930cafd7"


def test_a_frame_of_the_ledger_is_sorted_by_time():
    rows = [entry(BEGIN_MS + 9, type="deposit", usdc="5"), entry(BEGIN_MS + 3, type="deposit", usdc="6")]
    seen = frame("userNonFundingLedgerUpdates", nonFundingLedgerUpdates=rows)
    assert [event.time_ms for event in seen.events] == [BEGIN_MS + 3, BEGIN_MS + 9]
    assert (seen.oldest_ms, seen.newest_ms) == (BEGIN_MS + 3, BEGIN_MS + 9)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "much", [], True])
def test_an_entry_without_a_real_number_costs_itself_alone(number):
    rows = [entry(type="deposit", usdc=number), entry(type="deposit", usdc="5")]
    answer = decode_answer("userNonFundingLedgerUpdates", ME, rows, clock_ms=1)
    assert [event.amount for event in answer.events] == [5]
    assert len(answer.unread) == 1
