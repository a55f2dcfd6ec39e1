"""Opens everything, runs it, stops it in the right order: sources first, then the journal, then the followers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from hlmon.config import Config
from hlmon.contract import ChecksConnection, Deriver, ReportsStatus, Source
from hlmon.delivery import Courier, common_checkpoints, dispatch, follow_sink, full_jitter
from hlmon.errors import JournalBusy, JournalError
from hlmon.events import AccountInfo, Checkpoint, Gap
from hlmon.exchange_time import ExchangeTime, pulse_of
from hlmon.heartbeat import MESSAGE, heartbeat
from hlmon.ingest import Ingest
from hlmon.journal import Journal
from hlmon.journal.exchange import exchange_at
from hlmon.journal.place import network_warning
from hlmon.journal.upkeep import Upkeep
from hlmon.labels import Labels
from hlmon.parts import EnabledPart, EnabledParts, enable, settings_for
from hlmon.plugins import Catalogue
from hlmon.quarantine import QuarantineDesk, summary
from hlmon.schedule import IdleSchedule
from hlmon.status import FollowerStatus, SourceStatus, Status
from hlmon.telemetry import log_problem
from hlmon.uptime import machine_uptime, wall_ms
from hlmon.watchdog import OpenGaps, Watchdog, prove, watching

STATUS_SECONDS = 5.0
HEARTBEAT_SECONDS = 60.0
STOP_SECONDS = 18.0  # of the 20 promised; the rest is for the interpreter
PRUNE_SECONDS = 3600.0
DAY_MS = 86_400_000
EXCHANGE = "hyperliquid"

_log = logging.getLogger(__name__)


def run(
    config: Config,
    catalogue: Catalogue,
    *,
    on_frame: Callable[[str | bytes], None] | None = None,
    same_exchange: bool = False,
) -> None:
    """Watch until SIGTERM or SIGINT, then drain and return. `on_frame` sees every raw frame of the exchange.

    `same_exchange` says that the journal's exchange has a new URL.

    Raises ConfigError or JournalError if something cannot be opened, before any socket exists; JournalError also when
    the journal fails later.
    """
    with ExitStack() as stack:
        parts = _with_exchange(config, enable(config, catalogue), catalogue)
        watchdog = stack.enter_context(watching(config.watchdog))
        journal = stack.enter_context(Journal.open(config.journal))
        journal.belong_to(exchange_at(config.hyperliquid.url), moved=same_exchange)
        monitor = _open(config, parts, watchdog, journal, stack)
        if on_frame is not None:
            for source in monitor.sources.values():
                if hasattr(source, "on_frame"):
                    source.on_frame = on_frame
        asyncio.run(monitor.run())


def record(config: Config, catalogue: Catalogue, file: Path, *, same_exchange: bool = False) -> None:
    """Run, and write every raw frame to `file`, one a line; text frames only, since the exchange sends no others."""
    with file.open("xb") as output:

        def write(frame: str | bytes) -> None:
            output.write((frame.encode() if isinstance(frame, str) else frame).replace(b"\n", b" ") + b"\n")

        run(config, catalogue, on_frame=write, same_exchange=same_exchange)


def check(config: Config, catalogue: Catalogue, connect: bool) -> list[str]:
    """What a run with this config would do, line by line; rules are opened, with `connect` every part, as a run would.

    Raises ConfigError with a line for every problem.
    """
    parts = _with_exchange(config, enable(config, catalogue), catalogue)
    lines = [f"account {account.address} {account.label}".rstrip() for account in config.account]
    lines += [f"market trades of {coin}" for coin in config.hyperliquid.coins]
    lines += [f"sink {part.name} ({part.factory.name})" for part in parts.sinks]
    lines += [f"notifier {part.name} ({part.factory.name})" for part in parts.notifiers]
    lines += [f"rule {name}" for name in config.rule]
    lines.append(f"journal {config.journal}, exchange {config.hyperliquid.url}")
    lines += filter(None, [network_warning(config.journal)])
    every: tuple[EnabledPart[Any], ...] = parts.derivers  # opening a rule checks it, and touches nothing outside
    if connect:
        every = (*every, *parts.sinks, *parts.notifiers, *parts.sources)
    with ExitStack() as stack:
        for part in every:
            opened = stack.enter_context(part.open(settings_for(part.name, config)))
            if isinstance(opened, ChecksConnection):
                lines += asyncio.run(opened.check_connection())
    if connect:
        lines += [*prove(config.watchdog), "every part opened"]
    return lines


def _with_exchange(config: Config, parts: EnabledParts, catalogue: Catalogue) -> EnabledParts:
    """The parts with the exchange's feed, which every monitor has; its config is the table [hyperliquid]."""
    feed = EnabledPart(name=EXCHANGE, factory=catalogue.source(EXCHANGE), config=config.hyperliquid)
    return replace(parts, sources=(feed, *parts.sources))


