"""Alerts while this machine's clock differs from the exchange's, or is set: none is dropped, none waits for hours."""

from __future__ import annotations

import random

import pytest

from hlmon.errors import Transient
from hlmon.routing import Inhibit, NotifierPolicy, Route
from hlmon.testing.builders import ALICE, make_alert
from tests.core.alerting import QUIET, condition
from tests.servers.dispatching import AT_ONCE, Chat, alerts_of, run_for, states, work

HOUR_MS = 3_600_000
STEPS_MS = [-24 * HOUR_MS, -2 * HOUR_MS, 2 * HOUR_MS, 24 * HOUR_MS]
INHIBIT = (Inhibit(rules=("liquidation",), mutes=("margin",), minutes=15),)


def of_exchange(time, skew_ms, number=2, **changes):
    """Alerts of this moment, which is another one at the exchange."""
    return [make_alert(time_ms=time.now_ms + skew_ms - each, **changes) for each in range(number)]


@pytest.mark.parametrize("skew_ms", STEPS_MS)
def test_an_alert_is_as_old_as_the_exchange_s_clock_says(journal, time, chat, make, skew_ms):
    fresh, old = of_exchange(time, skew_ms), of_exchange(time, skew_ms - 61_000)
    journal.append([*fresh, *old])
    run_for(make(chat=chat, routes=[AT_ONCE], skew_ms=lambda: skew_ms), time, 1)
    assert states(journal) == ["sent", "sent", "dropped", "dropped"]


@pytest.mark.parametrize("skew_ms", STEPS_MS)
def test_quiet_hours_go_by_the_user_s_clock(journal, time, chat, make, skew_ms):
    journal.append(of_exchange(time, skew_ms))
    run_for(make(chat=chat, routes=[QUIET], skew_ms=lambda: skew_ms), time, 120)
    assert states(journal) == ["waiting", "waiting"]
    run_for(make(chat=chat, routes=[QUIET], skew_ms=lambda: skew_ms), time, 300)
    assert states(journal) == ["sent", "sent"]


@pytest.mark.parametrize("skew_ms", STEPS_MS)
def test_a_cause_mutes_for_as_long_as_it_should(journal, time, chat, make, skew_ms):
    options = {"routes": [AT_ONCE], "inhibit": INHIBIT, "skew_ms": lambda: skew_ms}
    journal.append(of_exchange(time, skew_ms, 1, rule="liquidation", account=ALICE))
    journal.append([condition(time, time_ms=time.now_ms + skew_ms, rule="margin", account=ALICE)])
    dispatchers = make(chat=chat, **options)
    run_for(dispatchers, time, 890, step_ms=5_000)
    assert states(journal) == ["sent", "muted"]
    run_for(dispatchers, time, 20, step_ms=5_000)
    assert states(journal) == ["sent", "sent"]


@pytest.mark.parametrize("step_ms", STEPS_MS)
def test_what_waits_for_others_to_join_goes_out_though_the_clock_is_set(journal, time, chat, make, step_ms):
    skew_ms = 0
    dispatchers = make(chat=chat, routes=[Route(to=("chat",), wait_seconds=5)], skew_ms=lambda: skew_ms)
    journal.append(alerts_of(3, time))
    run_for(dispatchers, time, 1)
    time.now_ms += step_ms
    skew_ms = -step_ms
    run_for(dispatchers, time, 6)
    assert states(journal) == ["sent"] * 3


@pytest.mark.parametrize("step_ms", STEPS_MS)
def test_a_fallback_helps_though_the_clock_is_set(journal, time, make, step_ms):
    skew_ms = 0
    down, chat = Chat(*[Transient("down", retry_after=3600.0)] * 9), Chat()
    policies = {"mail": NotifierPolicy(fallback=("chat",), fallback_after_minutes=1)}
    route = Route(to=("mail",), wait_seconds=0)
    mail, phone = make(mail=down, chat=chat, routes=[route], policies=policies, skew_ms=lambda: skew_ms)
    journal.append(alerts_of(2, time))
    work(phone)
    mail._outbox.take_new(time.now_ms)
    time.now_ms += step_ms
    skew_ms = -step_ms
    run_for([phone], time, 62, step_ms=1_000)
    assert len(chat.messages) == 1


def test_an_end_of_muting_is_not_put_off_by_a_clock_that_is_set_back(journal, time, chat, make):
    options = {"routes": [AT_ONCE], "inhibit": INHIBIT}
    skew_ms = 0
    journal.append(of_exchange(time, 0, 1, rule="liquidation", account=ALICE))
    journal.append([condition(time, time_ms=time.now_ms, rule="margin", account=ALICE)])
    dispatchers = make(chat=chat, skew_ms=lambda: skew_ms, **options)
    run_for(dispatchers, time, 5)
    assert states(journal) == ["sent", "muted"]
    time.now_ms -= 5 * HOUR_MS
    skew_ms = 5 * HOUR_MS
    run_for(dispatchers, time, 960, step_ms=5_000)
    assert states(journal) == ["sent", "sent"]


@pytest.mark.parametrize("seed", [1, 2, 3, random.SystemRandom().randrange(10**9)])
def test_however_the_clock_is_set_every_alert_is_sent_within_a_minute(journal, time, chat, make, seed):
    chance = random.Random(seed)
    skew_ms, sent = 0, 0
    dispatchers = make(chat=chat, routes=[Route(to=("chat",), wait_seconds=2)], skew_ms=lambda: skew_ms)
    for _ in range(40):
        number = chance.randrange(1, 4)
        journal.append([make_alert(time_ms=time.now_ms + skew_ms + each, rule=f"r{sent}") for each in range(number)])
        sent += number
        run_for(dispatchers, time, chance.choice([0, 1, 3]))
        step_ms = chance.choice([0, -30_000, 30_000, chance.randrange(-24 * HOUR_MS, 24 * HOUR_MS)])
        time.now_ms += step_ms
        skew_ms -= step_ms
        run_for(dispatchers, time, 62, step_ms=1_000)
        assert states(journal) == ["sent"] * sent
