"""What the journal knows when the feed starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hlmon.contract import Ingest
from hlmon.events import AccountInfo, Checkpoint, Gap


@dataclass(frozen=True)
class Stored:
    """The states to go on from, of all accounts and coins."""

    infos: Sequence[AccountInfo] = ()
    checkpoints: Sequence[Checkpoint] = ()
    gaps: Sequence[Gap] = ()

    @classmethod
    def read(cls, ingest: Ingest) -> Stored:
        """What `ingest` holds."""
        return cls(
            [event for event in ingest.states("account_info") if isinstance(event, AccountInfo)],
            [event for event in ingest.states("checkpoint") if isinstance(event, Checkpoint)],
            [event for event in ingest.states("gap") if isinstance(event, Gap)],
        )
