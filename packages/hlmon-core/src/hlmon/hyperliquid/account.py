"""One watched account: what it is, which of its streams are in place, and how far they are stored."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence

import msgspec

from hlmon.derive.figures import dex_of
from hlmon.derive.value import shares_collateral
from hlmon.events import AccountInfo, AccountState, Checkpoint, Event, Role, SpotState
from hlmon.hyperliquid.account_mode import ModeWatch
from hlmon.hyperliquid.dexes import Dexes
from hlmon.hyperliquid.frames import Events
from hlmon.hyperliquid.open_orders import STREAM as OPEN_ORDERS
from hlmon.hyperliquid.open_orders import Listings
from hlmon.hyperliquid.reading import Surroundings
from hlmon.hyperliquid.reconcile import FILL_STREAMS, MONEY_STREAMS, Reconciler, Reread
from hlmon.hyperliquid.recovery import NOT_READ_YET, History, Recovery
from hlmon.hyperliquid.requests import HISTORY_REQUESTS
from hlmon.hyperliquid.stored import Stored
from hlmon.status import AccountStatus

HEARTBEAT = "allDexsClearinghouseState"
"""Comes about every 5 s, even when nothing happens."""

STREAMS = (
    "userFills",
    "userTwapSliceFills",
    "userFundings",
    OPEN_ORDERS,  # of the main dex; before the first account state, whose positions are judged by it
    HEARTBEAT,
    "userNonFundingLedgerUpdates",
    "userHistoricalOrders",
    "spotState",
    "userTwapHistory",
)
"""In the order of subscribing: what is held while history is read comes first. The lists of further dexes come last."""

STATES = frozenset({HEARTBEAT, "spotState"})

SNAPSHOT_SECONDS = 30.0  # it comes with the ack
LONGEST_SNAPSHOT_SECONDS = 600.0
_LISTING = frozenset({HEARTBEAT, "userHistoricalOrders"})
DAY_MS = 86_400_000

_log = logging.getLogger(__name__)


class Account:
    """An address of the config, or the master behind one."""

    def __init__(self, address: str, label: str = "") -> None:
        self.address = address
        self.label = label
        self.role: Role = "unknown"
        self.modes = ModeWatch()
        self._dexes = Dexes()
        self.master = ""
        self.warning = ""  # about the address itself
        self.refusal = ""  # why the exchange does not let it be watched
        self.role_known_ms = 0
        self.acked: set[str] = set()
        self.blocked: dict[str, float] = {}  # stream -> not to be asked for before
        self.last_seen = 0.0
        self.silences = 0
        self.holds_tokens = False
        self._unanswered: dict[str, float] = {}  # streams that have sent nothing since they were asked for, and when
        self._renewals: Counter[str] = Counter()  # for that reason
        self.listings = Listings()
        self.recovery: Recovery | None = None
        self._history = History()
        self.reconciler = Reconciler(address, self._history)
        self._reading: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def watchable(self) -> bool:
        """Whether there is anything to subscribe to: an agent and an unknown address have no streams."""
        return self.role not in {"agent", "missing"}

    @property
    def streams(self) -> tuple[str, ...]:
        """What there is to subscribe to, in this order; a stream of one dex is `TYPE:DEX`."""
        return STREAMS + self.listings.streams

    @property
    def watched(self) -> bool:
        """Whether every stream is in place."""
        return self.acked.issuperset(self.streams)

    def wants(self, stream: str) -> bool:
        """Whether this stream is one of its own and not in place."""
        return stream not in self.acked and stream in self.streams

    @property
    def is_live(self) -> bool:
        """Whether every stream is in place and what it missed is read back."""
        return self.watched and self.recovery is None

    @property
    def reason(self) -> str:
        """Why it cannot be watched, or what of it is not known."""
        return self.refusal or self.warning or (self.modes.reason if self.watchable else "")

    def doubts(self, frame: Events, now: float) -> bool:
        """Whether what is known of the account's mode changes by this frame of `STATES`, before it is received."""
        return any(self.modes.take(event, now) for event in frame.events)

    def expect(self, stream: str, now: float) -> None:
        """A stream is asked for; its snapshot, or its first state, should come at once."""
        if stream in HISTORY_REQUESTS or stream in STATES:
            self._unanswered[stream] = now

    def receive(self, frame: Events, around: Surroundings) -> None:
        """A frame of one of this account's streams."""
        stream = frame.stream
        if stream in self._unanswered and (frame.is_snapshot or stream in STATES):
            del self._unanswered[stream]
            self._renewals.pop(stream, None)
        if frame.unread:
            self._history.note_odd(frame.unread)
        if stream not in FILL_STREAMS:
            frame = self._look_at(frame, around)
        if self.recovery is not None:
            self.recovery.take(frame)
            return
        around.ingest(frame.events)
        if frame.unread:
            around.ingest(frame.unread)
        if frame.events and stream in HISTORY_REQUESTS:
            self.reconciler.take(frame.events, around.clock.now())
            self.reconciler.arrived(stream, frame.newest_ms or 0, len(frame.events))

    def _look_at(self, frame: Events, around: Surroundings) -> Events:
        """What the account's states and its lists of orders say of its streams; the frame as it is to be believed."""
        if frame.stream == HEARTBEAT:
            frame, now = self._believed(frame), around.clock.now()
            self._beat(frame.newest_ms or 0, now)
            for stream in MONEY_STREAMS if self._dexes.unshown else ():
                self.reconciler.suspect(stream, now)
        elif frame.stream == "spotState" and frame.events:
            self.holds_tokens = any(
                balance.total and balance.coin != "USDC"
                for state in frame.events
                if isinstance(state, SpotState)
                for balance in (*state.balances, *state.escrows)
            )
        if frame.stream in _LISTING or frame.stream.startswith(OPEN_ORDERS):
            self.listings.take(frame.events, around.clock.now())
        if frame.stream.startswith(OPEN_ORDERS):
            self.reconciler.orders.take(frame.events, around.clock.now())
        if frame.stream in STATES:
            now = around.clock.now()
            self.reconciler.end(self._dexes.ended, now)
            self.reconciler.compare(frame.events, self.modes.mode, now, is_live=self.recovery is None)
        return frame

    def _believed(self, frame: Events) -> Events:
        state = frame.events[0] if frame.events else None
        if not isinstance(state, AccountState):
            return frame
        believed = self._dexes.believe(state, shared=shares_collateral(self.modes.mode))
        return frame if believed is state else msgspec.structs.replace(frame, events=(believed,))

    def begin(self, around: Surroundings, tasks: asyncio.TaskGroup) -> None:
        """A subscription begins: from now on its events wait for those before them."""
        self.last_seen = around.clock.now()
        self.blocked.clear()
        now = around.clock.now

        def told(events: Sequence[Event]) -> None:
            self.reconciler.take(events, now())
            self.listings.take(events, now(), is_live=False)

        self.recovery = Recovery(self.address, self._history, around, told)
        self._task = tasks.create_task(self._recover(self.recovery, around))

    def check(self, around: Surroundings, tasks: asyncio.TaskGroup) -> None:
        """Called again and again: whether something must be read again, or a reading back makes no progress."""
        self._renew_unanswered(around.clock.now())
        self.reconciler.renew.update(self.listings.silent(around.clock.now()))
        if self.recovery is not None:
            self.recovery.check(around.clock.now())
        elif self.acked:
            self.reconciler.settle(around)
            if not self.is_reading and (reread := self.reconciler.due(around)):
                self.read_again(reread, around, tasks)

    def _renew_unanswered(self, now: float) -> None:
        for stream, since in self._unanswered.items():
            limit = min(SNAPSHOT_SECONDS * 2 ** self._renewals[stream], LONGEST_SNAPSHOT_SECONDS)
            if stream in self.acked and stream != HEARTBEAT and now - since > limit:
                self._renewals[stream] += 1
                self._unanswered[stream] = now
                self.reconciler.renew.add(stream)

    @property
    def is_reading(self) -> bool:
        """Whether something is being read again."""
        return self._reading is not None and not self._reading.done()

    def read_again(self, reread: Reread, around: Surroundings, tasks: asyncio.TaskGroup) -> None:
        """Read again what may have been left out."""
        self._reading = tasks.create_task(self.reconciler.read(reread, around))

    def interrupt(self) -> list[Checkpoint]:
        """The streams ended here; what they missed is read back when they come again."""
        for task in (self._task, self._reading):
            if task is not None:
                task.cancel()
        checkpoints = self.checkpoints()
        self.acked.clear()
        self._unanswered.clear()
        self.listings.lost()
        self.recovery, self._task, self._reading = None, None, None
        return checkpoints

    def checkpoints(self) -> list[Checkpoint]:
        """How far each stream is stored, as its own rows and REST prove it."""
        proven = self._history.complete_ms.items()
        return [Checkpoint(account=self.address, stream=name, time_ms=at) for name, at in proven if at]

    def recall(self, stored: Stored) -> None:
        """Take over what is stored of this account."""
        for info in stored.infos:
            if info.account == self.address:
                # Not the mode: it may have changed meanwhile, and older versions took an unknown one for classic.
                self.role, self.master = info.role, info.master
                self.role_known_ms = info.time_ms if info.role not in {"unknown", "missing"} else 0
        self._dexes.expect(dex_of(coin) for account, coin in stored.open_coins if account == self.address)
        self.listings.recall([order for order in stored.orders if order.account == self.address])
        for point in stored.checkpoints:
            if point.account == self.address:
                self._history.complete_ms[point.stream] = point.time_ms
        for gap in stored.gaps:
            if gap.account != self.address or gap.healed:
                continue
            self.reconciler.stated_reasons.add(gap.reason)
            if gap.reason == NOT_READ_YET:
                self._history.stated[gap.stream] = gap

    def info(self, time_ms: int) -> AccountInfo:
        """What is known of this account, as a state to store."""
        return AccountInfo(
            account=self.address,
            time_ms=time_ms,
            role=self.role,
            mode=self.modes.mode,
            master=self.master,
            status="missing" if self.role == "missing" else "refused" if self.refusal else "watched",
            reason=self.reason,
        )

    def status(self, last_seen_ms: int) -> AccountStatus:
        """The present state for the user."""
        pending = self.watchable and not self.watched and not self.refusal
        return AccountStatus(
            address=self.address,
            label=self.label,
            role=self.role,
            mode=self.modes.mode,
            status="pending" if pending else self.info(0).status,
            reason=self.reason,
            last_seen_ms=last_seen_ms,
            resuming=self.recovery is not None,
        )

    def problem(self, now: float) -> str:
        """Why something of it may be missing now; "" if nothing is."""
        if self.recovery is not None and self.acked:
            return f"its history is being read back since {now - self.recovery.began:.0f} s: ordinary after a start"
        return self.reconciler.problem(now)

    def _beat(self, time_ms: int, now: float) -> None:
        self.last_seen = now
        self.silences = 0
        self._history.alive_ms = max(self._history.alive_ms, time_ms)
        if self.recovery is not None and time_ms:  # a state that cannot be read is a sign of life all the same
            self.recovery.seen(time_ms)

    async def _recover(self, recovery: Recovery, around: Surroundings) -> None:
        await recovery.run()
        if self.recovery is recovery:
            self.reconciler.begin(around, recovery.read_at, is_whole=recovery.is_whole)
            self.recovery = None
            _log.info("account %s is watched, its history is complete", self.label or self.address)
