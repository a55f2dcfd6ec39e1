"""Which gaps make a monitor not well, and for how long."""

from __future__ import annotations

from msgspec.structs import replace

from hlmon.testing.builders import ALICE, BOB, make_gap
from hlmon.watchdog import OpenGaps
from hlmon.watchdog.gaps import COUNTS_FOR_MS

NOW_MS = 1_780_000_000_000


def gap(**changes):
    fields = {"stream": "userFills", "start_ms": NOW_MS - 9_000, "end_ms": NOW_MS - 5_000, "time_ms": NOW_MS}
    return make_gap(**fields | {"account": ALICE} | changes)


def problems(*gaps, now_ms=NOW_MS, labels=None):
    held = OpenGaps()
    for each in gaps:
        assert list(held(each)) == []
    again = OpenGaps()
    again.load_memory(held.dump_memory())
    return again.problems({ALICE}, labels or {}, now_ms)


def test_a_gap_is_a_reason_with_what_to_do_by_stream_and_account():
    (said,) = problems(gap(), gap(start_ms=NOW_MS - 90_000), labels={ALICE: "main"})
    assert said.startswith("userFills of account main has 2 gaps: events are missing, `hlmon gaps` says")
    assert len(problems(gap(), gap(stream="userFundings"))) == 2


def test_a_gap_that_is_read_back_is_none():
    assert problems(gap(), replace(gap(), healed=True, time_ms=NOW_MS + 1)) == []


def test_one_that_has_ended_counts_for_a_day_and_one_that_goes_on_for_ever():
    assert len(problems(gap(), now_ms=NOW_MS + COUNTS_FOR_MS)) == 1
    assert problems(gap(), now_ms=NOW_MS + COUNTS_FOR_MS + 1) == []
    assert len(problems(gap(end_ms=None), now_ms=NOW_MS + 9 * COUNTS_FOR_MS)) == 1


def test_market_trades_and_accounts_that_are_not_watched_do_not_count():
    assert problems(gap(account="", stream="trades:BTC"), gap(account=BOB)) == []
