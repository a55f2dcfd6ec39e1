"""What a monitor says of itself, read from its journal."""

from __future__ import annotations

import json
from pathlib import Path

from hlmon.errors import JournalError
from hlmon.journal import Journal


def is_whole(file: Path, accounts: int) -> bool:
    """Whether the monitor says that it watches so many accounts and has read back what it missed."""
    try:
        with Journal.open(file, read_only=True) as journal:
            status = json.loads(journal.status() or "{}")
    except JournalError:  # not there yet
        return False
    found = status["sources"][0]["accounts"] if status else []
    return len(found) == accounts and all(
        account["status"] == "watched" and not account.get("resuming") for account in found
    )