def _open(config: Config, parts: EnabledParts, watchdog: Watchdog, journal: Journal, stack: ExitStack) -> Monitor:
    """Open everything in the order in which data flows backwards, so that what is downstream is ready first."""

    def open_part(part: EnabledPart[Any]) -> Any:
        return stack.enter_context(part.open(settings_for(part.name, config, labels)))

    labels = Labels(config.labels)
    gaps, clock = OpenGaps(), ExchangeTime()
    derivers = _own_derivers(labels, gaps)
    for rule in parts.derivers:
        name = rule.name if rule.factory.always else f"rule.{rule.name}"  # as users name rules: memories stay apart
        derivers.append((name, rule.factory.kinds, open_part(rule)))
    schedule = IdleSchedule()
    ingest = Ingest(journal, derivers, schedule=schedule)
    ingest.rebuild()
    courier: dict[str, Any] = {"quarantine": lambda event: journal.append([event]), "steady_ms": _steady_ms}
    followers: list[Courier] = []
    stored = []
    for part in parts.sinks:
        sink = open_part(part)
        if part.factory.kinds is None or Checkpoint.kind in part.factory.kinds:
            stored.append(sink.load_checkpoints())
        followers.append(follow_sink(part.name, journal, sink, part.factory, **courier))
    ingest(common_checkpoints(stored))
    followers += dispatch(
        journal,
        {part.name: (open_part(part), part.factory) for part in parts.notifiers},
        config.notifier_policies,
        routes=config.route,
        accounts=labels,
        inhibit=config.inhibit,
        rules=frozenset(config.rule),
        max_age_ms=config.alert_max_age_seconds * 1000,
        skew_ms=clock.skew_ms,
        **courier,
    )
    sources = {part.name: stack.enter_context(part.open(settings_for(part.name, config))) for part in parts.sources}
    return Monitor(
        config,
        clock=clock,
        gaps=gaps,
        labels=labels,
        journal=journal,
        ingest=ingest,
        schedule=schedule,
        watchdog=watchdog,
        sources=sources,
        followers=followers,
    )


def _own_derivers(labels: Labels, gaps: OpenGaps) -> list[tuple[str, frozenset[str], Deriver]]:
    """What the monitor itself learns from events."""
    return [
        ("account labels", frozenset({AccountInfo.kind}), labels),
        ("open gaps", frozenset({Gap.kind}), gaps),
    ]


