import json
import os
import re
import time
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from hlmon.cli.running import SILENT_MS, STALE_MS, judge
from hlmon.events import Event
from hlmon.journal import Journal
from hlmon.status import AccountStatus, ComponentStatus, ConnectionStatus, FollowerStatus, SourceStatus, Status
from hlmon.testing.builders import (
    ALICE,
    BOB,
    make_account_info,
    make_alert,
    make_fill,
    make_gap,
    make_position,
    make_quarantined,
)
from tests.core.invoking import run

NOW_MS = 1_780_000_000_000


@pytest.fixture
def journal(tmp_path: Path, monkeypatch):
    """An empty journal where commands look for it, still open for writing as a running monitor has it."""
    monkeypatch.chdir(tmp_path)
    with Journal.open(tmp_path / "hlmon.db") as opened:
        yield opened


def make_status(now_ms: int = NOW_MS, **changes) -> Status:
    source = SourceStatus(
        connection=ConnectionStatus(state="live", since_ms=now_ms - 60_000, last_frame_ms=now_ms - 1_000),
        accounts=[AccountStatus(address=ALICE, label="main", status="watched", last_seen_ms=now_ms - 3_000)],
    )
    fields = {
        "pid": os.getpid(),
        "version": "0.1.0",
        "started_ms": now_ms - 3_600_000,
        "updated_ms": now_ms - 2_000,
        "sources": [source],
        "followers": [FollowerStatus(name="archive", part="sink", lag=7)],
        "components": [ComponentStatus(name="archive", part="sink", state="running", since_ms=now_ms - 60_000)],
        "counters": {"failures": 2},
    }
    return Status(**fields | changes)


def verdict_of(status: Status | None, *, alive: bool = True):
    return judge(status, now_ms=NOW_MS, alive=lambda _: alive)


def test_a_monitor_that_spoke_lately_and_hears_the_exchange_is_well():
    verdict = verdict_of(make_status())
    assert (verdict.ok, verdict.running, verdict.why) == (True, True, "running for 1 h, 1 account watched")


def test_a_monitor_that_said_nothing_for_30_s_is_not_running():
    assert verdict_of(make_status(updated_ms=NOW_MS - STALE_MS)).ok
    assert not verdict_of(make_status(updated_ms=NOW_MS - STALE_MS - 1)).running


def test_a_monitor_whose_process_is_gone_is_not_running():
    verdict = verdict_of(make_status(pid=77), alive=False)
    assert (verdict.ok, verdict.running, verdict.why) == (False, False, "the monitor's process 77 is gone")


def test_a_monitor_that_hears_nothing_for_5_minutes_is_unwell_though_running():
    lost = ConnectionStatus(state="waiting", last_frame_ms=NOW_MS - SILENT_MS - 1, reason="no route")
    verdict = verdict_of(make_status(sources=[SourceStatus(connection=lost)]))
    assert (verdict.ok, verdict.running) == (False, True)
    assert verdict.why == "nothing heard from the exchange for 5 min: no route"


def test_a_monitor_that_has_just_started_gets_5_minutes_to_hear_something():
    source = SourceStatus(connection=ConnectionStatus(state="connecting"))
    assert verdict_of(make_status(started_ms=NOW_MS - SILENT_MS, sources=[source])).ok


def test_a_monitor_with_nothing_to_watch_is_well_and_says_what_to_do():
    idle = SourceStatus(connection=ConnectionStatus(state="idle"), problems=["no account: use --account"])
    verdict = verdict_of(make_status(sources=[idle]))
    assert verdict.ok
    assert "0 accounts watched; not well: no account: use --account" in verdict.why
    assert not verdict.line.startswith("healthy")


def test_problems_that_a_restart_would_not_solve_do_not_make_a_monitor_unwell():
    verdict = verdict_of(make_status(problems=["sink archive has been failing"]))
    assert verdict.ok
    assert "sink archive has been failing" in verdict.why


def test_a_monitor_that_stores_nothing_for_a_minute_while_events_wait_is_unwell_though_running():
    assert verdict_of(make_status(pending_since_ms=NOW_MS - 60_000)).ok
    verdict = verdict_of(make_status(pending_since_ms=NOW_MS - 61_000))
    assert (verdict.ok, verdict.running) == (False, True)
    assert verdict.line.startswith("unhealthy: what came in has not been stored for 61 s")


def test_what_is_not_well_is_never_called_healthy_though_no_restart_would_help():
    verdict = verdict_of(make_status(problems=["sink archive has been failing"]))
    assert verdict.line == "running for 1 h, 1 account watched; not well: sink archive has been failing"


