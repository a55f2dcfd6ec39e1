"""What happens on the simulated exchange, by name."""

from decimal import Decimal

import pytest

from hlmon_sim.numbers import text
from hlmon_sim.records import Trade
from hlmon_sim.state import all_dexes, clearinghouse, spot


def test_a_partial_close_realises_the_average_entry(watched) -> None:
    account = watched.world.add_account()
    watched.world.open(account, "SOL", 10, price=100)
    watched.world.add(account, "SOL", 30, price=120)
    fill = watched.world.reduce(account, "SOL", 20, price=130)[0]
    assert fill.closed_pnl == 20 * (130 - Decimal(115))
    assert fill.direction == "Close Long"


def test_a_flip_books_the_pnl_on_the_closed_part_and_ends_one_position(watched) -> None:
    account = watched.world.add_account()
    watched.world.open(account, "SOL", 10, price=100)
    (fill,) = watched.world.trade(account, "SOL", -25, price=110)
    assert (fill.direction, fill.start_position, fill.closed_pnl) == ("Long > Short", 10, 100)
    assert account.positions["SOL"].size == -15
    (end,) = watched.ends(account)
    assert (end.cause, end.side, end.size, end.gross, end.fills) == ("flip", "long", 10, 100, 2)
    fees = sum((f.fee for f in watched.fills(account, "SOL")), Decimal(0))
    assert end.fees + account.positions["SOL"].fees == fees


def test_one_order_makes_many_fills_with_one_time_hash_and_order(watched) -> None:
    account = watched.world.add_account()
    fills = watched.world.open(account, "BTC", "0.5", parts=7)
    assert len(fills) == 7
    assert len({(fill.time_ms, fill.hash, fill.order_id) for fill in fills}) == 1
    assert len({fill.trade_id for fill in fills}) == 7
    assert max(fill.trade_id for fill in fills) < 2**50
    assert sum(fill.size for fill in fills) == Decimal("0.5")


def test_two_simulated_parties_share_the_trade_id_and_the_public_trade_names_both(watched) -> None:
    buyer, seller = watched.world.add_account(), watched.world.add_account()
    watched.world.open(buyer, "ETH", 1, against=seller)
    (bought,), (sold,) = watched.fills(buyer, "ETH"), watched.fills(seller, "ETH")
    (trade,) = [record for record in watched.records if isinstance(record, Trade)]
    assert bought.trade_id == sold.trade_id == trade.trade_id
    assert (bought.crossed, sold.crossed, trade.side) == (True, False, "B")
    assert (trade.buyer, trade.seller) == (buyer.address, seller.address)


def test_a_self_trade_gives_two_rows_with_one_start_and_changes_nothing(watched) -> None:
    account = watched.world.add_account()
    watched.world.open(account, "SOL", 10)
    one, two = watched.world.self_trade(account, "SOL", -10)
    assert (one.start_position, two.start_position) == (10, 10)
    assert {one.side, two.side} == {"A", "B"}
    assert one.trade_id == two.trade_id
    assert account.positions["SOL"].size == 10
    assert watched.ends(account) == []


def test_a_self_trade_of_a_flat_account_leaves_no_position(watched) -> None:
    account = watched.world.add_account()
    watched.world.self_trade(account, "SOL", 3)
    assert account.positions == {}
    assert watched.ends(account) == []


@pytest.mark.parametrize(
    ("method", "direction", "fee"), [("market", "Close Short", True), ("backstop", "Liquidated Cross Short", False)]
)
def test_a_liquidation_names_the_liquidated_user(watched, method: str, direction: str, fee: bool) -> None:
    account = watched.world.add_account()
    watched.world.open(account, "SOL", -10)
    order = watched.world.place(account, "SOL", 1, 100)
    fills = watched.world.liquidate(account, "SOL", method)
    assert {fill.direction for fill in fills} == {direction}
    assert all(fill.liquidation and fill.liquidation.user == account.address for fill in fills)
    assert all(bool(fill.fee) == fee for fill in fills)
    assert watched.ends(account)[0].cause == "liquidation"
    assert account.ledger[-1].delta["type"] == "liquidation"
    assert order.order_id not in account.orders
    assert [c.status for c in account.order_changes if c.order["oid"] == order.order_id][-1] == "liquidatedCanceled"


def test_adl_settlement_and_netting_end_positions_under_their_names(watched) -> None:
    account = watched.world.add_account()
    for coin in ("SOL", "DOGE", "SUI"):
        watched.world.open(account, coin, 10)
    adl = watched.world.adl(account, "SOL")[0]
    settled = watched.world.settle("DOGE")[0]
    netted = watched.world.net(account, "SUI", -10)[0]
    assert [f.direction for f in (adl, settled, netted)] == ["Auto-Deleveraging", "Settlement", "Net Child Vaults"]
    assert adl.liquidation
    assert adl.liquidation.user != account.address
    assert [end.cause for end in watched.ends(account)] == ["adl", "settlement", "netting"]
    assert {adl.fee, settled.fee, netted.fee} == {Decimal(0)}


