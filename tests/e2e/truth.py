"""What truly happened at the simulated exchange, and the same out of stored events: rows to compare for equality.

`bodies` are the stored events of one kind, with the field names of the events; a field at its default may be missing.
Numbers may be texts or Decimals.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

from hlmon_sim.server import SimServer

Body = dict[str, Any]
Truth = dict[str, list[Body]]

SIDES = {"B": "buy", "A": "sell"}


def truth_of(path: Path) -> Truth:
    """Everything that happened, by what it was."""
    found: Truth = defaultdict(list)
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        found[entry["what"]].append(entry)
    return found


def stop_trading(server: SimServer) -> None:
    """From now on nothing happens."""
    server.traffic.rate = server.traffic.trades_rate = 0.0
    server.world.set_speed(0.001)


def is_number(value: object) -> bool:
    """Whether a field as sent says how much; where it does not, nothing is what is stored."""
    return isinstance(value, str) and value not in {"", "NaN"}


def number(value: Any) -> Decimal:
    return Decimal(value) if is_number(value) else Decimal(0)


def true_fill(account: str, fill: Body) -> tuple[Any, ...]:
    numbers = (number(fill.get(name)) for name in ("px", "sz", "startPosition", "closedPnl", "fee"))
    return (account, fill["coin"], SIDES[fill["side"]], fill["time"], fill["tid"], fill["oid"], *numbers)


def true_fills(truth: Truth) -> list[tuple[Any, ...]]:
    return sorted(true_fill(entry["account"], entry["fill"]) for entry in truth["fill"])


def stored_fills(bodies: Iterable[Body]) -> list[tuple[Any, ...]]:
    return sorted(map(_stored_fill, bodies))


def _stored_fill(body: Body) -> tuple[Any, ...]:
    numbers = (Decimal(body.get(name) or "0") for name in ("price", "size", "start_position", "closed_pnl", "fee"))
    ids = (body["time_ms"], int(body.get("trade_id", 0)), int(body["order_id"]))
    return (body["account"], body["coin"], body["side"], *ids, *numbers)


def true_fundings(truth: Truth) -> list[tuple[Any, ...]]:
    return sorted(
        (entry["account"], entry["funding"]["time"], entry["funding"]["coin"], Decimal(entry["funding"]["usdc"]))
        for entry in truth["funding"]
    )


def stored_fundings(bodies: Iterable[Body]) -> list[tuple[Any, ...]]:
    return sorted((body["account"], body["time_ms"], body["coin"], Decimal(body["amount"])) for body in bodies)


def true_ledger(truth: Truth) -> list[tuple[Any, ...]]:
    return sorted(
        (entry["account"], entry["time"], entry.get("hash") or "", entry["delta"]["type"]) for entry in truth["ledger"]
    )


def stored_ledger(bodies: Iterable[Body]) -> list[tuple[Any, ...]]:
    return sorted((body["account"], body["time_ms"], body["tx_hash"], body["type"]) for body in bodies)


def final_statuses(truth: Truth) -> dict[tuple[str, int], str]:
    """The last status of each order."""
    return {(entry["account"], entry["order"]["oid"]): one_word(entry["status"]) for entry in truth["order"]}


def one_word(status: str) -> str:
    """An order's status; that it waits for another one to fill may be said by the history or by the list."""
    return "waiting" if status == "waitingForFill" else status


def stored_statuses(bodies: Iterable[Body]) -> dict[tuple[str, int], str]:
    return {(body["account"], int(body["order_id"])): one_word(body["status"]) for body in bodies}


def true_closes(truth: Truth) -> list[tuple[Any, ...]]:
    """Which positions ended, when."""
    return sorted((entry["account"], entry["coin"], entry["closed"], entry["side"]) for entry in truth["close"])


def seen_closes(bodies: Iterable[Body]) -> list[Body]:
    """The closes that a fill says, each as it was stated last."""
    closes = list(bodies)
    replaced = {(close["account"], close["completes"]) for close in closes if close.get("completes")}
    return [close for close in closes if close["cause"] != "state" and (close["account"], _key(close)) not in replaced]


