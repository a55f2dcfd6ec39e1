"""A message that a notifier does not take waits by itself; only trouble of the channel stops the channel."""

from __future__ import annotations

import itertools

import pytest
from msgspec.structs import replace

from hlmon.errors import Permanent, Transient
from hlmon.routing import NotifierPolicy
from hlmon.testing.builders import make_alert
from tests.core.alerting import condition
from tests.servers.dispatching import AT_ONCE, Chat, alerts_of, run_for, states, work

FAST = {"chat": NotifierPolicy(messages_per_minute=100_000)}


class Picky(Chat):
    """Does not take messages with these alerts, for a reason that may pass."""

    def __init__(self, never=(), error=None):
        super().__init__()
        self.never, self.error = {alert.key for alert in never}, error or Transient("documents are forbidden here")

    def send(self, alerts):
        if self.never & {alert.key for alert in alerts}:
            self.calls.append(list(alerts))
            raise self.error
        super().send(alerts)


def told(chat):
    return [alert for message in chat.messages for alert in message]


def turns(dispatcher, number):
    for _ in range(number):
        dispatcher.deliver_next()


@pytest.mark.parametrize("error", [Transient("documents are forbidden"), TimeoutError("late"), OSError("reset")])
def test_one_message_that_may_not_be_sent_does_not_hold_up_the_others(journal, time, make, error):
    bad, *good = [make_alert(time_ms=time.now_ms, rule=f"rule-{number}") for number in range(200)]
    chat = Picky([bad], error)
    journal.append([bad, *good])
    (dispatcher,) = make(chat=chat, routes=[AT_ONCE], policies=FAST)
    started_ms = time.now_ms
    turns(dispatcher, 300)
    assert told(chat) == good
    assert time.now_ms - started_ms < 60_000
    assert states(journal) == ["waiting", *["sent"] * 199]


def test_the_one_that_waits_is_tried_with_growing_pauses_and_sent_when_it_may(journal, time, make):
    (bad,) = alerts_of(1, time)
    chat = Picky([bad])
    journal.append([bad])
    (dispatcher,) = make(chat=chat, routes=[AT_ONCE], policies=FAST, backoff=lambda attempt, _: 2.0**attempt)
    calls_at = []
    while len(chat.calls) < 6:
        before = len(chat.calls)
        turns(dispatcher, 1)
        calls_at += [time.now_ms] * (len(chat.calls) > before)
    assert [round((b - a) / 1000) for a, b in itertools.pairwise(calls_at)] == [1, 2, 4, 8, 16]
    chat.never.clear()
    work(dispatcher)
    assert (chat.messages, states(journal)) == ([[bad]], ["sent"])


def test_an_alert_that_comes_while_another_one_waits_is_sent_within_seconds(journal, time, make):
    bad, late = make_alert(time_ms=time.now_ms, rule="bad"), make_alert(time_ms=time.now_ms, rule="late")
    chat = Picky([bad])
    journal.append([bad])
    (dispatcher,) = make(chat=chat, routes=[AT_ONCE], policies=FAST, backoff=lambda *_: 60.0)
    turns(dispatcher, 5)
    came_ms = time.now_ms
    journal.append([late])
    while not chat.messages:
        turns(dispatcher, 1)
    assert (chat.messages, time.now_ms - came_ms < 2_000) == ([[late]], True)


def test_an_alert_is_sent_though_more_than_a_thousand_before_it_wait(journal, time, make):
    bad, late = alerts_of(1_500, time, rule="bad"), make_alert(time_ms=time.now_ms, rule="late")
    chat = Picky(bad)
    journal.append(bad)
    (dispatcher,) = make(chat=chat, routes=[AT_ONCE], policies=FAST, max_batch=2_000, backoff=lambda *_: 30.0)
    turns(dispatcher, 3)
    came_ms = time.now_ms
    journal.append([late])
    turns(dispatcher, 20)
    assert (chat.messages, states(journal).count("waiting")) == ([[late]], 1_500)
    assert time.now_ms - came_ms < 60_000


def test_alerts_that_are_refused_again_and_again_take_every_other_turn_at_most(journal, time, make):
    bad = [make_alert(time_ms=time.now_ms, rule=f"bad-{number}", severity="critical") for number in range(30)]
    good = [make_alert(time_ms=time.now_ms, rule=f"good-{number}", severity="info") for number in range(30)]
    chat = Picky(bad)
    journal.append(bad)
    (dispatcher,) = make(chat=chat, routes=[AT_ONCE], policies=FAST, backoff=lambda *_: 0.001)  # all due, all the time
    turns(dispatcher, 100)
    journal.append(good)
    before = len(chat.calls)
    while len(told(chat)) < len(good) and len(chat.calls) < before + 1_000:
        turns(dispatcher, 1)
    assert len(chat.calls) - before <= 2 * len(good) + 1


