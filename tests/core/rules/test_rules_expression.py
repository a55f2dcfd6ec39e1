"""The rule `expression`: CEL over the fields of every kind of event, checked before anything runs."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest

from hlmon import ConfigError
from hlmon.rules.expression import KINDS, field_names
from hlmon.status import AccountStatus
from hlmon.testing.builders import (
    ALICE,
    READING_BUILDERS,
    START_MS,
    STORED_BUILDERS,
    make_fill,
    make_order,
    make_position,
    make_pulse,
)

D = Decimal


def toml(event, when, more=""):
    return f"event = '{event}'\nwhen = '''{when}'''\n{more}"


def test_each_fact_for_which_it_is_true_is_an_alert_with_the_fields_as_figures(watch):
    rule = watch("expression", toml("fill", 'coin == "BTC" && size * price >= 50000.0', 'title = "{coin}: {size:.2f}"'))
    assert rule(make_fill(size=D("0.4")), make_fill(coin="ETH")) == []
    first, second = rule(make_fill(), make_fill(time_ms=START_MS, size=D("0.5")))
    assert (first.state, first.title, second.title) == ("event", "BTC: 1.00", "BTC: 0.50")
    assert first.labels == {"coin": "BTC", "side": "buy", "type": "expression"}
    assert first.details["price"] == "100,000"


def test_what_holds_is_a_condition_of_its_coin(watch):
    rule = watch("expression", toml("position", "is_open && unrealized_pnl < -100"))
    losing = make_position(coin="BTC", unrealized_pnl=D(-101))
    other = make_position(coin="ETH", unrealized_pnl=D(-101))
    well = make_position(coin="BTC", unrealized_pnl=D(5))
    alerts = rule(losing, other, losing, well)
    assert [(alert.labels["coin"], alert.state) for alert in alerts] == [
        ("BTC", "firing"),
        ("ETH", "firing"),
        ("BTC", "resolved"),
    ]
    assert alerts[0].title == "my-rule: BTC position"


def test_each_turns_a_state_into_happenings(watch):
    rule = watch("expression", toml("order", 'status == "filled"', "each = true"))
    assert [alert.state for alert in rule(make_order(status="filled"), make_order(status="filled"))] == ["event"] * 2


def test_a_condition_of_an_expression_may_have_to_hold_for_a_while(watch):
    rule = watch("expression", toml("position", "leverage > 5.0", "for_seconds = 60"))
    held = [make_position(coin="BTC", time_ms=START_MS + seconds * 1000) for seconds in (0, 59, 60)]
    assert rule(*held[:2]) == []
    assert len(rule(held[2])) == 1


def test_what_is_not_set_is_null_and_makes_an_expression_that_needs_it_untrue(watch):
    rule = watch("expression", toml("fill", "twap_id == null && start_position > 1"))
    assert rule(make_fill(start_position=None)) == []
    assert len(rule(make_fill(start_position=D(2)))) == 1
    assert rule(make_fill(start_position=D(2), twap_id=7)) == []


def test_lists_and_structs_inside_an_event_can_be_asked(watch):
    rule = watch("expression", toml("pulse", 'sources.exists(s, s.accounts.exists(a, a.status == "refused"))'))
    assert rule(make_pulse()) == []
    assert len(rule(make_pulse(AccountStatus(address=ALICE, status="refused")))) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_event_can_be_asked(watch, kind):
    event = (STORED_BUILDERS | READING_BUILDERS)[kind]()
    field = next(name for name in field_names(type(event)) if name != "time_ms")
    assert len(watch("expression", toml(kind, f"time_ms > 0 || {field} == {field}"))(event)) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (toml("fil", "true"), "event: unknown kind 'fil'; did you mean 'fill'?"),
        (toml("alert", "true"), "event: unknown kind 'alert'"),
        (toml("fill", "sise > 1"), "when: fill has no field 'sise'; did you mean 'size'?"),
        (toml("fill", "coin == 'BTC' || sise > 1"), "when: fill has no field 'sise'"),
        (toml("fill", "size >"), "when: Failed to parse expression"),
        (toml("fill", "size"), "when: must be true or false, not float"),
        (toml("fill", "size * 2 > 1"), "when: Unsupported operation: float * int"),
        (toml("fill", "nosuch(size)"), "when: Undefined variable or function: 'nosuch'"),
        (toml("account", "true", "until = 'health > 3'"), "until: account has no field 'health'"),
        (toml("fill", "true", "for_seconds = 1"), "for_seconds and until are for conditions"),
        (toml("fill", "true", "title = '{coins}'"), "title: unknown name 'coins'; did you mean 'coin'?"),
        ("event = 'fill'", "when: is required"),
    ],
)
def test_an_expression_that_cannot_work_is_refused_when_the_config_is_read(watch, text, problem):
    with pytest.raises(ConfigError) as caught:
        watch("expression", text)
    assert problem in str(caught.value)


def test_the_library_is_loaded_only_for_a_rule_that_needs_it():
    code = "import sys, hlmon.rules.types; sys.exit('cel' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_the_library_the_error_says_what_to_install(watch, monkeypatch):
    monkeypatch.setitem(sys.modules, "cel", None)
    with pytest.raises(ConfigError, match=r"when: CEL is not installed; run: pip install 'hlmon-core\[expressions\]'"):
        watch("expression", toml("fill", "true"))
