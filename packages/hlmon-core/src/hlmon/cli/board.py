"""What the watch screen shows, gathered from the journal's events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from hlmon.events import AccountInfo, AccountSnapshot, Event, Fact, Fill, Gap, Position, PositionClosed, decode
from hlmon.journal import Journal

KEPT: Final = 60
"""Fills and closes that are kept: more than any screen shows."""
_NEWEST: Final = {
    "account": "SELECT metadata FROM hl_dashboard"
    " WHERE created_at_ms > (SELECT MAX(created_at_ms) FROM hl_dashboard) - 600000 ORDER BY created_at_ms",
    "fill": "SELECT metadata FROM fills ORDER BY id DESC LIMIT 60",
    "position_closed": "SELECT metadata FROM closes ORDER BY id DESC LIMIT 60",
}

FactT = TypeVar("FactT", bound=Fact)


class Board:
    """The newest of everything, by account; `fills` and `closes` have the newest first."""

    def __init__(self) -> None:
        self.snapshots: dict[str, AccountSnapshot] = {}
        self.infos: dict[str, AccountInfo] = {}
        self.positions: dict[tuple[str, str], Position] = {}
        self.gaps: dict[tuple[str, str], Gap] = {}
        self.fills: list[Fill] = []
        self.closes: list[PositionClosed] = []

    def take(self, event: Event) -> None:
        """Show this event; those of other kinds are passed over."""
        match event:
            case AccountSnapshot(account=account):
                known = self.snapshots.get(account)
                if known is None or known.time_ms <= event.time_ms:
                    self.snapshots[account] = event
            case AccountInfo(account=account):
                self.infos[account] = event
            case Position(account=account, coin=coin):
                self.positions[account, coin] = event
            case Gap(account=account, key=key):
                self.gaps[account, key] = event
            case Fill():
                self.fills = _newest(self.fills, event)
            case PositionClosed():
                completed = [close for close in self.closes if close.key != event.completes]
                self.closes = _newest(completed, event)

    @property
    def accounts(self) -> list[str]:
        """Every account that anything is known of."""
        return sorted({*self.snapshots, *self.infos, *(account for account, _ in self.positions)})

    @property
    def open_positions(self) -> list[Position]:
        """The largest first."""
        held = [position for position in self.positions.values() if position.is_open]
        return sorted(held, key=lambda position: position.size * (position.mark_price or 0), reverse=True)

    @property
    def missing(self) -> list[Gap]:
        """Gaps of accounts that were not read back; those of market trades never can be."""
        return [gap for gap in self.gaps.values() if gap.account and not gap.healed]


class BoardReader:
    """Keeps a board in step with a journal that another process writes."""

    def __init__(self, journal: Journal) -> None:
        self.board = Board()
        self._journal = journal
        self._seq = journal.last_seq()
        for kind in ("position", "account_info", "gap"):
            self._take(journal.states(kind))
        for kind, sql in _NEWEST.items():
            self._take(decode(kind, body) for (body,) in journal.query(sql))

    def update(self) -> Board:
        """Read on to the journal's end."""
        while entries := self._journal.read_after(self._seq):
            self._take(entry.event for entry in entries)
            self._seq = entries[-1].seq
        return self.board

    def _take(self, events: Iterable[Event]) -> None:
        for event in events:
            self.board.take(event)


def _newest(known: list[FactT], fact: FactT) -> list[FactT]:
    return sorted([fact, *known], key=lambda one: one.time_ms, reverse=True)[:KEPT]
