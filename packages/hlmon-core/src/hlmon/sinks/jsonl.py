"""The sink "jsonl": a file with one event per line, as JSON, in the order of arrival.

A fact stands in it once; a newer version of a state is a further line, so of the lines of one name the last one holds.
What is in it already is looked up in an index on the disk, about 60 bytes an event, that is made anew at every start:
memory does not grow with the file, a start takes about a minute for ten million lines.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Annotated, Final

import msgspec

from hlmon.contract import Settings, SinkFactory
from hlmon.errors import ConfigError, HlmonError
from hlmon.events import STORED, Checkpoint, Event, Fact, Name, State, decode, encode

_ADVICE: Final = "choose a path in a folder that exists and can be written"
_LINE_START: Final = b'{"kind":"'


class JsonlConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which file."""

    path: Annotated[str, msgspec.Meta(description="the file; it is created if it is missing, its folder is not")]


class _Kind(msgspec.Struct):
    kind: str


_KIND: Final = msgspec.json.Decoder(_Kind)


class _Versions:
    """Which version of each name is in the file: a table in an unnamed file beside it, of which memory holds 2 MB."""

    def __init__(self, folder: Path) -> None:
        try:
            handle, path = tempfile.mkstemp(prefix=".hlmon-jsonl-", dir=folder)
        except OSError:  # only the file itself may be written there
            handle, path = tempfile.mkstemp(prefix="hlmon-jsonl-")
        os.close(handle)
        try:
            self._table = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            # It ends with the process: nothing of it has to survive, or to be undone.
            self._table.execute("PRAGMA journal_mode = OFF")
            self._table.execute("PRAGMA synchronous = OFF")
            self._table.execute("CREATE TABLE versions (name BLOB PRIMARY KEY, version INTEGER) WITHOUT ROWID")
        finally:
            Path(path).unlink()

    def is_new(self, event: Event) -> bool:
        """Whether neither this version nor a larger one is there."""
        found = self._table.execute("SELECT version FROM versions WHERE name = ?", (_digest(event.name),)).fetchone()
        return found is None or _version_of(event) > found[0]

    def remember(self, events: Iterable[Event]) -> None:
        """These are there."""
        rows = ((_digest(event.name), _version_of(event)) for event in events)
        with self._table:
            self._table.execute("BEGIN")
            self._table.executemany("INSERT OR REPLACE INTO versions VALUES (?, ?)", rows)

    def close(self) -> None:
        """Give the disk back."""
        self._table.close()


class JsonlSink:
    """Appends to one file, which it holds locked; `path` names it in errors."""

    def __init__(self, file: FileIO, path: Path) -> None:
        """Read what the file holds. Raises ConfigError, and changes nothing, if it is no file of this sink."""
        self._file = file
        self._end = 0  # what lies behind it is the rest of a write that failed
        self._path = path
        self._checkpoints: dict[Name, Checkpoint] = {}
        self._versions: _Versions | None = self._read()

    def write(self, events: Sequence[Event], /) -> None:
        """Append what is new and wait until it is on the disk. Raises OSError."""
        if self._versions is None:  # what it knew is in the file
            self._versions = self._read(self._end)
        try:
            # What this version does not know could not be read back.
            new = [event for event in events if event.kind in STORED and self._versions.is_new(event)]
            if new:
                self._append(b"".join(encode(event) + b"\n" for event in new))
                self._versions.remember(map(self._noted, new))
        except sqlite3.Error as error:
            self.close()
            raise OSError(f"the index beside {self._path} cannot be used: {error}") from error

    def load_checkpoints(self) -> Iterable[Checkpoint]:
        """The newest checkpoint of every account and stream in the file."""
        return list(self._checkpoints.values())

    def close(self) -> None:
        """Let go of the index; the file is the opener's."""
        if self._versions is not None:
            self._versions.close()
            self._versions = None

    def _read(self, end: int | None = None) -> _Versions:
        """The index of what the file holds, up to `end` if that is known already."""
        versions = _Versions(self._path.parent)
        try:
            versions.remember(self._noted(event) for event in self._events(end))
        except BaseException:
            versions.close()
            raise
        return versions

    def _events(self, end: int | None) -> Iterator[Event]:
        """The events of the file up to its known end, or else to a line that was cut off: there it ends."""
        with BufferedReader(FileIO(os.dup(self._file.fileno()))) as lines:
            lines.seek(0)
            place = 0
            for number, line in enumerate(lines, start=1):
                if place == end:
                    return
                try:
                    event = _event_of(line)
                except HlmonError as error:
                    if _is_torn(line):
                        return
                    message = (
                        f"{self._path}, line {number}: not an event of hlmon; choose another path or move the file away"
                    )
                    raise ConfigError(message) from error
                place += len(line)
                if end is None:
                    self._end = place
                yield event

    def _append(self, lines: bytes) -> None:
        self._file.seek(self._end)
        self._file.truncate()
        rest = memoryview(lines)
        while rest:
            rest = rest[self._file.write(rest) :]
        os.fsync(self._file.fileno())
        self._end += len(lines)

    def _noted(self, event: Event) -> Event:
        if isinstance(event, Checkpoint):
            self._checkpoints[event.name] = event
        return event


def _digest(name: Name) -> bytes:
    """Sixteen bytes in place of a name: two of 10^15 names have the same one by a chance of one in 10^8."""
    return hashlib.blake2b("\0".join(name).encode(), digest_size=16).digest()


def _version_of(event: Event) -> int:
    return event.version if isinstance(event, State | Fact) else 0


def _event_of(line: bytes) -> Event:
    """The event of a whole line; raises HlmonError for any other."""
    if not line.endswith(b"\n"):
        raise HlmonError("the line has no end")
    try:
        return decode(_KIND.decode(line).kind, line)
    except msgspec.MsgspecError as error:
        raise HlmonError(str(error)) from error


def _is_torn(line: bytes) -> bool:
    """Whether this is the beginning of one of our lines, cut off when the process or the machine died.

    Nobody was told that it is stored, so it will come again.
    """
    ours = line.startswith(_LINE_START) or _LINE_START.startswith(line)
    return not line.endswith(b"\n") and (ours or not line.strip(b"\0"))


def check_jsonl(config: JsonlConfig) -> dict[str, str]:
    """Whether the file can be made or written where the config says."""
    path = Path(config.path).expanduser()
    writable = os.access(path, os.W_OK) if os.access(path, os.F_OK) else os.access(path.parent, os.W_OK | os.X_OK)
    if not writable:
        return {"path": f"cannot write {path}; {_ADVICE}"}
    return {"path": f"{path} is a folder; choose another path"} if path.is_dir() else {}


@contextmanager
def open_jsonl(config: JsonlConfig, _settings: Settings) -> Iterator[JsonlSink]:
    """Open the file for this process alone; it is closed at the end of the context."""
    path = Path(config.path).expanduser()
    try:
        file = _open_durably(path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; {_ADVICE}") from error
    with file:
        if not path.is_file():
            raise ConfigError(f"{path} is no regular file; choose another path")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(f"{path} is being written by another sink; give each its own path") from error
        with closing(JsonlSink(file, path)) as sink:
            yield sink


def _open_durably(path: Path) -> FileIO:
    """Open or create the file; the lines of a new file are durable only when its folder is."""
    file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640), "r+")
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError:
        file.close()
        raise
    return file


FACTORY: Final = SinkFactory(name="jsonl", config=JsonlConfig, open=open_jsonl, check=check_jsonl)
