"""The WebSocket side of a scripted exchange, and rows as it sends them."""

from __future__ import annotations

import contextlib
import json

from tests.core.feed.virtual_time import START_MS

ALICE = "0x" + "a1" * 20
BOB = "0x" + "b0" * 20
CAROL = "0x" + "ca" * 20


class Exchange:
    """The WebSocket side: acks, snapshots and refusals by script; `sockets` are the connections it accepted."""

    def __init__(self) -> None:
        self.time_ms = START_MS
        self.user_cap = 15
        self.poison: set[str] = set()
        self.refusals: dict[str, str] = {}  # stream, or STREAM:DEX -> text
        self.unanswered: set[str] = set()  # streams
        self.mute = False  # half open: takes everything, says nothing
        self.answers_late = False
        self.snapshots: dict[tuple[str, str], list] = {}  # (stream, user) -> rows
        self.dexes = [""]
        self.open_orders: dict[tuple[str, str], list] = {}  # (user, dex) -> rows
        self.lists_late = False  # no list of open orders comes by itself
        self.replays: dict[str, list] = {}  # coin -> trades
        self.positions: dict[str, str] = {}  # coin -> signed size, of every account
        self.balances: dict[str, str] = {}  # token -> total, of every account
        self.without_snapshot: set[str] = set()  # streams
        self.noise: list = []  # sent before every ack
        self.received: list[dict] = []
        self.sockets: list = []
        self.users: set[str] = set()
        self.cash: dict[str, int] = {}  # on the main dex
        self.usdc: dict[str, int] = {}  # among the spot balances

    @property
    def subscribed(self) -> list[tuple[str, str]]:
        asked = (m["subscription"] for m in self.received if m["method"] == "subscribe")
        return [(s["type"], s.get("user") or s.get("coin")) for s in asked]

    async def converse(self, socket) -> None:
        self.sockets.append(socket)
        self.users.clear()
        with contextlib.suppress(Exception):
            await socket.send("Websocket connection established.")
            async for text in socket:
                message = json.loads(text)
                if not self.mute:
                    await self.answer(socket, message)
                if message["method"] != "ping":
                    self.received.append(message)

    async def answer(self, socket, message) -> None:
        if message["method"] == "ping":
            await self.send("pong")
            return
        wanted = message["subscription"]
        stream, user, coin = wanted["type"], wanted.get("user"), wanted.get("coin")
        if message["method"] == "subscribe":
            if coin in self.poison:
                socket.transport.abort()
                return
            if stream in self.unanswered:
                return
            named = f"{stream}:{wanted['dex']}" if wanted.get("dex") else stream
            if named in self.refusals:
                await self.send("error", self.refusals[named])
                return
            if user and user not in self.users and len(self.users) >= self.user_cap:
                await self.send("error", f"Cannot track more than {self.user_cap} total users.")
                return
            if user:
                self.users.add(user)
        for channel, data in self.noise:
            await self.send(channel, data)
        normalised = dict(sorted(wanted.items(), reverse=True)) | {"aggregateByTime": False}
        await self.send("subscriptionResponse", {"method": message["method"], "subscription": normalised})
        if message["method"] == "subscribe" and stream not in self.without_snapshot:
            await self.snapshot(stream, user, coin, wanted.get("dex", ""))

    async def snapshot(self, stream, user, coin, dex="") -> None:
        rows = {
            "userFills": "fills",
            "userTwapSliceFills": "twapSliceFills",
            "userFundings": "fundings",
            "userNonFundingLedgerUpdates": "nonFundingLedgerUpdates",
            "userHistoricalOrders": "orderHistory",
            "userTwapHistory": "history",
        }
        if stream in rows:
            history = self.snapshots.get((stream, user), [])
            await self.send(stream, {"user": user, rows[stream]: history, "isSnapshot": True})
        elif stream == "allDexsClearinghouseState":
            await self.beat(user)
        elif stream == "openOrders":
            if not self.lists_late:
                await self.list_orders(user, dex)
        elif stream == "spotState":
            await self.spot_state(user)
        elif stream == "trades" and coin in self.replays:
            await self.send("trades", self.replays[coin])

    async def list_orders(self, user, dex="") -> None:
        orders = self.open_orders.get((user, dex), [])
        await self.send("openOrders", {"dex": dex, "user": user, "orders": orders})

    async def beat(self, user) -> None:
        money = dict.fromkeys(("accountValue", "totalNtlPos", "totalRawUsd", "totalMarginUsed"), "0.0")
        money["accountValue"] = f"{self.cash.get(user, 0)}.0"
        state = {
            "marginSummary": money,
            "crossMarginSummary": money,
            "crossMaintenanceMarginUsed": "0.0",
            "withdrawable": "0.0",
            "time": self.time_ms,
        }
        states = [[dex, state | {"assetPositions": self.positions_on(dex)}] for dex in self.dexes]
        await self.send("allDexsClearinghouseState", {"user": user, "clearinghouseStates": states})

    def positions_on(self, dex) -> list[dict]:
        return [position(coin, size) for coin, size in self.positions.items() if coin.rpartition(":")[0] == dex]

    async def spot_state(self, user) -> None:
        usdc = self.usdc.get(user)
        held = [] if usdc is None else [{"coin": "USDC", "token": 0, "total": f"{usdc}.0", "hold": "0.0"}]
        held += [{"coin": coin, "token": 1, "total": total, "hold": "0.0"} for coin, total in self.balances.items()]
        await self.send("spotState", {"user": user, "spotState": {"balances": held}})

    async def fills(self, user, *rows) -> None:
        await self.send("userFills", {"user": user, "fills": list(rows)})

    async def send(self, channel, data=None) -> None:
        frame = {"channel": channel} if data is None else {"channel": channel, "data": data}
        with contextlib.suppress(Exception):
            await self.sockets[-1].send(json.dumps(frame))

    def cut(self) -> None:
        self.sockets[-1].transport.abort()


def position(coin: str, size: str) -> dict:
    numbers = dict.fromkeys(("entryPx", "positionValue", "unrealizedPnl", "returnOnEquity", "marginUsed"), "1.0")
    paid = dict.fromkeys(("allTime", "sinceOpen", "sinceChange"), "0.0")
    return {
        "type": "oneWay",
        "position": numbers
        | {
            "coin": coin,
            "szi": size,
            "leverage": {"type": "cross", "value": 5},
            "liquidationPx": None,
            "maxLeverage": 50,
            "cumFunding": paid,
        },
    }


def fill(time_ms: int, tid: int, **changes) -> dict:
    row = {
        "coin": "BTC",
        "px": "100.0",
        "sz": "1.0",
        "side": "B",
        "time": time_ms,
        "startPosition": "0.0",
        "dir": "Open Long",
        "closedPnl": "0.0",
        "hash": "0x" + "0" * 64,
        "oid": tid + 1_000_000,
        "crossed": True,
        "fee": "0.01",
        "feeToken": "USDC",
        "tid": tid,
        "twapId": None,
    }
    return row | changes


def trade(time_ms: int, tid: int, coin: str = "BTC") -> dict:
    return {
        "coin": coin,
        "side": "B",
        "px": "100.0",
        "sz": "1.0",
        "time": time_ms,
        "hash": "0x" + "0" * 64,
        "tid": tid,
        "users": [ALICE, BOB],
    }
