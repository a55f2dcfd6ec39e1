"""What a monitor's journal says differently from what truly happened, once a story is over; each difference a line."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Hashable
from decimal import Decimal
from typing import Any

from hlmon.journal import Journal
from tests.e2e import truth as t
from tests.e2e.sampling import (
    STREAMS,
    Item,
    canonical,
    covers,
    is_same_status,
    stored_key,
    true_key,
    unread_keys,
)

CVD_MS = 60_000
CROWDED = "more rows in one millisecond than an answer may hold"


def verdicts(truth: t.Truth, journal: Journal, books: dict[str, Any], began_ms: int) -> dict[str, list[str]]:
    """Every difference, by what it concerns. Orders that ended before `began_ms` may be out of the exchange's reach."""
    stored: dict[str, list[t.Body]] = defaultdict(list)
    for kind, body in journal.query("SELECT kind, body FROM events ORDER BY seq"):
        stored[kind].append(json.loads(body))
    gaps = t.open_gaps(stored["gap"])
    lost = {kind: lost_rows(kind, truth, stored, gaps) for kind in ("fill", "funding", "ledger")}
    missing = {kind: Counter(true_key(entry) for entry in entries) for kind, (entries, _) in lost.items()}
    return {
        **{f"{kind} missing without a gap": untold for kind, (_, untold) in lost.items()},
        **{f"{kind} too many": too_many(kind, truth, stored) for kind in ("fill", "funding", "ledger")},
        "fill with other numbers": other_numbers(truth, stored),
        "unread row not in quarantine": not_quarantined(truth, stored, gaps),
        "gap where nothing is missing": false_gaps(gaps, lost, truth),
        "order": order_differences(truth, stored, gaps, began_ms),
        "open order": open_order_differences(stored, books, gaps),
        "position": position_differences(truth, stored, books),
        "close": close_differences(truth, stored, missing["fill"], gaps),
        "close that is not complete": life_differences(truth, stored),
        "close with other funding": funding_differences(truth, journal),
        "cvd": cvd_differences(truth, stored),
    }


def lost_rows(
    kind: str, truth: t.Truth, stored: dict[str, list[t.Body]], gaps: list[t.Body]
) -> tuple[list[t.Body], list[str]]:
    """What is not stored, and which of it no open gap names."""
    held = Counter(stored_key(kind, body) for body in stored[kind])
    lost: list[t.Body] = []
    for entry in truth[kind]:
        key = true_key(entry)
        if held[key]:
            held[key] -= 1
        else:
            lost.append(entry)
    return lost, [brief(entry) for entry in lost if not any(covers(gap, item_of(entry)) for gap in gaps)]


def item_of(entry: t.Body) -> Item:
    return Item(entry["account"], entry.get("stream") or STREAMS[entry["what"]], entry["time"], 0.0, "")


def too_many(kind: str, truth: t.Truth, stored: dict[str, list[t.Body]]) -> list[str]:
    true = Counter(true_key(entry) for entry in truth[kind])
    return [f"{key} x {n}" for key, n in (Counter(stored_key(kind, b) for b in stored[kind]) - true).items()]


def other_numbers(truth: t.Truth, stored: dict[str, list[t.Body]]) -> list[str]:
    true = Counter(t.true_fill(entry["account"], entry["fill"]) for entry in truth["fill"])
    return [f"{row}" for row in (Counter(t.stored_fills(stored["fill"])) - true)]


def not_quarantined(truth: t.Truth, stored: dict[str, list[t.Body]], gaps: list[t.Body]) -> list[str]:
    """Rows of accounts that could not be read; a market trade may have come while nobody listened."""
    kept = {key for body in stored["quarantine"] for key in unread_keys(body)}
    unread = [entry for entry in truth["unread"] if entry.get("account")]
    lacking = [entry for entry in unread if ("unread", canonical(entry["row"])) not in kept]
    return [brief(entry) for entry in lacking if not any(covers(gap, item_of(entry)) for gap in gaps)]


def false_gaps(gaps: list[t.Body], lost: dict[str, tuple[list[t.Body], list[str]]], truth: t.Truth) -> list[str]:
    """Open gaps in which nothing is missing and no row was unreadable.

    Of a millisecond with more rows than an answer may hold REST proves nothing, even if all of them came live.
    """
    entries = [entry for found, _ in lost.values() for entry in found] + truth["unread"]
    items = [item_of(entry) for entry in entries if entry.get("account")]
    hidden = [item_of(entry) for entry in truth["order"] if entry.get("hidden")]
    unproven = [gap for gap in gaps if gap.get("reason") == CROWDED]
    return [
        canonical(gap) for gap in gaps if gap not in unproven and not any(covers(gap, item) for item in items + hidden)
    ]


def order_differences(truth: t.Truth, stored: dict[str, list[t.Body]], gaps: list[t.Body], began_ms: int) -> list[str]:
    held = t.stored_statuses(stored["order"])
    last = {(entry["account"], entry["order"]["oid"]): entry for entry in truth["order"]}
    return [
        f"{key} is {held.get(key)}, truly {entry['status']}{' (hidden)' if entry.get('hidden') else ''}"
        for key, entry in last.items()
        if not is_same_status(held.get(key, ""), entry["status"], is_hidden=entry.get("hidden", False))
        and not any(covers(gap, item_of(entry)) for gap in gaps)
        and not (key not in held and entry["time"] < began_ms)
    ]


