"""Standard output belongs to what a command answers: what plugins print meanwhile goes to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

_answers: TextIO | None = None


def answers() -> TextIO | None:
    """Where a command's answer goes while standard output is kept for it; None for standard output as it is."""
    return _answers


@contextmanager
def kept_for_answers(*, to_the_end: bool = False) -> Iterator[None]:
    """Inside, whatever is printed goes to standard error, by Python or below it; only `answers` leads to the output.

    It may be nested. `to_the_end` keeps a real standard output so until the process ends: what a plugin prints then, or
    what a library has still in its buffer, is no part of the answer either.
    """
    global _answers  # there is one standard output
    if _answers is not None:
        yield
        return
    output, errors = sys.stdout, sys.stderr
    with suppress(OSError, ValueError):  # closed, or nobody reads it: whoever writes next will see
        output.flush()
    moved = _moved(output, errors)
    _answers, sys.stdout = output if moved is None else moved[1], errors
    try:
        yield
    finally:
        if moved is None or not to_the_end:
            _answers, sys.stdout = None, output
            if moved is not None:
                os.dup2(moved[1].fileno(), moved[0])
                moved[1].close()


def _moved(output: Any, errors: Any) -> tuple[int, TextIO] | None:
    """Lead the descriptor of the output to the errors; the old descriptor and what now leads to where it led.

    None for streams in memory, which nothing below Python can reach.
    """
    try:
        descriptor, target = output.fileno(), errors.fileno()
        kept = os.fdopen(os.dup(descriptor), "w", encoding=output.encoding, errors=output.errors)
    except (AttributeError, OSError, ValueError):
        return None
    os.dup2(target, descriptor)
    return descriptor, kept
