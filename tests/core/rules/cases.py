"""For every type of rule: a config, events that it is quiet about, events that make it fire, events that end that."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from hlmon.contract import Settings
from hlmon.events import Agent, Balance, Event, Liquidation
from hlmon.status import AccountStatus, FollowerStatus
from hlmon.testing.builders import (
    ALICE,
    BOB,
    START_MS,
    make_account_info,
    make_account_snapshot,
    make_account_state,
    make_agents,
    make_cvd,
    make_dex_state,
    make_exchange_status,
    make_fill,
    make_funding,
    make_gap,
    make_ledger,
    make_order,
    make_position_closed,
    make_position_reading,
    make_pulse,
    make_spot_state,
    make_twap,
)

D = Decimal
DAY_MS = 1_760_054_400_000  # a midnight in UTC
A_DAY = 86_400


def at(seconds: float) -> int:
    return DAY_MS + int(seconds * 1000)


def state(seconds: float, *positions: Any, **dex: Any) -> Event:
    """ALICE's account state with these positions, and these figures of the main dex."""
    return make_account_state(time_ms=at(seconds), dexes=(make_dex_state(positions=positions, **dex),), account=ALICE)


def snapshot(seconds: float, **changes: Any) -> Event:
    return make_account_snapshot(time_ms=at(seconds), **changes)


def pulse(seconds: float, *, seen: float | None = None, **changes: Any) -> Event:
    """The monitor, whose only account was last heard of then."""
    status = AccountStatus(address=ALICE, status="watched", last_seen_ms=at(seconds if seen is None else seen))
    return make_pulse(status, time_ms=at(seconds), **changes)


def follower(**changes: Any) -> FollowerStatus:
    return FollowerStatus(**{"name": "archive", "part": "sink", "last_ack_ms": at(0)} | changes)


def twap(seconds: float, **changes: Any) -> Event:
    return make_twap(**{"twap_id": 7, "time_ms": at(seconds), "account": ALICE} | changes)


def agents(seconds: float, *, ends: int) -> Event:
    """ALICE has one API wallet, which ends at the midnight so many days after the first one."""
    return make_agents(Agent(name="bot", address=BOB, valid_until_ms=at(ends * 86_400)), time_ms=at(seconds))


def bucket(minute: int, bought: int, sold: int = 0) -> Event:
    """A minute of BTC trades."""
    start_ms = at(60 * minute)
    return make_cvd(
        start_ms=start_ms,
        time_ms=start_ms + 1,
        buy_volume=D(bought),
        sell_volume=D(sold),
        cumulative=D(0),
        trades=bought + sold,
    )


a_fill = partial(make_fill, order_id=7)  # labels tell it, and approved texts hold labels


def own_liquidation(**changes: Any) -> Event:
    liquidation = Liquidation(user=ALICE, mark_price=D(90_100), method="market")
    fields = {"side": "sell", "price": D(90_000), "start_position": D(1), "liquidation": liquidation}
    return a_fill(**fields | {"direction": "Close Long", "closed_pnl": D(-10_000)} | changes)


def position(**changes: Any) -> Any:
    return make_position_reading(**{"liquidation_price": D(95_000)} | changes)


STOP = {"order_id": 7, "side": "sell", "order_type": "Stop Market", "trigger_price": D(95_000), "reduce_only": True}


SETTINGS = Settings(name="my-rule", accounts={ALICE: "Treasury"}, coins=("BTC", "ETH"))


@dataclass(frozen=True)
class Case:
    toml: str
    quiet: list[Event]
    firing: list[Event]
    title: str
    over: list[Event] | None = None  # None: a happening, which has no end
    settings: Settings = SETTINGS
    details: dict[str, str] | None = None


