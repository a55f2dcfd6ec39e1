"""The outbox: the journal's table of what became, or is to become, of each alert at each notifier."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from msgspec.structs import astuple, fields

from hlmon.events import Alert
from hlmon.journal.file import JournalFile
from hlmon.journal.rows import MOVE_CURSOR, decoded
from hlmon.routing import Notice

_NAMES: Final = [field.name for field in fields(Notice)]
_COLUMNS: Final = ", ".join(_NAMES)
_PUT: Final = f"INSERT OR REPLACE INTO notices ({_COLUMNS}) VALUES ({', '.join('?' * len(_NAMES))})"
_SENT: Final = """UPDATE notices SET state = 'sent', reason = '', sent_ms = ?, times_sent = times_sent + 1
    WHERE notifier = ? AND seq = ?"""
_REFUSED: Final = "UPDATE notices SET state = 'refused', reason = ? WHERE notifier = ? AND seq = ?"
_READY: Final = "notifier = ?1 AND state = 'waiting' AND hold_until_ms <= ?2"
_OWED: Final = f"""SELECT {", ".join(f"{row}.{name}" for row in ("theirs", "mine") for name in _NAMES)}
    FROM notices AS theirs JOIN notices AS mine ON mine.seq = theirs.seq AND mine.notifier = ?2 AND mine.route = ''
    WHERE theirs.notifier = ?1
        AND (theirs.state = 'waiting' AND max(theirs.decided_ms, theirs.hold_until_ms) <= ?3
            OR theirs.state = 'waiting' AND theirs.decided_ms > ?5
            OR theirs.state = 'refused' AND theirs.decided_ms > ?4)"""


class NoticeTable:
    """The rows by what is asked of them. Every method may be called from any thread, all raise JournalError."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def put(self, notices: Iterable[Notice], cursor: tuple[str, int] | None = None) -> None:
        """Write these, in place of older ones of the same alert and notifier, and move a cursor: one transaction."""
        with self._file.transaction() as connection:
            connection.executemany(_PUT, map(astuple, notices))
            if cursor is not None:
                connection.execute(MOVE_CURSOR, cursor)

    def mark_sent(self, notifier: str, seqs: Collection[int], now_ms: int) -> None:
        """The notifier accepted these just now, as one message."""
        with self._file.transaction() as connection:
            connection.executemany(_SENT, [(now_ms, notifier, seq) for seq in seqs])

    def mark_refused(self, notifier: str, seq: int, reason: str) -> None:
        """The notifier will never accept this one."""
        with self._file.transaction() as connection:
            connection.execute(_REFUSED, (reason, notifier, seq))

    def ready(self, notifier: str, now_ms: int, limit: int, *, after: int = 0) -> list[tuple[Notice, Alert]]:
        """The oldest after a `seq` that wait and are not held, with their alerts, in the order of the journal."""
        return self._with_alerts(f"{_READY} AND seq > ?4 ORDER BY seq LIMIT ?3", notifier, now_ms, limit, after)

    def muted(self, notifier: str) -> list[Notice]:
        """Conditions that wait for the end of a silence or an inhibition."""
        return self._select("notifier = ? AND state = 'muted'", notifier)

    def firing(self, notifier: str) -> list[tuple[Notice, Alert]]:
        """Conditions that were told and did not end since, with their alerts."""
        return self._with_alerts("notifier = ? AND condition <> '' AND state = 'sent'", notifier)

    def beginning(self, notifier: str, condition: str) -> Notice | None:
        """The notice of the last alert that said that the condition fires, unless it ended since."""
        found = self._select("notifier = ? AND condition <> '' AND condition = ? ORDER BY seq", notifier, condition)
        return found[-1] if found else None

    def owed(
        self, notifier: str, fallback: str, waiting_ms: int, refused_ms: int, future_ms: int
    ) -> list[tuple[Notice, Notice]]:
        """What `notifier` has not sent though it was ready before `waiting_ms`, or refused after `refused_ms`.

        Also what waits since a time after `future_ms`: the clock was put back. Each with the fallback's own notice,
        while that one says that no route leads to the fallback.
        """
        rows = self._file.read(_OWED, (notifier, fallback, waiting_ms, refused_ms, future_ms))
        return [(_notice(row[: len(_NAMES)]), _notice(row[len(_NAMES) :])) for row in rows]

    def oldest_due_ms(self, notifier: str, now_ms: int) -> int | None:
        """Since when the oldest of what waits and is not held could have been sent; None if nothing does."""
        query = f"SELECT min(max(decided_ms, hold_until_ms)) FROM notices WHERE {_READY}"
        return next((row[0] for row in self._file.read(query, (notifier, now_ms))), None)

    def of_alert(self, seq: int) -> list[Notice]:
        """What became of one alert, notifier by notifier."""
        return self._select("seq = ?", seq)

    def _select(self, condition: str, *parameters: Any) -> list[Notice]:
        return [
            _notice(row) for row in self._file.read(f"SELECT {_COLUMNS} FROM notices WHERE {condition}", parameters)
        ]

    def _with_alerts(self, condition: str, *parameters: Any) -> list[tuple[Notice, Alert]]:
        rows = self._file.read(
            f"SELECT seq, kind, body, {_COLUMNS} FROM notices JOIN events USING (seq) WHERE {condition}", parameters
        )
        found = [(_notice(row[3:]), decoded(*row[:3])) for row in rows]
        return [(notice, alert) for notice, alert in found if isinstance(alert, Alert)]


def _notice(row: tuple[Any, ...]) -> Notice:
    return Notice(**dict(zip(_NAMES, row, strict=True)))
