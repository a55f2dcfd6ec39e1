"""The log of the program: lines for people or JSON, redacted, written by a thread."""

from __future__ import annotations

import atexit
import logging
import sys
import time
from typing import Any, Final, TextIO

import msgspec

from hlmon.output_thread import OutputThread, Printed
from hlmon.plain import plain_json, plain_line, plain_text
from hlmon.redaction import redact, redacted

_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_OWN: Final = "hlmon"  # also hlmon_sim, hlmon_dynamodb, …


def configure_logging(level: str | int = "INFO", *, json: bool | None = None, stream: TextIO | None = None) -> None:
    """Log to `stream` (standard error): JSON lines if `json`, which defaults to whether the stream is no terminal.

    Below WARNING only loggers whose name begins with "hlmon" are heard, unless the level is DEBUG. Calling it again
    replaces what it set up before. Raises ValueError for an unknown level; logging itself never raises, and never waits
    for a stream that has a file descriptor.
    """
    stream = stream if stream is not None else sys.stderr
    formatter = _JsonLines() if (not stream.isatty() if json is None else json) else _ShortLines()
    handler = _Output(stream, formatter)
    root = logging.getLogger()
    root.setLevel(level.upper() if isinstance(level, str) else level)
    if root.level > logging.DEBUG:
        handler.addFilter(lambda record: record.name.startswith(_OWN) or record.levelno >= logging.WARNING)
    for earlier in [each for each in root.handlers if isinstance(each, _Output)]:
        root.removeHandler(earlier)
    root.addHandler(handler)


def log_problem() -> str:
    """What is missing in the log, as a sentence that ends with what to do; "" if nothing is."""
    found = [each.problem() for each in logging.getLogger().handlers if isinstance(each, _Output)]
    return next(filter(None, found), "")


def print_without_waiting() -> None:
    """From now on whoever prints does not wait for standard output and error either; text that waits is bounded.

    For a process that must go on whoever reads what it says. Call it after `configure_logging`.
    """
    log = next((each.thread for each in logging.getLogger().handlers if isinstance(each, _Output)), None)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        descriptor = _descriptor_of(stream)
        if descriptor is not None and not isinstance(stream, Printed):
            stream.flush()
            shares = log is not None and name == "stderr"  # in the order of the log's lines
            thread = log if shares and log is not None else OutputThread(descriptor, lambda _: "")
            printed = Printed(thread, descriptor)
            atexit.register(printed.finish)
            setattr(sys, name, printed)


class _Output(logging.Handler):
    """Lines to a stream: at once to one in memory, by a thread to one that may not take them."""

    def __init__(self, stream: TextIO, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        descriptor = _descriptor_of(stream)
        self.thread = None if descriptor is None else OutputThread(descriptor, self._dropped_line)
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = f"{self.format(record)}\n"
            if self.thread is None:
                self._stream.write(line)
            else:
                self.thread.put(line)
        except Exception:  # noqa: BLE001  # a log line that cannot be written is lost: nothing may stop for it
            return

    def flush(self) -> None:
        """Wait a moment for what is on its way: `logging.shutdown` calls this when the process ends."""
        if self.thread is not None:
            self.thread.flush()

    def problem(self) -> str:
        return "" if self.thread is None else self.thread.problem()

    def _dropped_line(self, number: int) -> str:
        text = "%d log lines were dropped here, since nothing read them in time"
        record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (number,), None)
        return f"{self.format(record)}\n"


def _descriptor_of(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):  # in memory, or closed
        return None


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
            "message": redact(self.text_of(record)),
        }
        extra = {f"{name}_" if name in fields else name: value for name, value in _extra_of(record).items()}
        if traceback := self.traceback_of(record):
            extra["exception"] = traceback
        # A secret is looked for in values, before their encoding hides it, and never in the names of fields.
        try:
            line = msgspec.json.encode(fields | {name: redacted(value, _text) for name, value in extra.items()})
        except (TypeError, ValueError, RecursionError):  # text that is no UTF-8, endless nesting
            texts = {name: redact(_text(value)) for name, value in (fields | extra).items()}
            line = msgspec.json.encode(texts)
        return plain_json(line.decode())


class _ShortLines(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        extra = "".join(f"  {name}={redact(_text(value))}" for name, value in _extra_of(record).items())
        clock = self.formatTime(record)[11:19]
        traceback = redact(self.traceback_of(record))
        text = plain_line(f"{redact(self.text_of(record))}{extra}")
        line = f"{clock}Z {record.levelname.lower():8} {text}"
        return f"{line}\n{plain_text(traceback)}" if traceback else line


def _extra_of(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD}


def _text(value: object) -> str:
    try:
        return str(value).encode("utf-8", "backslashreplace").decode()
    except Exception:  # noqa: BLE001  # a log line must not fail because of what it shows
        return f"<{type(value).__name__}>"
