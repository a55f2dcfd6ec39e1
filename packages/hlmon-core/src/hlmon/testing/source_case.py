"""What a source's test says of it, and how the source is opened and run in its cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar, Final, TypeVar

import pytest

from hlmon.contract import Settings, Source, SourceFactory
from hlmon.events import STORED, Event
from hlmon.testing import source_run
from hlmon.testing.contract_case import Contract
from hlmon.testing.promises import check
from hlmon.testing.source_run import Ended, Runs
from hlmon.testing.source_taken import Taken
from hlmon.testing.time_limit import in_time

_COMES_BACK: Final = "a source comes back from being opened, run, cancelled and closed"
_ONE_LOOP: Final = "the host opens sources one after the other and runs them on one event loop: all would stand still"

ResultT = TypeVar("ResultT")


class SourceCase(Contract):
    """What a subclass defines. Each case reads one and the same input, several times and from its start.

    `secrets` are the secret texts that `config` leads to. `patience_seconds` is how long a case waits for a source that
    does not open, or does not feed what is expected.
    """

    to_define: ClassVar[frozenset[str]] = frozenset(
        {"config", "expected", "factory", "outage", "patience_seconds", "secrets", "settings", "wrong_configs"}
    )
    secrets: ClassVar[Sequence[str]] = ()
    settings: ClassVar[Settings] = Settings(name="contract")
    patience_seconds: ClassVar[float] = 10.0
    time_limit_seconds: ClassVar[float] = 300.0  # above what many runs of one case may take, each of them bounded

    def factory(self) -> SourceFactory[Any]:
        """The factory of the source."""
        self.missing("factory()", "returns the source's factory", excusable=False)

    def config(self) -> Any:
        """A config with which the source opens; it leads to a recorded input or a stand-in for the other side."""
        self.missing("config()", "returns a config with which the source opens", excusable=False)

    def expected(self) -> Mapping[str, int]:
        """Kind -> how many events of it the input holds: facts and states by their names, readings each."""
        self.missing("expected()", "returns how many events of each kind the input holds", excusable=False)

    def wrong_configs(self) -> Mapping[str, Any]:
        """What can be wrong with a config -> such a config."""
        self.missing("wrong_configs()", "returns configs that cannot work, each under what is wrong with it")

    def outage(self) -> AbstractContextManager[None]:
        """A context in which the input cannot be reached."""
        self.missing("outage()", "returns a context in which the input cannot be reached")

    @contextmanager
    def opened(self) -> Iterator[Source]:
        """The source, opened as the host opens it."""
        with self.factory().open(self.config(), self.settings) as source:
            yield source

    def fed(self) -> list[Event]:
        """What a run over the whole input feeds to a host that knows nothing yet, in order."""
        return self.whole().events

    def whole(self, expected: Mapping[str, int] | None = None) -> Taken:
        """What a host that knows nothing yet takes of the whole input, or of what is `expected` of it."""
        taken = Taken(self.expected() if expected is None else expected)
        self.succeed(self.run_once(taken))
        return taken

    def run_once(self, taken: Taken, *, debug: bool = False) -> Ended:
        """One run of a source that is opened for it."""
        return self.with_source(lambda run: run(taken), debug=debug)

    def with_source(self, use: Callable[[Runs], ResultT], *, debug: bool = False) -> ResultT:
        """What `use` returns of the runs of a source that is opened for it and closed then."""

        def opened_and_closed() -> ResultT:
            with self.opened() as source, Runs(source, patience_seconds=self.patience_seconds, debug=debug) as runs:
                return use(runs)

        seconds = 3 * self.patience_seconds + 2 * source_run.STOP_SECONDS  # opening, and two runs
        return in_time(opened_and_closed, seconds, _COMES_BACK, because=_ONE_LOOP)

    def succeed(self, ended: Ended) -> None:
        """Check that a run did not fail."""
        __tracebackhide__ = True
        promise = "over an input that is in order, `run` raises nothing"
        because = "the host starts it again and again, and tells the user that it fails"
        check(ended.error is None, promise, because=because, seen=ended.seen)

    def expect_same(self, first: Taken, other: Taken, promise: str, *, because: str) -> None:
        """Check that two runs gave the same names."""
        __tracebackhide__ = True
        missing, more = sorted(first.names - other.names), sorted(other.names - first.names)
        check(not missing and not more, promise, because=because, seen=f"missing: {missing[:3]}; more: {more[:3]}")

    def stored_kinds(self) -> dict[str, int]:
        """What is expected of facts and states; skips the case if that is nothing."""
        stored = {kind: count for kind, count in self.expected().items() if kind in STORED}
        if not stored:
            pytest.skip("the input holds readings only, and nothing is stored of them")
        return stored
