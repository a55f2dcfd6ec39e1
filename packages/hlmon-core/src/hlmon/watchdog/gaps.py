"""The gaps that make a monitor not well: what of an account was not seen and could not be read back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec

from hlmon.events import Event, Gap, Name

COUNTS_FOR_MS: Final = 86_400_000
"""A gap that has ended counts for a day after it was stated: it cannot be mended, and by then it was seen."""
MOST_KEPT: Final = 1_000


class OpenGaps:
    """A deriver that derives nothing: it holds the accounts' gaps that are not healed, from every gap that is stored.

    Those of market trades are left out: no gap of theirs ever heals, and the CVD says which of its buckets they touch.
    """

    def __init__(self) -> None:
        self._gaps: dict[Name, Gap] = {}

    def __call__(self, event: Event, /) -> Iterable[Event]:
        """Take one gap."""
        if isinstance(event, Gap) and event.account:
            self._gaps.pop(event.name, None)
            if not event.healed:
                self._gaps[event.name] = event
                while len(self._gaps) > MOST_KEPT:
                    del self._gaps[next(iter(self._gaps))]
        return ()

    def dump_memory(self) -> bytes:
        """The gaps that are held."""
        return msgspec.json.encode(list(self._gaps.values()))

    def load_memory(self, memory: bytes) -> None:
        """What `dump_memory` gave."""
        self._gaps = {gap.name: gap for gap in msgspec.json.decode(memory, type=list[Gap])}

    def problems(self, accounts: Collection[str], labels: Mapping[str, str], exchange_ms: int) -> list[str]:
        """A sentence for each stream of these accounts that has one, if it goes on or was stated within a day."""
        counted: dict[tuple[str, str], int] = {}
        for gap in list(self._gaps.values()):
            recent = gap.end_ms is None or exchange_ms - gap.time_ms <= COUNTS_FOR_MS
            if recent and gap.account in accounts:
                place = (gap.account, gap.stream)
                counted[place] = counted.get(place, 0) + 1
        return [
            f"{stream} of account {labels.get(account) or account} has {number} gap{'s' * (number != 1)}: "
            "events are missing, `hlmon gaps` says of which times (what cannot be read back counts for a day)"
            for (account, stream), number in sorted(counted.items())
        ]
