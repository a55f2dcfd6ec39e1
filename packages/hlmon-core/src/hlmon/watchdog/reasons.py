"""Why not all is well: the one list for `hlmon status`, `hlmon health`, the ping, /healthz and the heartbeat.

A reason is a sentence that says what is the matter and ends with what to do. There are two ways into the list. What
shows in the status is judged here, purely: commits, components, rejected things, deliveries, accounts, clocks. What
only the part itself knows (a gap, an unread row, a lost log line, trouble with the journal's file) it says as such a
sentence, "" while there is none: the host puts it into `Status.problems`, a source into `SourceStatus.problems`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from hlmon.status import AccountStatus, ComponentStatus, SourceStatus, Status
from hlmon.watchdog.skew import SET_CLOCK, difference

STALE_MS: Final = 30_000
"""A monitor that said nothing for this long is not running, or stands still."""
SILENT_MS: Final = 60_000
"""An account whose state, which comes every 5 s, was not heard for this long is not live."""
UNCOMMITTED_MS: Final = 10_000
"""What came in is stored within a second; what was not after so long is held up."""
STUCK_MS: Final = 60_000
"""From here on a restart may help."""
LATE_MS: Final = 300_000
"""Whoever has something to deliver and delivered nothing for this long is late, even if it never failed."""
WRONG_SKEW_MS: Final = 60_000
"""From here on it is a reason not to be well: quiet hours, silences and the log are wrong by as much."""

NOT_WATCHED: Final = {
    "refused": "watch fewer accounts from this IP address, or this one from another",
    "missing": "correct its address, or wait for its first deposit",
}
"""What to do about an account in such a state."""

_ASKS: Final = {
    "source": "it is started again and again, look at what it reads and at its section of the config",
    "sink": "nothing is lost, it is tried again and again; look at the service and at [sink.{name}]",
    "notifier": "nothing is lost, it is tried again and again; look at the service and at [notifier.{name}]",
    "rule": "its alerts are missing meanwhile: report it to its authors with the error in the log, or take it out",
}


def reasons(status: Status | None, *, now_ms: int) -> list[str]:
    """Every reason not to be sure that nothing is missed, each a sentence that ends with what to do; empty if none.

    `status` is what the monitor last said of itself, None before it said anything; `now_ms` is the present in its time,
    as `present_ms` works it out.
    """
    if status is None:
        return ["the monitor is starting"]
    if now_ms - status.updated_ms > STALE_MS:
        silent = (now_ms - status.updated_ms) // 1000
        return [f"the monitor said nothing for {silent} s: look at the end of its log and restart it"]
    found = [text for judge in _JUDGES for text in judge(status, now_ms)] + status.problems
    for source in status.sources:
        found += [*_source(source, now_ms), *source.problems]
    if not any(source.accounts or source.coins for source in status.sources):
        found.append("nothing is watched: add an [[account]] to the config")
    return list(dict.fromkeys(found))


def unwatched(status: Status, *, now_ms: int) -> int:
    """How many of the accounts are not watched, or not heard, now."""
    return sum(bool(_account(account, now_ms)) for source in status.sources for account in source.accounts)


def uncommitted(status: Status, now_ms: int, limit_ms: int = UNCOMMITTED_MS) -> Iterator[str]:
    """Whether events wait for the journal for longer than that."""
    if status.pending_since_ms is not None and now_ms - status.pending_since_ms > limit_ms:
        waited = (now_ms - status.pending_since_ms) // 1000
        yield f"what came in has not been stored for {waited} s: look at the log and the disk, and restart hlmon"


def _components(status: Status, now_ms: int) -> Iterator[str]:
    for each in status.components:
        if each.state == "failing":
            failing = (now_ms - each.since_ms) // 1000
            yield f"{each.part} {each.name} fails since {failing} s: {each.why}{_next(each, now_ms)}"
        elif each.part == "rule" and each.failures:
            number = f"{each.failures:,} failure{'s' * (each.failures != 1)}"
            yield f"{number} of rule {each.name} since the start; {_ASKS['rule']}"


def _next(each: ComponentStatus, now_ms: int) -> str:
    again = ""
    if each.next_try_ms is not None:
        again = f" (tried again in {max(each.next_try_ms - now_ms, 0) // 1000} s)"
    return f"{again}; {_ASKS[each.part].format(name=each.name)}"


def _late(status: Status, now_ms: int) -> Iterator[str]:
    for each in status.followers:
        if each.failing_since_ms is None and each.behind_since_ms is not None:
            waited_ms = now_ms - each.behind_since_ms
            if waited_ms > LATE_MS:
                waited = waited_ms // 1000
                yield (
                    f"{each.part} {each.name} is {each.lag:,} events behind and took nothing for {waited} s: "
                    "look at the service and at the log"
                )


def _rejected(status: Status, _now_ms: int) -> Iterator[str]:
    for name, number in status.rejected.items():
        if name == "journal":
            yield (
                f"{name} refused {number:,} of what it got for good: "
                "see hlmon quarantine list, and dismiss there what is dealt with"
            )
        else:
            yield (
                f"{name} refused {number:,} of what it got for good: "
                "see hlmon rejected list; retry delivers it after all, hlmon quarantine dismiss lets it be"
            )


def _source(source: SourceStatus, now_ms: int) -> Iterator[str]:
    yield from _wrong_clock(source)
    if source.connection.state in {"connecting", "waiting"}:
        why = source.connection.reason or source.connection.state
        yield f"not connected to the exchange: {why} (it is tried again and again, look at the network if it lasts)"
    for account in source.accounts:
        is_told = account.status in NOT_WATCHED and any(account.address in problem for problem in source.problems)
        if not is_told and (trouble := _account(account, now_ms)):
            yield trouble


def _wrong_clock(source: SourceStatus) -> Iterator[str]:
    skew_ms = source.clock_skew_ms or 0
    if abs(skew_ms) > WRONG_SKEW_MS:
        yield f"this machine's clock is {difference(skew_ms)} the exchange's: {SET_CLOCK}"


def _account(account: AccountStatus, now_ms: int) -> str:
    """Why this account is not watched now; "" if it is."""
    name = f"account {account.label or account.address}"
    if account.status in NOT_WATCHED:
        return f"{name} is {account.status}: {account.reason}; {NOT_WATCHED[account.status]}"
    if account.status == "pending":
        return f"{name} is not watched yet: ordinary for some seconds after a start"
    if account.role != "agent" and now_ms - account.last_seen_ms > SILENT_MS:
        silent = (now_ms - account.last_seen_ms) // 1000
        return f"{name} was not heard for {silent} s: it is subscribed again, look at the network if it lasts"
    return ""


_JUDGES: Final[tuple[Callable[[Status, int], Iterator[str]], ...]] = (
    uncommitted,
    _components,
    _late,
    _rejected,
)
