"""What the exchange sent and could not be read: what of it is still open, and how it is dealt with.

The journal has one writer, so a decision of the user is a line in a small file beside it, which the monitor follows. To
dismiss says that something is dealt with. To retry reads it again with the present decoder: it is dealt with once
everything that it says is in the journal. Both may be repeated, and a process that dies in between loses nothing.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from hlmon.contract import Ingest
from hlmon.errors import HlmonError, WireError
from hlmon.events import STORED, Event, Quarantined
from hlmon.hyperliquid.decode import decode_answer, decode_frame
from hlmon.hyperliquid.decode_rows import ROWS
from hlmon.hyperliquid.frames import Events
from hlmon.journal import Journal
from hlmon.journal.beside import FileMark, replace_file

AHEAD_MS: Final = 300_000
"""A row further ahead than this cannot be, as while watching."""

WIRE: Final = "wire"
"""The origin of what the exchange sent; that of everything else is who refused it."""

Decision = Literal["retry", "dismiss"]
Decisions = dict[str, Decision]
"""By digest: the same row is one thing, however often it came."""

_decoder = msgspec.json.Decoder(dict[str, Decision])


def decisions_path(journal: Path) -> Path:
    """Where the decisions about a journal's quarantine are."""
    return journal.with_name(journal.name + ".quarantine.json")


