"""The fields of a line of the log that alarms are made of."""

from __future__ import annotations

from hlmon.status import AccountStatus, ConnectionStatus, FollowerStatus, SourceStatus, Status
from hlmon.watchdog.heartbeat import heartbeat

NOW_MS = 1_000_000


def status(*, sources=(), followers=(), started_ms=100_000) -> Status:
    return Status(
        pid=1, version="1", started_ms=started_ms, updated_ms=NOW_MS, sources=[*sources], followers=[*followers]
    )


def source(last_frame_ms: int, state="live") -> SourceStatus:
    return SourceStatus(connection=ConnectionStatus(state=state, last_frame_ms=last_frame_ms))


def test_silence_is_that_of_the_source_heard_longest_ago():
    found = heartbeat(status(sources=[source(999_000), source(700_000, "waiting")]), now_ms=NOW_MS)
    assert found["silent_seconds"] == 300


def test_a_source_that_never_heard_anything_is_silent_since_the_start():
    assert heartbeat(status(sources=[source(0, "connecting")]), now_ms=NOW_MS)["silent_seconds"] == 900


def test_a_source_that_watches_nothing_is_not_silent():
    assert heartbeat(status(sources=[source(0, "idle")]), now_ms=NOW_MS)["silent_seconds"] == 0


def test_a_delivery_is_late_since_the_last_one_while_something_waits():
    behind = FollowerStatus(name="a", part="sink", lag=3, behind_since_ms=400_000)
    done = FollowerStatus(name="b", part="sink", lag=0, last_ack_ms=200_000)
    assert heartbeat(status(followers=[behind, done]), now_ms=NOW_MS)["delivery_seconds"] == 600
    assert heartbeat(status(followers=[done]), now_ms=NOW_MS)["delivery_seconds"] == 0


def test_it_is_well_as_a_number_and_gives_the_reasons_when_it_is_not():
    heard = AccountStatus(address="0x1", status="watched", last_seen_ms=NOW_MS)
    well = source(NOW_MS)
    well.accounts = [heard]
    found = heartbeat(status(sources=[well]), now_ms=NOW_MS)
    assert (found["well"], found["reasons"], found["unwatched_accounts"]) == (1, [], 0)
    well.accounts = [heard, AccountStatus(address="0x2", status="refused", reason="cap")]
    found = heartbeat(status(sources=[well]), now_ms=NOW_MS)
    assert (found["well"], len(found["reasons"]), found["unwatched_accounts"]) == (0, 1, 1)


def test_the_oldest_alert_is_the_one_that_has_been_due_for_longest_at_any_notifier():
    due = [FollowerStatus(name=name, part="notifier", oldest_due_ms=ms) for name, ms in (("a", 970_000), ("b", None))]
    assert heartbeat(status(followers=due), now_ms=NOW_MS)["oldest_alert_seconds"] == 30
    assert heartbeat(status(followers=due[1:]), now_ms=NOW_MS)["oldest_alert_seconds"] == 0
