"""A call that may never come back, made on a thread of its own: after its time it is said where it stands."""

from __future__ import annotations

import contextvars
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeVar

from hlmon.testing.promises import check

_FRAMES: Final = 4

ResultT = TypeVar("ResultT")


def in_time(call: Callable[[], ResultT], seconds: float, promise: str, *, because: str) -> ResultT:
    """What the call returns or raises, made on a thread of its own; BrokenPromise with its place if it takes longer.

    The place is that of the thread and of all that were started meanwhile, the innermost call last. It is a daemon:
    pytest ends nevertheless.
    """
    __tracebackhide__ = True
    outcome: Future[ResultT] = Future()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            outcome.set_result(context.run(call))
        except BaseException as error:  # noqa: BLE001 - it is raised again where it was called
            outcome.set_exception(error)

    before = set(threading.enumerate())
    thread = threading.Thread(target=work, name="contract", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        others = [each for each in threading.enumerate() if each not in before and each is not thread]
        places = [_place_of(thread), *(f"its thread {each.name} at {_place_of(each)}" for each in others)]
        check(False, promise, because=because, seen=f"after {seconds:g} s it is at {'; '.join(places)}")
    return outcome.result()


def error_in_thread(call: Callable[[], object]) -> Exception | None:
    """The exception of a call that is made as the host makes it: not from the thread that opened the part."""
    found: list[Exception] = []

    def work() -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever a part raises is what is being examined
            found.append(error)

    thread = threading.Thread(
        target=work, name="worker", daemon=True
    )  # one that hangs must not keep pytest from ending
    thread.start()
    thread.join()
    return found[0] if found else None


def _place_of(thread: threading.Thread) -> str:
    frame = sys._current_frames().get(thread.ident or 0)
    frames = traceback.extract_stack(frame)[-_FRAMES:] if frame is not None else []
    return " > ".join(f"{each.name} ({each.filename}:{each.lineno})" for each in frames)
