"""The simulated exchange keeps its own books right, whatever happens."""

from collections import defaultdict
from decimal import Decimal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from hlmon_sim import World
from hlmon_sim.account import Account
from hlmon_sim.records import Fill, Record
from hlmon_sim.scenario import populate
from hlmon_sim.state import all_dexes
from hlmon_sim.traffic import Traffic

COINS = ("BTC", "SOL", "DOGE", "xyz:SILVER", "xyz:TSLA")


def signed(fill: Fill) -> Decimal:
    return fill.size if fill.side == "B" else -fill.size


def linked_end(fills: list[Fill]) -> Decimal:
    """Walk the chain, own pairs of a self-trade taken together; fails at the first break."""
    end = Decimal(0)
    pairs: dict[int, int] = defaultdict(int)
    for fill in fills:
        pairs[fill.trade_id] += 1
    seen: set[int] = set()
    for fill in fills:
        if pairs[fill.trade_id] == 2:
            assert fill.start_position == end
            seen.add(fill.trade_id)
            continue
        assert fill.start_position == end, fill
        end += signed(fill)
    return end


actions = st.lists(
    st.tuples(
        st.sampled_from(
            ["open", "reduce", "close", "flip", "self", "adl", "market", "backstop", "net", "twap", "pair", "fund"]
        ),
        st.sampled_from(COINS),
        st.integers(1, 400),
        st.booleans(),
        st.integers(1, 4),
    ),
    max_size=25,
)


def perform(watched, one: Account, two: Account, step: tuple[str, str, int, bool, int]) -> None:
    kind, coin, lots, buys, parts = step
    world = watched.world
    world.step(world.now_ms + 400)
    size = world.market.coin(coin).size(0) * lots * (1 if buys else -1)
    held = world.size_of(one, coin)
    part = min(abs(size), abs(held))
    always = {
        "open": lambda: world.open(one, coin, size, parts=parts),
        "pair": lambda: world.open(one, coin, size, parts=parts, against=two),
        "twap": lambda: run_twap(world, one, coin, size, parts),
        "self": lambda: world.self_trade(one, coin, size),
        "fund": lambda: world.fund("0.0001"),
    }
    with_position = {
        "reduce": lambda: world.reduce(one, coin, part, parts=parts),
        "close": lambda: world.close(one, coin, parts=parts),
        "flip": lambda: world.flip(one, coin, parts=parts),
        "adl": lambda: world.adl(one, coin, part),
        "net": lambda: world.net(one, coin, -held),
        "market": lambda: world.liquidate(one, coin, "market", parts=parts),
        "backstop": lambda: world.liquidate(one, coin, "backstop"),
    }
    if kind in always:
        always[kind]()
    elif held:
        with_position[kind]()


def run_twap(world: World, account: Account, coin: str, size: Decimal, slices: int) -> None:
    twap = world.twap(account, coin, size, slices=slices)
    while twap.twap_id in account.twaps:
        world.twap_slice(twap)


def lived(make_watched, steps, mode="default"):
    """A world after these steps of one account, and a second account to trade with."""
    watched = make_watched()
    one, two = watched.world.add_account(mode=mode, usdc=10**8), watched.world.add_account(usdc=10**8)
    for step in steps:
        perform(watched, one, two, step)
    return watched, one, two


@settings(max_examples=60, deadline=None)
@given(actions, st.sampled_from(["default", "unifiedAccount"]))
def test_fills_of_a_coin_link_end_to_start_and_end_in_the_position_held(make_watched, steps, mode) -> None:
    watched, one, two = lived(make_watched, steps, mode)
    for account in (one, two):
        for coin in COINS:
            assert linked_end(watched.fills(account, coin)) == watched.world.size_of(account, coin)


@example(
    [("open", "BTC", 1, False, 1)] * 9 + [("open", "xyz:TSLA", 1, True, 1), ("self", "xyz:TSLA", 3, False, 1)],
    "default",
)
@settings(max_examples=60, deadline=None)
@given(actions, st.sampled_from(["default", "unifiedAccount"]))
def test_money_is_neither_made_nor_lost(make_watched, steps, mode) -> None:
    watched, one, two = lived(make_watched, steps, mode)
    for account in (one, two):
        fills = [r for r in watched.records if isinstance(r, Fill) and r.account == account.address]
        traded = sum((-signed(fill) * fill.price - fill.fee for fill in fills), Decimal(0))
        held = sum((p.size * watched.world.market.price(p.coin.name) for p in account.positions.values()), Decimal(0))
        funding = sum((payment.usdc for payment in account.fundings), Decimal(0))
        assert account.value(watched.world.market) == 10**8 + traded + held + funding


