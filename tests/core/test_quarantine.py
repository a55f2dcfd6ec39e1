"""What could not be read: listed, shown, read again, dismissed; with a monitor and without one."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from hlmon.errors import HlmonError
from hlmon.ingest import Ingest
from hlmon.journal import Journal
from hlmon.quarantine import (
    QuarantineDesk,
    decisions_path,
    is_row,
    open_rows,
    read_decisions,
    summary,
    write_decisions,
)
from hlmon.testing.builders import ALICE, make_gap, make_quarantined
from tests.core.invoking import run

NOW_MS = 1_796_000_100_000
FILL = {"coin": "BTC", "px": "1", "sz": "1", "side": "B", "time": 1_796_000_000_000, "tid": 5, "oid": 6}
TRADE = {"coin": "BTC", "px": "1", "sz": "1", "side": "B", "time": 1_796_000_000_000, "tid": 5}


def kept(row, **changes):
    payload = row if isinstance(row, str) else json.dumps(row)
    fields = {"account": ALICE, "origin": "wire", "stream": "userFills", "unit": "row", "payload": payload}
    digest = sha256(payload.encode()).hexdigest()[:32]
    return make_quarantined(**fields | {"time_ms": FILL["time"], "digest": digest, "reason": "unread"} | changes)


READABLE = kept(FILL)  # as by a newer hlmon
UNREADABLE = kept(FILL | {"side": "X"})


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Journal.open(tmp_path / "hlmon.db") as journal:
        journal.append([READABLE, UNREADABLE])
    return tmp_path / "hlmon.db"


def listed(*arguments):
    return [row["digest"] for row in json.loads(run("quarantine", "list", "--json", *arguments).output)]


def short(row):
    return row.digest[:8]


def missing(file):
    with Journal.open(file, read_only=True) as journal:
        return [row.digest for row in open_rows(journal, now_ms=NOW_MS)]


def fills(file):
    with Journal.open(file, read_only=True) as journal:
        return [fill.trade_id for fill in journal.states("fill")]


def test_what_is_missing_is_listed_and_shown_whole(file):
    table = run("quarantine", "list").output
    assert all(word in table for word in (short(READABLE), short(UNREADABLE), "userFills", "missing", "unread"))
    shown = json.loads(run("quarantine", "show", short(UNREADABLE)).output)
    assert json.loads(shown["payload"])["side"] == "X"


def test_a_row_that_can_be_read_now_is_stored_and_the_other_one_stays(file):
    for _ in range(2):
        assert run("quarantine", "retry").exit_code == 0
        assert (fills(file), listed(), missing(file)) == ([5], [UNREADABLE.digest], [UNREADABLE.digest])
    assert len(listed("--all")) == 2


def test_a_dismissed_row_is_missing_no_more_and_dismissing_it_again_changes_nothing(file):
    for _ in range(2):
        assert run("quarantine", "dismiss", short(UNREADABLE), short(READABLE)).exit_code == 0
        assert (listed(), missing(file), fills(file)) == ([], [], [])
    assert "dealt with" in run("quarantine", "list").output


def test_a_name_that_means_nothing_or_several_things_is_refused(file):
    assert "unknown thing" in run("quarantine", "dismiss", "xyz").output
    assert run("quarantine", "show", "").exit_code == 2
    assert missing(file) == [READABLE.digest, UNREADABLE.digest]


def test_unread_rows_are_listed_among_the_gaps_by_their_stream(file):
    with Journal.open(file) as journal:
        journal.append([make_gap()])
    table = run("gaps").output
    assert "2 unread rows" in table
    assert [thing["kind"] for thing in json.loads(run("gaps", "--json").output)] == ["gap", "quarantine", "quarantine"]
    run("quarantine", "dismiss", short(READABLE))
    assert "1 unread row " in run("gaps").output


def desk_on(journal):
    ingest = Ingest(journal, [])
    return QuarantineDesk(journal, ingest, lambda: NOW_MS)


def test_a_running_monitor_stores_what_is_to_be_read_again_and_counts_the_rest(file):
    with Journal.open(file) as journal:
        desk = desk_on(journal)
        desk.look()
        assert len(desk.missing) == 2
        assert "running monitor" in run("quarantine", "retry").output
        assert listed() == [READABLE.digest, UNREADABLE.digest]  # until it is stored
        desk.look()
        assert [row.digest for row in desk.missing] == [UNREADABLE.digest]
        assert fills(file) == [5]
        run("quarantine", "dismiss", short(UNREADABLE))
        desk.look()
        assert desk.missing == []
        journal.append([kept(FILL | {"side": "Y"})])
        desk.look()
        assert len(desk.missing) == 1


def test_a_monitor_that_died_before_it_stored_does_so_at_its_next_start(file):
    write_decisions(file, {READABLE.digest: "retry"})
    assert len(missing(file)) == 2
    with Journal.open(file) as journal:
        desk_on(journal).look()
    assert (fills(file), missing(file)) == ([5], [UNREADABLE.digest])


def test_decisions_that_cannot_be_understood_are_said_and_forget_nothing(file):
    with Journal.open(file) as journal:
        desk = desk_on(journal)
        run("quarantine", "dismiss", short(UNREADABLE))
        desk.look()
        decisions_path(file).write_text("{")
        desk.look()
        assert "cannot be read" in desk.problem
        assert [row.digest for row in desk.missing] == [READABLE.digest]
    with pytest.raises(HlmonError):
        read_decisions(file)


def test_the_same_row_under_another_time_is_one_thing(file):
    with Journal.open(file) as journal:
        journal.append([kept(FILL, time_ms=FILL["time"] + 1)])
    assert len(missing(file)) == 2


@pytest.mark.parametrize(
    ("row", "stored"),
    [
        (kept({"fill": FILL, "twapId": 3}, stream="userTwapSliceFills"), "fill"),
        (kept(FILL, request="userFillsByTime"), "fill"),
        (kept(TRADE, account="", stream="trades:BTC"), None),
        (kept({"position": {}}, stream="allDexsClearinghouseState"), None),
        (kept({"position": {}}, stream="clearinghouseState", request="clearinghouseState"), None),
        (kept({"channel": "userFills", "data": {"user": ALICE, "fills": [FILL]}}, unit="frame"), "fill"),
        (kept({"channel": "userFills", "data": {"user": ALICE, "fills": [FILL]}}, unit="frame", stream=""), "fill"),
    ],
)
def test_everything_that_can_be_read_is_dealt_with_by_reading_it(file, row, stored):
    with Journal.open(file) as journal:
        journal.append([row])
    run("quarantine", "retry", row.digest)
    assert row.digest not in listed()
    assert fills(file) == ([5] if stored else [])


def test_a_row_that_is_ahead_of_the_clock_is_not_stored_by_a_retry(file):
    row = kept(FILL | {"time": 4_000_000_000_000})
    with Journal.open(file) as journal:
        journal.append([row])
    run("quarantine", "retry", row.digest)
    assert row.digest in missing(file)


def test_only_rows_of_a_past_are_missing():
    state, garbage, refused = (
        kept({}, stream="spotState"),
        kept("garbage", stream="", account="", unit="frame"),
        kept("{}", origin="archive", unit="event", stream=""),
    )
    with_past = [READABLE, kept(TRADE, account="", stream="trades:BTC")]
    assert [is_row(row) for row in (state, garbage, refused, *with_past)] == [False, False, False, True, True]


def test_what_is_missing_is_said_by_stream_and_account():
    rows = [READABLE, UNREADABLE, kept(TRADE, account="", stream="trades:BTC")]
    assert summary(rows, {ALICE: "main"}.__getitem__) == [
        "2 rows of userFills of main could not be read, see hlmon quarantine list",
        "1 row of trades:BTC could not be read, see hlmon quarantine list",
    ]


def test_of_an_event_that_two_refused_each_refusal_is_listed_until_it_is_dealt_with_itself(file):
    refusals = [kept(FILL, origin=origin, unit="event", digest="e" * 32) for origin in ("archive", "other")]
    with Journal.open(file) as journal:
        journal.append(refusals)
        journal.redelivered.add("archive", "e" * 32, "archive", NOW_MS)
    rows = json.loads(run("quarantine", "list", "--json").output)
    assert [row["origin"] for row in rows if row["digest"] == "e" * 32] == ["other"]
