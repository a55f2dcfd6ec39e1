"""Reconciles one account's streams with the exchange: what its states contradict, and what was quiet, is read again.

A stream may fall silent, or leave rows out, while the others live. It shows in the books of positions (`books`), in
the sums of money (`money_sums`, `money_books`), and now and then in a look over REST for what neither can see. What is
found is stored and stated as a gap that was healed; what the books still miss after that is an open gap.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hlmon.events import AccountMode, AccountState, Event, Fill, Gap, SpotState
from hlmon.hyperliquid.books import Books, Doubt
from hlmon.hyperliquid.fill_orders import FillOrders
from hlmon.hyperliquid.money_books import FundingHours, Liquidations
from hlmon.hyperliquid.money_sums import Sums
from hlmon.hyperliquid.reading import Reading, Surroundings
from hlmon.hyperliquid.recovery import History, without
from hlmon.hyperliquid.requests import HISTORY_REQUESTS
from hlmon.hyperliquid.resume import OUT_OF_REACH

ORDERS = "userHistoricalOrders"
FILL_STREAMS = ("userFills", "userTwapSliceFills")
MONEY_STREAMS = ("userNonFundingLedgerUpdates", "userFundings", *FILL_STREAMS)
QUIET_SECONDS = 900.0
UNSURE_SECONDS = 40.0  # while no sum proves that no payment and no entry of the ledger is missing
FIRST_LOOK_SECONDS = 30.0
ORDERS_SECONDS = 3600.0  # an answer with 2,000 orders costs 120 of the 1,200 weight per minute
OVERDUE_SECONDS = 3600.0  # after so long a look is due however little of the budget is free
BUSY_ROWS = 500  # between two looks: then the newest are read only, for all would be read twice
MOST_AT_ONCE = 200  # fills that are held against nothing yet
DELIVERY_MS = 10_000  # what is younger may still be on its way over the socket
LEFT_OUT = "the stream left out what REST has"
_UNSURE = frozenset({"userNonFundingLedgerUpdates", "userFundings"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reread:
    """What to read again: these streams, from that time on, in doubt or only because they were quiet.

    `money` is whether the sums of money are in doubt, `orders` whether orders of fills are missing.
    """

    streams: tuple[str, ...]
    since_ms: int | None  # None: since the stream was last confirmed
    doubt: Doubt | None = None
    money: bool = False
    orders: bool = False


class Reconciler:
    """What one account's streams brought, held against what the exchange shows.

    `renew` are streams that should be subscribed again: one that left rows out may have died.
    """

    def __init__(self, account: str, history: History) -> None:
        self.renew: set[str] = set()
        self.stated_reasons: set[str] = set()  # of open gaps
        self.sums = Sums()
        self.orders = FillOrders()
        self._account = account
        self._history = history
        self._books = Books()
        self._hours = FundingHours()
        self._liquidations = Liquidations()
        self._fills: list[Event] = []  # that came since the last look: many are counted together in half the time
        self._newest_ms: dict[str, int] = {}  # of the rows that came over the socket
        self._rows: dict[str, int] = {}  # since the last look
        self._confirmed_ms: dict[str, int] = {}
        self._looked_at: dict[str, float] = {}
        self._spread: dict[str, float] = {}  # by which part of its pause a stream waits, so that not all ask at once
        self._first_look: set[str] = set()
        self._suspects: dict[str, float] = {}  # the last moment at which rows may have been left out

    def begin(self, around: Surroundings, read_at: Callable[[str], float], *, is_whole: bool) -> None:
        """The account's history is read back, `is_whole` or but for what a gap states; each stream at its moment.

        A stream that was read long before the last of them may have left out rows since: no books saw it.
        """
        now = around.clock.now()
        self._count(now)
        if not is_whole:
            self._books = Books(around.exchange_ms())  # what the exchange shows now is where it goes on
            self.sums.forget()
        self._books.begin()
        self.orders.begin(around.exchange_ms())
        for stream in HISTORY_REQUESTS:
            self._confirm(stream, around, self._history.complete_ms.get(stream, 0), read_at(stream))
        self._first_look = set(MONEY_STREAMS)  # what was left out before the first state shows in nothing else
        for stream in MONEY_STREAMS:
            if now - read_at(stream) > FIRST_LOOK_SECONDS:
                self.suspect(stream, now)

    def take(self, events: Sequence[Event], now: float) -> None:
        """What came of one stream, over the socket or over REST, known or not."""
        if events and type(events[0]) is Fill:
            self._fills += events
            if len(self._fills) >= MOST_AT_ONCE:
                self._count(now)
            return
        self._hours.take(events)
        self._liquidations.take(events, now)
        self.orders.take(events, now)
        self.sums.take(events)

    def _count(self, now: float) -> None:
        """Enter the fills that came since the last look."""
        if fills := self._fills:
            self._fills = []
            self._books.take(fills)
            self._liquidations.take(fills, now)
            self.orders.take(fills, now)
            self.sums.take(fills)

    def arrived(self, stream: str, newest_ms: int, rows: int) -> None:
        """So many rows of a stream came live."""
        self._rows[stream] = self._rows.get(stream, 0) + rows
        self._newest_ms[stream] = max(self._newest_ms.get(stream, 0), newest_ms)

    def end(self, dexes: Sequence[str], now: float) -> None:
        """These dexes are gone, closed or renamed: nothing will show any more what their fills led to."""
        self._count(now)
        for dex in dexes:
            self._books.end(dex)
            self.sums.end(dex)

    def compare(self, states: Iterable[Event], mode: AccountMode, now: float, *, is_live: bool) -> None:
        """What the exchange shows now of an account of this mode; compared once what was missed is read back."""
        self._count(now)
        self.sums.use(mode)
        for state in states if is_live else ():
            if isinstance(state, AccountState):
                self._books.compare(state, now)
                self._hours.compare(state)
                self.sums.compare(state, now)
            elif isinstance(state, SpotState):
                self.sums.compare(state, now)

    def settle(self, around: Surroundings) -> None:
        """State what reading again did not explain, and move the checkpoints as far as the streams are proven."""
        self._count(around.clock.now())
        left = [each for each in self._books.unexplained() if each.since_ms]
        if left:
            coins = "; ".join(f"{each.coin} {each.expected} but {each.shown} is shown" for each in left[:5])
            self._state_missing(around, min(each.since_ms for each in left), f"the fills end at {coins}")
        is_doubtful = self._books.in_doubt
        for stream, newest_ms in self._newest_ms.items():
            if not (is_doubtful and stream in FILL_STREAMS):  # more rows of this millisecond may follow
                self._history.advance(stream, newest_ms - 1)

    def suspect(self, stream: str, now: float) -> None:
        """Rows of this stream may have been left out where nothing would show it: it is to be read again."""
        if stream in HISTORY_REQUESTS:
            self._suspects[stream] = now

    def due(self, around: Surroundings) -> Reread | None:
        """What should be read again now."""
        now = around.clock.now()
        self._count(now)
        if doubt := self._books.doubt(now):
            return Reread(FILL_STREAMS, doubt.since_ms, doubt)
        if (since_ms := self._hours.doubt()) is not None:
            return Reread(("userFundings",), since_ms)
        if (since_ms := self._liquidations.doubt(now)) is not None:
            return Reread(("userNonFundingLedgerUpdates",), since_ms)
        if (since_ms := self.sums.doubt(now)) is not None:
            return Reread(MONEY_STREAMS, since_ms, money=True)
        if self.orders.doubt(now):
            return Reread((ORDERS,), None, orders=True)
        suspected = self._suspected(now)
        return Reread(suspected, None) if suspected else None

    def _suspected(self, now: float) -> tuple[str, ...]:
        """What has to be read at once; a stream that was read a moment ago can wait: little can be missing yet."""
        return tuple(
            stream for stream in self._suspects if now - self._looked_at.get(stream, now) >= FIRST_LOOK_SECONDS
        )

    def quiet(self, around: Surroundings) -> tuple[float, Reread] | None:
        """The look that is due for longest, after how many seconds of being due; None if none is."""
        now = around.clock.now()
        is_sure = self.sums.is_sure(now)
        due = {
            stream: looked_at + self._pause(stream, is_sure=is_sure) * self._spread[stream]
            for stream, looked_at in self._looked_at.items()
        }
        stream = min(due, key=due.__getitem__, default=None)
        return None if stream is None or due[stream] > now else (now - due[stream], Reread((stream,), None))

    def _pause(self, stream: str, *, is_sure: bool) -> float:
        if stream in self._first_look:
            return FIRST_LOOK_SECONDS
        if stream == ORDERS:
            return ORDERS_SECONDS
        return UNSURE_SECONDS if stream in _UNSURE and not is_sure else QUIET_SECONDS

    def problem(self, now: float) -> str:
        """Why what is stored of the account cannot be trusted to be all; "" if it can."""
        self._count(now)
        if coins := self._books.doubtful(now):
            return (
                f"fills are missing: the positions of {_some(coins)} are not where they lead (hlmon gaps, hlmon verify)"
            )
        if pockets := self.sums.standing(now):
            return (
                f"something may be missing: its fills, fundings and ledger do not add up to {_some(pockets)}; "
                "they are being read again"
            )
        if streams := self._suspected(now):
            return f"{_some(streams)} may have left out rows: being read again over REST"
        return ""

    async def read(self, reread: Reread, around: Surroundings) -> None:
        """Read again, store what is found, and say so."""
        for stream in reread.streams:
            since_ms = reread.since_ms
            if since_ms is None:
                is_busy = self._rows.get(stream, 0) > BUSY_ROWS
                since_ms = (self._history.complete_ms if is_busy else self._confirmed_ms).get(stream, 0)
            missed = await self._read_stream(stream, since_ms, around)
            if missed or (reread.doubt and stream == FILL_STREAMS[0]):
                self.renew.add(stream)
        self._count(around.clock.now())
        if reread.doubt:
            self._books.read_again(reread.doubt, around.clock.now())
        if reread.orders:
            self.orders.read_again(around.clock.now())
        if reread.money:
            left = self.sums.read_again(around.clock.now())
            told = f"{_some(left)} not explained by what REST has, taken as shown" if left else "explained"
            _log.info("the money of %s was read again: %s", self._account, told)

    async def _read_stream(self, stream: str, since_ms: int, around: Surroundings) -> int:
        reading = Reading(stream, self._account, since_ms, around, self._history.odd)
        reading.resume.until_ms = asked_ms = around.exchange_ms()
        missed: list[int] = []
        while not reading.done:
            await around.clock.sleep(max(0.0, reading.not_before - around.clock.now()))
            for event in await reading.next_page():
                if around.ingest((event,)) and event.time_ms <= asked_ms - DELIVERY_MS:
                    missed.append(event.time_ms)
                self.take((event,), around.clock.now())
        self._confirm(stream, around, reading.proven_ms, reading.read_at)
        if missed:
            _log.warning("%s of %s left out %d rows, read back over REST", stream, self._account, len(missed))
            self._state_found(stream, since_ms, missed, reading, around)
        stands_ms = reading.proven_ms - self._history.complete_ms.get(stream, 0)
        if missed or stands_ms >= 1000 * QUIET_SECONDS / 2:
            self._history.advance(stream, reading.proven_ms)  # each step of a checkpoint is a write in every store
        return len(missed)

    def _confirm(self, stream: str, around: Surroundings, time_ms: int, read_at: float) -> None:
        """This stream was read at that moment, and is proven up to that time."""
        self._looked_at[stream] = read_at
        self._spread[stream] = 0.5 + 0.5 * around.clock.chance()
        self._first_look.discard(stream)
        if self._suspects.get(stream, read_at) <= read_at:
            self._suspects.pop(stream, None)
        self._confirmed_ms[stream] = max(self._confirmed_ms.get(stream, 0), time_ms)
        self._rows[stream] = 0

    def _state_found(
        self, stream: str, since_ms: int, missed: list[int], reading: Reading, around: Surroundings
    ) -> None:
        # What is out of REST's reach came over the socket, or the books miss it.
        lost = [gap for gap in reading.resume.gaps if gap.reason != OUT_OF_REACH]
        around.ingest(lost)
        events_read = len(missed)
        for start_ms, end_ms in without(max(since_ms, min(missed) - 1), around.exchange_ms(), lost):
            gap = Gap(
                account=self._account,
                stream=stream,
                start_ms=start_ms,
                end_ms=end_ms,
                time_ms=end_ms,
                healed=True,
                events_read=events_read,
                reason=LEFT_OUT,
            )
            around.ingest((gap,))
            events_read = 0  # they are counted once

    def _state_missing(self, around: Surroundings, since_ms: int, reason: str) -> None:
        _log.error("%s of %s: %s", FILL_STREAMS[0], self._account, reason)
        if reason in self.stated_reasons:  # by the run before this one
            return
        self.stated_reasons.add(reason)
        now_ms = around.exchange_ms()
        gap = Gap(
            account=self._account,
            stream=FILL_STREAMS[0],
            start_ms=since_ms,
            end_ms=max(now_ms, since_ms),
            time_ms=now_ms,
            reason=reason,
        )
        around.ingest((gap,))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
