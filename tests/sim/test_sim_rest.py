"""Info requests against the simulated exchange: paging, reach, weights, refusals."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hlmon_sim import Limits, World
from hlmon_sim.account import Account
from hlmon_sim.limits import Window, base_weight, row_weight
from hlmon_sim.rest import Unprocessable
from hlmon_sim.rest_market import ANSWERS, answer, parse

LIMITS = Limits()
NOBODY = "0x" + "9" * 40


class Desk:
    """A world with one account, and requests about it."""

    def __init__(self) -> None:
        self.world = World(1)
        self.account: Account = self.world.add_account(usdc=10**7)

    def ask(self, kind: str, limits: Limits = LIMITS, **fields):
        return answer(self.world, limits, {"type": kind, "user": self.account.address} | fields)

    def fills_at(self, *times: int, parts: int = 1) -> None:
        for time_ms in times:
            self.world.set_time(time_ms)
            self.world.trade(self.account, "BTC", Decimal("0.001") * parts, parts=parts)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def tids(rows: list[dict]) -> list[int]:
    return [row["tid"] for row in rows]


def test_user_fills_by_time_gives_the_oldest_rows_and_cuts_the_newest_end(desk: Desk) -> None:
    start = desk.world.now_ms
    desk.fills_at(*(start + n for n in range(1, 6)))
    page = desk.ask("userFillsByTime", Limits(page_rows=3), startTime=start)
    assert [row["time"] - start for row in page] == [1, 2, 3]


def test_reversed_gives_the_newest_rows_first(desk: Desk) -> None:
    start = desk.world.now_ms
    desk.fills_at(*(start + n for n in range(1, 6)))
    page = desk.ask("userFillsByTime", Limits(page_rows=2), startTime=start, reversed=True)
    assert [row["time"] - start for row in page] == [5, 4]


def test_both_ends_of_a_time_range_are_inclusive(desk: Desk) -> None:
    start = desk.world.now_ms
    desk.fills_at(start + 1, start + 2, start + 3)
    rows = desk.ask("userFillsByTime", startTime=start + 1, endTime=start + 2)
    assert [row["time"] - start for row in rows] == [1, 2]


def test_a_page_has_at_most_2000_rows_and_may_end_inside_a_millisecond(desk: Desk) -> None:
    start = desk.world.now_ms
    desk.fills_at(start + 1, parts=1_500)
    desk.fills_at(start + 2, parts=1_500)
    page = desk.ask("userFillsByTime", startTime=0)
    assert len(page) == 2_000
    assert page[-1]["time"] == start + 2
    again = desk.ask("userFillsByTime", startTime=page[-1]["time"])
    assert len(again) == 1_500
    assert set(tids(page)) | set(tids(again)) == {fill.trade_id for fill in desk.account.fills}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(3, 9))
def test_paging_forward_with_the_last_time_finds_every_fill(gaps: list[int], rows: int) -> None:
    desk = Desk()
    for gap in gaps:
        desk.fills_at(desk.world.now_ms + gap)
    found: set[int] = set()
    at = 0
    while True:
        page = desk.ask("userFillsByTime", Limits(page_rows=rows), startTime=at)
        found |= set(tids(page))
        if len(page) < rows:
            break
        at = page[-1]["time"] + (page[0]["time"] == page[-1]["time"])
    same_time = max(sum(f.time_ms == g.time_ms for g in desk.account.fills) for f in desk.account.fills)
    if same_time < rows:
        assert found == {fill.trade_id for fill in desk.account.fills}


def test_only_the_newest_10_000_fills_can_be_reached(desk: Desk) -> None:
    desk.world.burst(desk.account, 10_500)
    reached: set[int] = set()
    at = 0
    for _ in range(6):
        page = desk.ask("userFillsByTime", startTime=at)
        reached |= set(tids(page))
        at = page[-1]["time"]
    assert len(reached) == 10_000
    assert desk.account.fills[-1].trade_id in reached


def test_user_fills_is_newest_first_but_in_execution_order_inside_a_millisecond(desk: Desk) -> None:
    start = desk.world.now_ms
    desk.fills_at(start + 1, start + 2, parts=3)
    rows = desk.ask("userFills")
    assert [row["time"] - start for row in rows] == [2, 2, 2, 1, 1, 1]
    assert [Decimal(row["startPosition"]) for row in rows] == [
        Decimal(p).scaleb(-3) for p in ("3", "4", "5", "0", "1", "2")
    ]


def test_merged_fills_have_one_row_for_an_order_of_a_block(desk: Desk) -> None:
    desk.fills_at(desk.world.now_ms + 1, parts=4)
    (row,) = desk.ask("userFills", aggregateByTime=True)
    assert Decimal(row["sz"]) == Decimal("0.004")
    assert row["tid"] in {fill.trade_id for fill in desk.account.fills}


def test_twap_slices_are_only_in_the_twap_answers(desk: Desk) -> None:
    twap = desk.world.twap(desk.account, "SOL", 2, slices=2)
    desk.world.twap_slice(twap)
    assert desk.ask("userFills") == []
    (row,) = desk.ask("userTwapSliceFillsByTime", startTime=0)
    assert row["twapId"] == twap.twap_id
    assert row["fill"]["twapId"] is None
    assert desk.ask("userTwapSliceFills") == [row]


@pytest.mark.parametrize("kind", ["userFunding", "userNonFundingLedgerUpdates"])
def test_funding_and_ledger_come_500_a_page_oldest_first(desk: Desk, kind: str) -> None:
    desk.world.open(desk.account, "BTC", 1)
    start = desk.world.now_ms
    for n in range(501):
        desk.world.set_time(start + n)
        desk.world.fund()
        desk.world.deposit(desk.account, 1)
    page = desk.ask(kind, startTime=start)
    assert [row["time"] - start for row in page] == list(range(500))
    assert len(desk.ask(kind, startTime=start + 500, endTime=start + 500)) == 1


def test_funding_rows_have_an_all_zero_hash(desk: Desk) -> None:
    desk.world.open(desk.account, "BTC", 1)
    desk.world.fund()
    (row,) = desk.ask("userFunding", startTime=0)
    assert row["hash"] == "0x" + "0" * 64
    assert row["delta"]["type"] == "funding"


def test_an_order_can_be_asked_for_by_id_and_by_client_id(desk: Desk) -> None:
    order = desk.world.place(desk.account, "BTC", 1, 80_000, cloid=True)
    desk.world.fill_order(order, "0.4")
    desk.world.cancel(order)
    for oid in (order.order_id, order.cloid):
        found = desk.ask("orderStatus", oid=oid)
        assert found["order"]["status"] == "canceled"
        assert found["order"]["order"]["sz"] == "0.6"
    assert desk.ask("orderStatus", oid=1) == {"status": "unknownOid"}
    assert [row["status"] for row in desk.ask("historicalOrders")] == ["open", "canceled"]


def test_roles_tell_agents_sub_accounts_vaults_and_strangers_apart(desk: Desk) -> None:
    agent = desk.world.add_agent(desk.account)
    sub = desk.world.add_account(role="subAccount", master=desk.account.address)
    vault = desk.world.add_account(role="vault")
    assert desk.ask("userRole") == {"role": "user"}
    assert desk.ask("userRole", user=agent) == {"role": "agent", "data": {"user": desk.account.address}}
    assert desk.ask("userRole", user=sub.address.upper().replace("X", "x"))["data"] == {"master": desk.account.address}
    assert desk.ask("userRole", user=vault.address) == {"role": "vault"}
    assert desk.ask("userRole", user=NOBODY) == {"role": "missing"}


@pytest.mark.parametrize(
    "kind", ["userFills", "openOrders", "historicalOrders", "userTwapSliceFills", "frontendOpenOrders"]
)
def test_an_agent_address_gives_empty_results_and_no_error(desk: Desk, kind: str) -> None:
    desk.fills_at(desk.world.now_ms + 1)
    agent = desk.world.add_agent(desk.account)
    assert desk.ask(kind, user=agent) == []
    assert desk.ask("clearinghouseState", user=agent)["assetPositions"] == []


def test_spot_orders_come_with_the_main_dex_only(desk: Desk) -> None:
    for coin in ("BTC", "@107", "xyz:SILVER"):
        desk.world.place(desk.account, coin, 1, 10)
    assert {row["coin"] for row in desk.ask("openOrders")} == {"BTC", "@107"}
    assert {row["coin"] for row in desk.ask("openOrders", dex="xyz")} == {"xyz:SILVER"}


@pytest.mark.parametrize("kind", ["l2Book", "recentTrades", "fundingHistory"])
def test_an_unknown_coin_is_answered_with_null(desk: Desk, kind: str) -> None:
    assert desk.ask(kind, coin="btc", startTime=0) is None


@pytest.mark.parametrize("body", [b'{"type":"nope"}', b"{}", b"[]", b"not json", b'{"type":["userFills"]}'])
def test_an_unknown_request_is_not_understood(body: bytes) -> None:
    with pytest.raises(Unprocessable):
        parse(body)


@pytest.mark.parametrize(
    "fields", [{"user": "0x12"}, {"user": None}, {"startTime": None}, {"startTime": "1"}, {"endTime": "x"}]
)
def test_missing_and_wrong_fields_are_not_understood(desk: Desk, fields: dict) -> None:
    with pytest.raises(Unprocessable):
        desk.ask("userFillsByTime", **{"startTime": 0} | fields)


def test_late_fills_are_shown_after_newer_ones(desk: Desk) -> None:
    start = desk.world.now_ms
    desk.world.late_ms = 3_000
    desk.fills_at(start + 1)
    desk.world.late_ms = 0
    desk.fills_at(start + 2)
    assert [row["time"] - start for row in desk.ask("userFillsByTime", startTime=0)] == [2]
    desk.world.set_time(start + 3_001)
    assert [row["time"] - start for row in desk.ask("userFillsByTime", startTime=0)] == [1, 2]


def test_every_request_that_is_known_is_answered(desk: Desk) -> None:
    desk.fills_at(desk.world.now_ms + 1)
    fields = {"coin": "BTC", "startTime": 0, "endTime": desk.world.now_ms, "oid": 1}
    req = {"coin": "BTC", "interval": "1m", "startTime": 0, "endTime": desk.world.now_ms}
    unanswered = [kind for kind in ANSWERS if desk.ask(kind, req=req, **fields) is None]
    assert sorted(unanswered) == ["settledOutcome", "subAccounts", "subAccounts2", "vaultDetails"]


@pytest.mark.parametrize(
    ("kind", "weight"), [("clearinghouseState", 2), ("allMids", 2), ("userRole", 60), ("userFills", 20), ("meta", 20)]
)
def test_requests_have_their_weights(kind: str, weight: int) -> None:
    assert base_weight(kind) == weight


@pytest.mark.parametrize(
    ("kind", "rows", "weight"),
    [("userFillsByTime", 2_000, 100), ("userFills", 1, 1), ("candleSnapshot", 5_000, 84), ("openOrders", 500, 0)],
)
def test_rows_have_their_weights(kind: str, rows: int, weight: int) -> None:
    assert row_weight(kind, rows) == weight


def test_the_budget_is_a_sliding_minute() -> None:
    window = Window(1_200)
    assert all(window.take(second * 1_000, 120) for second in range(10))
    assert not window.take(59_999, 1)
    assert window.take(60_000, 120)
    assert not window.take(60_999, 1)
    assert window.take(61_000, 1)


def test_candles_of_an_hour_are_the_minutes_together(desk: Desk) -> None:
    hour = desk.world.now_ms - desk.world.now_ms % 3_600_000 + 3_600_000
    desk.fills_at(hour + 1, hour + 120_000, hour + 3_600_000)
    req = {"coin": "BTC", "startTime": hour, "endTime": hour + 10**9}
    minutes = desk.ask("candleSnapshot", req=req | {"interval": "1m"})
    hours = desk.ask("candleSnapshot", req=req | {"interval": "1h"})
    assert [row["n"] for row in minutes] == [1, 1, 1]
    assert [row["n"] for row in hours] == [2, 1]
    assert hours[0]["t"] == hour
