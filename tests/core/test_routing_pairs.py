"""The beginning and the end of a condition share one fate, whatever mutes alerts before they are sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hlmon.routing import Notice, Policy, Route, Silence, Surroundings, Waiting, review
from hlmon.testing.builders import make_alert

NOW_MS = 1_760_000_000_000  # 08:53:20 UTC
POLICY = Policy(notifier="chat", max_age_ms=60_000)
PLAIN, QUIET = Route(to=("chat",)), Route(to=("chat",), quiet_hours="08:00-09:00")
SILENCED = Surroundings(now_ms=NOW_MS, silences=[Silence(id="s", created_ms=0, until_ms=NOW_MS + 1, rules=("b",))])


def waiting_of(*alerts, route=PLAIN):
    """What waits: (state, rule) in the order of the journal; a beginning that has not ended keeps its condition."""
    ended = {rule for state, rule in alerts if state == "resolved"}
    return [
        Waiting(
            Notice(
                notifier="chat",
                seq=seq,
                state="waiting",
                decided_ms=NOW_MS,
                condition="c" if state == "firing" and rule not in ended else "",
            ),
            make_alert(state=state, rule=rule, subject="condition"),
            route,
        )
        for seq, (state, rule) in enumerate(alerts, 1)
    ]


def states_of(reviewed):
    return {notice.seq: notice.state for notice in reviewed.changed}


def test_a_beginning_that_is_silenced_takes_its_waiting_end_with_it():
    reviewed = review(waiting_of(("firing", "b"), ("resolved", "b"), ("event", "a")), POLICY, SILENCED)
    assert states_of(reviewed) == {1: "dropped", 2: "dropped"}
    assert [each.notice.seq for each in reviewed.ready] == [3]


def test_a_beginning_that_lasts_is_muted_and_told_when_the_silence_ends():
    assert states_of(review(waiting_of(("firing", "b")), POLICY, SILENCED)) == {1: "muted"}


def test_an_end_whose_beginning_was_sent_before_is_sent():
    reviewed = review(waiting_of(("resolved", "b")), POLICY, SILENCED)
    assert [each.notice.seq for each in reviewed.ready] == [1]


def test_quiet_hours_hold_both_for_one_message():
    reviewed = review(waiting_of(("firing", "a"), ("resolved", "a"), route=QUIET), POLICY, Surroundings(now_ms=NOW_MS))
    (first, second) = reviewed.changed
    assert (first.state, second.state) == ("waiting", "waiting")
    assert first.hold_until_ms == second.hold_until_ms > NOW_MS
    assert first.batch == second.batch


def test_a_beginning_whose_end_was_not_read_yet_waits_for_it():
    waiting = waiting_of(("firing", "b"), ("resolved", "b"))[:1]
    assert review(waiting, POLICY, SILENCED, whole=False) == ([], [])
    assert states_of(review(waiting, POLICY, SILENCED)) == {1: "dropped"}


@given(st.lists(st.tuples(st.sampled_from(["firing", "resolved", "event"]), st.sampled_from("ab")), max_size=12))
def test_no_end_is_ready_while_its_waiting_beginning_is_not(alerts):
    waiting = waiting_of(*alerts)
    ready, changed = review(waiting, POLICY, SILENCED)
    out = {each.notice.seq for each in ready}
    assert out | {notice.seq for notice in changed} == {each.notice.seq for each in waiting}
    begun: dict[str, int] = {}
    for notice, alert, _ in waiting:
        if alert.state == "firing":
            begun[alert.rule] = notice.seq
        elif alert.state == "resolved" and (beginning := begun.pop(alert.rule, None)) is not None:
            assert (beginning in out) == (notice.seq in out)
