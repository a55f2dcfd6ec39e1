"""What hlmon states about its own knowledge: how far it is complete, what is missing, what it did not understand."""

from __future__ import annotations

from typing import ClassVar, Literal

from hlmon.events.base import Fact, State
from hlmon.events.derived import AccountMode

Role = Literal["user", "vault", "subAccount", "agent", "missing", "unknown"]
WatchStatus = Literal["watched", "refused", "missing"]
QuarantineUnit = Literal["frame", "answer", "row", "event"]


class AccountInfo(State, frozen=True, kw_only=True, gc=False, tag="account_info"):
    """What kind of account this is and whether it can be watched.

    `reason` says why not, or why its mode is "unknown": then there is no value and no health of it.
    """

    kind: ClassVar[str] = "account_info"

    role: Role = "unknown"
    mode: AccountMode = "unknown"
    master: str = ""  # the account behind an agent or sub-account address
    status: WatchStatus = "watched"
    reason: str = ""

    @property
    def key(self) -> str:
        """One per account."""
        return "info"


class Checkpoint(State, frozen=True, kw_only=True, gc=False, tag="checkpoint"):
    """Everything of this stream of the account up to `time_ms` is stored."""

    kind: ClassVar[str] = "checkpoint"

    stream: str

    @property
    def key(self) -> str:
        """The stream."""
        return self.stream


class Gap(State, frozen=True, kw_only=True, gc=False, tag="gap"):
    """Between `start_ms` and `end_ms` (None: going on) the stream was not seen; `time_ms` is when this was stated.

    `healed` means that all of it was read back (`events_read` of them new); what is not healed stays missing.
    """

    kind: ClassVar[str] = "gap"

    stream: str
    start_ms: int
    end_ms: int | None = None
    healed: bool = False
    events_read: int = 0
    reason: str = ""

    @property
    def key(self) -> str:
        """Start and stream."""
        return f"{self.start_ms}:{self.stream}"

    @property
    def version(self) -> int:
        """When it was stated; a healed gap is newer than an open one of the same moment."""
        return self.time_ms * 4 + (self.end_ms is not None) + 2 * self.healed


class Quarantined(Fact, frozen=True, kw_only=True, gc=False, tag="quarantine"):
    """Something that could not be used: a row or a frame from the wire, or an event that a sink refused for good.

    `stream` is the subscription type that it came with, `request` the type of the /info request that it answered; each
    is "" if it is not known.
    """

    kind: ClassVar[str] = "quarantine"

    origin: str  # "wire", or the config name of the sink or notifier
    reason: str
    digest: str  # of the whole payload, so that the same one is kept once
    payload: str = ""  # whole up to 65,536 bytes
    stream: str = ""
    request: str = ""
    unit: QuarantineUnit = "frame"

    @property
    def key(self) -> str:
        """Time, origin and digest."""
        return f"{self.time_ms}:{self.origin}:{self.digest}"