def read_decisions(journal: Path) -> Decisions:
    """All decisions, none without a file. Raises HlmonError if it cannot be read or understood."""
    path = decisions_path(journal)
    try:
        return _decoder.decode(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise HlmonError(f"{path}: the decisions about the quarantine cannot be read: {error}") from error


def write_decisions(journal: Path, decisions: Mapping[str, Decision]) -> None:
    """Replace the file. Raises HlmonError."""
    path = decisions_path(journal)
    try:
        replace_file(path, msgspec.json.format(msgspec.json.encode(decisions), indent=2) + b"\n")
    except OSError as error:
        raise HlmonError(f"{path}: the decisions about the quarantine cannot be written: {error.strerror}") from error


def from_exchange(journal: Journal) -> list[Quarantined]:
    """Everything that the exchange sent and could not be read, each thing once, in the order of its arrival."""
    return [event for event in kept_things(journal) if event.origin == WIRE]


def kept_things(journal: Journal) -> list[Quarantined]:
    """Everything in quarantine, once for each origin: also what a sink, a notifier or the journal refused."""
    found = [event for event in journal.states(Quarantined.kind) if isinstance(event, Quarantined)]
    return list({(event.origin, event.digest): event for event in found}.values())


def open_rows(journal: Journal, *, now_ms: int) -> list[Quarantined]:
    """Rows of the past, and frames of them, that are missing: not dismissed, and not stored since by a retry.

    Parts of states are not among them: the next state replaces them. Nor is what names neither account nor coin.
    """
    decisions = read_decisions(journal.path)
    return [
        row
        for row in from_exchange(journal)
        if is_row(row) and not is_dealt_with(row, decisions.get(row.digest), journal, now_ms=now_ms)
    ]


def is_row(kept: Quarantined) -> bool:
    """Whether rows of an account's or a coin's past are in it, which are missing without it."""
    return kept.unit in {"row", "frame"} and (kept.stream in ROWS or kept.stream.startswith("trades:"))


def is_dealt_with(kept: Quarantined, decision: Decision | None, journal: Journal, *, now_ms: int) -> bool:
    """Whether nothing is left to do about it."""
    if decision != "retry":
        return decision == "dismiss"
    try:
        return all(journal.contains(event.name) for event in read_again(kept, now_ms=now_ms))
    except WireError:
        return False


def read_again(kept: Quarantined, *, now_ms: int) -> list[Event]:
    """What it says to the present decoder, as far as that is stored. Raises WireError if it still cannot be read."""
    latest_ms = now_ms + AHEAD_MS
    if kept.unit == "frame" or not kept.stream:
        events, unread = _frame(kept.payload.encode(), latest_ms)
    elif kept.request in {"clearinghouseState", "spotClearinghouseState", "frontendOpenOrders", "extraAgents"}:
        return []  # a state of that moment: what holds now came since
    elif kept.request:
        answer = decode_answer(
            kept.request, kept.account, f"[{kept.payload}]".encode(), clock_ms=0, latest_ms=latest_ms
        )
        events, unread = answer.events, answer.unread
    elif kept.stream in ROWS:
        data = f'{{"user":"{kept.account}","{ROWS[kept.stream].field}":[{kept.payload}]}}'
        events, unread = _frame(f'{{"channel":"{kept.stream}","data":{data}}}'.encode(), latest_ms)
    elif kept.stream.startswith("trades"):
        events, unread = _frame(f'{{"channel":"trades","data":[{kept.payload}]}}'.encode(), latest_ms)
    else:
        return []
    if unread:
        raise WireError(unread[0].reason)
    return [event for event in events if event.kind in STORED]


def _frame(body: bytes, latest_ms: int) -> tuple[Iterable[Event], tuple[Quarantined, ...]]:
    frame = decode_frame(body, clock_ms=0, latest_ms=latest_ms)
    return (frame.events, frame.unread) if isinstance(frame, Events) else ((), ())


def summary(rows: Iterable[Quarantined], named: Callable[[str], str]) -> list[str]:
    """A sentence for each stream that lacks rows; `named` makes an address what the user calls it."""
    counted = Counter((row.stream, row.account) for row in rows)
    return [
        f"{number} row{'s' * (number != 1)} of {stream}{f' of {named(account)}' if account else ''} could not be read, "
        "see hlmon quarantine list"
        for (stream, account), number in counted.items()
    ]


class QuarantineDesk:
    """The monitor's side: reads again what the user asked for, and knows what is missing."""

    def __init__(self, journal: Journal, ingest: Ingest, now_ms: Callable[[], int]) -> None:
        self._journal = journal
        self._ingest = ingest
        self._now_ms = now_ms
        self._mark = FileMark(decisions_path(journal.path))
        self._known: dict[str, Quarantined] = {}
        self._refused: dict[tuple[str, str], Quarantined] = {}
        self._seen_seq = 0
        self._decisions: Decisions = {}
        self._retried: set[str] = set()
        self.missing: list[Quarantined] = []
        self.rejected: dict[str, int] = {}
        """Origin -> how many events it refused for good that are not dealt with."""
        self.problem = ""

    def look(self) -> None:
        """Take note of what is new in the journal and in the file; called again and again."""
        news = self._new_rows()
        changed = self._refresh()
        self._count_refused()  # a retry that was taken is no event
        if not news and not changed:
            return
        for digest, row in self._known.items():
            if self._decisions.get(digest) == "retry" and digest not in self._retried:
                self._retried.add(digest)
                with contextlib.suppress(WireError):
                    self._ingest(read_again(row, now_ms=self._now_ms()))
        if self._retried:
            self._ingest.states(
                Quarantined.kind
            )  # flushes: what was read again is in the journal before it is looked for
        self.missing = [row for row in self._known.values() if is_row(row) and not self._is_done(row)]

    def _count_refused(self) -> None:
        if not self._refused:
            return
        delivered = {name for name, (to, _) in self._journal.redelivered.all().items() if to}
        left = [name for name in self._refused if name not in delivered and self._decisions.get(name[1]) != "dismiss"]
        self.rejected = dict(Counter(origin for origin, _ in left))

    def _is_done(self, row: Quarantined) -> bool:
        return is_dealt_with(row, self._decisions.get(row.digest), self._journal, now_ms=self._now_ms())

    def _new_rows(self) -> bool:
        until = self._journal.last_seq()
        if until == self._seen_seq:
            return False
        found = self._journal.read_after(self._seen_seq, kinds={Quarantined.kind}, limit=10_000)
        rows = [entry.event for entry in found if isinstance(entry.event, Quarantined)]
        self._seen_seq = max(until, found[-1].seq if found else 0)
        self._known |= {row.digest: row for row in rows if row.origin == WIRE}
        self._refused |= {(row.origin, row.digest): row for row in rows if row.origin != WIRE}
        return bool(rows)

    def _refresh(self) -> bool:
        if not self._mark.has_changed():
            return False
        try:
            self._decisions = read_decisions(self._journal.path)
            self.problem = ""
        except HlmonError as error:
            self.problem = str(error)
        self._retried &= self._decisions.keys()
        return True
