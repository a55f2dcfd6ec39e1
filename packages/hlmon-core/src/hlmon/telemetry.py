"""What the program says of its own work: log lines and counters."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import Counter
from typing import Any, Final, TextIO

import msgspec

from hlmon.plain import plain_json, plain_line, plain_text
from hlmon.secret import redact

_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_OWN: Final = "hlmon"  # also hlmon_sim, hlmon_dynamodb, …


def configure_logging(level: str | int = "INFO", *, json: bool | None = None, stream: TextIO | None = None) -> None:
    """Log to `stream` (standard error): JSON lines if `json`, which defaults to whether the stream is no terminal.

    Below WARNING only loggers whose name begins with "hlmon" are heard, unless the level is DEBUG. Calling it again
    replaces what it set up before. Raises ValueError for an unknown level; logging itself never raises.
    """
    stream = stream if stream is not None else sys.stderr
    handler = _Output(stream)
    handler.setFormatter(_JsonLines() if (not stream.isatty() if json is None else json) else _ShortLines())
    root = logging.getLogger()
    root.setLevel(level.upper() if isinstance(level, str) else level)
    if root.level > logging.DEBUG:
        handler.addFilter(lambda record: record.name.startswith(_OWN) or record.levelno >= logging.WARNING)
    for earlier in [each for each in root.handlers if isinstance(each, _Output)]:
        root.removeHandler(earlier)
    root.addHandler(handler)


class Counters:
    """Numbers of things that happened, by name. Any thread may count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: Counter[str] = Counter()

    def add(self, name: str, number: int = 1) -> None:
        """Count `number` more of `name`."""
        with self._lock:
            self._numbers[name] += number

    def snapshot(self) -> dict[str, int]:
        """All numbers at one moment, by name in alphabetical order."""
        with self._lock:
            return dict(sorted(self._numbers.items()))


class _Output(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """A log line that cannot be written is lost: nothing may stop for it."""


class _Formatter(logging.Formatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return f"{seconds}.{int(record.msecs):03d}Z"

    def text_of(self, record: logging.LogRecord) -> str:
        try:
            return record.getMessage()
        except Exception:  # noqa: BLE001  # arguments that do not fit the text, or whose str() fails
            return f"{record.msg} {_text(record.args)}"

    def traceback_of(self, record: logging.LogRecord) -> str:
        return self.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""


class _JsonLines(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.text_of(record),
        }
        fields.update((f"{name}_" if name in fields else name, value) for name, value in _extra_of(record).items())
        if traceback := self.traceback_of(record):
            fields["exception"] = traceback
        try:
            line = msgspec.json.encode(fields, enc_hook=_text)
        except (TypeError, ValueError, RecursionError):  # keys that are no text, text that is no UTF-8, endless nesting
            line = msgspec.json.encode({name: _text(value) for name, value in fields.items()})
        return redact(plain_json(line.decode()))


class _ShortLines(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        extra = "".join(f"  {name}={_text(value)}" for name, value in _extra_of(record).items())
        clock = self.formatTime(record)[11:19]
        traceback = self.traceback_of(record)
        text = plain_line(f"{self.text_of(record)}{extra}")
        line = f"{clock}Z {record.levelname.lower():8} {text}"
        return redact(f"{line}\n{plain_text(traceback)}" if traceback else line)


def _extra_of(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD}


def _text(value: object) -> str:
    try:
        return str(value).encode("utf-8", "backslashreplace").decode()
    except Exception:  # noqa: BLE001  # a log line must not fail because of what it shows
        return f"<{type(value).__name__}>"
