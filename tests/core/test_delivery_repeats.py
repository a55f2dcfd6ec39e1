"""How often a condition is told while it lasts, and who tells its end."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from hlmon.errors import Transient
from hlmon.testing.builders import make_alert
from tests.core.alerting import condition
from tests.servers.dispatching import AT_ONCE, Chat, alerts_of, run_for


def told(chat):
    return [alert.title for message in chat.messages for alert in message]


def test_a_condition_is_told_again_while_it_fires_and_not_after_its_end(journal, time, chat, make):
    route = replace(AT_ONCE, repeat_minutes=10)
    journal.append([condition(time, title="margin 90 %")])
    run_for(make(chat=chat, routes=[route]), time, 700, step_ms=1_000)
    dispatchers = make(chat=chat, routes=[route])  # also across a restart
    run_for(dispatchers, time, 600, step_ms=1_000)
    assert told(chat) == ["margin 90 %", "Still: margin 90 %", "Still: margin 90 %"]
    journal.append([condition(time, "resolved", title="margin 40 %")])
    run_for(dispatchers, time, 3_600, step_ms=10_000)
    assert told(chat)[3:] == ["margin 40 %"]
    assert journal.query("SELECT times_sent FROM notices ORDER BY seq") == [(3,), (1,)]


@pytest.mark.parametrize("gone", [{"rules": ("closes",)}, {"accounts": {}}], ids=["rule", "account"])
def test_a_condition_whose_rule_or_account_is_gone_is_not_told_again(journal, time, chat, make, gone):
    journal.append([condition(time)])
    routes = [replace(AT_ONCE, repeat_minutes=10)]
    run_for(make(chat=chat, routes=routes), time, 3)
    run_for(make(chat=chat, routes=routes, **gone), time, 3_600, step_ms=10_000)
    assert len(chat.messages) == 1


def test_without_repeat_minutes_a_condition_is_told_once(journal, time, chat, make):
    journal.append([condition(time)])
    run_for(make(chat=chat, routes=[AT_ONCE]), time, 86_400, step_ms=600_000)
    assert len(chat.messages) == 1


def test_a_happening_is_never_told_again(journal, time, chat, make):
    journal.append(alerts_of(1, time))
    run_for(make(chat=chat, routes=[replace(AT_ONCE, repeat_minutes=1)]), time, 600, step_ms=5_000)
    assert len(chat.messages) == 1


def test_a_beginning_and_an_end_in_one_outage_become_one_message(journal, time, make):
    class Down(Chat):
        def send(self, alerts):
            if not self.calls:
                journal.append([condition(time), condition(time, "resolved", time_ms=time.now_ms + 1)])
            super().send(alerts)

    chat = Down(Transient("down"))
    journal.append([make_alert(time_ms=time.now_ms, rule="other")])
    run_for(make(chat=chat, routes=[AT_ONCE]), time, 5)
    assert [[alert.state for alert in message] for message in chat.messages] == [["firing", "resolved"], ["event"]]


def test_of_a_condition_that_comes_and_goes_within_one_read_every_step_is_told(journal, time, chat, make):
    steps = ["firing", "resolved", "firing", "resolved"]
    journal.append([condition(time, state, time_ms=time.now_ms + n) for n, state in enumerate(steps)])
    run_for(make(chat=chat), time, 3)
    assert [[alert.state for alert in message] for message in chat.messages] == [steps]


def test_the_end_is_told_only_by_the_notifier_that_told_the_beginning(journal, time, make):
    chat, mail = Chat(), Chat()
    routes = [replace(AT_ONCE, to=("chat",), severity="critical"), replace(AT_ONCE, to=("mail",), severity="critical")]
    dispatchers = make(chat=chat, mail=mail, routes=routes[:1])
    journal.append([condition(time, severity="critical")])
    run_for(dispatchers, time, 1)
    journal.append([condition(time, "resolved", severity="info")])
    run_for(dispatchers, time, 2)
    assert (len(chat.messages), len(mail.messages)) == (2, 0)
