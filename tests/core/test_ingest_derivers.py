"""What derivers are given, what becomes of what they derive, and what a broken one cannot do."""

from __future__ import annotations

import asyncio
import threading

import pytest

from hlmon.errors import JournalError
from hlmon.events import Reading
from hlmon.ingest import Ingest
from hlmon.journal import Journal
from hlmon.testing.builders import (
    make_account_state,
    make_alert,
    make_fill,
    make_order,
    make_position,
)
from tests.core.entries import events_in, fill_at


def test_readings_reach_derivers_every_time_and_are_never_stored(journal):
    seen = []
    ingest = Ingest(journal, [("d", frozenset({"account_state"}), lambda event: seen.append(event) or [])])
    state = make_account_state()
    assert ingest([state, state]) == 0
    ingest.flush()
    assert seen == [state, state]
    assert events_in(journal) == []


def test_a_deriver_sees_each_new_event_of_its_kinds_once(journal):
    seen = []
    ingest = Ingest(journal, [("d", frozenset({"fill"}), lambda event: seen.append(event) or [])])
    fill = make_fill()
    ingest([fill, make_order(), fill])
    ingest.flush()
    ingest([fill])
    assert seen == [fill]


def test_what_is_derived_follows_its_cause_and_goes_on_to_other_derivers(journal, counted):
    def closes(event):
        return [make_position(coin=event.coin, time_ms=event.time_ms)]

    def rule(event):
        return [make_alert(subject=event.coin, time_ms=event.time_ms)]

    derivers = [("rule", frozenset({"position"}), rule), ("closes", frozenset({"fill"}), closes)]
    ingest = Ingest(counted, derivers, max_pending=1)
    assert ingest([make_fill(), make_fill()]) == 2
    assert [[event.kind for event in events] for events in counted.appended] == [["fill", "position", "alert"]] * 2


def test_a_circle_of_derivers_ends_and_is_reported(journal, caplog):
    ingest = Ingest(journal, [("circle", frozenset({"fill"}), lambda event: [fill_at(event.time_ms + 1)])])
    ingest([fill_at(1)])
    ingest.flush()
    assert [event.time_ms for event in events_in(journal)] == list(range(1, 10))
    assert ingest.failures == {"circle": 1}
    assert "circle" in caplog.text


def broken(event):
    raise ZeroDivisionError("broken")


def test_a_deriver_that_raises_stops_neither_its_event_nor_the_others(journal, caplog):
    kinds = frozenset({"fill"})
    alert = make_alert()
    ingest = Ingest(journal, [("broken", kinds, broken), ("fine", kinds, lambda event: [alert])])
    fills = [make_fill(), make_fill()]
    assert ingest(fills) == 2
    ingest.flush()
    assert events_in(journal) == [fills[0], alert, fills[1]]
    assert ingest.failures == {"broken": 2}
    assert len(caplog.records) == 1
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    "error", [SystemExit(3), GeneratorExit(), asyncio.CancelledError(), type("Panic", (BaseException,), {})("a panic")]
)
def test_a_deriver_that_raises_what_is_no_exception_stops_nothing_either(journal, error):
    def panic(event):
        raise error

    ingest = Ingest(journal, [("broken", frozenset({"fill"}), panic)])
    fill = make_fill()
    assert ingest([fill]) == 1
    ingest.flush()
    assert events_in(journal) == [fill]
    assert ingest.failing["broken"][1].startswith(type(error).__name__)


def test_a_deriver_is_failing_until_a_call_goes_well(journal):
    def pick(event):
        if event is bad:
            raise ZeroDivisionError("broken")
        return ()

    bad, good = make_fill(), make_fill()
    ingest = Ingest(journal, [("picky", frozenset({"fill"}), pick)], now=lambda: 7.0)
    ingest([bad])
    assert ingest.failing == {"picky": (7.0, "ZeroDivisionError: broken")}
    ingest([good])
    assert ingest.failing == {}
    assert ingest.failures == {"picky": 1}


def test_a_deriver_that_hangs_is_cut_off_and_not_called_again(journal, monkeypatch):
    def hang(event):
        calls.append(event)
        threading.Event().wait()

    monkeypatch.setattr("hlmon.ingest.CALL_SECONDS", 0.1)
    monkeypatch.setattr("hlmon.deadline.TICK_SECONDS", 0.02)
    calls: list = []
    kinds = frozenset({"fill"})
    alert = make_alert()
    ingest = Ingest(journal, [("hanging", kinds, hang), ("fine", kinds, lambda event: [alert])])
    fills = [make_fill(), make_fill()]
    assert ingest(fills) == 2
    ingest.flush(final=True)
    assert events_in(journal) == [fills[0], alert, fills[1]]
    assert calls == fills[:1]
    assert ingest.hanging == {"hanging"}
    assert "did not return within" in ingest.failing["hanging"][1]


class Unheard(Reading, frozen=True, kw_only=True, tag="unheard"):
    """A reading of a plugin's own."""

    kind = "unheard"


class FalseFill(Reading, frozen=True, kw_only=True, tag="fill"):
    """A reading that takes the name of a stored kind."""

    kind = "fill"


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [FalseFill(time_ms=1)],
        ["text"],
        [make_alert(time_ms="noon")],
        [make_alert(title=None)],
        [make_alert(labels={"a": object()})],
        [make_position(time_ms="noon")],
        [make_order(status=[])],
        [make_position(coin="\ud800")],
    ],
)
def test_what_no_reader_could_decode_is_not_taken_from_a_deriver(journal, wrong):
    ingest = Ingest(journal, [("wrong", frozenset({"fill"}), lambda event: wrong)])
    fill = make_fill()
    assert ingest([fill]) == 1
    ingest.flush()
    assert events_in(journal) == [fill]
    assert sum(ingest.failures.values()) == 1


def test_a_deriver_may_derive_readings_of_its_own(journal):
    heard = []
    derivers = [
        ("a", frozenset({"fill"}), lambda event: [Unheard(time_ms=1)]),
        ("b", frozenset({"unheard"}), lambda event: heard.append(event) or []),
    ]
    Ingest(journal, derivers)([make_fill()])
    assert heard == [Unheard(time_ms=1)]


def test_an_error_of_the_journal_is_no_failure_of_a_deriver(journal, monkeypatch):
    ingest = Ingest(journal, [("d", frozenset({"fill"}), lambda event: [make_position()])])
    monkeypatch.setattr(Journal, "version", lambda *_: (_ for _ in ()).throw(JournalError("gone")))
    with pytest.raises(JournalError, match="gone"):
        ingest([make_fill()])
    assert not ingest.failures