@settings(max_examples=60, deadline=None)
@given(actions)
def test_closed_pnl_is_gross_by_average_entry_and_sums_to_the_position_s_pnl(make_watched, steps) -> None:
    watched, one, _ = lived(make_watched, steps)
    for coin in COINS:
        fills = watched.fills(one, coin)
        ends = [end for end in watched.ends(one) if end.coin == coin]
        position = one.positions.get(coin)
        open_gross = position.gross if position else Decimal(0)
        lone = {fill.trade_id for fill in fills if fill.start_position == 0}
        flat_self = [f for f in fills if f.trade_id in lone and sum(g.trade_id == f.trade_id for g in fills) == 2]
        apart = sum((fill.closed_pnl for fill in flat_self), Decimal(0))
        total = sum((fill.closed_pnl for fill in fills), Decimal(0))
        assert total - apart == sum((end.gross for end in ends), Decimal(0)) + open_gross
        paid = sum((-signed(fill) * fill.price for fill in fills), Decimal(0))
        assert total == paid + (position.cost if position else 0)


@settings(max_examples=40, deadline=None)
@given(actions)
def test_account_state_adds_up(make_watched, steps) -> None:
    watched, one, _ = lived(make_watched, steps)
    market = watched.world.market
    for dex, state in all_dexes(one, market, watched.world.now_ms):
        whole, cross = state["marginSummary"], state["crossMarginSummary"]
        rows = [row["position"] for row in state["assetPositions"]]
        assert all(Decimal(row["szi"]) for row in rows)
        signed_notional = sum(Decimal(row["szi"]) * market.price(row["coin"]) for row in rows)
        assert Decimal(whole["totalRawUsd"]) == Decimal(whole["accountValue"]) - signed_notional
        apart = sum(Decimal(row["marginUsed"]) for row in rows if row["leverage"]["type"] == "isolated")
        assert Decimal(whole["accountValue"]) - Decimal(cross["accountValue"]) == apart
        for row in rows:
            if "rawUsd" in row["leverage"]:
                raw = Decimal(row["leverage"]["rawUsd"])
                assert Decimal(row["marginUsed"]) == raw + Decimal(row["szi"]) * market.price(row["coin"])
            assert row["liquidationPx"] is None or Decimal(row["liquidationPx"]) > 0
        assert dex in {"", "xyz"}


def test_the_same_seed_and_steps_give_the_same_history(make_watched) -> None:
    def history(seed: int) -> list[Record]:
        watched = make_watched(seed)
        populate(watched.world, 5)
        traffic = Traffic(watched.world, seed, rate=30, trades_rate=10)
        traffic.history(30, watched.world.now_ms, watched.world.now_ms + 3_600_000)
        for _ in range(100):
            traffic.step(watched.world.now_ms + 100)
        return watched.records

    assert history(7) == history(7)
    assert history(7) != history(8)


def test_random_traffic_keeps_every_chain(make_watched) -> None:
    watched = make_watched(5)
    populate(watched.world, 8)
    watched.world.set_speed(60)
    traffic = Traffic(watched.world, 5, rate=50, trades_rate=10)
    for _ in range(600):
        traffic.step(watched.world.now_ms + 100)
    directions = set()
    for account in watched.world.accounts.values():
        for coin in watched.world.market.quotes.values():
            fills = watched.fills(account, coin.coin.name)
            directions |= {fill.direction for fill in fills}
            if coin.coin.kind == "perp":
                assert linked_end(fills) == watched.world.size_of(account, coin.coin.name)
    assert {"Open Long", "Close Short", "Long > Short", "Short > Long", "Buy", "Sell"} <= directions


def test_a_burst_makes_as_many_fills_as_asked_for(make_watched) -> None:
    watched = make_watched()
    account = watched.world.add_account(usdc=10**7)
    assert len(watched.world.burst(account, 1_234)) == 1_234
    assert linked_end(watched.fills(account, "BTC")) == watched.world.size_of(account, "BTC")