CASES: dict[str, Case] = {
    "position_closed": Case(
        'causes = ["liquidation"]',
        [make_position_closed(cause="order")],
        [make_position_closed(cause="liquidation", net_pnl=D("-1234.5"))],
        "BTC long liquidated: -1,234.50 USDC net",
    ),
    "position_opened": Case(
        "",
        [
            a_fill(start_position=D(1)),
            a_fill(self_trade=True),
            a_fill(coin="@107"),
            a_fill(start_position=None),
        ],
        [a_fill(side="sell", size=D("0.5"))],
        "BTC short opened at 100,000",
        details={"price": "100,000", "first fill": "0.5", "value": "50,000.00 USDC"},
    ),
    "position_flipped": Case(
        "",
        [a_fill(), a_fill(side="sell", start_position=D(1)), a_fill(side="sell", start_position=D(2))],
        [a_fill(side="sell", size=D(3), start_position=D(1), closed_pnl=D(5))],
        "BTC flipped from long to short at 100,000",
        details={"price": "100,000", "closed": "1", "opened": "2", "realized": "+5.00 USDC"},
    ),
    "fill": Case(
        "above = 100000",
        [a_fill(size=D("0.99999"))],
        [a_fill(fee=D("0.125"), fee_token="HYPE")],
        "Bought 1 BTC at 100,000",
        details={"value": "100,000.00 USDC", "direction": "Open Long", "fee": "0.125 HYPE"},
    ),
    "liquidation": Case(
        "",
        [a_fill(liquidation=Liquidation(user="0x" + "99" * 20, mark_price=D(1))), a_fill()],
        [own_liquidation(time_ms=at(0)), own_liquidation(time_ms=at(59))],
        "BTC long is being liquidated at 90,000",
        details={
            "price": "90,000",
            "mark": "90,100",
            "size": "1",
            "left": "0",
            "realized": "-10,000.00 USDC",
            "method": "market",
        },
    ),
    "adl": Case(
        "",
        [own_liquidation(), a_fill()],
        [a_fill(direction="Auto-Deleveraging", start_position=D(-3))],
        "BTC short is being auto-deleveraged at 100,000",
        details={"price": "100,000", "size": "1", "left": "2", "realized": "0.00 USDC"},
    ),
    "liquidation_distance": Case(
        "below = 4",
        [state(0, position())],
        [state(5, position(position_value=D(98_000)))],
        "BTC long is 3.1 % from its liquidation price",
        [state(10, position())],
        details={
            "distance": "3.1 %",
            "mark": "98,000",
            "liquidation": "95,000",
            "size": "1",
            "value": "98,000.00 USDC",
            "entry": "99,000",
            "unrealized": "+1,000.00 USDC",
        },
    ),
    "margin": Case(
        "",
        [make_account_info(mode="classic", time_ms=at(0)), state(0, cross_maintenance_margin=D(37_499))],
        [state(5, cross_maintenance_margin=D(37_500))],
        "Maintenance margin takes 75.0 % of the equity (cross margin)",
        [state(10, cross_maintenance_margin=D(30_000))],
        details={"used": "75.0 %", "maintenance": "37,500.00 USDC", "equity": "50,000.00 USDC"},
    ),
    "health": Case("", [snapshot(0)], [snapshot(60, health_score=30)], "Health is down to 30", [snapshot(120)]),
    "leverage": Case(
        "", [snapshot(0)], [snapshot(60, leverage=D("10.0004"))], "Leverage is up to 10x", [snapshot(120)]
    ),
    "drawdown": Case(
        "for_seconds = 0",
        [snapshot(0, account_value=D(10_000)), snapshot(60, account_value=D(9_001))],
        [snapshot(120, account_value=D(9_000))],
        "Account value is 10.0 % below its day's high",
        [snapshot(180, account_value=D(9_500))],
        details={"drawdown": "10.0 %", "value": "9,000.00 USDC", "high": "10,000.00 USDC", "lost": "1,000.00 USDC"},
    ),
    "pnl": Case(
        "below = -500",
        [a_fill(time_ms=at(-1), closed_pnl=D(-400)), a_fill(time_ms=at(1), closed_pnl=D(-400)), snapshot(60)],
        [a_fill(time_ms=at(62), closed_pnl=D(0)), make_funding(time_ms=at(63), amount=D(-10)), snapshot(120)],
        "Realised loss of the day: -500.00 USDC",
        [snapshot(86_400)],
        details={
            "day": "2025-10-10",
            "pnl": "-500.00 USDC",
            "gross": "-400.00 USDC",
            "fees": "-90.00 USDC",
            "funding": "-10.00 USDC",
        },
    ),
    "funding_cost": Case(
        "above = 2",
        [make_funding(time_ms=at(-1), amount=D("-1.5")), make_funding(time_ms=at(1), amount=D("-1.5")), snapshot(60)],
        [make_funding(time_ms=at(3_600), amount=D("-0.5")), snapshot(3_660)],
        "Funding paid today: 2.00 USDC",
        [make_funding(time_ms=at(7_200), amount=D(1)), snapshot(7_260)],
    ),
    "order": Case(
        'statuses = ["rejected", "margin_canceled"]',
        [make_order(), make_order(status="filled"), make_order(status="reduceOnlyCanceled")],
        [make_order(status="perpMarginRejected")],
        "Order to buy 1 BTC at 90,000: perp margin rejected",
    ),
    "position_without_stop": Case(
        "for_seconds = 10",
        [state(0, position()), state(9, position())],
        [state(10, position())],
        "BTC long has no stop",
        [make_order(**STOP), state(15, position())],
    ),
    "twap": Case(
        'statuses = ["stopped", "error"]',
        [
            twap(-200, status="error"),
            state(0),
            twap(-121, status="terminated"),
            twap(5, status="activated"),
            twap(6, status="finished"),
        ],
        [twap(7, status="error", description="Insufficient margin", executed_size=D("0.25"))],
        "TWAP to buy 1 BTC: error",
        details={"reason": "Insufficient margin", "executed": "0.25", "share": "25.0 %", "duration": "30 min 0 s"},
    ),
    "transfer": Case(
        'directions = ["out"]',
        [make_ledger(), make_ledger(type="withdraw", amount=D("-0.5")), make_ledger(amount=None)],
        [make_ledger(type="withdraw", amount=D(-2_500), fee=D(1))],
        "Withdrawal: -2,500.00 USDC",
        details={"type": "withdraw", "fee": "1.00 USDC"},
    ),
    "cvd": Case(
        'coins = ["BTC"]\nabove = 100\nwindow_minutes = 2',
        [bucket(0, 60, 30), bucket(1, 69)],
        [bucket(1, 70)],
        "BTC: 100 net bought in 2 min 0 s",
        [bucket(2, 5)],
        details={"delta": "100", "bought": "130", "sold": "30", "trades": "160"},
    ),
    "exchange_halt": Case(
        "",
        [make_exchange_status(time_ms=at(0))],
        [make_exchange_status(time_ms=at(60), notice="Trading is halted for an upgrade")],
        "The exchange says: Trading is halted for an upgrade",
        [make_exchange_status(time_ms=at(120))],
        details={},
    ),
    "agent_expiry": Case(
        "days = 10",
        [agents(0, ends=11)],
        [agents(A_DAY, ends=11)],
        "API wallet bot ends in 10 d 0 h",
        [agents(A_DAY + 60, ends=190)],
        details={"address": BOB, "until": "2025-10-21 00:00:00 UTC"},
    ),
    "stream": Case(
        "",
        [pulse(0), pulse(29, seen=0)],
        [pulse(30, seen=0)],
        "Treasury: is silent",
        [pulse(35)],
        details={"silent": "30 s"},
    ),
    "delivery": Case(
        "minutes = 1",
        [pulse(0, followers=[follower(lag=3)]), pulse(59, followers=[follower(lag=9)])],
        [pulse(60, followers=[follower(lag=9, error="refused", failing_since_ms=at(20))])],
        "sink archive has accepted nothing for 1 min 0 s",
        [pulse(65, followers=[follower(lag=9, last_ack_ms=at(64))])],
        details={"stuck": "1 min 0 s", "behind": "9", "error": "refused"},
    ),
    "expression": Case(
        'event = "account"\nwhen = "leverage > 3.0 && total_unrealized_pnl < 0"\nuntil = "leverage < 2.0"',
        [snapshot(0), snapshot(60, leverage=D(4), total_unrealized_pnl=D(1))],
        [snapshot(120, leverage=D(4)), snapshot(180, leverage=D("2.5"))],
        "my-rule: account",
        [snapshot(240)],
    ),
}

GAP = make_gap(time_ms=at(0), start_ms=at(-300), end_ms=at(-10), reason="out of the exchange's reach")
TOKENS = make_spot_state(time_ms=at(0), balances=(Balance(coin="USDC", total=D(100)), Balance(coin="HYPE", total=D(1))))
assert START_MS < DAY_MS  # what the builders date themselves lies before what is dated here
