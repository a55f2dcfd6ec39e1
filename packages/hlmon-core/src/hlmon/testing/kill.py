"""A call that is cut short at a chosen line of the code under test, as the end of the process would cut it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

_NEVER: Final = -1


class _Killed(BaseException):
    """Stands for the end of the process."""


def killed_at(line: int, call: Callable[[], object], package: str) -> None:
    """Make the call and end it before its so many-th line (from 1) of the package, without a word to it.

    It raises what the call raises. What lies below the package, a client library for instance, is not cut in two.
    """
    _run(line, call, package)


def lines_of(call: Callable[[], object], package: str) -> int:
    """How many lines of the package the call runs."""
    return _run(_NEVER, call, package)


def _run(last: int, call: Callable[[], object], package: str) -> int:
    lines, errors = 0, list[Exception]()

    def at_line(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal lines
        if event == "line":
            lines += 1
            if lines == last:
                raise _Killed
        return at_line

    def at_call(frame: FrameType, _event: str, _argument: Any) -> Any:
        name = str(frame.f_globals.get("__name__", ""))
        return at_line if name == package or name.startswith(f"{package}.") else None

    def work() -> None:
        sys.settrace(at_call)
        try:
            call()
        except _Killed:
            pass
        except Exception as error:  # noqa: BLE001 - it is raised again where it was called
            errors.append(error)
        finally:
            sys.settrace(None)

    thread = threading.Thread(target=work, name="killed", daemon=True)  # tracing is a thread's own
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return lines
