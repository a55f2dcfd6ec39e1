"""The sink "jsonl": a file with one event per line, as JSON, in the order of arrival.

A fact stands in it once; a newer version of a state is a further line, so of the lines of one name the last one holds.
The names of everything in the file are kept in memory (about 400 bytes an event), so it is for small volumes: for
days of one trader, not for years of a market maker.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Annotated, Final

import msgspec

from hlmon.contract import Settings, SinkFactory
from hlmon.errors import ConfigError, HlmonError
from hlmon.events import STORED, Checkpoint, Event, Fact, Name, State, decode, encode

_LINE_START: Final = b'{"kind":"'


class JsonlConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which file."""

    path: Annotated[str, msgspec.Meta(description="the file; it is created if it is missing, its folder is not")]


class _Kind(msgspec.Struct):
    kind: str


_KIND: Final = msgspec.json.Decoder(_Kind)


class JsonlSink:
    """Appends to one file, which it holds locked; `path` names it in errors."""

    def __init__(self, file: FileIO, path: Path) -> None:
        """Read what the file holds. Raises ConfigError, and changes nothing, if it is no file of this sink."""
        self._file = file
        self._end = 0  # what lies behind it is the rest of a write that failed
        self._versions: dict[Name, int] = {}
        self._checkpoints: dict[Name, Checkpoint] = {}
        for number, line in enumerate(file.readall().splitlines(keepends=True), start=1):
            try:
                event = _event_of(line)
            except HlmonError as error:
                if _is_torn(line):
                    break
                message = f"{path}, line {number}: not an event of hlmon; choose another path or move the file away"
                raise ConfigError(message) from error
            self._remember(event)
            self._end += len(line)

    def write(self, events: Sequence[Event], /) -> None:
        """Append what is new and wait until it is on the disk."""
        new = [event for event in events if event.kind in STORED and self._is_new(event)]  # others cannot be read back
        if not new:
            return
        self._append(b"".join(encode(event) + b"\n" for event in new))
        for event in new:
            self._remember(event)

    def load_checkpoints(self) -> Iterable[Checkpoint]:
        """The newest checkpoint of every account and stream in the file."""
        return list(self._checkpoints.values())

    def _append(self, lines: bytes) -> None:
        self._file.seek(self._end)
        self._file.truncate()
        rest = memoryview(lines)
        while rest:
            rest = rest[self._file.write(rest) :]
        os.fsync(self._file.fileno())
        self._end += len(lines)

    def _is_new(self, event: Event) -> bool:
        known = self._versions.get(event.name)
        return known is None or _version_of(event) > known

    def _remember(self, event: Event) -> None:
        self._versions[event.name] = _version_of(event)
        if isinstance(event, Checkpoint):
            self._checkpoints[event.name] = event


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


@contextmanager
def open_jsonl(config: JsonlConfig, _settings: Settings) -> Iterator[JsonlSink]:
    """Open the file for this process alone; it is closed at the end of the context."""
    path = Path(config.path).expanduser()
    try:
        file = _open_durably(path)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}; choose a path in a folder that exists and can be written"
        raise ConfigError(message) from error
    with file:
        if not path.is_file():
            raise ConfigError(f"{path} is no regular file; choose another path")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(f"{path} is being written by another sink; give each its own path") from error
        yield JsonlSink(file, path)


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


FACTORY: Final = SinkFactory(name="jsonl", config=JsonlConfig, open=open_jsonl)
