"""What hlmon states about its own knowledge: how far it is complete, what is missing, what it did not understand."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from hlmon.events.base import Fact, State
from hlmon.events.derived import AccountMode
from hlmon.units import Address, Count, Hash, Text, TimeMs, Word, says

Role = Literal["user", "vault", "subAccount", "agent", "missing", "unknown"]
WatchStatus = Literal["watched", "refused", "missing"]
QuarantineUnit = Literal["frame", "answer", "row", "event"]


class AccountInfo(State, frozen=True, kw_only=True, gc=False, tag="account_info"):
    """What kind of account this is and whether it can be watched.

    `reason` says why not, or why its mode is "unknown": then there is no value and no health of it.
    """

    kind: ClassVar[str] = "account_info"

    role: Annotated[Role, says("what the address is on the exchange")] = "unknown"
    mode: Annotated[AccountMode, says("where the collateral lies")] = "unknown"
    master: Annotated[Address, says("the account behind an agent or sub-account address")] = ""
    status: Annotated[WatchStatus, says("whether it is watched")] = "watched"
    reason: Annotated[Text, says("why it is not, or why its mode is unknown")] = ""

    @property
    def key(self) -> str:
        """One per account."""
        return "info"


class Checkpoint(State, frozen=True, kw_only=True, gc=False, tag="checkpoint"):
    """Everything of this stream of the account up to `time_ms` is stored."""

    kind: ClassVar[str] = "checkpoint"

    stream: Annotated[Word, says("the stream that is complete up to `time_ms`")]

    @property
    def key(self) -> str:
        """The stream."""
        return self.stream


class Gap(State, frozen=True, kw_only=True, gc=False, tag="gap"):
    """Between `start_ms` and `end_ms` (None: going on) the stream was not seen; `time_ms` is when this was stated.

    `healed` means that all of it was read back (`events_read` of them new); what is not healed stays missing.
    """

    kind: ClassVar[str] = "gap"

    stream: Annotated[Word, says("the stream that was not seen")]
    start_ms: Annotated[TimeMs, says("its beginning")]
    end_ms: Annotated[TimeMs | None, says("its end; None while it goes on")] = None
    healed: Annotated[bool, says("all of it was read back")] = False
    events_read: Annotated[Count, says("how many of what was read back were new")] = 0
    reason: Annotated[Text, says("why")] = ""

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

    origin: Annotated[Word, says("`wire`, or the config name of the sink or notifier")]
    reason: Annotated[Text, says("what was wrong with it")]
    digest: Annotated[Hash, says("of the whole payload, so that the same one is kept once")]
    payload: Annotated[Text, says("whole up to 65,536 bytes")] = ""
    stream: Annotated[Word, says('the subscription type that it came with; "" if it is not known')] = ""
    request: Annotated[Word, says('the type of the /info request that it answered; "" if it is not known')] = ""
    unit: Annotated[QuarantineUnit, says("what it is a piece of")] = "frame"

    @property
    def key(self) -> str:
        """Time, origin and digest."""
        return f"{self.time_ms}:{self.origin}:{self.digest}"
