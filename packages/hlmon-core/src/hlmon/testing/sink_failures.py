"""Cases of the sink contract: outages, interruptions, wrong configs and secrets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from hlmon.contract import Sink
from hlmon.errors import ConfigError, Transient
from hlmon.events import Event
from hlmon.testing.promises import BrokenPromise, captured_logs, check, check_error, error_of, texts_of
from hlmon.testing.sink_case import SinkCase

_OUTAGE: Final = "whoever returns is acked and never asked again: the events would be lost"


class _Killed(BaseException):
    """Stands for the end of the process."""


@contextmanager
def _returning(promise: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        seen = f"{type(error).__name__}: {error}"
        raise BrokenPromise(f"promise: {promise}\n  because: {_OUTAGE}\n  seen: {seen}") from error


class SinkSurvives(SinkCase):
    """What fails is said, and what comes after a failure is whole."""

    def test_a_batch_cut_short_is_completed_by_its_repetition(self) -> None:
        """Some events of a batch may already be there."""
        events = self.one_of_each()
        with self.opened() as sink:
            self.write(sink, events[: len(events) // 2])
            self.write(sink, events)
        self.expect(
            events,
            "a batch of which a part is stored already is completed",
            because="a call that failed half-way is repeated as a whole",
        )

    def test_a_kill_between_write_and_ack_changes_nothing(self) -> None:
        """The process ends inside the context, and the next one delivers the same batch again."""
        events = self.one_of_each()
        try:
            with self.opened() as sink:
                self.write(sink, events)
                raise _Killed
        except _Killed:
            pass
        self.expect(events, "what write returned for survives the end of the process", because="it was acked")
        with self.opened() as sink:
            self.write(sink, events)
        self.expect(events, "the batch delivered again after a kill changes nothing", because="the ack was lost")

    def test_an_outage_raises_transient(self) -> None:
        """A store that cannot be reached is no success and no fault of the events."""
        with self.opened() as sink, self.outage():
            error = error_of(lambda: self.write(sink, self.one_of_each()))
        check_error(error, (Transient, OSError), "writing in an outage raises Transient or OSError", because=_OUTAGE)

    def test_an_open_sink_recovers_from_an_outage(self) -> None:
        """The same object works again: nobody reopens a sink."""
        before = self.one_of_each()
        during = [event for event in self.one_of_each() if event.name not in {known.name for known in before}]
        with self.opened() as sink:
            self.write(sink, before)
            with self.outage():
                for _ in range(3):
                    error_of(lambda: self._write_all(sink, before, during))
            with _returning("an open sink works again after an outage"):
                self.write(sink, during)
        self.expect(before + during, "after an outage everything is stored once", because=_OUTAGE)

    def _write_all(self, sink: Sink, *batches: list[Event]) -> None:
        for batch in batches:
            self.write(sink, batch)

    def test_opening_an_unreachable_store_says_so(self) -> None:
        """Opening proves that the store can be reached."""
        with self.outage():
            error = error_of(self._open_and_close)
        check_error(
            error,
            (ConfigError, Transient),
            "opening in an outage raises ConfigError (or Transient)",
            because="the user is told before a socket exists, not at the first fill",
        )

    def test_opening_with_a_wrong_config_raises_config_error(self) -> None:
        """Opening proves that the config works."""
        for wrong, config in self.wrong_configs().items():
            error = error_of(partial(self._open_and_close, config))
            check_error(
                error,
                (ConfigError,),
                f"opening raises ConfigError: {wrong}",
                because="the monitor fails at start with one readable line, never afterwards",
            )

    def _open_and_close(self, config: object = None) -> None:
        with self.factory().open(config or self.config(), self.settings):
            pass

    def test_secrets_never_show(self) -> None:
        """Not in a repr, not in an error, not in a log."""
        with captured_logs() as lines:
            with self.opened() as sink:
                shown = [repr(sink), repr(self.config()), str(self.config())]
                self.write(sink, self.one_of_each())
                if "test_an_outage_raises_transient" not in self.excused:
                    with self.outage():
                        shown.append(texts_of(error_of(lambda: self.write(sink, self.one_of_each()))))
            if "test_opening_with_a_wrong_config_raises_config_error" not in self.excused:
                configs = self.wrong_configs().values()
                shown += [texts_of(error_of(partial(self._open_and_close, config))) for config in configs]
        text = "\n".join([*shown, *lines])
        leaked = [secret[:2] + "…" for secret in self.secrets if secret in text]
        check(
            not leaked,
            "a secret shows in no repr, error or log",
            because="logs and bug reports are read by others",
            seen=f"secrets that begin with {leaked}",
        )
