"""Whatever happens in whatever order, each alert is told once or for a reason not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hlmon.delivery.silences import silences_path, write_silences
from hlmon.errors import Transient
from hlmon.journal import Journal
from hlmon.routing import Inhibit, NotifierPolicy, Route, Silence
from hlmon.testing.builders import make_alert
from tests.servers.dispatching import Chat, Time, dispatchers_of, run_for

STEPS = st.one_of(
    st.tuples(
        st.just("alert"),
        st.sampled_from(["event", "firing", "resolved"]),
        st.sampled_from("ab"),
        st.sampled_from(["good", "good", "bad", "later"]),
    ),
    st.tuples(st.just("wait"), st.sampled_from([0.3, 2, 60, 400])),
    st.tuples(st.just("silence"), st.sampled_from([1, 100])),
    st.tuples(st.just("outage"), st.integers(1, 3)),
    st.tuples(st.just("restart")),
)
INHIBIT = [Inhibit(rules=("a",), mutes=("b",), minutes=0.5)]
ROUTES = [Route(to=("chat",), rules=("a",), quiet_hours="09:00-09:05"), Route(to=("chat",))]
WAYS = {"routes": ROUTES, "inhibit": INHIBIT, "policies": {"chat": NotifierPolicy(messages_per_minute=3)}}


class Moody(Chat):
    """Does not take messages with some alerts at first: `later` is how often each is still to be refused for now."""

    def __init__(self):
        super().__init__()
        self.later = {}

    def send(self, alerts):
        if found := [alert.key for alert in alerts if self.later.get(alert.key)]:
            self.calls.append(list(alerts))
            self.later[found[0]] -= 1
            raise Transient("not this one now")
        super().send(alerts)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_every_alert_is_told_once_or_dropped_and_no_end_without_its_beginning(steps):
    with tempfile.TemporaryDirectory() as folder, Journal.open(Path(folder) / "hlmon.db") as journal:
        time, chat = Time(), Moody()
        dispatchers = dispatchers_of(journal, time, {"chat": chat}, **WAYS)
        for number, (what, *how) in enumerate(steps):
            if what == "alert":
                state, rule, mood = how
                subject = str(number) if state == "event" else "condition"
                alert = make_alert(time_ms=time.now_ms, state=state, rule=rule, subject=subject)
                chat.bad |= {alert.key} if mood == "bad" else set()
                chat.later |= {alert.key: number % 4 + 1} if mood == "later" else {}
                journal.append([alert])
                time.now_ms += 1
            elif what == "wait":
                run_for(dispatchers, time, how[0], step_ms=round(how[0] * 250))
            elif what == "silence":
                until_ms = time.now_ms + how[0] * 1000
                silence = Silence(id="s", created_ms=0, until_ms=until_ms, rules=("b",))
                write_silences(silences_path(journal.path), [silence])
            elif what == "outage":
                chat.errors += [Transient("busy")] * how[0]
            else:
                dispatchers = dispatchers_of(journal, time, {"chat": chat}, **WAYS)
        run_for(dispatchers, time, 1_200, step_ms=5_000)
        check(journal, chat)


def check(journal, chat):
    told = [alert for message in chat.messages for alert in message if alert.rule != "hlmon"]
    rows = journal.query("SELECT key, state, times_sent FROM notices JOIN events USING (seq)")
    assert {state for _, state, _ in rows} <= {"sent", "dropped", "refused"}
    assert all(times == (state == "sent") for _, state, times in rows)
    assert sorted(alert.key for alert in told) == sorted(key for key, state, _ in rows if state == "sent")
    assert len(rows) == journal.count("alert")
    for rule in "ab":
        firing = 0
        for alert in (alert for alert in told if alert.rule == rule and alert.state != "event"):
            firing = firing + 1 if alert.state == "firing" else 0 if firing else -1
            assert firing >= 0, "an end was told without or before its beginning"
