"""`hlmon explain`: why an alert came, and what became of it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from hlmon.cli import program
from hlmon.errors import Permanent
from hlmon.routing import Route
from hlmon.testing.builders import ALICE, make_alert, make_fill
from tests.servers.dispatching import START_MS, Chat, run_for

CONFIG = f"""
[[account]]
address = "{ALICE}"
label = "main"
[rule.fills]
type = "fill"
above = 5
[notifier.chat]
type = "log"
[notifier.mail]
type = "log"
[[route]]
severity = "warning"
to = ["chat"]
"""
ROUTES = [Route(to=("chat",), severity="warning")]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hlmon.toml").write_text(CONFIG)


def run(*arguments: str):
    return CliRunner().invoke(program, ["explain", *arguments], prog_name="hlmon")


@pytest.fixture
def alert(journal):
    """An alert about a fill, both in the journal; its number is 2."""
    fill = make_fill(time_ms=START_MS)
    alert = make_alert(
        rule="fills", time_ms=START_MS, title="Bought 3 BTC", details={"size": "3 BTC"}, cause=fill.name, body=""
    )
    journal.append([fill, alert])
    return alert


def lines_of(result) -> dict[str, str]:
    assert result.exit_code == 0, result.output
    return {line.split()[0]: " ".join(line.split()) for line in result.output.splitlines() if line.strip()}


def test_the_alert_its_rule_its_figures_and_its_cause_are_told(alert, make, chat):
    lines = lines_of(run("2"))
    assert lines["Alert"] == "Alert 2: Bought 3 BTC"
    assert lines["Rule:"] == 'Rule: fills (type = "fill", above = 5)'
    assert lines["Severity:"] == "Severity: warning, event"
    assert lines["Account:"] == f"Account: main {ALICE}"
    assert lines["Size:"] == "Size: 3 BTC"
    assert lines["Labels:"] == "Labels: coin BTC"
    assert lines["Cause:"].startswith('Cause: {"kind":"fill"')


def test_what_each_notifier_did_and_by_which_route_is_told(alert, make, chat, time):
    run_for(make(chat=chat, mail=Chat(), routes=ROUTES), time, 3)
    lines = lines_of(run("2"))
    assert lines["chat"] == 'chat sent 2025-10-09 08:53:21 route[0]: to = ["chat"], severity = "warning"'
    assert lines["mail"] == "mail dropped 2025-10-09 08:53:20 no route leads here"


def test_a_notifier_that_refused_it_is_told_with_its_reason(alert, make, time):
    run_for(make(chat=Chat(Permanent("chat not found")), routes=ROUTES), time, 3)
    assert "refused" in lines_of(run("2"))["chat"]
    assert "Permanent: chat not found" in lines_of(run("2"))["chat"]


def test_until_when_it_is_held_and_why_is_told(alert, make, chat, time):
    run_for(make(chat=chat, routes=[Route(to=("chat",), quiet_hours="08:00-09:00")]), time, 3)
    assert lines_of(run("2"))["chat"].startswith("chat waiting until 2025-10-09 09:00:00")
    assert lines_of(run("2"))["chat"].endswith("quiet hours until 2025-10-09 09:00 UTC")


def test_an_alert_that_nobody_looked_at_yet_says_so(alert):
    assert lines_of(run("2"))["chat"] == "chat the monitor has not looked at it yet"


def test_an_alert_from_before_the_outbox_says_so(alert, journal):
    journal.ack("notifier.chat", 2)
    assert lines_of(run("2"))["chat"] == "chat no record of it"


def test_an_alert_is_found_by_its_key(alert):
    assert lines_of(run(alert.key))["Alert"] == "Alert 2: Bought 3 BTC"


@pytest.mark.parametrize("text", ["1", "77", "nothing"])
def test_what_is_no_alert_is_said(alert, text):
    result = run(text)
    assert result.exit_code == 2
    assert f"there is no alert '{text}'; `hlmon explain` lists the latest" in result.output


def test_without_an_alert_the_latest_are_listed_newest_first(alert, journal, make, chat, time):
    assert run().output.count("Bought 3 BTC") == 1
    journal.append([make_alert(time_ms=START_MS + n, title=f"title {n}") for n in range(20)])
    run_for(make(chat=chat, routes=ROUTES), time, 3)
    output = run().output
    assert "Bought 3 BTC" not in output
    assert output.index("title 19") < output.index("title 18")
    assert output.count("chat sent") == 20


def test_an_alert_that_was_read_back_late_stands_at_its_time(journal):
    journal.append([make_alert(time_ms=START_MS + minute * 60_000, title=f"title {minute}") for minute in (1, 3, 2)])
    output = run().output
    assert output.index("title 3") < output.index("title 2") < output.index("title 1")


def test_without_any_alert_that_is_said(journal):
    assert run().output == "No alerts yet.\n"


def test_everything_is_there_as_json(alert, make, chat, time):
    run_for(make(chat=chat, routes=ROUTES), time, 3)
    told = json.loads(run("2", "--json").output)
    assert (told["id"], told["alert"]["title"], told["cause"]["kind"]) == (2, "Bought 3 BTC", "fill")
    assert told["rule"] == {"type": "fill", "above": 5}
    assert [(each["notifier"], each["state"], each["times_sent"]) for each in told["notices"]] == [("chat", "sent", 1)]
    assert [each["id"] for each in json.loads(run("--json").output)] == [2]
