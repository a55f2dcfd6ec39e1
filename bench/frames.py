"""Frames of an exchange under load, prebuilt as bytes on the socket so that the sender is never the slow side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count

COINS = ("BTC", "ETH", "SOL", "xyz:GOLD", "HYPE")
HALF = 5  # a position is opened by so many fills and closed by as many
START_MS = 1_763_000_000_000


def address(number: int) -> str:
    return f"0x{number + 1:040x}"


def fill_rows(account: int) -> Iterator[dict]:
    """An account's endless life: positions opened and closed in turn, coin by coin, chained by startPosition."""
    oids, size = count(300_000_000_000 + account * 1_000_000), 0.25
    for step in count():
        coin, phase = COINS[step // (2 * HALF) % len(COINS)], step % (2 * HALF)
        opening = phase < HALF
        start = size * (phase if opening else 2 * HALF - phase)
        yield {
            "coin": coin,
            "px": f"{80_000 + step % 977}.5",
            "sz": str(size),
            "side": "B" if opening else "A",
            "time": START_MS + step * 7,
            "startPosition": str(start),
            "dir": "Open Long" if opening else "Close Long",
            "closedPnl": "0.0" if opening else f"{step % 41}.125",
            "hash": f"0x{step:064x}",
            "oid": next(oids),
            "crossed": step % 3 == 0,
            "fee": "0.814641",
            "tid": 100_000_000_000_000 + account * 10_000_000 + step,
            "feeToken": "USDC",
            "twapId": None,
        }


def fill_frames(fills: int, accounts: int, per_frame: int, *, first: int = 0) -> Iterator[str]:
    """userFills frames, the accounts from `first` on in turn, `fills` in all."""
    lives = [(address(number), fill_rows(number)) for number in range(first, first + accounts)]
    for number in range(0, fills, per_frame):
        user, life = lives[number // per_frame % accounts]
        rows = [next(life) for _ in range(min(per_frame, fills - number))]
        yield json.dumps({"channel": "userFills", "data": {"user": user, "fills": rows}})


def trade_frames(trades: int, per_frame: int) -> Iterator[str]:
    """Frames of market trades of one coin."""
    users = [address(1), address(2)]
    for number in range(0, trades, per_frame):
        rows = [
            {
                "coin": "BTC",
                "side": "B" if step % 3 else "A",
                "px": f"{80_000 + step % 977}.0",
                "sz": f"0.{step % 89 + 1:05d}",
                "time": START_MS + step * 5,
                "hash": f"0x{step:064x}",
                "tid": 100_000_000_000_000 + step,
                "users": users,
            }
            for step in range(number, min(number + per_frame, trades))
        ]
        yield json.dumps({"channel": "trades", "data": rows})


def on_the_socket(frame: str) -> bytes:
    """A server's WebSocket text frame, header and all."""
    payload = frame.encode()
    length = len(payload)
    if length < 126:
        return bytes((0x81, length)) + payload
    if length < 65_536:
        return bytes((0x81, 126)) + length.to_bytes(2, "big") + payload
    return bytes((0x81, 127)) + length.to_bytes(8, "big") + payload
