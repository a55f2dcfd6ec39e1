"""What the simulated exchange sends has the keys and JSON types of what was recorded from the real one."""

import json
from pathlib import Path

import pytest

from hlmon_sim import Limits, World
from hlmon_sim.hub import Hub
from hlmon_sim.rest_market import answer

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "hyperliquid" / "recorded"
pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded payloads are not beside this checkout")

# Keys that a payload may have or lack, on either side: the exchange sends them only sometimes, or only did so once.
OPTIONAL = {
    "cloid", "builderFee", "feeTrialEscrow", "liquidation", "twapId", "isDelisted", "onlyIsolated", "marginMode",
    "reduceOnly", "dayBaseVlm", "maxTradeSzs", "rawUsd", "tokenToAvailableAfterMaintenance", "token",
    "portfolioMarginEnabled", "portfolioMarginRatio", "fast", "spread", "abstraction", "dexAbstractionEnabled",
    "optOutOfSpotDusting", "perpsAtOpenInterestCap", "leadingVaults", "assetToFundingInterestRate", "dex",
    "nRequestsSurplus", "growthMode", "tokenToPortfolioBorrowRatio", "tokenToPortfolioSupplyRatio", "ltv", "supplied",
    "collateralToken",
}  # fmt: skip
OLD = ("S01", "S06", "S13", "S14", "S12b")  # recorded before a field existed, or changed by whoever recorded it


