"""What is written: fills, ended orders, and what an hour of ten busy accounts leaves in the journal."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import chain

from bench.frames import COINS, START_MS, address, fill_frames
from hlmon import AccountSnapshot, Checkpoint, Cvd, Event, Funding, Order, Position
from hlmon.contract import Settings
from hlmon.derive import closes
from hlmon.hyperliquid.decode import decode_frame

ACCOUNTS = 10
FILLS = 3_600  # one a second in all
POSITIONS = 3  # of an account, at any time
STREAMS = ("userFills", "userTwapSliceFills", "userFundings", "userNonFundingLedgerUpdates", "userHistoricalOrders")
HOUR_MS, MINUTE_MS = 3_600_000, 60_000


def fills(number: int, accounts: range) -> Iterator[Event]:
    """So many fills of these accounts in turn."""
    for frame in fill_frames(number, len(accounts), per_frame=4, first=accounts[0]):
        yield from decode_frame(frame, clock_ms=0).events


def orders(number: int, accounts: range) -> Iterator[Order]:
    """So many filled limit orders of these accounts in turn."""
    for step in range(number):
        yield Order(
            account=address(accounts[step % len(accounts)]),
            time_ms=START_MS + step * 7 + 250,
            order_id=300_000_000_000 + step,
            coin=COINS[step % len(COINS)],
            side="sell" if step % 2 else "buy",
            size=Decimal("0.25"),
            remaining=Decimal(0),
            price=Decimal(f"{80_000 + step % 977}.5"),
            status="filled",
            created_ms=START_MS + step * 7,
            order_type="Limit",
            tif="Gtc",
            cloid=f"0x{step:032x}",
        )


def hour(first_account: int) -> list[Event]:
    """An hour of ten accounts, with no name in common with that of others; of a state the journal holds the newest."""
    accounts = range(first_account, first_account + ACCOUNTS)
    began_ms = START_MS + first_account * HOUR_MS
    of_each = (_of_account(address(account), began_ms) for account in accounts)
    return [*_with_closes(fills(FILLS, accounts)), *orders(FILLS, accounts), *chain(*of_each), *_volume(began_ms)]


def _with_closes(found: Iterator[Event]) -> Iterator[Event]:
    with closes.FACTORY.open(closes.FACTORY.config(), Settings(name="closes")) as conclude:
        for fill in found:
            yield from (fill, *conclude(fill))


def _of_account(account: str, began_ms: int) -> Iterator[Event]:
    amount, ended_ms = Decimal("1234.5678"), began_ms + HOUR_MS
    for minute in range(60):
        yield AccountSnapshot(
            account=account,
            time_ms=began_ms + minute * MINUTE_MS,
            account_value=amount,
            total_margin_used=amount,
            withdrawable=amount,
            total_unrealized_pnl=amount,
            maintenance_margin=amount,
            notional=amount,
            leverage=Decimal("1.5"),
            health_score=90,
            positions_count=POSITIONS,
        )
    for coin in COINS[:POSITIONS]:
        yield Funding(account=account, time_ms=ended_ms, coin=coin, amount=amount, size=amount, rate=Decimal("0.0001"))
        yield Position(account=account, time_ms=ended_ms, coin=coin, side="long", size=amount, mark_price=amount)
    for stream in STREAMS:
        yield Checkpoint(account=account, time_ms=ended_ms, stream=stream)


def _volume(began_ms: int) -> Iterator[Event]:
    for coin in COINS[:2]:
        for start_ms in range(began_ms, began_ms + HOUR_MS, MINUTE_MS):
            yield Cvd(
                time_ms=start_ms + MINUTE_MS - 1,
                coin=coin,
                interval_ms=MINUTE_MS,
                start_ms=start_ms,
                buy_volume=Decimal("12.5"),
                sell_volume=Decimal("10.25"),
                cumulative=Decimal("2.25"),
                trades=200,
            )
