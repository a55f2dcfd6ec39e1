"""The least exchange that a client can start on: it acks, answers REST with nothing, and then sends its load.

The load starts when nobody has asked or subscribed for `QUIET_S`, so that start-up work is not measured with it.
`python -m bench.exchange --fills N …` prints its URL on the first line, and `subscribed` when the first
subscription comes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import time
from collections.abc import Iterable

from aiohttp import WSMsgType, web

from bench.frames import COINS, fill_frames, on_the_socket, trade_frames

QUIET_S = 1.5
TICK_S = 0.02
EMPTY_MARGIN = dict.fromkeys(("accountValue", "totalNtlPos", "totalRawUsd", "totalMarginUsed"), "1000.0")
SNAPSHOTS = {
    "userFills": "fills",
    "userTwapSliceFills": "twapSliceFills",
    "userFundings": "fundings",
    "userNonFundingLedgerUpdates": "nonFundingLedgerUpdates",
    "userHistoricalOrders": "orderHistory",
}
UNIVERSE = [{"name": coin, "szDecimals": 5, "maxLeverage": 40, "marginTableId": 1} for coin in COINS]
ANSWERS = {
    "userRole": {"role": "user"},
    "userAbstraction": "default",
    "meta": {"universe": UNIVERSE, "marginTables": [], "collateralToken": 0},
    "spotMeta": {"universe": [], "tokens": []},
    "perpDexs": [None],
    "allMids": {},
}


def account_state(user: str) -> str:
    state = {
        "marginSummary": EMPTY_MARGIN,
        "crossMarginSummary": EMPTY_MARGIN,
        "crossMaintenanceMarginUsed": "0.0",
        "withdrawable": "1000.0",
        "assetPositions": [],
        "time": int(time.time() * 1000),
    }
    data = {"user": user, "clearinghouseStates": [["", state]]}
    return json.dumps({"channel": "allDexsClearinghouseState", "data": data})


class Exchange:
    """One load for one client."""

    def __init__(self, load: Iterable[str], rate: float) -> None:
        self.load = [on_the_socket(frame) for frame in load]
        self.rate = rate  # frames per second, 0: all at once
        self.sent_s: list[float] = []  # when each frame left, by the clock of perf_counter, unless all leave at once
        self.last_asked = time.monotonic()
        self.subscribed_users: set[str] = set()

    async def info(self, request: web.Request) -> web.Response:
        if math.isfinite(self.last_asked):
            self.last_asked = time.monotonic()
        asked = (await request.json())["type"]
        if asked == "exchangeStatus":  # without it the monitor waits for the second account state to know the time
            return web.json_response({"time": int(time.time() * 1000), "specialStatuses": None})
        return web.json_response(ANSWERS.get(asked, []))

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False, autoping=True)
        await socket.prepare(request)
        await socket.send_str("Websocket connection established.")
        self.last_asked = math.inf  # until the first subscription
        tasks = [asyncio.create_task(self.send_load(request)), asyncio.create_task(self.send_states(socket))]
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self.answer(socket, json.loads(message.data))
        for task in tasks:
            task.cancel()
        return socket

    async def answer(self, socket: web.WebSocketResponse, message: dict) -> None:
        if message["method"] == "ping":
            await socket.send_str('{"channel":"pong"}')
            return
        if math.isinf(self.last_asked):
            print("subscribed", flush=True)
        self.last_asked = time.monotonic()
        subscription = message["subscription"]
        kind, user = subscription["type"], subscription.get("user", "").lower()
        await socket.send_str(json.dumps({"channel": "subscriptionResponse", "data": message}))
        if kind in SNAPSHOTS:
            data = {"user": user, SNAPSHOTS[kind]: [], "isSnapshot": True}
            await socket.send_str(json.dumps({"channel": kind, "data": data}))
        elif kind == "allDexsClearinghouseState":
            self.subscribed_users.add(user)
            await socket.send_str(account_state(user))
        elif kind == "spotState":
            await socket.send_str(json.dumps({"channel": kind, "data": {"user": user, "spotState": {"balances": []}}}))

    async def send_states(self, socket: web.WebSocketResponse) -> None:
        while True:
            await asyncio.sleep(5)
            for user in self.subscribed_users:
                await socket.send_str(account_state(user))

    async def send_load(self, request: web.Request) -> None:
        while not time.monotonic() - self.last_asked > QUIET_S:
            await asyncio.sleep(TICK_S)
        if not self.rate:
            request.transport.write(b"".join(self.load))
            return
        began, sent = time.monotonic(), 0
        while sent < len(self.load):
            due = min(int((time.monotonic() - began) * self.rate) + 1, len(self.load))
            request.transport.write(b"".join(self.load[sent:due]))
            self.sent_s += [time.perf_counter()] * (due - sent)
            sent = due
            await asyncio.sleep(1 / self.rate)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fills", type=int, default=0)
    parser.add_argument("--trades", type=int, default=0)
    parser.add_argument("--accounts", type=int, default=1)
    parser.add_argument("--per-frame", type=int, default=4)
    parser.add_argument("--rate", type=float, default=0.0, help="fills per second, 0: all at once")
    options = parser.parse_args()
    load = [
        *fill_frames(options.fills, options.accounts, options.per_frame),
        *trade_frames(options.trades, options.per_frame),
    ]
    asyncio.run(serve(Exchange(load, options.rate / options.per_frame)))


async def serve(exchange: Exchange) -> None:
    """Print the URL, then serve until the end."""
    print(await listen(exchange), flush=True)
    await asyncio.Event().wait()


async def listen(exchange: Exchange) -> str:
    """Begin to serve on this loop; the URL."""
    app = web.Application()
    app.add_routes([web.post("/info", exchange.info), web.get("/ws", exchange.socket)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


if __name__ == "__main__":
    main()
