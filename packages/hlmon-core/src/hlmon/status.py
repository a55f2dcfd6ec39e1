"""What a running monitor says of itself: plain data that it writes to the journal and other processes read."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from hlmon.units import Address, Coin, Count, DurationMs, Text, TimeMs, Word, says

ConnectionState = Literal["idle", "connecting", "live", "waiting"]
ComponentState = Literal["starting", "running", "failing", "stopped"]


class ConnectionStatus(msgspec.Struct, kw_only=True):
    """The socket to the exchange. `waiting` is the pause before the next attempt, `idle` means nothing to watch."""

    state: Annotated[ConnectionState, says("`waiting`: until the next attempt; `idle`: nothing to watch")] = "idle"
    since_ms: Annotated[TimeMs, says("since when")] = 0
    reconnects: Annotated[Count, says("since the start")] = 0
    last_frame_ms: Annotated[TimeMs, says("when the last frame came")] = 0
    reason: Annotated[Text, says("of the last disconnect")] = ""


class AccountStatus(msgspec.Struct, kw_only=True):
    """One configured account. `resuming` means that its history is being read back; `last_seen_ms` is its heartbeat."""

    address: Annotated[Address, says("the account")]
    label: Annotated[Text, says("its name in the config")] = ""
    role: Annotated[Word, says("as in AccountInfo")] = "unknown"
    mode: Annotated[Word, says("as in AccountInfo")] = "unknown"
    status: Annotated[Literal["pending", "watched", "refused", "missing"], says("whether it is watched")] = "pending"
    reason: Annotated[Text, says("why it is not")] = ""
    last_seen_ms: Annotated[TimeMs, says("its heartbeat")] = 0
    resuming: Annotated[bool, says("its history is being read back")] = False


class SourceStatus(msgspec.Struct, kw_only=True):
    """What a source says of itself; `problems` are sentences for the user, empty when all is well.

    `clock_skew_ms` is the exchange's clock less this machine's, None while it is not known.
    """

    connection: Annotated[ConnectionStatus, says("the socket to the exchange")] = msgspec.field(
        default_factory=ConnectionStatus
    )
    accounts: Annotated[list[AccountStatus], says("every configured account")] = msgspec.field(default_factory=list)
    coins: Annotated[list[Coin], says("whose trades are watched")] = msgspec.field(default_factory=list)
    counters: Annotated[dict[str, Count], says("what was counted since the start, by name")] = msgspec.field(
        default_factory=dict
    )
    problems: Annotated[list[Text], says("sentences for the user, empty when all is well")] = msgspec.field(
        default_factory=list
    )
    clock_skew_ms: Annotated[DurationMs | None, says("the exchange's clock less this machine's; None: unknown")] = None


class FollowerStatus(msgspec.Struct, kw_only=True):
    """One sink or notifier: how many events it is behind, when it last acked, and since when it has been failing.

    `behind_since_ms` is since when it has something to deliver and delivered nothing, None if it has nothing.
    `oldest_due_ms` is since when the oldest alert that nothing holds back waits for the notifier, None without one.
    """

    name: Annotated[Word, says("its name in the config")]
    part: Annotated[Literal["sink", "notifier"], says("which of the two it is")]
    lag: Annotated[Count, says("events that it is behind")] = 0
    last_ack_ms: Annotated[TimeMs, says("when it last took something")] = 0
    failing_since_ms: Annotated[TimeMs | None, says("since when it fails; None if it does not")] = None
    error: Annotated[Text, says("the last one")] = ""
    behind_since_ms: Annotated[TimeMs | None, says("since when it has something to deliver and did not")] = None
    oldest_due_ms: Annotated[TimeMs | None, says("since when the oldest alert that nothing holds back waits")] = None


class ComponentStatus(msgspec.Struct, kw_only=True):
    """One configured part and since when it is in its state; `why` it fails ends with what to do, where that is known.

    `next_try_ms` is when one that is failing is tried again, None while a try is under way or if only a restart helps.
    `failures` counts what it did wrong since the start, whatever its state is now.
    """

    name: str
    part: Literal["source", "sink", "notifier", "rule"]
    type: str = ""
    state: ComponentState = "starting"
    since_ms: int = 0
    why: str = ""
    next_try_ms: int | None = None
    failures: int = 0


class Status(msgspec.Struct, kw_only=True):
    """The whole monitor at `updated_ms`, which is by this machine's wall clock.

    All other times are `updated_ms` less an age that no step of that clock changes. `uptime_ms` is the machine's uptime
    at the same moment, of the boot `boot_id`. `pending_since_ms` says since when events wait to be committed,
    `rejected` how many events and alerts each sink and notifier refused for good and nobody dealt with. `problems` are
    sentences of the monitor's parts, each of which ends with what to do: see `hlmon.watchdog.reasons`.
    """

    pid: int
    version: str
    started_ms: int
    updated_ms: int
    uptime_ms: int = 0
    boot_id: str = ""
    committed_ms: int = 0
    pending_since_ms: int | None = None
    url: str = ""
    sources: list[SourceStatus] = msgspec.field(default_factory=list)
    followers: list[FollowerStatus] = msgspec.field(default_factory=list)
    components: list[ComponentStatus] = msgspec.field(default_factory=list)
    counters: dict[str, int] = msgspec.field(default_factory=dict)
    rejected: dict[str, int] = msgspec.field(default_factory=dict)
    problems: list[str] = msgspec.field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether there is nothing that the user should look at."""
        return not self.problems
