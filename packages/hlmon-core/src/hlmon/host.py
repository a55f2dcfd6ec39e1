"""Opens everything, runs it, stops it in the right order: sources first, then the journal, then the followers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from hlmon.config import Config
from hlmon.contract import Deriver
from hlmon.deadline import LIMIT
from hlmon.delivery import Courier, common_checkpoints, full_jitter
from hlmon.errors import ConfigError, HlmonError, JournalBusy, JournalError, text_of
from hlmon.events import AccountInfo, Checkpoint, Gap
from hlmon.exchange_time import ExchangeTime, pulse_of
from hlmon.ingest import Ingest
from hlmon.journal import Journal
from hlmon.journal.exchange import exchange_at
from hlmon.journal.upkeep import Upkeep
from hlmon.labels import Labels
from hlmon.monitor.couriers import couriers_of, keeps_checkpoints
from hlmon.monitor.life import Life
from hlmon.monitor.opened import OpenedPart
from hlmon.monitor.own_loop import SourceThread
from hlmon.monitor.preflight import EXCHANGE, Preflight, journal_problems, preflight
from hlmon.monitor.report import failure_problems, status_of, unread
from hlmon.monitor.rule import Rule
from hlmon.monitor.stopping import Stop, StopSignals
from hlmon.parts import settings_for
from hlmon.plugins import Catalogue
from hlmon.problems import raise_problems
from hlmon.quarantine import QuarantineDesk
from hlmon.schedule import IdleSchedule
from hlmon.status import ComponentStatus, Status
from hlmon.telemetry import log_problem
from hlmon.uptime import machine_uptime, wall_ms
from hlmon.watchdog import OpenGaps, Watchdog, watching
from hlmon.watchdog.heartbeat import MESSAGE, heartbeat

STATUS_SECONDS = 5.0
HEARTBEAT_SECONDS = 60.0
STOP_SECONDS = 16.0  # of the 20 promised; the rest is for the journal, the derivers and the interpreter
RECALL_SECONDS = 5.0  # how long an empty disk waits for the stores
PRUNE_SECONDS = 3600.0
DAY_MS = 86_400_000

_log = logging.getLogger(__name__)


def run(
    config: Config,
    catalogue: Catalogue,
    *,
    on_frame: Callable[[str | bytes], None] | None = None,
    same_exchange: bool = False,
    waits: bool = False,
) -> None:
    """Watch until SIGTERM or SIGINT, then drain and return. `on_frame` sees every raw frame of the exchange.

    `same_exchange` says that the journal's exchange has a new URL, `waits` that there may be nothing to watch.

    Raises ConfigError before any socket exists for what is wrong and can be known without the network, all of it at
    once; what opens a sink, a notifier or a source is tried again and again meanwhile. Raises JournalError if the
    journal cannot be opened, or fails later.
    """
    with ExitStack() as stack:
        stop = Stop()
        stack.enter_context(StopSignals(stop))
        stack.callback(LIMIT.relax)
        labels = Labels(config.labels)
        ready = preflight(config, catalogue, stack, labels=labels, waits=waits)
        if ready.problems and not ready.is_wrong("watchdog"):  # whoever watches the watcher is told why it ends
            stack.enter_context(watching(msgspec.structs.replace(config.watchdog, healthz=None)))
        refuse_problems(config, ready, same_exchange=same_exchange)
        for warning in [*catalogue.warnings, *config.document.told(ready.faults)]:
            _log.warning("%s", warning)
        watchdog = stack.enter_context(watching(config.watchdog))
        journal = stack.enter_context(Journal.open(config.journal))
        journal.belong_to(exchange_at(config.hyperliquid.url), moved=same_exchange)
        monitor = _open(config, ready, stack, labels=labels, watchdog=watchdog, journal=journal)
        if on_frame is not None and hasattr(monitor.feed, "on_frame"):
            monitor.feed.on_frame = on_frame
        asyncio.run(monitor.run(stop))


def record(
    config: Config, catalogue: Catalogue, file: Path, *, same_exchange: bool = False, waits: bool = False
) -> None:
    """Run, and write every raw frame to `file`, one a line; text frames only, since the exchange sends no others.

    Of a run that is refused no file is left.
    """
    with file.open("xb") as output:

        def write(frame: str | bytes) -> None:
            output.write((frame.encode() if isinstance(frame, str) else frame).replace(b"\n", b" ") + b"\n")

        try:
            run(config, catalogue, on_frame=write, same_exchange=same_exchange, waits=waits)
        except ConfigError:
            file.unlink()
            raise


def refuse_problems(config: Config, ready: Preflight, *, same_exchange: bool = False) -> None:
    """Raise ConfigError for everything that is wrong; what is wrong with the journal alone, opening it will say."""
    if ready.problems:
        raise_problems(config.document, [*ready.problems, *journal_problems(config, same_exchange=same_exchange)])


def _open(
    config: Config, ready: Preflight, stack: ExitStack, *, labels: Labels, watchdog: Watchdog, journal: Journal
) -> Monitor:
    """Open the feed, and make everything else ready to be opened while the monitor runs."""
    parts = ready.parts
    gaps, clock = OpenGaps(), ExchangeTime()
    derivers = _own_derivers(labels, gaps)
    for rule in ready.rules:
        if rule.deriver is not None:
            derivers.append((rule.memory_name, rule.part.factory.kinds, rule.deriver))
    schedule = IdleSchedule()
    ingest = Ingest(journal, derivers, schedule=schedule)
    ingest.rebuild()

    recalls = not journal.count(Checkpoint.kind)  # what the stores have counts only on an empty disk
    feed, *others = parts.sources
    sinks = [
        OpenedPart(part, settings_for(part.name, config, labels), recalls=recalls and keeps_checkpoints(part.factory))
        for part in parts.sinks
    ]
    return Monitor(
        config,
        clock=clock,
        gaps=gaps,
        labels=labels,
        journal=journal,
        ingest=ingest,
        schedule=schedule,
        watchdog=watchdog,
        feed=stack.enter_context(feed.open(settings_for(feed.name, config))),
        sources=[SourceThread(part, settings_for(part.name, config), ingest, full_jitter()) for part in others],
        stores=[sink for sink in sinks if sink.recalls],
        couriers=couriers_of(config, parts, sinks, journal, labels=labels, skew_ms=clock.skew_ms),
        rules=list(ready.rules),
    )


def _own_derivers(labels: Labels, gaps: OpenGaps) -> list[tuple[str, frozenset[str], Deriver]]:
    """What the monitor itself learns from events."""
    return [
        ("account labels", frozenset({AccountInfo.kind}), labels),
        ("open gaps", frozenset({Gap.kind}), gaps),
    ]


class Monitor:
    """Everything that is open or about to be, running until it is told to stop."""

    def __init__(
        self,
        config: Config,
        *,
        journal: Journal,
        ingest: Ingest,
        schedule: IdleSchedule,
        watchdog: Watchdog,
        feed: Any,
        sources: list[SourceThread],
        stores: list[OpenedPart],
        couriers: list[Courier],
        rules: list[Rule],
        clock: ExchangeTime,
        gaps: OpenGaps,
        labels: Labels,
    ) -> None:
        self.feed = feed
        self._config = config
        self._journal = journal
        self._ingest = ingest
        self._schedule = schedule
        self._watchdog = watchdog
        self._sources = sources
        self._stores = stores
        self._couriers = couriers
        self._rules = rules
        self._clock = clock
        clock.source = feed
        self._gaps = gaps
        self._labels = labels
        self._started = time.monotonic()
        self._stopping = asyncio.Event()
        self._quarantine = QuarantineDesk(journal, ingest, self._clock.now_ms)
        self._prune_at = self._started
        self._upkeep = Upkeep(journal)
        self._life = Life("source", EXCHANGE, EXCHANGE)

    async def run(self, stop: Stop) -> None:
        """Run until `stop` is asked for, then drain. Raises JournalError when the journal fails, also at the end."""
        loop = asyncio.get_running_loop()
        _log.info(
            "hlmon %s, accounts to watch: %d, exchange: %s, journal: %s",
            version("hlmon-core"),
            len(self._config.account),
            self._config.hyperliquid.url,
            self._config.journal,
        )
        failed = self._schedule.start(loop)
        for courier in self._couriers:
            courier.start()
        await self._recall(stop)
        for source in self._sources:
            source.start(loop)
        tasks = [asyncio.create_task(self._run_feed())]
        tasks += [asyncio.create_task(self._repeat(STATUS_SECONDS, self._tell_status))]
        tasks += [asyncio.create_task(self._repeat(HEARTBEAT_SECONDS, self._log_heartbeat))]
        tasks += [asyncio.create_task(self._repeat(STATUS_SECONDS, self._prune))]
        asked = asyncio.create_task(stop.wait())
        try:
            ends: list[asyncio.Future[Any]] = [failed, *tasks]
            await asyncio.wait([asked, *ends], return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                if end.done():
                    end.result()
        finally:
            missing = await self._stop([asked, *tasks])
        if missing:
            raise JournalError(missing)

    async def _recall(self, stop: Stop) -> None:
        """On an empty disk go on where all stores end. One that does not say so in time may lack anything."""
        until = time.monotonic() + RECALL_SECONDS
        stores = [courier for courier in self._couriers if courier.life in self._stores]
        while not all(each.tried.is_set() for each in stores) and time.monotonic() < until and not stop.is_asked:
            await asyncio.sleep(0.01)
        self._ingest(common_checkpoints([each.load_checkpoints() for each in self._stores]))

    async def _stop(self, tasks: list[asyncio.Task[Any]]) -> str:
        """Drain; returns why something of what was received is not in the journal, "" if all is."""
        deadline = time.monotonic() + STOP_SECONDS
        with contextlib.suppress(HlmonError):  # the journal itself may be why it ends
            self._tell_status()
        LIMIT.hurry()
        self._stopping.set()
        for task in tasks:
            task.cancel()
        for source in self._sources:
            source.stop()
        await asyncio.wait(tasks, timeout=STOP_SECONDS / 3)
        await self._leave_sources(deadline - STOP_SECONDS * 2 / 3)
        missing = self._write_the_rest()
        self._upkeep.stop(deadline - time.monotonic())
        for courier in self._couriers:
            courier.drain()
        self._journal.end_waits()
        for courier in self._couriers:
            if not courier.stop(deadline - time.monotonic()):
                _log.warning("%s gets the rest after the next start", courier.name)
        if not (missing := missing or self._journal.lost()):
            _log.info("stopped; everything received is in the journal")
        return missing

    def _write_the_rest(self) -> str:
        try:
            self._ingest.flush(final=True)
        except JournalError as error:
            return f"{error}; the last events that came in are not in the journal"
        return ""

    async def _leave_sources(self, deadline: float) -> None:
        while not all(source.has_ended for source in self._sources) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        for source in self._sources:
            source.leave()
            if not source.has_ended:
                _log.warning("source %s did not end in time and is left to itself", source.life.name)

    async def _run_feed(self) -> None:
        """Run the feed; if it fails it is started again after a pause, and named meanwhile."""
        backoff = full_jitter()
        for attempt in count():
            try:
                self._life.is_now("running")
                await self.feed.run(self._ingest)
                await self._stopping.wait()
                return
            except JournalError:
                raise
            except BaseException as error:  # noqa: BLE001  # whatever the feed raises, the others go on
                if self._stopping.is_set():
                    if not isinstance(error, asyncio.CancelledError):
                        _log.exception("source %s failed while it was stopped", EXCHANGE)
                    return
                _log.exception("source %s failed and will be started again", EXCHANGE)
                seconds = backoff(attempt, None)
                self._life.fails(text_of(error), seconds)
                await asyncio.sleep(seconds)

    async def _repeat(self, seconds: float, work: Callable[[], None]) -> None:
        while True:
            work()
            await asyncio.sleep(seconds)

    def _tell_status(self) -> None:
        """To other processes by the journal, to derivers as a reading, and to the watchdog."""
        self._quarantine.look()
        status = self.status()
        self._watchdog.see(status)
        self._upkeep.look()
        with contextlib.suppress(JournalBusy):  # said by the watchdog, and by the age of the status before
            self._journal.put_status(msgspec.json.encode(status))
        self._ingest([pulse_of(status, self._clock.now_ms())])

    def _log_heartbeat(self) -> None:
        status = self.status()
        _log.info(MESSAGE, extra=heartbeat(status, now_ms=status.updated_ms))

    def _prune(self) -> None:
        """Once an hour, by the exchange's clock: a wrong one of this machine must not delete what is to be kept."""
        now = time.monotonic()
        if self._config.retention_days is None or now < self._prune_at or not self._clock.known_ms:
            return
        self._prune_at = now + PRUNE_SECONDS
        before_ms = self._clock.known_ms - self._config.retention_days * DAY_MS
        followers = [each.cursor_name for each in self._couriers]
        self._upkeep.prune(before_ms, followers, self._ingest.remembering, self._config.retention_days)

    def status(self) -> Status:
        """What the monitor says of itself now."""
        now_ms, now, uptime = wall_ms(), time.monotonic(), machine_uptime()
        components = self._components(now_ms, now_ms - round((now - self._started) * 1000))
        said = [status_of(EXCHANGE, self.feed), *(source.status() for source in self._sources)]
        sources = [each for each in said if each is not None]
        watched = {account.address for source in sources for account in source.accounts}
        overflow = self._ingest.quarantine_overflow

        def at(moment: float) -> int:
            return now_ms - round((now - moment) * 1000)

        committed, waiting = self._ingest.committed_at, self._ingest.waiting_since
        return Status(
            pid=os.getpid(),
            version=version("hlmon-core"),
            started_ms=at(self._started),
            updated_ms=now_ms,
            uptime_ms=uptime.ms,
            boot_id=uptime.boot_id,
            committed_ms=0 if committed is None else at(committed),
            pending_since_ms=None if waiting is None else at(waiting),
            url=self._config.hyperliquid.url,
            sources=sources,
            followers=[courier.status() for courier in self._couriers],
            components=components,
            counters=dict(self._ingest.failures) | ({"quarantine_overflow": overflow} if overflow else {}),
            rejected=self._quarantine.rejected,
            problems=[
                *self._gaps.problems(watched, self._labels, self._clock.now_ms()),
                *failure_problems(self._ingest, {rule.memory_name for rule in self._rules}),
                *unread(sources, self._quarantine, self._labels, overflow),
                *self._journal.problems(),
                *filter(None, [log_problem()]),
            ],
        )

    def _components(self, now_ms: int, started_ms: int) -> list[ComponentStatus]:
        return [
            self._life.status(now_ms),
            *(source.component(now_ms) for source in self._sources),
            *(courier.component() for courier in self._couriers),
            *(rule.component(self._ingest, started_ms, now_ms) for rule in self._rules),
        ]
