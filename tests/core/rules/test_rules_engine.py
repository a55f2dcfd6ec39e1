"""What every rule does alike: told once, after a while, with a cooldown, over once it is over; and across restarts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hlmon import ConfigError
from hlmon.contract import Settings
from hlmon.rules import engine
from hlmon.testing.builders import ALICE, BOB, START_MS, make_account_snapshot, make_fill, make_position_closed
from tests.core.rules.cases import position, state

D = Decimal


def health(seconds, score, account=ALICE):
    return make_account_snapshot(account=account, time_ms=START_MS + int(seconds * 1000), health_score=score)


def states(alerts):
    return [alert.state for alert in alerts]


def test_a_condition_is_told_once_when_it_begins_and_once_when_it_is_over(watch):
    rule = watch("health", "below = 30")
    assert rule(health(0, 80)) == []
    (firing,) = rule(health(60, 20), health(120, 19), health(180, 18))
    (resolved,) = rule(health(240, 80), health(300, 80))
    assert (firing.state, firing.title, firing.time_ms) == ("firing", "Health is down to 20", START_MS + 60_000)
    assert firing.cause == ("account", ALICE, str(START_MS + 60_000))
    assert firing.labels == {"type": "health"}
    assert (resolved.state, resolved.title) == ("resolved", "Over: Health is down to 20")
    assert (resolved.rule, resolved.account, resolved.subject) == (firing.rule, firing.account, firing.subject)
    assert (resolved.severity, resolved.labels) == (firing.severity, firing.labels)
    assert resolved.details["lasted"] == "3 min 0 s"
    assert resolved.details["health"] == "80"


def test_between_the_threshold_and_the_clear_value_everything_stays_as_it_was(watch):
    rule = watch("health", "below = 30\nclear = 50")
    assert rule(health(0, 40)) == []
    assert states(rule(health(60, 30))) == ["firing"]
    assert rule(health(120, 49), health(180, 31), health(240, 29)) == []
    assert states(rule(health(300, 50), health(360, 40))) == ["resolved"]


def test_without_a_clear_value_the_condition_is_over_a_tenth_inside_the_threshold(watch):
    rule = watch("health", "below = 30")
    assert states(rule(health(0, 30), health(60, 32), health(120, 33))) == ["firing", "resolved"]


def test_a_condition_must_hold_for_so_long_without_a_break(watch):
    rule = watch("health", "below = 30\nfor_seconds = 120")
    assert rule(health(0, 20), health(60, 20), health(100, 80), health(120, 20), health(239, 20)) == []
    assert states(rule(health(240, 20))) == ["firing"]


def test_how_long_it_has_held_survives_a_restart(watch):
    rule = watch("health", "below = 30\nfor_seconds = 120")
    rule(health(0, 20))
    assert states(rule.restart()(health(120, 20))) == ["firing"]


def test_a_condition_that_is_told_is_not_told_again_after_a_restart_but_its_end_is(watch):
    rule = watch("health", "below = 30")
    rule(health(0, 20))
    assert rule.restart()(health(60, 20)) == []
    assert states(rule.restart()(health(120, 90))) == ["resolved"]


def test_after_a_kill_what_was_told_is_known_from_the_stored_alerts(watch):
    rule = watch("health", "below = 30")
    stored = [health(0, 20), health(60, 20)]
    rule(*stored)
    assert rule.rebuild(*stored)(health(120, 20)) == []
    assert states(rule(health(180, 90))) == ["resolved"]
    assert states(rule.rebuild(*stored, health(180, 90))(health(240, 20))) == ["firing"]


def test_after_a_kill_the_end_that_was_told_is_known_from_the_stored_alerts_alone(watch):
    rule = watch("liquidation_distance")
    near, far = (position(position_value=D(value)) for value in (98_000, 150_000))
    rule(state(0, near), state(5, far))
    assert states(rule.rebuild()(state(10, near))) == ["firing"]


def test_a_rule_that_is_added_to_an_old_journal_tells_what_holds_now(watch):
    rule = watch("health", "below = 30").rebuild(health(0, 20))
    assert states(rule(health(60, 20))) == ["firing"]


def test_the_alerts_of_other_rules_are_not_its_own(watch):
    rule, other = watch("health", "below = 30"), watch("health", "below = 30", Settings(name="other"))
    rule.told += other(health(0, 20))
    assert states(rule.rebuild()(health(60, 20))) == ["firing"]


def test_within_the_cooldown_a_condition_is_not_told_again_and_after_it_is_if_it_holds(watch):
    rule = watch("health", "below = 30\ncooldown_seconds = 600")
    assert states(rule(health(0, 20), health(60, 90))) == ["firing", "resolved"]
    assert rule(health(120, 20), health(600, 20)) == []
    assert states(rule.restart()(health(660, 20))) == ["firing"]


def test_resolved_false_keeps_the_end_to_itself(watch):
    rule = watch("health", "below = 30\nresolved = false")
    assert states(rule(health(0, 20), health(60, 90), health(120, 20))) == ["firing", "firing"]


def test_each_account_has_its_own_condition(watch):
    rule = watch("health", "below = 30")
    assert [alert.account for alert in rule(health(0, 20), health(1, 20, BOB), health(2, 20))] == [ALICE, BOB]


def test_an_end_in_the_millisecond_of_the_beginning_is_an_alert_of_its_own(watch):
    rule = watch("health", "below = 30")
    firing, resolved = rule(health(0, 20), health(0, 90))
    assert firing.name != resolved.name


def test_happenings_are_told_each_and_with_a_cooldown_once_for_each_coin(watch):
    times = {"a": 0, "b": 30, "c": 60}
    closes = [
        make_position_closed(time_ms=START_MS + at * 1000, trigger=trigger, coin=coin)
        for trigger, at in times.items()
        for coin in ("BTC", "ETH")
    ]
    assert len(watch("position_closed")(*closes)) == 6
    cooled = watch("position_closed", "cooldown_seconds = 60")
    assert [alert.labels["coin"] for alert in cooled(*closes[:2])] == ["BTC", "ETH"]
    assert cooled.restart()(*closes[2:4]) == []
    assert cooled.rebuild()(*closes[2:4]) == []
    assert len(cooled(*closes[4:])) == 2


@pytest.mark.parametrize(
    ("toml", "count"),
    [
        ('coins = ["BTC"]', 1),
        ('coins = ["ETH"]', 0),
        (f'accounts = ["{ALICE.upper().replace("X", "x")}"]', 1),
        ('accounts = ["treasury"]', 1),
        (f'accounts = ["{BOB}"]', 0),
        ('accounts = ["Treasury"]\ncoins = ["ETH"]', 0),
    ],
)
def test_accounts_and_coins_narrow_what_is_told(watch, toml, count):
    assert len(watch("position_closed", toml)(make_position_closed())) == count


@pytest.mark.parametrize("account", ["Treasure", "0x" + "cc" * 20])
def test_an_account_that_is_not_watched_is_refused(watch, account):
    with pytest.raises(ConfigError, match=r"^accounts: unknown account"):
        watch("health", f'accounts = ["{account}"]')


def test_a_private_key_among_the_accounts_is_refused_without_an_echo(watch):
    with pytest.raises(ConfigError, match="private key") as caught:
        watch("health", f'accounts = ["0x{"ab" * 32}"]')
    assert "abab" not in str(caught.value)


def test_severity_labels_title_and_body_are_the_users(watch):
    rule = watch(
        "position_closed",
        'severity = "critical"\nlabels = {desk = "eu", coin = "other"}\n'
        'title = "{label}: {coin} {net:+.1f} ({held})"\nbody = "{rule} of {account}, {{{severity}}}"',
    )
    close = make_position_closed(time_ms=START_MS, opened_ms=START_MS - 60_000)
    (alert,) = rule(close)
    assert alert.severity == "critical"
    assert alert.labels["desk"] == "eu"
    assert alert.labels["coin"] == "other"
    assert alert.labels["type"] == "position_closed"
    assert alert.title == "Treasury: BTC +900.0 (1 min 0 s)"
    assert alert.body == f"my-rule of {ALICE}, {{critical}}"


def test_a_value_that_is_not_known_leaves_nothing_in_its_place(watch):
    rule = watch("position_closed", 'title = "net {net:.2f}{entry}!"')
    assert rule.titles(make_position_closed(net_pnl=None, entry_price=None)) == ["net !"]


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ('title = "{coins}"', "title: unknown name 'coins'; did you mean 'coin'?"),
        ('title = "{coin.upper}"', "title: unknown name 'coin.upper'; known: account, "),
        ('title = "{net!r}"', "title: {net!r}: a name must stand alone, without !r"),
        ('body = "{coin:.2f}"', "body: {coin:.2f}: not a format for a text"),
        ('body = "{net:{width}}"', "body: {net:{width}}: not a format for a number"),
        ('body = "{net"', "body: expected '}' before end of string"),
        ('body = "{}"', "body: unknown name ''"),
    ],
)
def test_a_template_that_cannot_work_is_refused_when_the_config_is_read(watch, toml, problem):
    with pytest.raises(ConfigError) as caught:
        watch("position_closed", toml)
    assert str(caught.value).startswith(f"rule.my-rule: {problem}")


@pytest.mark.parametrize(
    ("type_", "toml", "problem"),
    [
        ("health", "below = 30\nclear = 20", "clear: must not be less than below"),
        ("leverage", "above = 5\nclear = 6", "clear: must not be more than above"),
        ("health", "belov = 3", "belov: unknown field; did you mean 'below'?"),
        ("health", 'coins = ["BTC"]', "coins: unknown field"),
        ("health", 'severity = "loud"', "severity: must be one of 'info', 'warning', 'critical'"),
        ("health", "for_seconds = -1", "for_seconds: must be at least 0"),
    ],
)
def test_a_config_that_cannot_work_is_refused_with_its_path(watch, type_, toml, problem):
    with pytest.raises(ConfigError) as caught:
        watch(type_, toml)
    assert problem in str(caught.value)


def test_what_is_remembered_has_a_limit(watch, monkeypatch):
    monkeypatch.setattr(engine, "MAX_SUBJECTS", 3)
    rule = watch("position_closed", "cooldown_seconds = 60")
    rule(*(make_position_closed(coin=f"COIN{number}") for number in range(10)))
    assert len(rule.rule._standing[ALICE]) == 3


def test_events_of_a_kind_that_a_rule_does_not_want_are_no_fault(watch):
    assert watch("expression", 'event = "funding"\nwhen = "true"')(make_fill()) == []
