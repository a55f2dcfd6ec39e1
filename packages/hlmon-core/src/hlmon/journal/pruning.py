"""Removes what is older than the retention, in steps so small that an append hardly waits, and gives its space back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from typing import Final

from hlmon.events import STORED, Fact
from hlmon.events.account import RESTING
from hlmon.journal.file import JournalFile

STEP_ROWS: Final = 500  # some 10 ms
STEP_PAGES: Final = 64
KEPT_SHARE: Final = 0.1
"""Of the pages this part may be free: they are filled again soon, and giving all back would only move pages about."""
PASSING_KINDS: Final = json.dumps([kind for kind, cls in STORED.items() if issubclass(cls, Fact)] + ["cvd"])
"""What a retention period applies to, together with orders that have ended."""

LAST_SEQ: Final = """max(
    (SELECT COALESCE(max(seq), 0) FROM events),
    (SELECT COALESCE(max(seq), 0) FROM cursors),
    (SELECT COALESCE(max(seq), 0) FROM memories),
    (SELECT COALESCE(max(value), 0) FROM marks WHERE name = 'last_seq'))"""
_SAVE_LAST_SEQ = f"INSERT OR REPLACE INTO marks (name, value) SELECT 'last_seq', {LAST_SEQ}"
_RESTING = json.dumps(sorted(RESTING))
# Every follower has passed what goes, and so has each memory that is still saved; an older one may belong to a deriver
# that is no longer used. No notifier has still to tell it.
_PRUNABLE = """SELECT seq FROM events WHERE seq > ?1 AND time_ms < ?2 AND seq <= ?3
    AND (kind IN (SELECT value FROM json_each(?4)) OR (kind = 'order'
        AND json_extract(body, '$.status') NOT IN (SELECT value FROM json_each(?7))))
    AND seq <= (SELECT COALESCE(min(seq), 9223372036854775807) FROM memories
        WHERE ?8 IS NULL OR name IN (SELECT value FROM json_each(?8)))
    AND seq NOT IN (SELECT seq FROM notices WHERE 'notifier.' || notifier IN (SELECT value FROM json_each(?6))
        AND (state IN ('waiting', 'muted') OR condition <> '' AND times_sent > 0))
    ORDER BY seq LIMIT ?5"""

Pause = Callable[[float], bool]
"""Called after a step that kept the journal for so many seconds; True ends the work early."""


def goes_on(_: float) -> bool:
    """No pause."""
    return False


def prune(
    file: JournalFile,
    before_ms: int,
    passed_seq: int,
    followers: Collection[str],
    *,
    memories: Collection[str] | None,
    pause: Pause,
) -> tuple[int, bool]:
    """Delete what is older and over, up to `passed_seq` and what `memories` know (None: all that there are).

    Returns how many events went, and whether `pause` ended it early.
    """
    gone = seq = 0
    names = json.dumps(list(followers))
    saved = None if memories is None else json.dumps(list(memories))
    while True:
        found = file.read(_PRUNABLE, (seq, before_ms, passed_seq, PASSING_KINDS, STEP_ROWS, names, _RESTING, saved))
        began = time.monotonic()
        with file.transaction() as connection:
            connection.execute(_SAVE_LAST_SEQ)
            connection.executemany("DELETE FROM events WHERE seq = ?", found)
            connection.executemany("DELETE FROM notices WHERE seq = ?", found)
        gone += len(found)
        if pause(time.monotonic() - began):
            return gone, True
        if len(found) < STEP_ROWS:
            return gone, False
        (seq,) = found[-1]


def give_back(file: JournalFile, pause: Pause) -> None:
    """Give free pages back to the disk, but for a share of all; does nothing to a file that is not made for it."""
    if file.read("PRAGMA auto_vacuum") != [(2,)]:
        return
    while True:
        ((pages,),), ((free,),) = file.read("PRAGMA page_count"), file.read("PRAGMA freelist_count")
        step = min(STEP_PAGES, free - int(pages * KEPT_SHARE))
        if step <= 0:
            return
        began = time.monotonic()
        with file.transaction() as connection:
            connection.execute(f"PRAGMA incremental_vacuum({step})").fetchall()
        if pause(time.monotonic() - began):
            return