def test_one_alert_that_is_not_taken_is_parted_from_its_group(journal, time, make):
    alerts = alerts_of(8, time, rule="fill")
    other = make_alert(time_ms=time.now_ms, rule="other")
    chat = Picky([alerts[5]])
    journal.append([*alerts, other])
    (dispatcher,) = make(chat=chat, routes=[AT_ONCE], policies=FAST)
    turns(dispatcher, 100)
    assert {alert.key for alert in told(chat)} == {alert.key for alert in [*alerts[:5], *alerts[6:], other]}
    assert states(journal).count("waiting") == 1


def test_while_the_whole_channel_is_in_trouble_its_attempts_become_seldom(journal, time, make):
    alerts = [make_alert(time_ms=time.now_ms, rule=f"rule-{number}") for number in range(50)]
    chat = Picky(alerts)
    journal.append(alerts)
    (dispatcher,) = make(chat=chat, routes=[AT_ONCE], policies=FAST, backoff=lambda n, _: min(60.0, 2.0**n))
    end_ms = time.now_ms + 3_600_000
    while time.now_ms < end_ms:
        turns(dispatcher, 1)
    assert 60 <= len(chat.calls) <= 75
    chat.never.clear()
    work(dispatcher)
    assert len(told(chat)) == 50
    assert time.now_ms < end_ms + 61_000


def test_the_wait_that_the_service_asks_for_is_kept_for_every_message(journal, time, make):
    first, second = (make_alert(time_ms=time.now_ms, rule=rule) for rule in "ab")
    chat = Chat(Transient("429", retry_after=300.0))
    journal.append([first, second])
    started_ms = time.now_ms
    work(*make(chat=chat, routes=[AT_ONCE], policies=FAST))
    assert (len(chat.calls), len(told(chat))) == (3, 2)
    assert time.now_ms - started_ms >= 300_000


@pytest.mark.parametrize("group_by", [("rule", "account"), ("severity",), ("state",), ("part",)])
def test_an_end_never_overtakes_its_beginning_that_waits(journal, time, make, group_by):
    beginning = condition(time, labels={"part": "1"})
    chat = Picky([beginning])
    journal.append([beginning])
    (dispatcher,) = make(chat=chat, routes=[replace(AT_ONCE, group_by=group_by)], policies=FAST)
    turns(dispatcher, 3)
    journal.append([condition(time, "resolved", severity="critical", labels={"part": "2"})])
    journal.append(alerts_of(2, time, rule="other"))
    turns(dispatcher, 50)
    assert [alert.rule for alert in told(chat)] == ["other"] * 2
    chat.never.clear()
    work(dispatcher)
    assert [alert.state for alert in told(chat) if alert.rule != "other"] == ["firing", "resolved"]


def test_an_end_is_not_sent_without_its_refused_beginning_however_much_waits_between(journal, time, make):
    beginning, end = condition(time), condition(time, "resolved", time_ms=time.now_ms + 1)
    between = alerts_of(1_500, time, rule="other")
    journal.append([beginning, *between, end])
    chat = Picky([beginning], Permanent("400: not this one"))
    run_for(make(chat=chat, policies=FAST), time, 5)
    assert told(chat) == between
    assert (states(journal)[0], states(journal)[-1]) == ("refused", "dropped")


def test_a_message_that_waits_keeps_the_notifier_from_being_called_well(journal, time, make):
    bad, good = make_alert(time_ms=time.now_ms, rule="bad"), make_alert(time_ms=time.now_ms, rule="good")
    journal.append([bad, good])
    (dispatcher,) = make(chat=Picky([bad]), routes=[AT_ONCE], policies=FAST)
    turns(dispatcher, 20)
    status = dispatcher.status()
    assert status.failing_since_ms is not None
    assert status.error == "Transient: documents are forbidden here (alerts not taken: 1, others are sent)"
    assert status.lag == 1


def test_a_notifier_that_refuses_everything_loses_twenty_alerts_at_most_until_it_is_put_right(journal, time, make):
    alerts = [make_alert(time_ms=time.now_ms, rule=f"rule-{number}") for number in range(60)]
    chat = Picky(alerts, Permanent("400: message text is empty"))
    journal.append(alerts)
    (dispatcher,) = make(chat=chat, routes=[AT_ONCE], policies=FAST)
    turns(dispatcher, 100)
    assert (states(journal).count("refused"), states(journal).count("waiting")) == (20, 40)
    assert "refused 20 different events in a row" in dispatcher.status().error
    chat.never.clear()
    run_for([dispatcher], time, 5)
    assert (states(journal).count("sent"), dispatcher.status().error) == (40, "")


def test_draining_tries_what_waits_every_second_until_its_time_is_over(journal, time, make):
    (bad,) = alerts_of(1, time)
    chat = Chat(*[Transient("busy")] * 4)
    journal.append([bad])
    (dispatcher,) = make(chat=chat, routes=[AT_ONCE], backoff=lambda *_: 60.0)
    turns(dispatcher, 1)
    dispatcher.drain()
    started_ms = time.now_ms
    work(dispatcher)
    assert (states(journal), time.now_ms - started_ms) == (["sent"], 4_000)
