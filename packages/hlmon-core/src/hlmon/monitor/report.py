"""What the monitor says of its derivers and what it could not read, as plain data and sentences."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from hlmon.contract import ReportsStatus
from hlmon.errors import text_of
from hlmon.ingest import Ingest
from hlmon.labels import Labels
from hlmon.quarantine import QuarantineDesk, summary
from hlmon.status import SourceStatus


def failure_problems(ingest: Ingest, named: Collection[str]) -> Iterator[str]:
    """A sentence for each deriver that failed since the start, but for those that are `named` already."""
    for name, number in ingest.failures.items():
        if name not in named:
            yield (
                f"{number:,} failure{'s' * (number != 1)} of {name} since the start: what it would have said is missing"
                ", the log has the first error (please report it to its authors)"
            )


def unread(sources: Sequence[SourceStatus], desk: QuarantineDesk, labels: Labels, overflow: int) -> list[str]:
    """What the exchange sent of accounts and coins that are watched, and nobody could read."""
    watched = {"", *(account.address for source in sources for account in source.accounts)}
    missing = [row for row in desk.missing if row.account in watched]
    found = summary(missing, lambda account: labels.get(account) or account)
    if desk.problem:
        found.append(desk.problem)
    if overflow:
        found.append(
            f"{overflow} more things could not be read than the quarantine holds and are only counted: see hlmon "
            "quarantine list, and report what is in it"
        )
    return found


def status_of(name: str, source: object) -> SourceStatus | None:
    """What the source says of itself, or that it cannot; None if it says nothing."""
    if not isinstance(source, ReportsStatus):
        return None
    try:
        return source.status()
    except BaseException as error:  # noqa: BLE001  # a broken plugin never stops the others
        return SourceStatus(problems=[f"source {name} cannot say how it is: {text_of(error)}"])
