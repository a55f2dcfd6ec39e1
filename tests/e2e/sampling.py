"""Whether a monitor says that all is well while it lacks something: looked at again and again while it runs.

What truly happened is read from the ground truth as it grows, what the monitor has from its journal. An item is missing
if it happened more than `PATIENCE_S` ago by the clock that is given (a story's own time), is not in the journal, and is
named by no open gap. A row that cannot be read is missing until it is in quarantine, and from then on the monitor must
not call itself well. An order's status and a position's size are missing while they are others than the true ones.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from hlmon.cli.running import judge, read_status
from hlmon.errors import JournalError
from hlmon.events.account import is_perp
from hlmon.journal import Journal
from tests.e2e.truth import SIDES, Body, one_word

PATIENCE_S = 60.0
TELL_S = 15.0  # the status that is judged is a few seconds old
KINDS = ("fill", "funding", "ledger", "order", "position", "quarantine")
STREAMS = {"funding": "userFundings", "ledger": "userNonFundingLedgerUpdates", "order": "userHistoricalOrders"}


@dataclass
class Item:
    """Something that truly happened: to whom, in which stream, when, and when it was first known here."""

    account: str
    stream: str
    time_ms: int
    seen: float
    text: str


@dataclass
class Sampler:
    """Reads the truth and the journal on; `sample` says what is wrong now."""

    truth: Path
    journal: Path
    clock: Callable[[], float] = time.monotonic
    began_ms: int = 0  # orders that ended before may be out of the exchange's reach
    samples: int = 0
    well: int = 0
    last_reasons: list[str] = field(default_factory=list)
    violations: dict[str, float] = field(default_factory=dict)  # what, and for how long it was missing
    _place: int = 0
    _seq: int = 0
    _missing: dict[Hashable, deque[Item]] = field(default_factory=lambda: defaultdict(deque))
    _early: dict[Hashable, int] = field(default_factory=lambda: defaultdict(int))  # stored before its truth was read
    _orders: dict[tuple[str, int], tuple[str, bool, Item]] = field(default_factory=dict)
    _stored_orders: dict[tuple[str, int], str] = field(default_factory=dict)
    _differing: set[tuple[str, int]] = field(default_factory=set)
    _positions: dict[tuple[str, str], tuple[Decimal, Item]] = field(default_factory=dict)
    _stored_positions: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    _unread: dict[Hashable, str] = field(default_factory=dict)
    _quarantined: dict[Hashable, float] = field(default_factory=dict)  # since when

    def sample(self) -> None:
        """Look once; whatever lacks while the monitor says that all is well is a violation."""
        try:
            with Journal.open(self.journal, read_only=True) as journal:
                now_ms = time.time_ns() // 1_000_000
                status = read_status(journal)
                verdict = judge(status, now_ms=now_ms)
                self.last_reasons = list(verdict.reasons(status, now_ms=now_ms))
                self._read_truth()
                self._read_journal(journal)
                gaps = [json.loads(body) for (body,) in journal.query(OPEN_GAPS)]
        except JournalError:  # not there yet
            return
        self.samples += 1
        if not self.last_reasons:
            self.well += 1
            for item in self.lacking(gaps):
                self.violations[item.text] = self.clock() - item.seen
            for key in self._unread.keys() & self._quarantined.keys():
                if (age := self.clock() - self._quarantined[key]) > TELL_S:
                    self.violations[f"a row in quarantine: {self._unread[key]}"] = age

    def lacking(self, gaps: list[Body], patience_s: float = PATIENCE_S) -> list[Item]:
        """What the journal lacks, oldest first, without what an open gap names."""
        before = self.clock() - patience_s
        old = [item for item in self._items() if item.seen < before]
        return [item for item in old if not any(covers(gap, item) for gap in gaps)]

    def _items(self) -> Iterator[Item]:
        for waiting in self._missing.values():
            yield from waiting
        for key in self._differing:
            item = self._orders[key][2]
            if item.time_ms >= self.began_ms or key in self._stored_orders:
                yield item
        for place, (size, item) in self._positions.items():
            if self._stored_positions.get(place, 0) != size:
                yield item

    # what truly happened

    def _read_truth(self) -> None:
        if not self.truth.exists():
            return
        with self.truth.open("rb") as file:
            file.seek(self._place)
            data = file.read()
        whole = data.rfind(b"\n") + 1
        self._place += whole
        for line in data[:whole].splitlines():
            entry = json.loads(line)
            if entry["what"] == "order":
                self._true_order(entry)
            elif entry["what"] == "rename":
                self._rename(entry)
            elif (key := true_key(entry)) is not None:
                self._happened(key, entry)

    def _happened(self, key: Hashable, entry: Body) -> None:
        if entry["what"] == "unread":
            self._unread[key] = brief(entry)
            if key in self._quarantined:
                return
        if entry["what"] == "fill" and is_perp(entry["fill"]["coin"]):
            self._true_position(entry)
        if self._early.get(key):
            self._early[key] -= 1
            return
        stream = entry.get("stream") or STREAMS[entry["what"]]
        self._missing[key].append(Item(entry["account"], stream, entry["time"], self.clock(), brief(entry)))

    def _true_order(self, entry: Body) -> None:
        key = entry["account"], entry["order"]["oid"]
        item = Item(entry["account"], STREAMS["order"], entry["time"], self.clock(), brief(entry))
        self._orders[key] = entry["status"], entry.get("hidden", False), item
        self._compare(key)

    def _true_position(self, entry: Body) -> None:
        fill, item = entry["fill"], Item(entry["account"], "position", entry["time"], self.clock(), "")
        key = entry["account"], fill["coin"]
        before = self._positions[key][0] if key in self._positions else Decimal(fill["startPosition"])
        size = before + Decimal(fill["sz"]) * (1 if fill["side"] == "B" else -1)
        item.text = f"the position {key} is {size}"
        self._positions[key] = size, item

    def _rename(self, entry: Body) -> None:
        """The positions are those of the new coins; those of the old ones may be shown for some minutes."""
        for account, coin in list(self._positions):
            dex, _, name = coin.partition(":")
            if dex == entry["old"]:
                size, _ = self._positions.pop((account, coin))
                key = account, f"{entry['new']}:{name}"
                item = Item(account, "position", entry["time"], self.clock(), f"the position {key} is {size}")
                self._positions[key] = size, item

    # what is stored

    def _read_journal(self, journal: Journal) -> None:
        names = ", ".join(f"'{kind}'" for kind in KINDS)
        rows = journal.query(f"SELECT seq, kind, body FROM events WHERE seq > {self._seq} AND kind IN ({names})")
        for seq, kind, text in sorted(rows):
            self._seq = seq
            body = json.loads(text)
            if kind == "order":
                key = body["account"], int(body["order_id"])
                self._stored_orders[key] = body["status"]
                self._compare(key)
            elif kind == "position":
                size = Decimal(body["size"]) if body.get("is_open", True) else Decimal(0)
                self._stored_positions[body["account"], body["coin"]] = size if body["side"] == "long" else -size
            elif kind == "quarantine":
                for key in unread_keys(body):
                    self._quarantined.setdefault(key, self.clock())
                    self._missing.pop(key, None)
            else:
                self._stored(stored_key(kind, body))

    def _stored(self, key: Hashable) -> None:
        if waiting := self._missing.get(key):
            waiting.popleft()
            if not waiting:
                del self._missing[key]
        else:
            self._early[key] += 1

    def _compare(self, key: tuple[str, int]) -> None:
        if key not in self._orders:
            return
        status, is_hidden, _ = self._orders[key]
        if is_same_status(self._stored_orders.get(key, ""), status, is_hidden=is_hidden):
            self._differing.discard(key)
        else:
            self._differing.add(key)


OPEN_GAPS = "SELECT body FROM events WHERE kind = 'gap' AND NOT COALESCE(json_extract(body, '$.healed'), 0)"


def covers(gap: Body, item: Item) -> bool:
    """Whether this gap says that the item may be missing."""
    streams = {gap["stream"]} | ({"userHistoricalOrders"} if gap["stream"].startswith("openOrders") else set())
    if gap.get("account", "") != item.account or item.stream not in streams:
        return False
    return gap["start_ms"] <= item.time_ms <= (gap.get("end_ms") or 2**63)


def is_same_status(stored: str, true: str, *, is_hidden: bool = False) -> bool:
    """Whether an order's stored status is the true one; how a hidden one ended cannot be known."""
    if is_hidden:
        return stored in {"unknown", true}
    return one_word(stored) == one_word(true)