def open_order_differences(stored: dict[str, list[t.Body]], books: dict[str, Any], gaps: list[t.Body]) -> list[str]:
    held = {(body["account"], int(body["order_id"])) for body in stored["order"] if body["status"] == "open"}
    true = set(books["orders"])
    blind = {gap["account"] for gap in gaps if gap["stream"].startswith("openOrders")}
    return [
        f"{key} is {'open' if key in held else 'not open'} here alone" for key in held ^ true if key[0] not in blind
    ]


def position_differences(truth: t.Truth, stored: dict[str, list[t.Body]], books: dict[str, Any]) -> list[str]:
    """Those of a dex that is not there any more end only when it was away for some minutes."""
    held: dict[tuple[str, str], Decimal] = {}
    for body in stored["position"]:
        if body.get("is_open", True):
            sign = 1 if body["side"] == "long" else -1
            held[body["account"], body["coin"]] = sign * Decimal(body["size"])
    true = {key: size for key, size in books["positions"].items() if size}
    gone = {entry["old"] for entry in truth["rename"]}
    return [
        f"{key} is {held.get(key)}, truly {true.get(key)}"
        for key in held.keys() | true.keys()
        if held.get(key) != true.get(key) and key[1].partition(":")[0] not in gone
    ]


def close_differences(
    truth: t.Truth, stored: dict[str, list[t.Body]], missing: Counter[Hashable], gaps: list[t.Body]
) -> list[str]:
    """Positions whose closing fill is lost cannot be told of."""
    blind = {(key[1], key[2]) for key in missing if isinstance(key, tuple)}  # account, coin
    true = Counter(t.true_closes(truth))
    held = Counter(t.stored_closes(stored["position_closed"]))
    lines = [f"missing {row}" for row in true - held if (row[0], row[1]) not in blind]
    return lines + [f"too many {row}" for row in held - true if (row[0], row[1]) not in blind]


def life_differences(truth: t.Truth, stored: dict[str, list[t.Body]]) -> list[str]:
    """Closes that call themselves complete, but do not span the life of the position.

    Fills whose money could not be read leave nothing to compare with.
    """
    odd = {
        (entry["account"], entry["fill"]["coin"])
        for entry in truth["fill"]
        if not all(t.is_number(entry["fill"].get(name)) for name in ("closedPnl", "fee"))
    }
    complete = t.stored_lives(stored["position_closed"])
    renamed = {entry["new"] for entry in truth["rename"]}
    wrong = set(complete) - t.true_lives(truth)
    return [f"{row}" for row in wrong if (row[0], row[1]) not in odd and row[1].partition(":")[0] not in renamed]


def funding_differences(truth: t.Truth, journal: Journal) -> list[str]:
    """Complete closes without the funding that was stored before them."""
    rows = journal.query("SELECT seq, body FROM events WHERE kind = 'funding'")
    payments = [(seq, json.loads(body)) for seq, body in rows]
    # A flip and the end of what it opened may share their millisecond.
    lives = {(entry["account"], entry["coin"], entry["closed"], entry["side"]): entry for entry in truth["close"]}
    lines = []
    for seq, body in journal.query("SELECT seq, body FROM events WHERE kind = 'position_closed'"):
        close = json.loads(body)
        life = lives.get((close["account"], close["coin"], close["time_ms"], close["side"]))
        if life is None or close["cause"] == "state" or not close.get("complete", True):
            continue
        late = [
            payment
            for place, payment in payments
            if (payment["account"], payment["coin"]) == (close["account"], close["coin"])
            and _is_paid_by(payment, life)
            and place > seq
        ]
        before = [payment for payment in late if payment["time_ms"] < life["closed"]]  # the others may follow the close
        told = Decimal(close.get("funding", "0"))
        sums = {t.rounded(told + sum(Decimal(payment["amount"]) for payment in some)) for some in (late, before)}
        if t.rounded(life["funding"]) not in sums:
            lines.append(f"{close['coin']} {close['time_ms']}: {told} or {sums}, truly {life['funding']}")
    return lines


def _is_paid_by(payment: t.Body, life: t.Body) -> bool:
    """Whether a payment is of this life; at the moment of the opening another one may have been paid for before it."""
    if payment["time_ms"] == life["opened"]:
        return (Decimal(payment["size"]) > 0) is (life["side"] == "long")
    return bool(life["opened"] < payment["time_ms"] <= life["closed"])


def cvd_differences(truth: t.Truth, stored: dict[str, list[t.Body]]) -> list[str]:
    true = t.true_deltas(truth, CVD_MS)
    found = t.stored_deltas(stored["cvd"])
    return [f"{key} is {value}, truly {true[key]}" for key, value in found.items() if value != true[key]]


def brief(entry: t.Body) -> str:
    return json.dumps({name: value for name, value in entry.items() if name != "answer"})[:300]
