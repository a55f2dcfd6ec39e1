"""What was refused for good once and was handed over again, because somebody asked for it."""

from __future__ import annotations

from hlmon.journal.file import JournalFile


class RedeliveredTable:
    """By who refused it and the digest of the event. Any thread may call; all methods raise JournalError."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def add(self, origin: str, digest: str, to: str, time_ms: int) -> None:
        """It was handed to this component; "" if that refused it as well."""
        with self._file.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO redelivered VALUES (?, ?, ?, ?)", (origin, digest, to, time_ms))

    def refused_again(self, origin: str, digest: str) -> None:
        """What was handed over after all was refused once more; nothing happens to what never was."""
        with self._file.transaction() as connection:
            connection.execute(
                "UPDATE redelivered SET delivered_to = '' WHERE origin = ? AND digest = ?", (origin, digest)
            )

    def all(self) -> dict[tuple[str, str], tuple[str, int]]:
        """(origin, digest) -> to whom, "" if it was refused again, and when."""
        rows = self._file.read("SELECT origin, digest, delivered_to, time_ms FROM redelivered")
        return {(origin, digest): (to, time_ms) for origin, digest, to, time_ms in rows}