class Monitor:
    """Everything that is open, running until it is told to stop."""

    def __init__(
        self,
        config: Config,
        *,
        journal: Journal,
        ingest: Ingest,
        schedule: IdleSchedule,
        watchdog: Watchdog,
        sources: dict[str, Source],
        followers: list[Courier],
        clock: ExchangeTime,
        gaps: OpenGaps,
        labels: Labels,
    ) -> None:
        self.sources = sources
        self._config = config
        self._journal = journal
        self._ingest = ingest
        self._schedule = schedule
        self._watchdog = watchdog
        self._followers = followers
        self._clock = clock
        clock.source = sources[EXCHANGE]
        self._gaps = gaps
        self._labels = labels
        self._started = time.monotonic()
        self._stopping = asyncio.Event()
        self._quarantine = QuarantineDesk(journal, ingest, self._clock.now_ms)
        self._prune_at = self._started
        self._upkeep = Upkeep(journal)
        self._failures: dict[str, str] = {}  # source -> why it does not run

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT, then drain. Raises JournalError when the journal fails, also at the very end."""
        loop = asyncio.get_running_loop()
        _log.info(
            "hlmon %s, accounts to watch: %d, exchange: %s, journal: %s",
            version("hlmon-core"),
            len(self._config.account),
            self._config.hyperliquid.url,
            self._config.journal,
        )
        failed = self._schedule.start(loop)
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        for follower in self._followers:
            follower.start()
        tasks = [asyncio.create_task(self._run_source(name, source)) for name, source in self.sources.items()]
        tasks += [asyncio.create_task(self._repeat(STATUS_SECONDS, self._tell_status))]
        tasks += [asyncio.create_task(self._repeat(HEARTBEAT_SECONDS, self._log_heartbeat))]
        tasks += [asyncio.create_task(self._repeat(HEARTBEAT_SECONDS, self._prune))]
        stop = asyncio.create_task(stopped.wait())
        try:
            ends: list[asyncio.Future[Any]] = [failed, *tasks]
            await asyncio.wait([stop, *ends], return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                if end.done():
                    end.result()
        finally:
            missing = await self._stop([stop, *tasks])
        if missing:
            raise JournalError(missing)

    async def _stop(self, tasks: list[asyncio.Task[Any]]) -> str:
        """Drain; returns why something of what was received is not in the journal, "" if all is."""
        deadline = time.monotonic() + STOP_SECONDS
        self._stopping.set()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=STOP_SECONDS / 2)
        missing = self._write_the_rest()
        self._upkeep.stop(deadline - time.monotonic())
        for follower in self._followers:
            follower.drain()
        self._journal.end_waits()
        for follower in self._followers:
            if not follower.stop(deadline - time.monotonic()):
                _log.warning("%s gets the rest after the next start", follower.name)
        if not (missing := missing or self._journal.lost()):
            _log.info("stopped; everything received is in the journal")
        return missing

    def _write_the_rest(self) -> str:
        try:
            self._ingest.flush(final=True)
        except JournalError as error:
            return f"{error}; the last events that came in are not in the journal"
        return ""

    async def _run_source(self, name: str, source: Source) -> None:
        """Run one source; one that fails is started again after a pause, and named meanwhile."""
        backoff = full_jitter()
        for attempt in range(1_000_000):
            try:
                await source.run(self._ingest)
                await self._stopping.wait()  # a finite input ended; the monitor goes on
                return
            except JournalError:
                raise
            except Exception as error:  # noqa: BLE001  # whatever a source raises, the others go on
                if self._stopping.is_set():
                    _log.exception("source %s failed while it was stopped", name)
                    return
                _log.exception("source %s failed and will be started again", name)
                self._failures[name] = f"source {name} failed: {type(error).__name__}: {error}"
                await asyncio.sleep(backoff(attempt, None))
            self._failures.pop(name, None)

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
        self._upkeep.prune(before_ms, [each.cursor_name for each in self._followers], self._config.retention_days)

    def status(self) -> Status:
        """What the monitor says of itself now."""
        now_ms, now, uptime = wall_ms(), time.monotonic(), machine_uptime()
        followers = [follower.status() for follower in self._followers]
        sources = [
            _status_of(name, source) for name, source in self.sources.items() if isinstance(source, ReportsStatus)
        ]
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
            followers=followers,
            counters=dict(self._ingest.failures) | ({"quarantine_overflow": overflow} if overflow else {}),
            problems=[
                *self._failures.values(),
                *_failing(followers, now_ms),
                *self._lost(sources),
                *self._unread(sources),
                *self._journal.problems(),
                *filter(None, [log_problem()]),
            ],
        )

    def _lost(self, sources: Sequence[SourceStatus]) -> list[str]:
        """What is missing or was left out, as sentences."""
        accounts = {account.address for source in sources for account in source.accounts}
        return [
            *self._gaps.problems(accounts, self._labels, self._clock.now_ms()),
            *(
                f"{number:,} failure{'s' * (number != 1)} of {name} since the start: what it would have said is missing"
                ", the log has the first error (please report it to its authors)"
                for name, number in self._ingest.failures.items()
            ),
        ]

    def _unread(self, sources: Sequence[SourceStatus]) -> list[str]:
        """What the exchange sent of accounts and coins that are watched, and nobody could read."""
        watched = {"", *(account.address for source in sources for account in source.accounts)}
        missing = [row for row in self._quarantine.missing if row.account in watched]
        found = summary(missing, lambda account: self._labels.get(account) or account)
        if self._quarantine.problem:
            found.append(self._quarantine.problem)
        if overflow := self._ingest.quarantine_overflow:
            found.append(
                f"{overflow} more things could not be read than the quarantine holds and are only counted: see hlmon "
                "quarantine list, and report what is in it"
            )
        return found


def _failing(followers: Sequence[FollowerStatus], now_ms: int) -> list[str]:
    return [
        f"{each.part} {each.name} fails since {(now_ms - each.failing_since_ms) // 1000} s: {each.error}"
        for each in followers
        if each.failing_since_ms is not None
    ]


def _status_of(name: str, source: ReportsStatus) -> SourceStatus:
    """What the source says of itself, or that it cannot."""
    try:
        return source.status()
    except Exception as error:  # noqa: BLE001 - a broken plugin never stops the others
        return SourceStatus(problems=[f"source {name} cannot say how it is: {type(error).__name__}: {error}"])


def _steady_ms() -> int:
    return time.monotonic_ns() // 1_000_000