def test_funding_is_negative_when_paid_and_cum_funding_the_other_way_round(watched) -> None:
    account = watched.world.add_account()
    watched.world.open(account, "BTC", 1)
    watched.world.fund("0.0001")
    payment = account.fundings[-1]
    assert payment.usdc < 0
    state = clearinghouse(account, "", watched.world.market, 0)
    since_open = state["assetPositions"][0]["position"]["cumFunding"]["sinceOpen"]
    assert Decimal(since_open) == -payment.usdc


def test_spot_buys_pay_in_the_token_and_the_balance_is_the_chain(watched) -> None:
    account = watched.world.add_account()
    watched.world.class_transfer(account, 5_000, to_perp=False)
    watched.world.spot_buy(account, "@107", 10)
    watched.world.spot_sell(account, "@107", 4)
    bought, sold = watched.fills(account, "@107")
    assert (bought.fee_token, sold.fee_token) == ("HYPE", "USDC")
    assert sold.start_position == bought.start_position + 10 - bought.fee
    assert account.balances["HYPE"].total == sold.start_position - 4


def test_dust_has_no_trade_id_and_no_hash(watched) -> None:
    account = watched.world.add_account()
    watched.world.airdrop(account, "PURR", "0.7")
    (fill,) = watched.world.dust(account, "PURR/USDC")
    assert (fill.trade_id, fill.hash, fill.direction, fill.fee) == (0, "0x" + "0" * 64, "Spot Dust Conversion", 0)
    assert account.balances["PURR"].total == 0


def test_twap_slices_move_the_position_but_are_kept_apart_from_the_fills(watched) -> None:
    account = watched.world.add_account()
    twap = watched.world.twap(account, "SOL", 9, slices=3)
    for _ in range(3):
        watched.world.step(twap.next_ms)
    assert account.positions["SOL"].size == 9
    assert len(account.slices) == 3
    assert not account.fills
    assert {fill.hash for fill in account.slices} == {"0x" + "0" * 64}
    assert [change.status for change in account.twap_changes] == ["activated", "finished"]


def test_an_account_without_margin_is_liquidated_by_the_passing_of_time(watched) -> None:
    account = watched.world.add_account(usdc=1_000, leverage=20)
    watched.world.open(account, "SOL", 100)
    watched.world.market.set_price("SOL", 110)
    watched.world.step(watched.world.now_ms + 100)
    assert account.positions == {}
    assert watched.ends(account)[0].cause == "liquidation"


def test_the_liquidation_price_is_where_the_liquidation_happens(watched) -> None:
    account = watched.world.add_account(usdc=10_000)
    watched.world.open(account, "SOL", 200)
    watched.world.open(account, "BTC", "-0.05")
    price = account.liquidation_price(account.positions["SOL"], watched.world.market)
    assert price is not None
    for shift, alive in ((Decimal("1.001"), True), (Decimal("0.999"), False)):
        watched.world.market.set_price("SOL", price * shift)
        equity = account.cross_equity("", watched.world.market)
        assert (equity > account.cross_maintenance("", watched.world.market)) is alive


@pytest.mark.parametrize("mode", ["unifiedAccount", "portfolioMargin"])
def test_in_unified_modes_the_money_is_in_the_spot_balances(watched, mode) -> None:
    account = watched.world.add_account(mode=mode, usdc=10_000)
    watched.world.open(account, "SOL", 20)
    watched.world.open(account, "xyz:TSLA", 2)
    market = watched.world.market
    usdc = spot(account, market)["balances"][0]
    per_dex = [Decimal(state["marginSummary"]["accountValue"]) for _, state in all_dexes(account, market, 0)]
    gain = sum((position.unrealised(market) for position in account.positions.values()), Decimal(0))
    assert sum(per_dex) < 2_000
    assert Decimal(usdc["total"]) + gain == account.value(market)
    assert Decimal(usdc["hold"]) == sum(per_dex) - gain


@pytest.mark.parametrize(
    ("number", "written"),
    [("10", "10.0"), ("0", "0.0"), ("-0.000", "0.0"), ("1E+3", "1000.0"), ("0.00001230", "0.0000123")],
)
def test_numbers_are_written_as_the_exchange_writes_them(number: str, written: str) -> None:
    assert text(Decimal(number)) == written


def test_funding_comes_at_the_full_hours_of_the_exchange_s_time(watched) -> None:
    watched.world.set_speed(60)
    account = watched.world.add_account()
    watched.world.open(account, "BTC", "0.1")
    start = watched.world.now_ms - watched.world.now_ms % 60_000 + 60_000
    for second in range(125):
        watched.world.step(start - 1_000 + second * 1_000)
    assert [payment.time_ms - start for payment in account.fundings] == [0, 60_000, 120_000]