def test_a_clock_that_differs_is_in_the_line_of_health_and_in_status(journal: Journal):
    status = make_status(time.time_ns() // 1_000_000)
    status.sources[0].clock_skew_ms = -7_200_000
    journal.put_status(msgspec.json.encode(status))
    for command in ("health", "status"):
        assert "this machine's clock is 7,200 s ahead of the exchange's" in run(command).output
    status.sources[0].clock_skew_ms = 20_000
    journal.put_status(msgspec.json.encode(status))
    assert run("health").output == (
        "healthy: running for 1 h, 1 account watched; this machine's clock is 20 s behind the exchange's\n"
    )


def test_status_judges_by_its_exit_code_when_asked_to(journal: Journal):
    assert run("status", "--exit-code").exit_code == 1
    journal.put_status(msgspec.json.encode(make_status(time.time_ns() // 1_000_000)))
    well = run("status", "--exit-code")
    assert well.exit_code == 0
    assert "All is well." in well.output
    journal.put_status(msgspec.json.encode(make_status(time.time_ns() // 1_000_000, problems=["look here"])))
    unwell = run("status", "--exit-code", "--json")
    assert (unwell.exit_code, json.loads(unwell.output)["reasons"]) == (1, ["look here"])
    assert "Not well:\nProblem: look here\n" in run("status").output


def test_health_answers_by_exit_code_and_one_line(journal: Journal):
    before = run("health")
    journal.put_status(msgspec.json.encode(make_status(time.time_ns() // 1_000_000)))
    after = run("health")
    assert (before.exit_code, before.output) == (1, "unhealthy: no monitor has run on this journal yet\n")
    assert (after.exit_code, after.output) == (0, "healthy: running for 1 h, 1 account watched\n")


def test_health_without_a_journal_is_a_journal_error(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("health").exit_code == 3


def test_status_shows_accounts_followers_and_problems(journal: Journal):
    pending = SourceStatus(accounts=[AccountStatus(address=BOB)], problems=["look there"])
    now_ms = time.time_ns() // 1_000_000
    status = make_status(now_ms, problems=["look here"], sources=[*make_status(now_ms).sources, pending])
    journal.put_status(msgspec.json.encode(status))
    output = run("status").output
    assert output.startswith("Running.\n")
    for words in ("main", "watched", "archive", "Problem: look here", "Problem: look there", "last message now"):
        assert words in output


def test_status_names_a_component_that_fails_with_why_since_when_and_the_next_try(journal: Journal):
    now_ms = time.time_ns() // 1_000_000
    fails = {"state": "failing", "why": "no such table", "since_ms": now_ms - 65_000}
    components = [
        ComponentStatus(name="store", part="sink", next_try_ms=now_ms + 30_900, **fails),
        ComponentStatus(name="mine", part="rule", **fails),
        ComponentStatus(name="other", part="rule", state="running", since_ms=now_ms),
    ]
    journal.put_status(msgspec.json.encode(make_status(now_ms, components=components)))
    lines = " ".join(run("status").output.split())
    assert re.search(r"store sink – – failing for 1 min 5 s: no such table; tried again in (30|29) s", lines)
    assert "mine rule – – failing for 1 min 5 s: no such table" in lines
    assert "other" not in lines


def test_status_in_json_has_the_verdict_and_the_whole_status(journal: Journal):
    journal.put_status(msgspec.json.encode(make_status(time.time_ns() // 1_000_000)))
    said = json.loads(run("status", "--json").output)
    assert (said["running"], said["healthy"], said["status"]["followers"][0]["lag"]) == (True, True, 7)


def test_status_in_json_says_whether_all_is_well_and_why_not_in_the_words_of_the_watchdog(journal: Journal):
    now_ms = time.time_ns() // 1_000_000
    journal.put_status(msgspec.json.encode(make_status(now_ms)))
    said = json.loads(run("status", "--json").output)
    assert (said["well"], said["reasons"]) == (True, [])
    source = SourceStatus(accounts=[AccountStatus(address=ALICE, label="main")])
    journal.put_status(msgspec.json.encode(make_status(now_ms, sources=[source], problems=["sink archive fails"])))
    said = json.loads(run("status", "--json").output)
    reasons = ["sink archive fails", "account main is not watched yet: ordinary for some seconds after a start"]
    assert (said["well"], said["reasons"]) == (False, reasons)


def test_a_monitor_that_does_not_run_is_the_one_reason_whatever_it_said_last(journal: Journal):
    journal.put_status(msgspec.json.encode(make_status(updated_ms=NOW_MS - STALE_MS - 1, problems=["old"])))
    said = json.loads(run("status", "--json").output)
    assert (said["running"], said["well"], said["reasons"]) == (False, False, [said["why"]])
    assert said["why"].startswith("the monitor said nothing for ")


def test_status_of_another_version_is_a_journal_error(journal: Journal):
    journal.put_status(b'{"pid":"none"}')
    assert run("status").exit_code == 3


def test_status_without_a_monitor_says_so_and_is_no_error(journal: Journal):
    result = run("status")
    assert (result.exit_code, result.output) == (0, "Not running: no monitor has run on this journal yet\n")


def test_gaps_lists_what_is_missing_and_with_all_what_was_read_back(journal: Journal):
    journal.append([make_gap(reason="power cut"), make_gap(healed=True, events_read=12, reason="reconnect")])
    assert "power cut" in run("gaps").output
    assert "reconnect" not in run("gaps").output
    assert "read back, 12 events" in run("gaps", "--all").output


def test_gaps_in_json_are_the_events(journal: Journal):
    gap = make_gap()
    journal.append([gap])
    (printed,) = json.loads(run("gaps", "--json").output)
    assert (printed["stream"], printed["start_ms"], printed["account"]) == (gap.stream, gap.start_ms, ALICE)


def test_no_gaps_is_said_with_the_number_of_those_read_back(journal: Journal):
    assert run("gaps").output == "No gaps.\n"
    journal.append([make_gap(healed=True)])
    assert run("gaps").output == "No gaps. 1 were read back whole (hlmon gaps --all).\n"


def test_verify_proves_a_whole_chain_that_ends_at_the_account_state(journal: Journal):
    position = make_position(coin="BTC", side="long", size=Decimal(1))
    journal.append([make_fill(), position])
    result = run("verify")
    assert result.exit_code == 0
    assert result.output.endswith("Proven: no fill is missing.\n")


def test_verify_of_an_empty_journal_claims_nothing(journal: Journal):
    assert run("verify").output.endswith("There is nothing to prove yet: the journal has no perp fills.\n")


def test_verify_without_an_account_state_does_not_claim_a_proof(journal: Journal):
    journal.append([make_fill()])
    result = run("verify")
    assert result.exit_code == 0
    assert result.output.endswith("1 could not be compared with an account state.\n")


def test_verify_ends_with_1_at_a_break_and_lists_it(journal: Journal):
    journal.append([make_fill(), make_fill(start_position=Decimal(3))])
    result = run("verify")
    assert result.exit_code == 1
    assert "none: fills are missing" in result.output
    assert result.output.endswith("NOT PROVEN: fills are missing in 1 of the chains, and no gap admits it.\n")


def test_verify_does_not_call_proven_what_a_known_gap_admits(journal: Journal):
    first, second = make_fill(), make_fill(start_position=Decimal(3))
    journal.append([first, second, make_gap(start_ms=first.time_ms, end_ms=second.time_ms)])
    result = run("verify")
    assert result.exit_code == 1
    assert "Fills are missing in 1 places" not in result.output
    assert "fills are missing in 1 places, all of them in known gaps" in result.output


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (make_gap(stream="userFundings"), "1 gaps are open"),
        (
            make_quarantined(origin="wire", unit="row", stream="userFills"),
            "1 rows that the exchange sent could not be read",
        ),
        (make_fill(start_position=None, trade_id=5), "1 fills do not say where they started"),
    ],
)
def test_verify_says_proven_only_when_nothing_at_all_is_left(journal: Journal, finding: Event, words: str):
    position = make_position(coin="BTC", side="long", size=Decimal(1))
    journal.append([make_fill(), position, finding])
    result = run("verify")
    assert result.exit_code == 1
    assert words in result.output
    assert "NOT PROVEN" in result.output
    assert not json.loads(run("verify", "--json").output)["proven"]


def test_verify_counts_what_was_too_much_for_the_quarantine(journal: Journal):
    journal.append([make_fill(), make_position(coin="BTC", side="long", size=Decimal(1))])
    status = Status(pid=1, version="0", started_ms=0, updated_ms=0, counters={"quarantine_overflow": 7})
    journal.put_status(msgspec.json.encode(status))
    assert "7 rows that the exchange sent could not be read" in run("verify").output


def test_a_gap_of_market_trades_says_nothing_about_fills(journal: Journal):
    position = make_position(coin="BTC", side="long", size=Decimal(1))
    journal.append([make_fill(), position, make_gap(account="", stream="trades:BTC")])
    assert run("verify").exit_code == 0


def test_verify_in_json_gives_every_chain_with_exact_decimals(journal: Journal):
    journal.append([make_fill(size=Decimal("0.1")), make_fill(start_position=Decimal("0.3"))])
    result = run("verify", "--json")
    said = json.loads(result.output)
    (chain,) = said["chains"]
    assert (result.exit_code, said["proven"], chain["breaks"][0]["expected"]) == (1, False, "0.1")


def test_a_master_behind_an_agent_is_named_by_the_label_of_its_agent(journal: Journal, tmp_path: Path):
    agent = "0x" + "ac" * 20
    (tmp_path / "hlmon.toml").write_text(f'[[account]]\naddress = "{agent}"\nlabel = "main"\n')
    info = make_account_info(account=agent, role="agent", master=ALICE)
    journal.append([info, make_gap(), make_fill(account=ALICE), make_alert(account=ALICE)])
    for command in ("gaps", "verify", "explain"):
        assert "main" in run(command).output


def test_labels_of_the_config_name_the_accounts(journal: Journal, tmp_path: Path):
    (tmp_path / "hlmon.toml").write_text(f'[[account]]\naddress = "{ALICE}"\nlabel = "savings"\n')
    journal.append([make_gap(), make_fill()])
    assert "savings" in run("gaps").output
    assert "savings" in run("verify").output
