"""`hlmon rules test` and `hlmon rules backtest`."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from click.testing import CliRunner

from hlmon.cli import program
from hlmon.cli.rules import time_of
from hlmon.errors import ConfigError
from hlmon.events import encode
from hlmon.rules.expression import KINDS
from hlmon.rules.trial import make_event
from hlmon.testing.builders import (
    ALICE,
    make_account_snapshot,
    make_account_state,
    make_alert,
    make_fill,
    make_position_closed,
)
from tests.core.rules.cases import at, state

CONFIG = f"""
[[account]]
address = "{ALICE}"
label = "main"
[rule.big]
type = "fill"
above = 1000
[rule.weak]
type = "health"
below = 30
for_seconds = 120
[rule.near]
type = "liquidation_distance"
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hlmon.toml").write_text(CONFIG)
    return tmp_path


def run(*arguments, code=0):
    result = CliRunner().invoke(program, ["rules", *arguments], prog_name="hlmon")
    assert result.exit_code == code, result.output
    return result.output


def test_an_event_that_is_made_up_is_told_by_the_rules_that_it_concerns():
    output = run("test", "--event", "fill", "--set", "coin=ETH", "--set", "size=2", "--set", "price=4000.5")
    assert output.splitlines() == [
        "big (fill): alert",
        "  info, event: Bought 2 ETH at 4,000.5",
        "    value: 8,001.00 USDC",
        "    fee: 0.00 USDC",
        "weak (health): not about such an event",
        "near (liquidation_distance): not about such an event",
    ]
    assert "big (fill): nothing" in run("test", "--event", "fill")


def test_a_condition_is_taken_to_have_held():
    output = run("test", "--rule", "weak", "--event", "account", "--set", "health_score=12")
    assert output.startswith("weak (health): alert\n  warning, firing: Health is down to 12\n")


def test_events_of_a_file_are_seen_in_their_order_readings_too(place):
    near = state(0, *make_account_state().dexes[0].positions)
    (place / "events.jsonl").write_bytes(b"\n".join(map(encode, [make_fill(), make_fill(), near])))
    assert "big (fill): 2 alerts" in run("test", "events.jsonl")


def test_the_newest_event_of_the_journal_can_be_tried(journal):
    journal.append([make_fill(), make_fill(size=Decimal(7)), make_position_closed()])
    (big, _, _) = json.loads(run("test", "--last", "fill", "--json"))
    assert [alert["title"] for alert in big["alerts"]] == ["Bought 7 BTC at 100,000"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["test"], "say which event"),
        (["test", "--event", "fill", "--last", "fill"], "say which event"),
        (["test", "--event", "fil"], "unknown kind of event 'fil'; did you mean 'fill'?"),
        (["test", "--event", "fill", "--set", "sise=1"], "fill has no field 'sise'; did you mean 'size'?"),
        (["test", "--event", "fill", "--set", "size=big"], "fill: Invalid decimal string"),
        (["test", "--event", "fill", "--set", "size"], "--set size: must be FIELD=VALUE"),
        (["test", "--event", "fill", "--rule", "bigg"], "--rule: unknown rule 'bigg'; did you mean 'big'?"),
        (["backtest", "--since", "soon"], "--since: 'soon' is neither an age"),
    ],
)
def test_what_cannot_be_tried_is_said(arguments, problem):
    assert problem in run(*arguments, code=2)


def test_what_the_journal_does_not_have_is_said(journal):
    assert "--last fill: the journal has none" in run("test", "--last", "fill", code=2)
    assert "--last pulse: events of this kind are not kept" in run("test", "--last", "pulse", code=2)


def test_a_line_that_is_no_event_is_named(place):
    (place / "events.jsonl").write_bytes(encode(make_fill()) + b'\n{"kind": "fill"}\n')
    assert "line 2: not an event" in run("test", "events.jsonl", code=2)


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_of_every_kind_can_be_made_up(kind):
    event = make_event(kind, {}, account=ALICE, time_ms=5)
    assert (event.kind, event.account, event.time_ms) == (kind, ALICE, 5)


def test_a_backtest_lists_what_would_have_been_said_since_then(journal):
    scores = {0: 20, 60: 20, 120: 20, 180: 90}
    journal.append(
        [
            make_fill(time_ms=at(-5)),
            make_fill(time_ms=at(5)),
            make_alert(rule="weak", subject="health_score", state="firing", time_ms=at(0)),
        ]
    )
    journal.append([make_account_snapshot(time_ms=at(second), health_score=score) for second, score in scores.items()])
    found = json.loads(run("backtest", "--since", "2025-10-10", "--json"))
    assert [(alert["rule"], alert.get("state", "event"), alert["time_ms"]) for alert in found["alerts"]] == [
        ("big", "event", at(5)),
        ("weak", "firing", at(120)),
        ("weak", "resolved", at(180)),
    ]
    assert found["left_out"] == ["near"]
    assert len(journal.states("alert")) == 1
    output = run("backtest", "--since", "2025-10-10")
    assert "2025-10-10 00:02:00" in output
    assert "big: 1 alerts\nweak: 2 alerts\nnear: left out" in output


def test_a_backtest_lists_in_order_of_time_what_was_read_back_later(journal):
    journal.append([make_fill(time_ms=at(second)) for second in (10, 30, 20)])
    found = json.loads(run("backtest", "--since", "2025-10-10", "--rule", "big", "--json"))
    assert [alert["time_ms"] for alert in found["alerts"]] == [at(10), at(20), at(30)]


def test_a_backtest_without_any_alert_says_so_for_each_rule(journal):
    assert run("backtest", "--since", "1h", "--rule", "big") == "big: 0 alerts\n"


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("30m", 1_800_000_000 - 1_800_000),
        ("2w", 1_800_000_000 - 1_209_600_000),
        ("1970-01-02", 86_400_000),
        ("1970-01-02T00:00:01", 86_401_000),
        ("1970-01-02T01:00:00+01:00", 86_400_000),
    ],
)
def test_a_moment_is_an_age_or_a_date_in_utc(text, time_ms):
    assert time_of(text, 1_800_000_000) == time_ms


def test_a_moment_that_is_neither_is_refused():
    with pytest.raises(ConfigError):
        time_of("7 days", 0)


def test_hlmon_check_finds_a_rule_that_could_never_speak(place):
    check = ["check", "-c", "hlmon.toml"]
    assert CliRunner().invoke(program, check).exit_code == 0
    (place / "hlmon.toml").write_text(CONFIG + '[rule.flow]\ntype = "cvd"\ncoins = ["ETH"]\nabove = 1\n')
    result = CliRunner().invoke(program, check)
    assert result.exit_code == 2
    assert "rule.flow.coins: 'ETH' is not counted" in result.output
