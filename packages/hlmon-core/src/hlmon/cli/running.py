"""Whether a monitor is running on a journal, and whether it is well."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from hlmon.cli.text import span
from hlmon.errors import JournalError
from hlmon.journal import Journal
from hlmon.status import Status
from hlmon.watchdog import STALE_MS, STUCK_MS, reasons, skew_text, uncommitted

SILENT_MS: Final = 300_000
"""A monitor that heard nothing from the exchange for this long is not well."""


@dataclass(frozen=True)
class Verdict:
    """What `hlmon health` answers.

    `ok` says that no restart would help, `running` that a monitor runs at all, `well` that there is no reason to look.
    """

    ok: bool
    running: bool
    why: str
    well: bool = False

    @property
    def line(self) -> str:
        """The answer in one line, which calls healthy only what is well."""
        word = "" if self.ok and not self.well else "healthy: " if self.ok else "unhealthy: "
        return word + self.why

    def reasons(self, status: Status | None, *, now_ms: int) -> list[str]:
        """Why not all is well, in the sentences of the watchdog: what /healthz answers."""
        return reasons(status, now_ms=now_ms) if self.running else [self.why]


def read_status(journal: Journal) -> Status | None:
    """What the monitor last said of itself, None if none ever ran. Raises JournalError if it cannot be understood."""
    body = journal.status()
    try:
        return None if body is None else msgspec.json.decode(body, type=Status)
    except msgspec.MsgspecError as error:
        raise JournalError(f"the status in the journal is of another version: {error}") from error


def is_alive(pid: int) -> bool:
    """Whether a process of this id exists on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def judge(status: Status | None, *, now_ms: int, alive: Callable[[int], bool] = is_alive) -> Verdict:
    """Well is what a restart would not improve: problems that the user must solve do not make a monitor unwell.

    `now_ms` is the present in the status' time, see `present_ms`. What `hlmon status` calls not well is in the line.
    """
    if status is None:
        return Verdict(ok=False, running=False, why="no monitor has run on this journal yet")
    age_ms = now_ms - status.updated_ms
    if age_ms > STALE_MS:
        return Verdict(ok=False, running=False, why=f"the monitor said nothing for {span(age_ms)}")
    if not alive(status.pid):
        return Verdict(ok=False, running=False, why=f"the monitor's process {status.pid} is gone")
    for unstored in uncommitted(status, now_ms, STUCK_MS):
        return Verdict(ok=False, running=True, why=unstored)
    for source in status.sources:
        silent_ms = now_ms - max(source.connection.last_frame_ms, status.started_ms)
        if source.connection.state != "idle" and silent_ms > SILENT_MS:
            reason = f": {source.connection.reason}" if source.connection.reason else ""
            return Verdict(ok=False, running=True, why=f"nothing heard from the exchange for {span(silent_ms)}{reason}")
    accounts = [account for source in status.sources for account in source.accounts]
    watched = sum(account.status == "watched" and account.role != "agent" for account in accounts)
    why = [f"running for {span(now_ms - status.started_ms)}, {watched} account{'s' * (watched != 1)} watched"]
    found = reasons(status, now_ms=now_ms)
    if found:
        why.append(f"not well: {found[0]}")
        why += found[1:]
    else:
        why += filter(None, (skew_text(source.clock_skew_ms) for source in status.sources))
    return Verdict(ok=True, running=True, why="; ".join(why), well=not found)
