"""What a plugin provides: protocols for the four kinds of part, and the factories that describe and open them.

A plugin author writes one blocking method. The core owns retry, back-off, batching, isolation of bad events and ack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

import msgspec

from hlmon.events import Alert, Checkpoint, Event
from hlmon.status import SourceStatus

ENTRY_POINT_GROUP = "hlmon"


class Sink(Protocol):
    """Keeps events."""

    def write(self, events: Sequence[Event], /) -> None:
        """Make every event durable; returning is the promise that all of them are.

        No two events of one call share a name, and at most `max_batch` come in one call. Any event may come again in a
        later call: a Fact then changes nothing, a State only if its `version` is larger. Raise Transient (OSError and
        TimeoutError count as such) to get the same events again, fewer at once if that goes on; Permanent if they can
        never be stored. Having stored some of them before raising does no harm, but a checkpoint must not become
        durable before what stands in front of it. Kinds that the sink does not know are passed over. The call comes on
        the sink's own thread.
        """

    def load_checkpoints(self) -> Iterable[Checkpoint]:
        """The checkpoints last written, so that a monitor with an empty disk resumes where this store ends."""


class Notifier(Protocol):
    """Tells people."""

    def send(self, alerts: Sequence[Alert], /) -> None:
        """Hand the alerts to the service; returning is the promise that it accepted them. Errors as in `Sink.write`.

        The alerts of one call belong together and become one message, as far as the service's limits allow. The call
        comes on the notifier's own thread.
        """


class Deriver(Protocol):
    """Draws conclusions: a pure function from one new event to further events, with a memory of its own.

    It does no I/O and knows no clock but the events' times. Its memory must be rebuildable from stored events alone: at
    start it is called with the stored events of its kinds, in order, and what it returns then is ignored.
    """

    def __call__(self, event: Event, /) -> Iterable[Event]:
        """The events that follow from this one."""


class RemembersDeriver(Deriver, Protocol):
    """A deriver that can save its memory, so that a restart needs only the events after it."""

    def dump_memory(self) -> bytes:
        """The memory as bytes."""

    def load_memory(self, memory: bytes, /) -> None:
        """Take over what `dump_memory` returned, perhaps in an older version of hlmon."""


class Ingest(Protocol):
    """Where sources put events."""

    def __call__(self, events: Iterable[Event], /) -> int:
        """Admit events and everything derived from them; returns how many were new. They are durable soon after."""

    def states(self, kind: str, /) -> Sequence[Event]:
        """The events of this kind that are held now, e.g. checkpoints to resume from."""


class Source(Protocol):
    """Produces events."""

    async def run(self, ingest: Ingest, /) -> None:
        """Feed `ingest` until cancelled, or until a finite input ends; on an event loop and a thread of its own."""


@runtime_checkable
class ReportsStatus(Protocol):
    """A source that can say how it is; asked every few seconds on its event loop."""

    def status(self) -> SourceStatus:
        """The present state, as plain data."""


@runtime_checkable
class ChecksConnection(Protocol):
    """A source that can be asked for `hlmon check --connect` without running."""

    async def check_connection(self) -> Sequence[str]:
        """What the other side says of what a run would watch, in lines. ConfigError if it does not answer."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something that a deployment must provide: plain data, read by the deploy package.

    `name` is that of a variable (secret, env) or a table, or the ARN of a topic. `details` has

    - for a table `partition_key` and perhaps `sort_key` ({"name": …, "type": "S", "N" or "B"}), `ttl_attribute` and
      `point_in_time_recovery` (else True),
    - for a permission `actions` (a list), and the `table` or the `resource` (an ARN) that they are for,
    - for env perhaps the `value`; else it is taken from the environment of the deployment.
    """

    kind: Literal["secret", "table", "permission", "env", "topic"]
    name: str
    why: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the host passes to every part: who is watched and how, nothing of the part's own config."""

    name: str  # the NAME of [sink.NAME], [notifier.NAME], [rule.NAME], or the factory's name
    accounts: Mapping[str, str] = field(default_factory=dict)  # address -> label
    coins: Sequence[str] = ()
    snapshot_ms: int = 60_000
    cvd_interval_ms: int = 60_000
    url: str = ""  # REST base of the exchange


class NoConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The config of a part that has nothing to configure."""


ConfigT = TypeVar("ConfigT")
PartT = TypeVar("PartT")


def _needs_nothing(_config: Any) -> Sequence[Need]:
    return ()


def _finds_nothing(_config: Any) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Factory(Generic[ConfigT, PartT]):
    """Describes one kind of part and opens it.

    `name` is what the user writes as `type = "…"`. `config` is a frozen msgspec Struct that refuses unknown fields.
    `open` proves that the part works (credentials, schema, reachability) and raises ConfigError if not. It is called
    while accounts are watched already, on the part's own thread, and again after a pause whenever it raises or has not
    returned within 30 s; only a deriver's is called before, on the main thread, and its ConfigError ends the start.

    `check` says what is wrong with a config as far as this machine can tell: field -> what is wrong and what to do. It
    asks nobody over the network and changes nothing. It is called on the main thread before anything is opened, once
    every secret of the config is there; what it finds ends the start, and `hlmon check` shows it with its line.
    """

    name: str
    open: Callable[[ConfigT, Settings], AbstractContextManager[PartT]]
    config: type[ConfigT]
    needs: Callable[[ConfigT], Sequence[Need]] = _needs_nothing
    check: Callable[[ConfigT], Mapping[str, str]] = _finds_nothing


@dataclass(frozen=True, kw_only=True)
class SinkFactory(Factory[ConfigT, Sink]):
    """A kind of sink. `kinds` are the events it wants (None: all that are stored).

    With `linger_ms` it is called at most that often while batches are not full: a state that changes many times
    meanwhile is written once, for stores that charge for each write. Facts then come as much later.
    """

    kinds: frozenset[str] | None = None
    max_batch: int = 500
    linger_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class NotifierFactory(Factory[ConfigT, Notifier]):
    """A kind of notifier. `max_batch` is how many alerts one message may have."""

    max_batch: int = 10


@dataclass(frozen=True, kw_only=True)
class DeriverFactory(Factory[ConfigT, Deriver]):
    """A kind of deriver. With `always` it runs in every monitor; without, for each [rule.NAME] that names it.

    `kinds` are the events it is called with, live and when its memory is rebuilt.
    """

    kinds: frozenset[str]
    always: bool = False


@dataclass(frozen=True, kw_only=True)
class SourceFactory(Factory[ConfigT, Source]):
    """A kind of source."""
