"""Why not all is well: every reason, and nothing else."""

from __future__ import annotations

import pytest

from hlmon.status import AccountStatus, ComponentStatus, ConnectionStatus, FollowerStatus, SourceStatus, Status
from hlmon.testing.builders import ALICE, BOB
from hlmon.watchdog import reasons
from hlmon.watchdog.reasons import LATE_MS, SILENT_MS, STALE_MS, UNCOMMITTED_MS, unwatched

NOW_MS = 1_780_000_000_000
AGAIN = " (it is tried again and again, look at the network if it lasts)"


def account(**changes) -> AccountStatus:
    fields = {"address": ALICE, "role": "user", "status": "watched", "last_seen_ms": NOW_MS - 3_000}
    return AccountStatus(**fields | changes)


def source(*accounts: AccountStatus, state="live", reason="", **changes) -> SourceStatus:
    return SourceStatus(
        connection=ConnectionStatus(state=state, reason=reason), accounts=list(accounts or [account()]), **changes
    )


def status(*sources: SourceStatus, **changes) -> Status:
    fields = {"pid": 1, "version": "0", "started_ms": 0, "updated_ms": NOW_MS, "sources": list(sources or [source()])}
    return Status(**fields | changes)


def why(*sources: SourceStatus, **changes) -> list[str]:
    return reasons(status(*sources, **changes), now_ms=NOW_MS)


def test_there_is_none_while_every_account_is_heard():
    assert why(source(account(), account(address=BOB, resuming=True))) == []


def test_a_monitor_that_has_not_spoken_yet_is_starting():
    assert reasons(None, now_ms=NOW_MS) == ["the monitor is starting"]


def test_what_the_monitor_said_too_long_ago_is_no_news_whatever_it_was():
    assert why(updated_ms=NOW_MS - STALE_MS) == []
    assert why(updated_ms=NOW_MS - STALE_MS - 1_000) == [
        "the monitor said nothing for 31 s: look at the end of its log and restart it"
    ]


@pytest.mark.parametrize("state", ["connecting", "waiting"])
def test_a_lost_connection_is_a_reason_with_its_own_reason(state):
    assert why(source(state=state, reason="1006")) == [f"not connected to the exchange: 1006{AGAIN}"]


def test_a_first_connection_has_no_reason_of_its_own():
    assert why(source(state="connecting")) == [f"not connected to the exchange: connecting{AGAIN}"]


def test_an_account_whose_streams_are_not_in_place_is_a_reason_by_its_label_or_else_its_address():
    pending = source(account(status="pending", label="main"), account(address=BOB, status="pending"))
    ordinary = "is not watched yet: ordinary for some seconds after a start"
    assert why(pending) == [f"account main {ordinary}", f"account {BOB} {ordinary}"]


def test_an_account_that_fell_silent_is_a_reason_though_the_connection_is_live():
    assert why(source(account(last_seen_ms=NOW_MS - SILENT_MS))) == []
    (said,) = why(source(account(last_seen_ms=NOW_MS - 75_000, label="main")))
    assert said == "account main was not heard for 75 s: it is subscribed again, look at the network if it lasts"


def test_an_agent_has_no_streams_and_need_not_be_heard():
    assert why(source(account(role="agent", last_seen_ms=0), account(address=BOB))) == []


def test_problems_of_the_monitor_and_of_its_sources_are_reasons_each_once():
    refused = account(status="refused", reason="cap")
    problem = f"account {ALICE} is refused: cap"
    failing = "sink archive fails since 3 s: OSError: gone"
    assert why(source(refused, problems=[problem, problem]), problems=[failing]) == [failing, problem]


def test_a_monitor_that_watches_nothing_is_not_well():
    assert why(SourceStatus()) == ["nothing is watched: add an [[account]] to the config"]
    assert why(SourceStatus(coins=["BTC"])) == []


@pytest.mark.parametrize("skew_ms", [None, 0, 59_000, -59_000])
def test_a_clock_that_differs_little_is_none(skew_ms):
    assert why(source(clock_skew_ms=skew_ms)) == []


@pytest.mark.parametrize(("skew_ms", "word"), [(-7_200_000, "7,200 s ahead of"), (61_000, "61 s behind")])
def test_a_clock_that_differs_by_more_than_a_minute_is_a_reason_with_what_to_do(skew_ms, word):
    (said,) = why(source(clock_skew_ms=skew_ms))
    assert said.startswith(f"this machine's clock is {word} the exchange's: set it")


def test_events_that_wait_for_the_journal_for_more_than_ten_seconds_are_a_reason():
    assert why(pending_since_ms=NOW_MS - UNCOMMITTED_MS) == []
    (said,) = why(pending_since_ms=NOW_MS - 11_000)
    assert said.startswith("what came in has not been stored for 11 s: look at the log and the disk")


def component(part, state="failing", **changes) -> ComponentStatus:
    fields = {"name": "mine", "part": part, "state": state, "since_ms": NOW_MS - 5_000, "why": "OSError: gone"}
    return ComponentStatus(**fields | changes)


@pytest.mark.parametrize(
    ("part", "asks"),
    [
        ("source", "look at what it reads"),
        ("sink", "look at the service and at [sink.mine]"),
        ("notifier", "look at the service and at [notifier.mine]"),
        ("rule", "its alerts are missing meanwhile"),
    ],
)
def test_a_component_that_fails_is_named_with_its_error_its_next_try_and_what_to_do(part, asks):
    (said,) = why(components=[component(part, next_try_ms=NOW_MS + 7_000)])
    assert said.startswith(f"{part} mine fails since 5 s: OSError: gone (tried again in 7 s); ")
    assert asks in said


def test_components_that_start_run_or_stopped_are_none():
    assert why(components=[component("sink", state) for state in ("starting", "running", "stopped")]) == []


def test_a_rule_that_failed_now_and_then_stays_a_reason_until_the_next_start():
    (said,) = why(components=[component("rule", "running", failures=3)])
    assert said.startswith("3 failures of rule mine since the start; its alerts are missing")


def test_whoever_has_something_to_deliver_and_delivers_nothing_is_late_though_it_never_failed():
    def behind(ms, **changes):
        return FollowerStatus(name="archive", part="sink", lag=4, behind_since_ms=NOW_MS - ms, **changes)

    assert why(followers=[behind(LATE_MS)]) == []
    (said,) = why(followers=[behind(LATE_MS + 1_000)])
    assert said.startswith("sink archive is 4 events behind and took nothing for 301 s: look at the service")
    assert why(followers=[behind(LATE_MS + 1_000, failing_since_ms=0)]) == []  # that is its component's reason


def test_what_was_refused_for_good_is_a_reason_until_it_is_dealt_with():
    (said,) = why(rejected={"archive": 3})
    assert said == (
        "archive refused 3 of what it got for good: see hlmon rejected list; retry delivers it after all, "
        "hlmon quarantine dismiss lets it be"
    )


@pytest.mark.parametrize("state", ["refused", "missing"])
def test_an_account_that_is_not_watched_is_a_reason_even_if_its_source_does_not_say_so(state):
    (said,) = why(source(account(status=state, reason="cap")))
    assert said.startswith(f"account {ALICE} is {state}: cap; ")


def test_the_accounts_that_are_not_watched_or_not_heard_are_counted():
    accounts = [account(), account(status="refused"), account(status="pending"), account(last_seen_ms=0)]
    assert unwatched(status(source(*accounts)), now_ms=NOW_MS) == 3
