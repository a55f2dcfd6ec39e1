"""The Hyperliquid source: one WebSocket for all accounts and coins, and the past over REST."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import msgspec

from hlmon.contract import Ingest, Settings, SourceFactory
from hlmon.errors import JournalError, WireError
from hlmon.events import AccountInfo, Event, Ledger, MarketTrades
from hlmon.hyperliquid.account import DAY_MS, STATES, Account
from hlmon.hyperliquid.background import Background
from hlmon.hyperliquid.budget import Budget
from hlmon.hyperliquid.check import check_connection
from hlmon.hyperliquid.clock import REAL_TIME, Clock
from hlmon.hyperliquid.connection import Connection
from hlmon.hyperliquid.decode import decode_frame, quarantined
from hlmon.hyperliquid.exchange_clock import ExchangeClock
from hlmon.hyperliquid.exchange_status import StatusPoll
from hlmon.hyperliquid.frames import Ack, Events, Frame, Ignored, Refusal
from hlmon.hyperliquid.info import Info
from hlmon.hyperliquid.market import Markets, unread_trades
from hlmon.hyperliquid.open_orders import OpenOrderQuestions
from hlmon.hyperliquid.questions import Questions
from hlmon.hyperliquid.reading import Surroundings
from hlmon.hyperliquid.requests import HISTORY_REQUESTS
from hlmon.hyperliquid.stored import Stored
from hlmon.hyperliquid.subscriptions import Subscriptions
from hlmon.hyperliquid.watch import Watch
from hlmon.sections import HyperliquidSection
from hlmon.status import SourceStatus
from hlmon.watchdog.reasons import NOT_WATCHED

CHECKPOINT_SECONDS = 60.0
INTRODUCTION_SECONDS = 5.0  # for who the accounts are, and what time it is at the exchange
LONGEST_CHANNEL, MOST_COUNTERS = 40, 100  # a name comes from outside
MOST_UNKNOWN_TYPES = 100
PROBLEM_SECONDS = 60.0  # shorter troubles are the ordinary life of a connection

OnFrame = Callable[[bytes], None]

_log = logging.getLogger(__name__)


class HyperliquidFeed:
    """Watches the accounts and coins of the settings until cancelled; `on_frame` sees every frame as it came."""

    def __init__(
        self, settings: Settings, info: Info, *, clock: Clock = REAL_TIME, on_frame: OnFrame | None = None
    ) -> None:
        self.on_frame = on_frame
        self._url = settings.url
        self._clock = clock
        self._info = info
        self._background = Background(clock)
        self._exchange_clock = ExchangeClock(clock)
        self._poll = StatusPoll(info, self._exchange_clock, clock)
        self._counters: Counter[str] = Counter()
        self._told_unread: set[tuple[str, str]] = set()
        self._unread_states: dict[tuple[str, str], str] = {}  # what of the present states cannot be read
        self._unknown_types: set[str] = set()
        self._announced: dict[str, AccountInfo] = {}
        self._connection = Connection(
            settings.url.replace("http", "ws", 1) + "/ws",
            receive=self._receive,
            opened=self._opened,
            lost=self._lost,
            clock=clock,
        )
        self._subscriptions = Subscriptions(self._connection.send, clock=clock)
        self._watch = Watch(
            [Account(address.lower(), label) for address, label in settings.accounts.items()],
            Markets(dict.fromkeys(settings.coins)),
            self._subscriptions,
            drop=self._connection.drop,
            announce=self._announce,
        )
        self._accounts = self._watch.accounts
        self._questions = Questions(
            self._watch, info, settings.snapshot_ms, clock=clock, announce=self._announce, adopt=self._adopt
        )
        self._ingest: Ingest
        self._around: Surroundings
        self._stored: Stored

    async def run(self, ingest: Ingest, /) -> None:
        """Recall, get to know the accounts, then watch; the last checkpoints are given when it is cancelled."""
        self._ingest = ingest
        self._around = Surroundings(
            self._info,
            ingest,
            self._clock,
            self.exchange_ms,
            self._quarantine,
            latest_ms=self._exchange_clock.latest_ms,
        )
        self._recall()
        if not self._accounts and not self._watch.markets.coins:
            _log.warning("nothing to watch: add an [[account]] with its address to the config, or pass --account 0x…")
            await asyncio.get_running_loop().create_future()
        try:
            async with asyncio.TaskGroup() as tasks:
                introduced = tasks.create_task(self._background.keep("introduction", self._introduce))
                for name, work in self._works().items():
                    tasks.create_task(self._background.keep(name, work))
                await self._clock.within(INTRODUCTION_SECONDS, introduced)
                await self._connection.run()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from group
        finally:
            self._interrupt(unexplained=False)

    def _works(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What goes on beside the socket for as long as the feed runs."""
        return {
            "state of the exchange": lambda: self._poll.run(self._ingest),
            "accounts": self._questions.refresh,
            "account modes": self._questions.settle_modes,
            "coins": self._questions.validate_coins,
            "prices": lambda: self._questions.price(self._around),
            "API wallets": lambda: self._questions.ask_agents(self._around),
            "open orders": lambda: OpenOrderQuestions(lambda: self._accounts).run(self._around),
            "checkpoints": self._save_checkpoints,
        }

    async def _introduce(self) -> None:
        await asyncio.gather(self._questions.introduce(), self._poll.begin(self._ingest))

    def exchange_ms(self) -> int:
        """The exchange's present time, which this machine's clock may differ from; 0 while it is not known."""
        return self._exchange_clock.now_ms()

    async def check_connection(self) -> list[str]:
        """Whether the exchange answers, and what it says of each account and coin."""
        return await check_connection(self._url, self._accounts, self._watch.markets.coins)

    def status(self) -> SourceStatus:
        """The present state; times are this machine's."""
        connection = self._connection.status()
        if not self._accounts and not self._watch.markets.coins:
            connection.state = "idle"
        accounts = [a.status(self._clock.wall_ms(a.last_seen)) for a in self._accounts.values()]
        problems = [
            f"account {a.address} is {a.status}: {a.reason}; {NOT_WATCHED[a.status]}"
            for a in accounts
            if a.status in NOT_WATCHED
        ]
        now = self._clock.now()
        doubts = ((a.address, a.modes.problem(now)) for a in self._accounts.values() if a.watchable)
        problems += [f"account {address}: {problem}" for address, problem in doubts if problem]
        found = ((a.address, a.problem(now)) for a in self._accounts.values())
        problems += [f"account {address}: {problem}" for address, problem in found if problem]
        problems += [
            f"a part of {stream} of account {address} cannot be read: {reason}"
            for (address, stream), reason in self._unread_states.items()
            if address in self._accounts
        ]
        problems += [coin.problem for coin in self._watch.markets.coins.values() if coin.problem]
        if self._info.failing and self._clock.now() - self._info.failing_since > PROBLEM_SECONDS:
            problems.append(f"history and roles cannot be read: {self._info.failing}")
        problems += self._background.problems()
        if connection.state != "idle" and self._connection.down_seconds > PROBLEM_SECONDS:
            problems.append(f"not connected for {self._connection.down_seconds:.0f} s: {connection.reason}")
        coins = [coin.name for coin in self._watch.markets.coins.values() if coin.subscribed]
        return SourceStatus(
            connection=connection,
            accounts=accounts,
            coins=coins,
            counters=dict(self._counters),
            problems=problems,
            clock_skew_ms=self._exchange_clock.skew_ms(),
        )

    def _receive(self, raw: bytes) -> None:
        """The hot path: decode, then hand over; whatever is not events is rare."""
        if self.on_frame is not None:
            self.on_frame(raw)
        try:
            now_ms, latest_ms = self._exchange_clock.bounds_ms()
            frame = decode_frame(raw, clock_ms=now_ms, latest_ms=latest_ms)
        except WireError as error:
            _log.warning("a frame was not understood: %s", error)
            self._quarantine(raw, str(error))
            return
        try:
            self._take(frame)
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001 - a frame that cannot be handled costs itself, not the connection
            _log.error("a frame could not be handled", exc_info=error)
            self._quarantine(raw, f"could not be handled: {type(error).__name__}: {error}")

    def _take(self, frame: Frame) -> None:
        if type(frame) is not Events:
            self._control(frame)
            return
        if frame.unread:
            self._note_unread(frame)
        elif self._unread_states:
            self._unread_states.pop((frame.account, frame.stream), None)
        if frame.sent_ms is not None:
            frame = self._heard(frame, frame.sent_ms)
        if not frame.account:
            for reading in frame.events:
                self._ingest(self._watch.markets.take(cast("MarketTrades", reading)))
        elif (account := self._accounts.get(frame.account)) is not None:
            if frame.stream == "userNonFundingLedgerUpdates":
                self._name_unknown(frame)
            if frame.stream in STATES and account.doubts(frame, self._clock.now()):
                self._announce(account)  # before the state that its figures would be taken from
            account.receive(frame, self._around)

    def _heard(self, frame: Events, sent_ms: int) -> Events:
        """Take the time of a state; until a second one agrees it is a sign of life only, and comes again in 5 s."""
        self._exchange_clock.hear(sent_ms)
        if self._exchange_clock.known:
            return frame
        return msgspec.structs.replace(frame, events=(), oldest_ms=None, newest_ms=None)

    def _name_unknown(self, frame: Events) -> None:
        """Say once in the log of each type of ledger entry that its effect is not known; `hlmon status` counts them."""
        for entry in frame.events:
            if not isinstance(entry, Ledger) or entry.amount is not None or entry.type in self._unknown_types:
                continue
            if len(self._unknown_types) < MOST_UNKNOWN_TYPES:
                self._unknown_types.add(entry.type)
                _log.warning("ledger entries of type %r are kept, but what they do is not known", entry.type[:80])

    def _control(self, frame: Frame) -> None:
        if isinstance(frame, Ack):
            self._subscriptions.acked(frame)
        elif isinstance(frame, Refusal):
            self._counters["refusals"] += 1
            self._subscriptions.refused(frame)
        elif isinstance(frame, Ignored):
            counter = f"ignored:{frame.channel[:LONGEST_CHANNEL]}"
            known = counter in self._counters or len(self._counters) < MOST_COUNTERS
            self._counters[counter if known else "ignored"] += 1

    def _note_unread(self, frame: Events) -> None:
        self._counters["unread"] += len(frame.unread)
        if frame.account and frame.stream not in HISTORY_REQUESTS:
            self._unread_states[frame.account, frame.stream] = frame.unread[0].reason
        if not frame.account:
            self._ingest([*frame.unread, *unread_trades(frame.unread)])
        stream = (frame.account, frame.stream)
        if stream not in self._told_unread:
            self._told_unread.add(stream)
            _log.warning(
                "a row of %s %s was not understood and is in quarantine (further ones of this stream are only counted, "
                "see hlmon quarantine): %s",
                frame.stream,
                frame.account,
                frame.unread[0].reason,
            )

    def _quarantine(self, raw: bytes, reason: str, account: str = "") -> None:
        self._counters["quarantined"] += 1
        time_ms = self.exchange_ms() or self._clock.wall_ms()
        self._ingest([quarantined(raw, reason, time_ms=time_ms, account=account)])

    async def _opened(self) -> None:
        await self._watch.keep(self._around)

    def _lost(self, _reason: str, unexplained: bool) -> None:
        self._counters["disconnects"] += 1
        self._interrupt(unexplained=unexplained)

    def _interrupt(self, *, unexplained: bool) -> None:
        """Every stream ends here: say how far each is complete."""
        events: list[Event] = []
        for account in self._accounts.values():
            events += account.interrupt()
            account.blocked.clear()
        events += self._watch.markets.lost(self._clock.now(), self.exchange_ms(), unexplained=unexplained)
        self._ingest(events)

    async def _save_checkpoints(self) -> None:
        while True:
            await self._clock.sleep(CHECKPOINT_SECONDS)
            self._ingest([point for account in self._accounts.values() for point in account.checkpoints()])
            self._ingest(self._watch.markets.checkpoints(self.exchange_ms()))

    def _announce(self, account: Account) -> None:
        """State what is known of an account, if it is not what was stated last, or that is a day old."""
        last = self._announced.get(account.address)
        info = account.info(last.time_ms if last else 0)
        if last is None or info != last or account.role_known_ms - last.time_ms > DAY_MS:
            info = account.info(max(self._clock.wall_ms(), last.time_ms + 1 if last else 0))
            self._announced[account.address] = info
            self._ingest([info])

    def _recall(self) -> None:
        """Go on where the store ends."""
        self._stored = Stored.read(self._ingest)
        self._announced = {info.account: info for info in self._stored.infos}
        for account in self._accounts.values():
            account.recall(self._stored)
            self._announce(account)  # its mode is not known any more: no figure may come from what was known once
        self._ingest(self._watch.markets.recall(self._stored))

    def _adopt(self, address: str, label: str) -> Account:
        """Watch a further account: the master behind an agent's address."""
        account = self._accounts[address] = Account(address, label)
        account.recall(self._stored)
        return account


@contextmanager
def open_feed(config: HyperliquidSection, settings: Settings) -> Iterator[HyperliquidFeed]:
    """The feed of these settings; nothing is asked of the exchange before it runs."""
    url = (settings.url or config.url).rstrip("/")
    info = Info(url, Budget(config.weight_per_minute))
    try:
        yield HyperliquidFeed(replace(settings, url=url), info)
    finally:
        info.close()


FACTORY = SourceFactory(name="hyperliquid", config=HyperliquidSection, open=open_feed)
