"""What the exchange says about one account: frames, and rows of funding and orders."""

import json

from hlmon.hyperliquid.decode import decode_frame

ME = "0x" + "a" * 40
BEGIN_MS = 1_796_000_000_000  # times are told from here


def frame(channel, **data):
    return decode_frame(json.dumps({"channel": channel, "data": {"user": ME.upper()} | data}), clock_ms=5)


FUNDING = {"coin": "xyz:SILVER", "usdc": "-0.000794", "szi": "-0.26", "fundingRate": "0.0000412775", "nSamples": None}


def order(**changes):
    return {
        "coin": "BTC",
        "side": "A",
        "limitPx": "30000.0",
        "sz": "0.2",
        "oid": 5,
        "timestamp": BEGIN_MS + 100,
        "triggerCondition": "N/A",
        "isTrigger": False,
        "triggerPx": "0.0",
        "children": [],
        "isPositionTpsl": False,
        "reduceOnly": False,
        "orderType": "Limit",
        "origSz": "0.5",
        "tif": "Gtc",
        "cloid": None,
    } | changes


def status(word, time, **changes):
    return {"order": order(**changes), "status": word, "statusTimestamp": BEGIN_MS + time}
