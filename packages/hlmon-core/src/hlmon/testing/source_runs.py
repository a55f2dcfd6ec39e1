"""Cases of the source contract: interruption, cancellation, the event loop, opening and secrets."""

from __future__ import annotations

import asyncio
import logging
import re
from functools import partial
from typing import Final

import msgspec
import pytest

from hlmon.contract import ChecksConnection, ReportsStatus
from hlmon.errors import ConfigError, Transient
from hlmon.status import SourceStatus
from hlmon.testing import source_run
from hlmon.testing.leaks import check_closed
from hlmon.testing.promises import captured_logs, check, check_error, error_of, texts_of
from hlmon.testing.source_case import SourceCase
from hlmon.testing.source_run import Ended, Runs
from hlmon.testing.source_taken import Taken
from hlmon.testing.time_limit import in_time

_KILLS: Final = 10
_MEASUREMENTS: Final = 3
_SLOW_STEP: Final = re.compile(r"Executing .*? took [\d.]+ seconds")
_AT_START: Final = "the monitor fails at start with one readable line, never afterwards"


class SourceRuns(SourceCase):
    """How it runs, ends and opens."""

    def test_a_kill_at_any_moment_loses_nothing(self) -> None:
        """Of what was fed, any beginning may be all that was stored; the next process feeds the rest."""
        expected = self.stored_kinds()
        whole = self.whole(expected)
        count = len(whole.stored)
        for limit in range(1, count, max(1, -(-count // _KILLS))):
            before = Taken(expected, limit=limit, deadly=True)
            self.run_once(before)
            after = Taken(expected, held=before.kept.values())
            self.succeed(self.run_once(after))
            self.expect_same(
                whole,
                after,
                f"after a kill with {limit} of {count} events stored, the next run feeds the rest",
                because="a checkpoint that is stored before the events that it covers loses them for good",
            )

    def test_a_run_that_was_cut_short_can_be_repeated(self) -> None:
        """The same object runs again: nobody reopens a source that failed."""
        expected = self.stored_kinds()
        whole = self.whole(expected)

        def run_twice(run: Runs) -> Taken:
            cut = Taken(expected, limit=1)
            run(cut)
            again = Taken(expected, held=cut.kept.values())
            self.succeed(run(again))
            return again

        self.expect_same(
            whole,
            self.with_source(run_twice),
            "an open source that is run again feeds all that is not stored yet, under the same names",
            because="when a run raises, the host waits and runs the same source again",
        )

    def test_a_cancelled_run_ends_at_once(self) -> None:
        """In the middle of its input, and when it waits for more."""
        for where, limit in (("in the middle of its input", 1), ("when everything is fed", None)):
            taken = Taken(self.expected(), limit=limit)
            ended = self.run_once(taken)
            check(
                ended.how in {"was cancelled", "returned by itself"},
                f"cancelled {where}, `run` ends within {source_run.STOP_SECONDS:g} s by CancelledError",
                because="the monitor stops so, and whoever swallows it looks like an input that ended",
                seen=f"it {ended.how}: {ended.seen}",
            )
            because = "the next run would feed beside it, and what it feeds after the stop is never stored"
            check(not ended.left, "a run that ended leaves no task running", because=because, seen=ended.left)

    def test_the_event_loop_stays_free(self) -> None:
        """No step of a run takes long, waiting for the other side included."""
        slow: list[str] = []
        for _ in range(_MEASUREMENTS):  # a machine that was busy for a moment is no fault of the source
            slow = self._slow_steps()
            if not slow:
                break
        check(
            not slow,
            f"every step of a run gives the event loop back within {source_run.STALL_SECONDS:g} s",
            because="all sources, the commits and the signal to stop wait meanwhile",
            seen="; ".join(slow[:2]),
        )

    def _slow_steps(self) -> list[str]:
        with captured_logs() as lines:
            self.run_once(Taken(self.expected()), debug=True)
        return [found.group() for found in map(_SLOW_STEP.search, lines) if found]

    def test_its_status_can_be_asked_at_any_time(self) -> None:
        """Before it runs, while it feeds, and afterwards."""
        errors: list[Exception | None] = []

        def ask(source: ReportsStatus) -> None:
            errors.append(
                error_of(lambda: msgspec.json.decode(msgspec.json.encode(source.status()), type=SourceStatus))
            )

        def asked(run: Runs) -> None:
            if isinstance(run.source, ReportsStatus):
                ask(run.source)
                run(Taken(self.expected(), look=partial(ask, run.source)))
                ask(run.source)

        self.with_source(asked)
        if not errors:
            pytest.skip("the source has no status()")
        seen = next((f"{type(error).__name__}: {error}" for error in errors if error is not None), None)
        because = "the host asks every few seconds, and gives the answer to `hlmon status` as JSON"
        check(seen is None, "status() gives a SourceStatus of plain data at any time", because=because, seen=seen)

    def test_opening_with_a_wrong_config_raises_config_error(self) -> None:
        """Opening proves that the config works, and says what does not."""
        for wrong, config in self.wrong_configs().items():
            promise = f"opening raises ConfigError with a text: {wrong}"
            error = self._error_of_opening(config)
            check_error(error, (ConfigError,), promise, because=_AT_START)
            check(bool(str(error)), promise, because=_AT_START, seen="a ConfigError without a text")

    def test_an_unreachable_input_is_said_in_time(self) -> None:
        """By opening, or by `check_connection` where there is one; neither waits for ever."""
        promise = "in an outage opening, or check_connection, raises ConfigError (or Transient)"
        with self.outage():
            error = self._error_of_opening(self.config(), ask=True)
        check_error(error, (ConfigError, Transient), promise, because=_AT_START)

    def test_an_outage_in_a_run_is_no_end_of_the_input(self) -> None:
        """A run that meets it raises, or goes on and says so in a warning or in its status."""
        taken, problems = Taken(self.expected()), list[str]()

        def run_in_an_outage(run: Runs) -> Ended:
            with self.outage():
                ended = run(taken)
                if isinstance(run.source, ReportsStatus):
                    problems.extend(run.source.status().problems)
            return ended

        with captured_logs(logging.WARNING) as lines:
            ended = self.with_source(run_in_an_outage)
        if taken.enough:
            pytest.skip("the source had its whole input when it was opened")
        because = (
            "an input that ended is never asked again, and a silent retry looks like a market where nothing happens"
        )
        said = ended.how == "raised" or (ended.how != "returned by itself" and (lines or problems))
        promise = "a run that cannot read its input raises, or goes on and says so"
        check(bool(said), promise, because=because, seen=f"it {ended.how}, without a word")

    def test_closing_leaves_no_thread_and_no_connection(self) -> None:
        """However often it is opened."""

        def open_and_run(run: Runs) -> object:
            run(Taken(self.expected()))
            return run.source

        check_closed(lambda: self.with_source(open_and_run))

    def test_secrets_never_show(self) -> None:
        """Not in a repr, not in the status, not in an error, not in a log."""
        shown = [repr(self.config()), str(self.config())]

        def show(run: Runs) -> None:
            shown.append(texts_of(run(Taken(self.expected())).error))
            shown.append(repr(run.source))
            if isinstance(run.source, ReportsStatus):
                shown.append(repr(run.source.status()))

        with captured_logs() as lines:
            self.with_source(show)
            if "test_an_unreachable_input_is_said_in_time" not in self.excused:
                with self.outage():
                    shown.append(texts_of(self._error_of_opening(self.config(), ask=True)))
            if "test_opening_with_a_wrong_config_raises_config_error" not in self.excused:
                configs = self.wrong_configs().values()
                shown += [texts_of(self._error_of_opening(config)) for config in configs]
        text = "\n".join([*shown, *lines])
        leaked = [secret[:2] + "…" for secret in self.secrets if secret in text]
        because = "logs, `hlmon status` and bug reports are read by others"
        promise = "a secret shows in no repr, status, error or log"
        check(not leaked, promise, because=because, seen=f"begins with {leaked}")

    def _error_of_opening(self, config: object, *, ask: bool = False) -> Exception | None:
        def open_and_close() -> None:
            with self.factory().open(config, self.settings) as source:
                if ask and isinstance(source, ChecksConnection):
                    asyncio.run(source.check_connection())

        promise = "opening, or check_connection, comes back whether it works or not"
        return in_time(lambda: error_of(open_and_close), self.patience_seconds, promise, because=_AT_START)
