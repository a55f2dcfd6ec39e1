"""How a wrong source runs, ends and opens is caught by the case about it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from msgspec.structs import replace

from hlmon.errors import ConfigError
from hlmon.ingest import Ingest
from hlmon.status import SourceStatus
from hlmon.testing import BrokenPromise, SourceContract, source_run
from hlmon.testing.builders import make_fill, make_order, make_prices
from hlmon.testing.source_taken import Taken
from tests.core.test_contract_kit_sources import (
    KEY,
    TEXT,
    WRONG_FEEDS,
    Follower,
    FollowerContract,
    Reader,
    ReaderContract,
    contract_of,
)


class AsksWhenToldTo(Reader):
    async def check_connection(self):
        if not self.exchange.reachable:
            raise ConfigError("the exchange does not answer")
        return ["the exchange answers"]


class TestAsking(ReaderContract):
    """What opening does not prove, `check_connection` may."""

    source = AsksWhenToldTo
    proves_reach = False


class TidiesUp(Follower):
    async def run(self, ingest, /):
        polling = asyncio.create_task(self.wait(ingest))
        try:
            await super().run(ingest)
        finally:
            for _ in range(3):
                await self.turn()
            polling.cancel()


class TestTidying(FollowerContract):
    """What a run does when it is cancelled is not cancelled in its turn."""

    source = TidiesUp


class ChecksOffBeforehand(Follower):
    def hand_over(self, ingest, news, mark):
        ingest([mark, *news])


class ChecksOffInACallBefore(Follower):
    def hand_over(self, ingest, news, mark):
        ingest([mark])
        ingest(news)


class RunsOnce(Follower):
    closed = False

    def feed(self, ingest, numbers):
        if not self.closed:
            super().feed(ingest, numbers)

    def close(self):
        self.closed = True


class FailsWhenRunAgain(Follower):
    def close(self):
        self.newest_ms = None

    async def run(self, ingest, /):
        if self.newest_ms is None:
            raise RuntimeError("it is closed")
        await super().run(ingest)


class TakesCancellationForAnEnd(Follower):
    async def run(self, ingest, /):
        try:
            await super().run(ingest)
        except asyncio.CancelledError:
            return


class SkipsAPageWhenCancelled(Reader):
    async def turn(self):
        with suppress(asyncio.CancelledError):
            await super().turn()


class GoesOnWhenCancelled(Follower):
    async def wait(self, ingest):
        while True:
            with suppress(asyncio.CancelledError):
                await super().wait(ingest)


class LeavesATaskBehind(Follower):
    async def wait(self, ingest):
        self.polling = asyncio.create_task(super().wait(ingest))
        await super().wait(ingest)


class Blocks(Reader):
    async def turn(self):
        time.sleep(0.06)


class NeverComesBack(Reader):
    released: threading.Event

    async def turn(self):
        self.released.wait()


class HasNoStatusAtFirst(Follower):
    def status(self):
        return SourceStatus(counters={"newest_ms": self.since_ms})

    def feed(self, ingest, numbers):
        self.since_ms = self.newest_ms
        super().feed(ingest, numbers)


class FailsToSayHowItFeeds(Follower):
    feeding = False

    def status(self):
        return SourceStatus(problems=[1 / 0] if self.feeding else [])

    def hand_over(self, ingest, news, mark):
        self.feeding = True
        super().hand_over(ingest, news, mark)
        self.feeding = False


class SaysHowItIsInText(Follower):
    def status(self):
        return "very well"


class TellsItsKey(Follower):
    def status(self):
        return SourceStatus(problems=[f"GET https://exchange.example/{KEY}: 502"])


class LogsItsKey(Reader):
    def feed(self, ingest, numbers):
        logging.getLogger("exchange").debug("GET https://exchange.example/%s", KEY)
        super().feed(ingest, numbers)


class FailsWithItsKey(Reader):
    async def turn(self):
        raise OSError(f"GET https://exchange.example/{KEY}: 502")


class TakesAnOutageForAnEnd(Reader):
    async def run(self, ingest, /):
        with suppress(OSError):
            await super().run(ingest)


class TriesAgainInSilence(Reader):
    async def reach(self):
        while not self.exchange.reachable:
            await asyncio.sleep(0.01)


class TriesAgainAndSaysSo(TriesAgainInSilence):
    async def reach(self):
        if not self.exchange.reachable:
            logging.getLogger("exchange").warning("out of reach, trying again")
        await super().reach()


class TestTryingAgain(ReaderContract):
    """A source may go on by itself, if it says so."""

    source = TriesAgainAndSaysSo
    patience_seconds = 1.0


class LeavesAThread(Reader):
    def __init__(self, exchange):
        super().__init__(exchange)
        threading.Thread(target=threading.Event().wait, args=[10], name="reader", daemon=True).start()


class HangsInOpening(ReaderContract):
    patience_seconds = 0.2
    released: threading.Event

    @contextmanager
    def open_source(self, config, settings):
        if not self.exchange.reachable:
            self.released.wait()
        yield Reader(self.exchange)


KILL = "test_a_kill_at_any_moment_loses_nothing"
AGAIN = "test_a_run_that_was_cut_short_can_be_repeated"
CANCEL = "test_a_cancelled_run_ends_at_once"
FREE = "test_the_event_loop_stays_free"
STATUS = "test_its_status_can_be_asked_at_any_time"
CONFIG = "test_opening_with_a_wrong_config_raises_config_error"
OUTAGE = "test_an_outage_in_a_run_is_no_end_of_the_input"
CLOSED = "test_closing_leaves_no_thread_and_no_connection"
REACH = "test_an_unreachable_input_is_said_in_time"
SECRETS = "test_secrets_never_show"

WRONG_RUNS = [
    (contract_of(ChecksOffBeforehand), KILL, "missing: .*'fill'"),
    (contract_of(ChecksOffInACallBefore), KILL, "missing: .*'fill'"),
    (contract_of(RunsOnce), AGAIN, "missing: .*'fill'"),
    (contract_of(FailsWhenRunAgain), AGAIN, "RuntimeError: it is closed"),
    (contract_of(TakesCancellationForAnEnd), CANCEL, "it returned when cancelled"),
    (contract_of(SkipsAPageWhenCancelled), CANCEL, "it returned when cancelled"),
    (contract_of(GoesOnWhenCancelled), CANCEL, "it went on: .*Follower.run"),
    (contract_of(LeavesATaskBehind), CANCEL, "Follower.wait"),
    (contract_of(Blocks), FREE, r"Executing .*Reader.run\(\).* took 0"),
    (contract_of(NeverComesBack), FREE, r"turn \(.*test_contract_kit_source_runs.py:\d+\)"),
    (contract_of(HasNoStatusAtFirst), STATUS, "AttributeError"),
    (contract_of(FailsToSayHowItFeeds), STATUS, "ZeroDivisionError"),
    (contract_of(SaysHowItIsInText), STATUS, "ValidationError"),
    (contract_of(Reader, proves_config=False), CONFIG, "as if all were well"),
    (contract_of(Reader, refusal=""), CONFIG, "without a text"),
    (contract_of(Reader, proves_reach=False), REACH, "as if all were well"),
    (HangsInOpening(), REACH, r"after 0.2 s it is at .*wait"),
    (contract_of(TakesAnOutageForAnEnd), OUTAGE, "it returned by itself, without a word"),
    (contract_of(TriesAgainInSilence), OUTAGE, "it was cancelled, without a word"),
    (contract_of(LeavesAThread), CLOSED, "the threads reader, reader, reader"),
    (contract_of(TellsItsKey), SECRETS, "begins with"),
    (contract_of(LogsItsKey), SECRETS, "begins with"),
    (contract_of(FailsWithItsKey), SECRETS, "begins with"),
]


@pytest.fixture
def _hurried(monkeypatch):
    """Shorter bounds: what never comes is not worth waiting for. What is stuck is let go in the end."""
    monkeypatch.setattr(source_run, "STOP_SECONDS", 0.2)
    monkeypatch.setattr(source_run, "STALL_SECONDS", 0.05)
    released = threading.Event()
    for stuck in (NeverComesBack, HangsInOpening):
        monkeypatch.setattr(stuck, "released", released, raising=False)
    yield
    released.set()


@pytest.mark.usefixtures("_hurried")
@pytest.mark.parametrize(
    ("contract", "case", "seen"), WRONG_RUNS, ids=[f"{type(c).__name__}-{n}" for n, (c, _, _) in enumerate(WRONG_RUNS)]
)
def test_a_source_that_runs_wrong_is_caught_by_the_case_about_it(contract, case, seen):
    with pytest.raises(BrokenPromise, match=TEXT + seen):
        getattr(contract, case)()


def test_every_case_of_the_source_contract_catches_some_wrong_source():
    assert {case for _, case, _ in (*WRONG_FEEDS, *WRONG_RUNS)} == set(SourceContract.cases())


def test_a_source_without_a_status_is_not_asked_for_one():
    with pytest.raises(pytest.skip.Exception, match="has no status"):
        contract_of(Reader).test_its_status_can_be_asked_at_any_time()


def test_what_is_fed_is_kept_as_a_journal_keeps_it(journal):
    fill, order = make_fill(), make_order()
    newer, older = (replace(order, time_ms=order.time_ms + change_ms) for change_ms in (1, -1))
    taken, ingest = Taken({"fill": 9}), Ingest(journal, [])
    for events in ([fill, order], [fill, newer, make_prices()], [older, make_fill()], [order, replace(fill, coin="X")]):
        assert taken(events) == ingest(events)
    ingest.flush()
    assert taken.states("order") == journal.states("order") == [newer]
    assert {repr(event) for event in taken.kept.values()} == {repr(entry.event) for entry in journal.read_after(0)}