def _key(close: Body) -> str:
    first = f"{close['time_ms']}:{close['coin']}:{close.get('trigger', '')}"
    return f"{first}:{close['revision']}" if close.get("revision") else first


def stored_closes(bodies: Iterable[Body]) -> list[tuple[Any, ...]]:
    return sorted((close["account"], close["coin"], close["time_ms"], close["side"]) for close in seen_closes(bodies))


def true_lives(truth: Truth) -> set[tuple[Any, ...]]:
    """The sums of each position's whole life, and the same without some of its self-trades.

    A self-trade moves no position: if the exchange shows it only after the close, nothing told that it was missing.
    """
    self_trades = _self_trades(truth)
    return {
        (
            entry["account"],
            entry["coin"],
            entry["closed"],
            rounded(Decimal(entry["gross"]) - sum(number(fill.get("closedPnl")) for fill in late)),
            rounded(Decimal(entry["fees"]) - sum(number(fill.get("fee")) for fill in late)),
            entry["fills"] - len(late),
        )
        for entry in truth["close"]
        for late in _choices(
            pair
            for pair in self_trades[entry["account"], entry["coin"]]
            if entry["opened"] <= pair[0]["time"] <= entry["closed"]
        )
    }


def _self_trades(truth: Truth) -> dict[tuple[str, str], list[list[Body]]]:
    """The two fills of each trade of an account with itself, by account and coin."""
    fills: dict[tuple[str, str, int], list[Body]] = defaultdict(list)
    for entry in truth["fill"]:
        fills[entry["account"], entry["fill"]["coin"], entry["fill"]["tid"]].append(entry["fill"])
    found: dict[tuple[str, str], list[list[Body]]] = defaultdict(list)
    for (account, coin, _), pair in fills.items():
        if len(pair) == 2:
            found[account, coin].append(pair)
    return found


def _choices(pairs: Iterable[list[Body]]) -> Iterator[list[Body]]:
    """The fills of none, some or all of these pairs."""
    known = list(pairs)
    for number in range(len(known) + 1):
        for chosen in combinations(known, number):
            yield [fill for pair in chosen for fill in pair]


def stored_lives(bodies: Iterable[Body]) -> list[tuple[Any, ...]]:
    """The same of the closes that call themselves complete."""
    return [
        (
            close["account"],
            close["coin"],
            close["time_ms"],
            *map(rounded, (close["gross_pnl"], close.get("fees", "0"))),
            close["fills"],
        )
        for close in seen_closes(bodies)
        if close.get("complete", True)
    ]


def rounded(number: str | Decimal) -> Decimal:
    return round(Decimal(number), 6)


def true_deltas(truth: Truth, interval_ms: int) -> dict[tuple[str, int], Decimal]:
    """Bought minus sold, by coin and start of the bucket."""
    found: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
    for entry in truth["trade"]:
        trade = entry["trade"]
        start_ms = trade["time"] // interval_ms * interval_ms
        found[trade["coin"], start_ms] += Decimal(trade["sz"]) * (1 if trade["side"] == "B" else -1)
    return found


def stored_deltas(bodies: Iterable[Body]) -> dict[tuple[str, int], Decimal]:
    """The same of the buckets that call themselves complete."""
    return {
        (body["coin"], body["start_ms"]): Decimal(body["buy_volume"]) - Decimal(body["sell_volume"])
        for body in bodies
        if body.get("complete", True)
    }


def open_gaps(bodies: Iterable[Body]) -> list[Body]:
    """What of an account was not seen and is not read back."""
    return [body for body in bodies if body.get("account") and not body.get("healed")]


def is_caught_up(bodies: Callable[[str], list[Body]], truth: Truth) -> bool:
    """Whether a store, `bodies` being its events of a kind, has as much as it should; what exactly is for the tests.

    A close may come ten seconds after its fill, which may have to wait for the one before it.
    """
    resting = sum(status == "open" for status in final_statuses(truth).values())
    orders = Counter(body["status"] for body in bodies("order"))
    return (
        orders["open"] == resting
        and all(len(bodies(kind)) >= len(truth[kind]) for kind in ("fill", "funding", "ledger"))
        and len(seen_closes(bodies("position_closed"))) >= len(truth["close"])
    )
