"""How a case says what was promised, why it matters and what was seen."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class BrokenPromise(AssertionError):
    """A part does not keep its contract; the text says what was promised, why it matters and what was seen."""

    __module__ = "hlmon.testing"  # where it is public, which is the name that pytest shows


def named(error: BaseException) -> str:
    """The error in a line."""
    return f"{type(error).__name__}: {error}"


def check(kept: bool, promise: str, *, because: str, seen: object) -> None:
    """Raise BrokenPromise unless `kept`."""
    __tracebackhide__ = True  # as in the others here: pytest shows the case, and what it says
    if not kept:
        raise BrokenPromise(f"promise: {promise}\n  because: {because}\n  seen: {seen}")


def error_of(call: Callable[[], object]) -> Exception | None:
    """The exception that the call raises, None if it returns."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever a part raises is what is being examined
        return error
    return None


def check_error(error: Exception | None, allowed: tuple[type[Exception], ...], promise: str, *, because: str) -> None:
    """Raise BrokenPromise unless the error is one of the allowed classes."""
    __tracebackhide__ = True
    seen = "it returned as if all were well" if error is None else named(error)
    check(isinstance(error, allowed), promise, because=because, seen=seen)


def texts_of(error: BaseException | None) -> str:
    """All that a log would show of an error: its text, its arguments and its whole chain."""
    return "" if error is None else "".join(traceback.format_exception(error)) + repr(error)


@contextmanager
def captured_logs(from_level: int = logging.NOTSET) -> Iterator[list[str]]:
    """Every log line of at least this level that is written meanwhile, formatted with its exception."""
    lines: list[str] = []
    formatter = logging.Formatter("%(name)s %(message)s")

    class Capture(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(formatter.format(record) + repr(vars(record)))

    handler, root = Capture(level=from_level), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.NOTSET)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
