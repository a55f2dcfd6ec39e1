"""The journal: an embedded SQLite log of everything that happened, which all followers read at their own pace.

It is a compacted log. A fact takes the next sequence number once and for all. A state takes the next number too, and
the row of the state that it replaces goes; so a follower sees the latest of every state and every fact, in the order in
which they became known.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self

import msgspec

from hlmon.errors import JournalError
from hlmon.events import Event, Name
from hlmon.events.account import RESTING, UNKNOWN_END
from hlmon.journal.exchange import exchange_at, refusal
from hlmon.journal.file import PATIENCE_S, JournalFile
from hlmon.journal.notices import NoticeTable
from hlmon.journal.pruning import LAST_SEQ, Pause, give_back, goes_on, prune
from hlmon.journal.redelivered import RedeliveredTable
from hlmon.journal.rows import BY_NAME, MOVE_CURSOR, check_finite, decoded, has_text, version_in, without_old_states
from hlmon.linking import FillRow

NEWEST_STEP_MS: Final = 60_000
UNENDED: Final = frozenset({*RESTING, UNKNOWN_END})
_UNENDED_STATUSES = json.dumps(sorted(UNENDED))
_ENCODER = msgspec.json.Encoder()
_time_ms = itemgetter(4)  # of a row
_Row = tuple[int, str, str, str, int, str]
_NO_MEMORIES: Final[Mapping[str, bytes]] = MappingProxyType({})

_INSERT = (
    "INSERT INTO events (seq, kind, account, key, time_ms, body) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (key, kind, account) DO NOTHING"
)
_AFTER = """SELECT seq, kind, body FROM events
    WHERE seq > ?1 AND (?2 IS NULL OR kind IN (SELECT value FROM json_each(?2))) ORDER BY seq LIMIT ?3"""
# SQLite sorts the numbers alone, outside of memory if they are many, and then looks each fill up.
_FILLS_BY_TIME = """SELECT event.account, event.body FROM (SELECT seq FROM events WHERE kind = 'fill' ORDER BY time_ms)
    AS fill CROSS JOIN events AS event ON event.seq = fill.seq"""
_FILL_ROW = msgspec.json.Decoder(FillRow)
_UNENDED = """SELECT seq, kind, body FROM events WHERE kind = 'order' AND kind <> 'fill'
    AND json_extract(body, '$.status') IN (SELECT value FROM json_each(?1)) ORDER BY seq"""
_SAVE_MARK = "INSERT OR REPLACE INTO marks (name, value) VALUES (?, ?)"


class _StatusUrl(msgspec.Struct):
    url: str = ""


class Entry(NamedTuple):
    """An event and its place in the journal."""

    seq: int
    event: Event


class Journal:
    """One journal file. Every method may be called from any thread; all but `close` raise JournalError.

    What `append` and `ack` have returned for survives the death of the process; a power cut may take the last moments,
    never the order or the file. Sequence numbers only grow and none is given twice.
    """

    def __init__(self, file: JournalFile) -> None:
        self._file = file
        self.notices = NoticeTable(file)
        self.redelivered = RedeliveredTable(file)
        self._appending = threading.Lock()  # held until `_last_seq` says what was committed
        self._grown = threading.Condition()
        self._closed = self._waits_ended = False
        self._last_seq = self._stored_last_seq()
        self._newest_ms = self.newest_ms()

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open the journal, creating or migrating it first unless `read_only`.

        Only one process may have it open for writing; others may read meanwhile. Raises JournalError for a file that
        cannot be used as it is, and leaves that file untouched.
        """
        file = JournalFile.open(path, read_only=read_only)
        try:
            return cls(file)
        except BaseException:
            file.close()
            raise

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._file.path

    def close(self) -> None:
        """Close every connection and give the lock back; waiting threads wake. A second call does nothing."""
        self._closed = True
        self.end_waits()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(
        self, events: Sequence[Event], memories: Mapping[str, bytes] = _NO_MEMORIES, *, patience_s: float = PATIENCE_S
    ) -> int:
        """Store events in this order, and derivers' memories that cover them, in one transaction.

        A fact whose name is stored changes nothing, nor does a state whose version is not larger than the stored one;
        of several states of one name only the newest is written. Returns how many rows are new or replaced another.
        An event that cannot be stored raises ValueError or whatever it raises itself. On any error nothing is stored.
        JournalBusy if another program has kept the journal locked for `patience_s`.
        """
        return self._file.patiently(patience_s, lambda: self._append(events, memories))

    def _append(self, events: Sequence[Event], memories: Mapping[str, bytes]) -> int:
        with self._appending:
            with self._file.transaction(0.0) as connection:
                with _blaming_the_events():
                    written, last_seq, rows = self._insert(connection, events)
                newest_ms = self._raise_newest(connection, rows)
                connection.executemany(
                    "INSERT OR REPLACE INTO memories (name, seq, body) VALUES (?, ?, ?)",
                    [(name, last_seq, memory) for name, memory in memories.items()],
                )
            self._newest_ms = newest_ms
            with self._grown:
                self._last_seq = last_seq
                self._grown.notify_all()
        return written

    def _insert(self, connection: sqlite3.Connection, events: Sequence[Event]) -> tuple[int, int, list[_Row]]:
        events, superseded = without_old_states(connection, events)
        # All at once: half the time of encoding one by one. A line of JSON holds no line break.
        lines = _ENCODER.encode_lines(events)
        if has_text(lines, b'NaN"') or has_text(lines, b'Infinity"'):
            check_finite(events)
        rows = [
            (seq, event.kind, event.account, event.key, event.time_ms, body)
            for seq, event, body in zip(count(self._last_seq + 1), events, lines.decode().split("\n"), strict=False)
        ]
        connection.executemany("DELETE FROM events WHERE seq = ?", superseded)
        written = connection.executemany(_INSERT, rows).rowcount if rows else 0
        last_seq = self._last_seq + len(rows)
        if written < len(rows):  # numbers of rows that fell out stay free, so that the last one is a row's
            (found,) = connection.execute("SELECT COALESCE(max(seq), 0) FROM events").fetchone()
            last_seq = max(self._last_seq, found)
        return written, last_seq, rows

    def _raise_newest(self, connection: sqlite3.Connection, rows: Sequence[_Row]) -> int:
        newest_ms = max(map(_time_ms, rows), default=self._newest_ms)
        if newest_ms <= self._newest_ms:
            return self._newest_ms
        # Written a step ahead: a bound serves as well as the time itself, and costs no page in most transactions.
        newest_ms += NEWEST_STEP_MS
        connection.execute(_SAVE_MARK, ("newest_ms", newest_ms))
        return newest_ms

    def newest_ms(self) -> int:
        """No stored event is later than this; the latest may be up to a minute earlier."""
        rows = self._file.read("SELECT value FROM marks WHERE name = 'newest_ms'")
        return int(rows[0][0]) if rows else 0

    def contains(self, name: Name) -> bool:
        """Whether an event of this name is stored."""
        return bool(self._file.read(f"SELECT 1 {BY_NAME}", name))

    def event(self, name: Name) -> Event | None:
        """The stored event of this name; None if there is none that this hlmon understands."""
        rows = self._file.read(f"SELECT seq, kind, body {BY_NAME}", name)
        return decoded(*rows[0]) if rows else None

    def version(self, name: Name) -> int | None:
        """The version of the stored state of this name; None if there is none that this hlmon understands."""
        rows = self._file.read(f"SELECT body {BY_NAME}", name)
        return version_in(name[0], rows[0][0]) if rows else None

    def read_after(self, seq: int, *, kinds: Collection[str] | None = None, limit: int = 1000) -> list[Entry]:
        """The entries after `seq`, ascending; fewer than `limit` means that there were no more of these kinds.

        A row that this hlmon cannot decode (from a plugin that is gone, say) is left out, with a warning.
        """
        wanted_kinds = None if kinds is None else json.dumps(list(kinds))
        entries: list[Entry] = []
        while len(entries) < limit:
            wanted = limit - len(entries)
            rows = self._file.read(_AFTER, (seq, wanted_kinds, wanted))
            entries.extend(Entry(row[0], event) for row in rows if (event := decoded(*row)) is not None)
            if len(rows) < wanted:
                break
            seq = rows[-1][0]
        return entries

    def last_seq(self) -> int:
        """The largest sequence number given so far, 0 in an empty journal."""
        return self._stored_last_seq() if self._file.read_only else self._last_seq

    def wait_beyond(self, seq: int, timeout: float) -> bool:
        """Wait until `last_seq` is larger than `seq`, at most `timeout` seconds or until `end_waits`; whether it is.

        A journal opened read-only is not told what another process appends: it looks again when the time is over.
        """
        with self._grown:
            self._grown.wait_for(lambda: self._waits_ended or self._last_seq > seq, timeout)
        return not self._closed and self.last_seq() > seq

    def end_waits(self) -> None:
        """Wake whoever waits, and let nobody wait from now on: those who deliver shall see at once that it is over."""
        with self._grown:
            self._waits_ended = True
            self._grown.notify_all()

    def cursor(self, name: str) -> int:
        """The sequence number up to which this follower has acked, 0 if it never did."""
        return self.cursors().get(name, 0)

    def cursors(self) -> dict[str, int]:
        """Every follower's cursor."""
        return dict(self._file.read("SELECT name, seq FROM cursors"))

    def ack(self, name: str, seq: int) -> None:
        """Move this follower's cursor to `seq`; it never moves back."""
        with self._file.transaction() as connection:
            connection.execute(MOVE_CURSOR, (name, seq))

    def states(self, kind: str, account: str | None = None) -> list[Event]:
        """The stored events of this kind (of this account), in the order of the journal."""
        rows = self._file.read(
            f"SELECT seq, kind, body {_of_kind(kind)} AND (?2 IS NULL OR account = ?2) ORDER BY seq", (kind, account)
        )
        return [event for row in rows if (event := decoded(*row)) is not None]

    def unended_orders(self) -> list[Event]:
        """The stored orders whose end is not known, in the order of the journal."""
        rows = self._file.read(_UNENDED, (_UNENDED_STATUSES,))
        return [event for row in rows if (event := decoded(*row)) is not None]

    def count(self, kind: str) -> int:
        """How many events of this kind are stored."""
        return int(self._file.read(f"SELECT count(*) {_of_kind(kind)}", (kind,))[0][0])

    def memory(self, name: str) -> tuple[int, bytes] | None:
        """A deriver's memory as last saved, after the sequence number up to which it knows the events."""
        rows = self._file.read("SELECT seq, body FROM memories WHERE name = ?", (name,))
        return rows[0] if rows else None

    def put_status(self, body: bytes) -> None:
        """Keep what the running monitor says of itself, in place of what it said before. It waits for no lock."""
        with self._file.transaction(0.0) as connection:
            connection.execute(_SAVE_MARK, ("status", body))

    def status(self) -> bytes | None:
        """What `put_status` was last given."""
        rows = self._file.read("SELECT value FROM marks WHERE name = 'status'")
        return rows[0][0] if rows else None

    def problems(self) -> list[str]:
        """What is wrong with the file while it is written, as sentences that end with what to do; touches nothing."""
        return [*filter(None, [self.lost()]), *self._file.problems()]

    def lost(self) -> str:
        """That the file was removed or replaced, so that nothing of what comes in is kept; "" if it was not."""
        return self._file.lost()

    def belong_to(self, exchange: str, *, moved: bool = False) -> None:
        """Belong to this exchange (`exchange_at`, or REPLAYED) from now on; `moved` says that it has a new URL.

        A journal that no run has claimed yet goes by the URL of the last one. Raises JournalError if it belongs to
        another exchange.
        """
        self.check_exchange(exchange, moved=moved)
        with self._file.transaction() as connection:
            connection.execute(_SAVE_MARK, ("exchange", exchange))

    def check_exchange(self, exchange: str, *, moved: bool = False) -> None:
        """Raise JournalError if it belongs to another exchange, as `belong_to` would."""
        known = dict(self._file.read("SELECT name, value FROM marks WHERE name IN ('exchange', 'status')"))
        belongs_to = str(known.get("exchange") or _exchange_in(known.get("status")) or exchange)
        if why := refusal(belongs_to, exchange, moved=moved):
            raise JournalError(f"journal {self.path}: {why}")

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of any SQL that only reads, on the views."""
        return self._file.read(sql, parameters)

    def fill_rows(self) -> Iterator[tuple[str, FillRow]]:
        """Account and place of every stored fill, by time, read one by one: in little memory, however many they are."""
        for account, body in self._file.scan(_FILLS_BY_TIME):
            yield account, _FILL_ROW.decode(body)

    def prune(
        self,
        before_ms: int,
        followers: Collection[str] = (),
        *,
        memories: Collection[str] | None = None,
        pause: Pause = goes_on,
    ) -> int:
        """Delete what is older than that and over (facts, CVD buckets, ended orders), once `followers` have acked it.

        What one of these `memories` does not know yet stays (None: of all that were ever saved). Other states stay,
        whatever their age. It works in small steps, on a thread that has time: after each it calls `pause` with the
        seconds that the step took, and ends early if that returns True. Then the space is given back to the disk, but
        for a tenth. Returns how many events went.
        """
        cursors = self.cursors()
        passed = min((cursors.get(follower, 0) for follower in followers), default=self.last_seq())
        gone, is_over = prune(self._file, before_ms, passed, followers, memories=memories, pause=pause)
        if not is_over:
            give_back(self._file, pause)
        return gone

    def _stored_last_seq(self) -> int:
        return int(self._file.read(f"SELECT {LAST_SEQ}")[0][0])


def _exchange_in(status: bytes | None) -> str:
    """The exchange that a status speaks of, "" if it says none."""
    try:
        url = msgspec.json.decode(status or b"{}", type=_StatusUrl).url
        return exchange_at(url) if url else ""
    except (msgspec.DecodeError, ValueError):
        return ""


def _of_kind(kind: str) -> str:
    # Only with this condition is the index of the kinds other than fills used.
    return "FROM events WHERE kind = ?1" if kind == "fill" else "FROM events WHERE kind = ?1 AND kind <> 'fill'"


@contextmanager
def _blaming_the_events() -> Iterator[None]:
    """Inside, what SQLite says of the values that it was given is a ValueError, and not a fault of the file."""
    try:
        yield
    except (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError) as error:
        raise ValueError(f"SQLite does not take it: {error}") from error
