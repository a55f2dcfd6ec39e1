"""What is true of every type of rule: it is quiet, it fires, it ends, it forgets nothing, it keeps the contract."""

from __future__ import annotations

import msgspec
import pytest

from hlmon.contract import Settings
from hlmon.rules.config import COMMON_WORDS, ConditionConfig
from hlmon.testing.builders import BOB
from hlmon.testing.deriver_contract import DeriverContract
from tests.core.rules.cases import CASES
from tests.core.rules.conftest import TYPES, Watch

CONDITIONS = [name for name, case in CASES.items() if case.over is not None]


def opened(name: str, more: str = "") -> Watch:
    case = CASES[name]
    return Watch(name, f"{case.toml}\n{more}", case.settings)


def run(rule: Watch, events):
    return rule(*(event for event in events if event.kind in rule.factory.kinds))


def test_every_type_has_a_case():
    assert CASES.keys() == TYPES.keys()
    assert [name for name, type_ in TYPES.items() if issubclass(type_.config, ConditionConfig)] == CONDITIONS


@pytest.mark.parametrize("name", CASES)
def test_it_is_quiet_and_then_fires_once(name):
    case, rule = CASES[name], opened(name)
    assert run(rule, case.quiet) == []
    (alert,) = run(rule, case.firing)
    assert alert.title == case.title
    assert alert.state == ("event" if case.over is None else "firing")
    assert alert.labels["type"] == name
    assert (alert.rule, alert.body) == ("my-rule", "")
    if case.details is not None:
        assert alert.details == case.details


@pytest.mark.parametrize("name", CONDITIONS)
def test_it_is_over_when_the_cause_is_gone(name):
    case, rule = CASES[name], opened(name)
    (firing,) = run(rule, [*case.quiet, *case.firing])
    (resolved,) = run(rule, case.over)
    assert (resolved.state, resolved.title) == ("resolved", f"Over: {case.title}")
    assert (resolved.account, resolved.subject, resolved.labels) == (firing.account, firing.subject, firing.labels)


@pytest.mark.parametrize("name", CASES)
def test_a_restart_before_every_event_changes_nothing(name):
    case = CASES[name]
    events = [*case.quiet, *case.firing, *(case.over or ())]
    undisturbed, disturbed = opened(name), opened(name)
    whole = run(undisturbed, events)
    parts = [alert for event in events for alert in run(disturbed.restart(), [event])]
    assert parts == whole


@pytest.mark.parametrize("name", [name for name in CASES if "accounts" in TYPES[name].config.__struct_fields__])
def test_other_accounts_than_those_asked_for_are_left_out(name):
    case = CASES[name]
    both = Settings(name="my-rule", accounts={**case.settings.accounts, BOB: "Second"}, coins=("BTC",))
    for account, count in (("Treasury", 1), ("second", 0)):
        rule = Watch(name, f'{case.toml}\naccounts = ["{account}"]', both)
        assert len(run(rule, [*case.quiet, *case.firing])) == count


@pytest.mark.parametrize("name", [n for n in CASES if "coins" in TYPES[n].config.__struct_fields__])
def test_other_coins_than_those_asked_for_are_left_out(name):
    case = CASES[name]
    events = [*case.quiet, *case.firing]
    if case.toml.startswith("coins"):
        assert run(Watch(name, case.toml.replace("BTC", "ETH"), case.settings), events) == []
        return
    with_coin = [event for event in events if getattr(event, "coin", "BTC") != "@107"]
    if name != "expression":  # there, of an account, which has no coin
        assert run(opened(name, 'coins = ["ETH"]'), with_coin) == []
    assert len(run(opened(name, 'coins = ["BTC"]'), with_coin)) == 1


@pytest.mark.parametrize("name", CASES)
def test_every_name_of_a_template_has_a_value_and_every_figure_is_a_name(name):
    rule = opened(name)
    speech = rule.config.speech
    names = {*speech.words, *speech.numbers}
    assert not set(COMMON_WORDS) & names
    assert set(speech.details) <= names
    case = CASES[name]
    found = []
    measure = rule.rule._measure
    rule.rule._measure = lambda *arguments: found.extend(each := list(measure(*arguments))) or each
    rule.rule._measure.memory = measure.memory
    run(rule, [*case.quiet, *case.firing])
    assert set().union(*(each.values for each in found)) - names <= ({"time_ms"} if name == "expression" else set())
    missing = {"stream", "from", "to", "lasted"} if name == "stream" else set()  # those of gaps
    assert names - set().union(*(each.values for each in found)) == missing


@pytest.mark.parametrize("name", CASES)
def test_a_template_may_use_every_name(name):
    speech = opened(name).config.speech
    everything = " ".join(f"{{{each}}}" for each in (*speech.words, *speech.numbers, *COMMON_WORDS))
    case = CASES[name]
    rule = Watch(name, f"{case.toml}\nbody = {msgspec.json.encode(everything).decode()}", case.settings)
    (alert,) = run(rule, [*case.quiet, *case.firing])
    assert "{" not in alert.body
    assert "my-rule" in alert.body


def contract_of(name: str) -> type[DeriverContract]:
    case = CASES[name]
    return type(
        f"Test_{name}",
        (DeriverContract,),
        {
            "__doc__": f"The type {name} keeps the contract of derivers.",
            "settings": case.settings,
            "factory": lambda self: TYPES[name],
            "config": lambda self: opened(name).config,
            "events": lambda self: [
                event for event in (*case.quiet, *case.firing, *(case.over or ())) if event.kind in TYPES[name].kinds
            ],
        },
    )


for _name in CASES:
    globals()[f"Test_{_name}"] = contract_of(_name)
