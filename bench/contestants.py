"""Programs that store the same fills: the bare loop that does only what must be done, and the official SDK's way.

`python -m bench.contestants NAME URL FILLS FILE ACCOUNTS` prints one JSON object: seconds and CPU seconds from the
first fill to the last commit.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sqlite3
import sys
import time
from decimal import Decimal

import msgspec

from bench.frames import address

COLUMNS = ("time", "coin", "side", "px", "sz", "startPosition", "closedPnl", "fee")
COLUMNS += ("dir", "hash", "oid", "crossed", "tid", "feeToken")
CREATE = f"CREATE TABLE fills (user, {', '.join(COLUMNS)}, UNIQUE (time, tid, oid, side, user))"
INSERT = f"INSERT OR IGNORE INTO fills VALUES ({','.join('?' * 15)})"


class Stopwatch:
    """Starts with the first fill, stops with the last commit."""

    def __init__(self) -> None:
        self.began = 0.0
        self.cpu = 0.0

    def start(self) -> None:
        if not self.began:
            self.began, self.cpu = time.perf_counter(), cpu_seconds()

    def report(self, fills: int, **more: float) -> None:
        seconds, cpu = time.perf_counter() - self.began, cpu_seconds() - self.cpu
        print(json.dumps({"fills": fills, "seconds": seconds, "cpu": cpu, **more}), flush=True)


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Row(msgspec.Struct, gc=False):
    """A fill as the bare loop decodes it."""

    coin: str
    px: Decimal
    sz: Decimal
    side: str
    time: int
    startPosition: Decimal  # noqa: N815
    dir: str
    closedPnl: Decimal  # noqa: N815
    hash: str
    oid: int
    crossed: bool
    fee: Decimal
    tid: int
    feeToken: str  # noqa: N815


class Fills(msgspec.Struct, tag="userFills", tag_field="channel"):
    """A frame of fills."""

    data: FillsData


class FillsData(msgspec.Struct):
    """Its payload."""

    user: str
    fills: list[Row]


async def bare(url: str, fills: int, file: str, accounts: int) -> None:
    """One websockets connection, a typed decode, batched inserts: nothing that could be left out."""
    from websockets.asyncio.client import connect

    database = sqlite3.connect(file, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute(CREATE)
    decoder, watch, rows, stored = msgspec.json.Decoder(Fills), Stopwatch(), [], 0
    async with connect(url.replace("http", "ws") + "/ws", compression=None, max_size=None) as socket:
        for number in range(accounts):
            subscription = {"type": "userFills", "user": address(number)}
            await socket.send(json.dumps({"method": "subscribe", "subscription": subscription}))
        async for frame in socket:
            if not frame.startswith('{"channel": "userFills"'):
                continue
            data = decoder.decode(frame).data
            if not data.fills:
                continue
            watch.start()
            for r in data.fills:
                amounts = (str(r.px), str(r.sz), str(r.startPosition), str(r.closedPnl), str(r.fee))
                rows.append(
                    (data.user, r.time, r.coin, r.side, *amounts, r.dir, r.hash, r.oid, r.crossed, r.tid, r.feeToken)
                )
            if len(rows) >= 500 or stored + len(rows) >= fills:
                database.execute("BEGIN")
                database.executemany(INSERT, rows)
                database.execute("COMMIT")
                stored += len(rows)
                rows.clear()
            if stored >= fills:
                break
    watch.report(stored)


def sdk(url: str, fills: int, file: str, accounts: int, *, wal: bool) -> None:
    """The official SDK's callback that commits each message to SQLite, as its examples suggest."""
    import threading

    from hyperliquid.info import Info

    database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    if wal:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
    database.execute(CREATE)
    watch, done, stored = Stopwatch(), threading.Event(), 0

    def on_fills(message: dict) -> None:
        nonlocal stored
        if not message["data"]["fills"]:
            return
        watch.start()
        user = message["data"]["user"]
        rows = [(user, *(r[column] for column in COLUMNS)) for r in message["data"]["fills"]]
        database.execute("BEGIN")
        database.executemany(INSERT, rows)
        database.execute("COMMIT")
        stored += len(rows)
        if stored >= fills:
            done.set()

    info = Info(url)
    for number in range(accounts):
        info.subscribe({"type": "userFills", "user": address(number)}, on_fills)
    done.wait()
    watch.report(stored)
    info.disconnect_websocket()


def main() -> None:
    name, url, fills, file, accounts = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
    if name == "bare":
        asyncio.run(bare(url, fills, file, accounts))
    else:
        sdk(url, fills, file, accounts, wal=name == "sdk-wal")


if __name__ == "__main__":
    main()