def shape(value: object) -> object:
    """Keys and types: objects keep their keys, lists become the merged shape of their rows."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(row, list) and len(row) == 2 for row in value):
            return ["pairs", merge([shape(row[0]) for row in value]), merge([shape(row[1]) for row in value])]
        return ["list", merge([shape(row) for row in value])]
    return {"bool": "bool", "int": "number", "float": "number", "str": "text", "NoneType": "null"}[type(value).__name__]


def merge(shapes: list[object]) -> object:
    """One shape that fits all; keys that some lack get a question mark."""
    shapes = [one for one in shapes if one not in (None, "null", ["list", None])] or shapes[:1]
    if not shapes:
        return None
    if all(isinstance(one, dict) for one in shapes):
        keys = dict.fromkeys(key for one in shapes for key in one)
        merged = {}
        for key in keys:
            found = [one.get(key, one.get(f"{key}?")) for one in shapes if key in one or f"{key}?" in one]
            merged[key if len(found) == len(shapes) else f"{key.rstrip('?')}?"] = merge(found)
        return merged
    if all(isinstance(one, list) for one in shapes) and len({one[0] for one in shapes}) == 1:
        return [shapes[0][0], *(merge([one[i] for one in shapes]) for i in range(1, len(shapes[0])))]
    return shapes[0] if all(one == shapes[0] for one in shapes) else "any"


def differences(ours: object, theirs: object, path: str = "") -> list[str]:
    if None in (ours, theirs) or "null" in (ours, theirs) or "any" in (ours, theirs) or ours == theirs:
        return []
    if isinstance(ours, dict) and isinstance(theirs, dict):
        mine = {key.rstrip("?"): value for key, value in ours.items()}
        seen = {key.rstrip("?"): value for key, value in theirs.items()}
        always = {key for key in theirs if not key.endswith("?")}
        found = [f"{path}: never recorded: {key}" for key in mine.keys() - seen.keys() - OPTIONAL]
        found += [f"{path}: missing: {key}" for key in always - mine.keys() - OPTIONAL]
        for key in mine.keys() & seen.keys():
            found += differences(mine[key], seen[key], f"{path}.{key}")
        return found
    if isinstance(ours, list) and isinstance(theirs, list) and ours[0] == theirs[0]:
        return [d for i in range(1, len(ours)) for d in differences(ours[i], theirs[i], f"{path}[]")]
    return [f"{path}: {ours} is not {theirs}"]


def recorded(name: str) -> object:
    lines = [json.loads(line) for line in (RECORDED / f"{name}.jsonl").read_text().splitlines()]
    fresh = [line for line in lines if not line["src"].startswith(OLD)] or lines
    return merge([shape(line["payload"]) for line in fresh])


@pytest.fixture(scope="module")
def world() -> World:
    world = World(1)
    account = world.add_account(usdc=10**6, builder_rate=0)
    world.add_account(role="subAccount", master=account.address)
    world.add_agent(account)
    world.class_transfer(account, 10_000, to_perp=False)
    world.open(account, "BTC", "0.5", parts=3, cloid=True)
    world.open(account, "DOGE", "-1000")
    world.open(account, "xyz:TSLA", 3)
    world.liquidate(account, "DOGE")
    world.spot_buy(account, "@107", 5)
    world.twap_slice(world.twap(account, "SOL", 5, slices=5))
    world.place(account, "BTC", 1, 80_000, cloid=True)
    world.place_trigger(account, "BTC", 70_000, above=False)
    world.place(account, "xyz:SILVER", 1, 50)
    world.fund()
    world.step(world.now_ms + 60_000)
    world.background("BTC", "0.1")
    return world


REST = [
    "activeAssetData", "allMids", "candleSnapshot", "clearinghouseState", "extraAgents", "frontendOpenOrders",
    "fundingHistory", "historicalOrders", "l2Book", "meta", "metaAndAssetCtxs", "openOrders", "orderStatus",
    "perpDexs", "portfolio", "spotClearinghouseState", "spotMeta", "spotMetaAndAssetCtxs", "subAccounts",
    "userFills", "userFillsByTime", "userFunding", "userNonFundingLedgerUpdates", "userRateLimit", "userRole",
    "userTwapSliceFills", "userVaultEquities",
]  # fmt: skip


@pytest.mark.parametrize("kind", REST)
def test_rest_answers_have_the_recorded_shape(world: World, kind: str) -> None:
    account = next(iter(world.accounts.values()))
    fields = {"user": account.address, "coin": "BTC", "startTime": 0}
    fields["oid"] = account.order_changes[0].order["oid"]
    fields["req"] = {"coin": "BTC", "interval": "1m", "startTime": 0, "endTime": 2**60}
    ours = shape(answer(world, Limits(), {"type": kind} | fields))
    theirs = recorded(f"rest_{kind}")
    if kind == "allMids":
        assert set(ours.values()) == {"text"} == set(theirs.values())
        return
    if kind == "userNonFundingLedgerUpdates":
        ours, theirs = (without_deltas(one) for one in (ours, theirs))
    assert differences(ours, theirs, kind) == []


def without_deltas(one: list) -> list:
    return [one[0], {key: value for key, value in one[1].items() if key != "delta"}]


CHANNELS = {
    "activeAssetCtx": {"coin": "BTC"},
    "activeAssetData": {"coin": "BTC"},
    "allDexsAssetCtxs": {},
    "allDexsClearinghouseState": {},
    "allMids": {},
    "bbo": {"coin": "BTC"},
    "candle": {"coin": "BTC", "interval": "1m"},
    "clearinghouseState": {},
    "l2Book": {"coin": "BTC"},
    "openOrders": {"dex": ""},
    "spotState": {},
    "trades": {"coin": "BTC"},
    "twapStates": {},
    "userFills": {},
    "userFundings": {},
    "userNonFundingLedgerUpdates": {},
    "userTwapSliceFills": {},
    "webData3": {},
}


@pytest.mark.parametrize("kind", CHANNELS)
def test_first_messages_have_the_recorded_shape(world: World, kind: str) -> None:
    frames = frames_of(world, kind)
    theirs = recorded(f"ws_{kind}")
    ours = merge([shape(frame) for frame in frames])
    if kind == "allMids":
        assert set(ours["data"]["mids"].values()) == {"text"}
        return
    if kind == "userNonFundingLedgerUpdates":
        for one in (ours, theirs):
            one["data"]["nonFundingLedgerUpdates"] = without_deltas(one["data"]["nonFundingLedgerUpdates"])
    if kind == "trades":
        assert set(ours["data"][1]) == {"coin", "side", "px", "sz", "time", "hash", "tid", "users"}
    assert differences(ours, theirs, kind) == []


@pytest.mark.parametrize("kind", ["orderUpdates", "userEvents", "notification"])
def test_live_messages_have_the_recorded_shape(kind: str) -> None:
    world = World(1)
    account = world.add_account()

    def happen() -> None:
        world.open(account, "BTC", 1)
        world.fund()
        world.twap_slice(world.twap(account, "BTC", 1, slices=1))
        order = world.place(account, "BTC", 1, 80_000, cloid=True)
        world.fill_order(order)

    frames = frames_of(world, kind, happen)
    theirs = recorded(f"ws_{kind}")
    known = [frame for frame in frames if kind != "userEvents" or "twapHistory" not in frame["data"]]
    assert known
    assert differences(merge([shape(frame) for frame in known]), theirs, kind) == []


def frames_of(world: World, kind: str, happen=lambda: None) -> list[dict]:
    hub = Hub(world, Limits())
    connection = hub.connect("1.1.1.1")
    form = {"type": kind, "user": next(iter(world.accounts))} | CHANNELS.get(kind, {})
    hub.receive(connection, json.dumps({"method": "subscribe", "subscription": form}))
    happen()
    world.listeners.remove(hub.publish)
    payloads = [payload for payload, _ in connection.outbox][1:]
    frames = [json.loads(payload) for payload in payloads]
    assert frames[0]["channel"] == "subscriptionResponse"
    return frames[1:]


def test_control_frames_have_the_recorded_texts() -> None:
    lines = [json.loads(line)["payload"] for line in (RECORDED / "ws_control.jsonl").read_text().splitlines()]
    world = World(1)
    hub = Hub(world, Limits(users=15))
    connection = hub.connect("1.1.1.1")
    for line in lines:
        if isinstance(line, dict) and line["channel"] == "error":
            _, _, asked = line["data"].partition("request: ")
            hub.receive(connection, asked or "{}")
        elif isinstance(line, dict) and line["channel"] == "subscriptionResponse":
            hub.receive(connection, json.dumps(line["data"]))
    for n in range(16):
        form = {"type": "userFills", "user": f"0x{n:040x}"}
        hub.receive(connection, json.dumps({"method": "subscribe", "subscription": form}))
    hub.receive(connection, '{"method":"ping"}')
    payloads = [payload if isinstance(payload, str) else json.loads(payload) for payload, _ in connection.outbox]
    assert [line for line in lines if line not in payloads] == []