def true_key(entry: Body) -> Hashable:
    """What tells the truth's entry from others, as far as a stored event can say it; None for what is not stored."""
    what, account = entry["what"], entry.get("account", "")
    if what == "fill":
        fill = entry["fill"]
        return "fill", account, fill["coin"], fill["time"], fill["tid"], fill["oid"], SIDES[fill["side"]]
    if what == "funding":
        return "funding", account, entry["funding"]["time"], entry["funding"]["coin"]
    if what == "ledger":
        return "ledger", account, entry["time"], entry["hash"] or "" if "hash" in entry else "", entry["delta"]["type"]
    if what == "unread" and account:
        return ("unread", canonical(entry["row"]))
    return None


def stored_key(kind: str, body: Body) -> Hashable:
    """The same of a stored event."""
    account = body["account"]
    if kind == "fill":
        ids = body["time_ms"], int(body.get("trade_id", 0)), int(body.get("order_id", 0))
        return "fill", account, body["coin"], *ids, body["side"]
    if kind == "funding":
        return "funding", account, body["time_ms"], body["coin"]
    return "ledger", account, body["time_ms"], body.get("tx_hash", ""), body["type"]


def unread_keys(body: Body) -> Iterator[Hashable]:
    """The keys of the unreadable rows that this event of quarantine holds: a row in its two forms, or a page."""
    try:
        payload = json.loads(body.get("payload", ""))
    except (ValueError, RecursionError):  # no JSON, or nested without end
        return
    for row in payload if isinstance(payload, list) else [payload]:
        for form in (row, flat(row)):
            yield ("unread", canonical(form))
    yield ("unread", canonical(payload))


def flat(row: Any) -> Any:
    """A funding row of REST in the form of the stream."""
    if isinstance(row, dict) and isinstance(row.get("delta"), dict) and row["delta"].get("type") == "funding":
        delta = {name: value for name, value in row["delta"].items() if name != "type"}
        return delta | ({"time": row["time"]} if "time" in row else {})
    return row


def canonical(row: Any) -> str:
    """The row as text, whatever the order of its keys."""
    return json.dumps(row, sort_keys=True)


def brief(entry: Body) -> str:
    """One line of it."""
    return json.dumps({name: value for name, value in entry.items() if name != "answer"})[:300]
