"""The end of the process, whatever threads and exit functions plugins leave behind."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import suppress
from typing import Final

from hlmon.stdout import answers

GRACE_SECONDS: Final = 1.5

_log = logging.getLogger(__name__)


def end_soon(code: int) -> None:
    """The process is about to end with this code; if threads or exit functions of plugins keep it, it ends anyway."""
    with suppress(OSError, ValueError):
        (answers() or sys.stdout).flush()

    def wait() -> None:
        time.sleep(GRACE_SECONDS)
        end_now(code, "the process is ended")

    threading.Thread(target=wait, name="end", daemon=True).start()


def end_now(code: int, why: str) -> None:
    """End the process with this code and say why, and which threads would have kept it."""
    names = [t.name for t in threading.enumerate() if not t.daemon and t is not threading.main_thread()]
    kept_by = f"these threads of plugins did not end: {', '.join(sorted(names))}" if names else "something did not end"
    teller = threading.Thread(target=_tell, args=(f"{why}: {kept_by}",), daemon=True)
    teller.start()
    teller.join(1.0)  # a log that nobody reads must not keep the process either
    os._exit(code)


def _tell(text: str) -> None:
    _log.warning("%s", text)
    logging.shutdown()
