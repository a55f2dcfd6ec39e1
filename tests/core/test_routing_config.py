"""What a config says about the ways of alerts, and what is wrong with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hlmon.config import load_config
from hlmon.errors import ConfigError
from hlmon.parts import enable
from hlmon.plugins import load_catalogue
from hlmon.routing import Inhibit, NotifierPolicy, Route
from hlmon.routing.match import DEFAULT_INHIBIT

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "alerts.md").read_text()
PHONE = '[notifier.phone]\ntype = "log"\n'
CLOSES = '[rule.closes]\ntype = "position_closed"\n'


def load(text):
    return load_config(None, environ={"HLMON_CONFIG_TOML": text})


def enabled(text):
    return enable(load(text), load_catalogue(disabled=frozenset()))


def test_the_example_of_the_page_is_a_config_that_enables_what_it_names():
    (example,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert [part.name for part in enabled(example).notifiers] == ["phone", "mail"]


def test_a_route_says_how_alerts_are_grouped_repeated_and_held():
    route = """[[route]]
        to = ["phone"]
        labels.coin = ["BTC", "ETH"]
        group_by = ["coin"]
        wait_seconds = 2
        repeat_minutes = 30
        quiet_hours = "22:00-07:00"
        quiet_below = "warning"
        zone = "Europe/Berlin"
    """
    assert load(PHONE + route).route == (
        Route(
            to=("phone",),
            labels={"coin": ("BTC", "ETH")},
            group_by=("coin",),
            wait_seconds=2.0,
            repeat_minutes=30.0,
            quiet_hours="22:00-07:00",
            quiet_below="warning",
            zone="Europe/Berlin",
        ),
    )


def test_every_notifier_has_limits_of_its_own_which_its_plugin_does_not_see():
    text = PHONE + "messages_per_minute = 5\nfallback_after_minutes = 1\n" + '[notifier.mail]\ntype = "log"\n'
    config = load(text)
    assert config.notifier_policies == {
        "phone": NotifierPolicy(messages_per_minute=5, fallback_after_minutes=1.0),
        "mail": NotifierPolicy(),
    }
    assert [dict(part.fields) for part in config.parts("notifier")] == [{}, {}]
    assert len(enabled(text).notifiers) == 2


def test_the_limits_are_no_fields_of_a_sink():
    (sink,) = load('[sink.archive]\ntype = "jsonl"\nfallback = []').parts("sink")
    assert dict(sink.fields) == {"fallback": []}


def test_without_an_inhibition_a_liquidation_mutes_warnings_of_it():
    assert load("").inhibit == DEFAULT_INHIBIT
    assert load("inhibit = []").inhibit == ()
    own = f'{CLOSES}[[inhibit]]\nrules = ["closes"]\nmutes = ["position_closed"]\nminutes = 5'
    assert load(own).inhibit == (Inhibit(rules=("closes",), mutes=("position_closed",), minutes=5.0),)
    assert enabled(own)


WRONG = {
    f'{PHONE}[[route]]\nto = ["phone"]\nquiet_hours = "22-7"': (
        "route[0]: quiet_hours: must be two times of a day, such as 22:00-07:00"
    ),
    f'{PHONE}[[route]]\nto = ["phone"]\nzone = "Mars"': (
        "route[0]: zone: must be the name of a time zone, such as Europe/Berlin"
    ),
    f'{PHONE}[[route]]\nto = ["phone"]\nrepeat_minutes = 0.5': "route[0].repeat_minutes: must be at least 1.0",
    f'{PHONE}[[route]]\nto = ["phone"]\nlabels.coin = "BTC"': "route[0].labels.coin: must be a list, not text",
    f'{PHONE}[[route]]\nto = ["phone"]\nrules = ["close"]\n{CLOSES}': (
        "route[0].rules: unknown rule 'close'; did you mean 'closes'?"
    ),
    f"{PHONE}messages_per_minute = 0": "notifier.phone.messages_per_minute: must be at least 1",
    f'{PHONE}fallback = ["mial"]\n[notifier.mail]\ntype = "log"': (
        "notifier.phone.fallback[0]: unknown notifier 'mial'; did you mean 'mail'?"
    ),
    f'{PHONE}fallback = ["phone"]': "notifier.phone.fallback[0]: must be another notifier",
    f'{PHONE}fallback = "mail"': "notifier.phone.fallback: must be a list, not text",
    f"{PHONE}mesages_per_minute = 3": "notifier.phone.mesages_per_minute: unknown field",
    "[inhibit]\nrules = []": "inhibit: must be written [[inhibit]]",
    f'{CLOSES}[[inhibit]]\nrules = ["closed"]\nmutes = ["closes"]': (
        "inhibit[0].rules: unknown rule 'closed'; did you mean 'closes'?"
    ),
    f'{CLOSES}[[inhibit]]\nrules = ["closes"]\nmutes = ["margn"]': "inhibit[0].mutes: unknown rule 'margn'",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said_with_its_path(text):
    with pytest.raises(ConfigError) as caught:
        enabled(text)
    assert re.match(rf"HLMON_CONFIG_TOML:\d+: {re.escape(WRONG[text])}", str(caught.value))
    assert str(caught.value).count("\n") == 0
