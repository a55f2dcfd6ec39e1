"""How a follower brings a journal's events to one plugin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlmon.delivery import Follower, common_checkpoints, follow_sink
from hlmon.errors import Permanent, Transient
from hlmon.journal import Journal
from hlmon.testing.builders import make_checkpoint, make_fill, make_order, make_quarantined

LONG_S = 10.0


@pytest.fixture
def journal(tmp_path):
    with Journal.open(tmp_path / "hlmon.db") as opened:
        yield opened


class Plugin:
    """Keeps what it is given, after raising what it is told to raise."""

    def __init__(self, *errors, bad=(), error=Permanent):
        self.errors = list(errors)
        self.bad = {event.name for event in bad}
        self.error = error
        self.calls = []
        self.kept = []

    def __call__(self, events):
        self.calls.append(list(events))
        if self.errors and (error := self.errors.pop(0)):
            raise error
        if self.bad & {event.name for event in events}:
            raise self.error("not this one")
        self.kept += events

    write = __call__


class Time:
    """A clock that only waiting moves."""

    def __init__(self):
        self.now_ms = 1_000_000
        self.waits = []

    def clock_ms(self):
        return self.now_ms

    def wait(self, _event, seconds):
        self.waits.append(seconds)
        self.now_ms += round(seconds * 1000)
        return False


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def follow(journal, time):
    def make(plugin, **changes):
        options = {
            "part": "sink",
            "quarantine": lambda record: journal.append([record]),
            "backoff": lambda attempt, retry_after: retry_after or float(attempt + 1),
            "clock_ms": time.clock_ms,
            "wait": time.wait,
            "max_batch": 4,
        }
        return Follower("archive", journal, plugin, **options | changes)

    return make


def deliver_all(follower):
    while follower.deliver_next():
        pass


def quarantine_of(journal):
    return [entry.event for entry in journal.read_after(0, kinds={"quarantine"})]


def test_events_come_in_the_order_of_the_journal_in_batches(journal, follow):
    fills = [make_fill() for _ in range(10)]
    journal.append(fills)
    plugin = Plugin()
    deliver_all(follow(plugin))
    assert plugin.calls == [fills[:4], fills[4:8], fills[8:]]


def test_the_cursor_moves_after_the_plugin_returned_and_not_before(journal, follow):
    journal.append([make_fill()])
    seen = []
    deliver_all(follow(lambda events: seen.append(journal.cursor("sink.archive"))))
    assert (seen, journal.cursor("sink.archive")) == ([0], journal.last_seq())


def test_another_follower_goes_on_where_the_last_one_stopped(journal, follow):
    first, second = make_fill(), make_fill()
    journal.append([first])
    deliver_all(follow(Plugin()))
    journal.append([second])
    plugin = Plugin()
    deliver_all(follow(plugin))
    assert plugin.kept == [second]


@pytest.mark.parametrize("error", [Transient("busy"), OSError("no route"), TimeoutError("late")])
def test_a_transient_error_brings_the_same_events_again(journal, follow, time, error):
    fills = [make_fill(), make_fill()]
    journal.append(fills)
    plugin = Plugin(*[error] * 20)
    deliver_all(follow(plugin))
    assert plugin.calls == [fills] * 21
    assert time.waits == [float(n) for n in range(1, 21)]
    assert quarantine_of(journal) == []


def test_the_wait_that_the_other_side_asks_for_reaches_the_back_off(journal, follow, time):
    journal.append([make_fill()])
    deliver_all(follow(Plugin(Transient("slow down", retry_after=42.0))))
    assert time.waits == [42.0]


def test_a_refused_event_is_set_aside_with_its_reason_and_the_others_are_kept(journal, follow, time):
    fills = [make_fill() for _ in range(7)]
    journal.append(fills)
    plugin = Plugin(bad=[fills[2]])
    deliver_all(follow(plugin, kinds={"fill"}))
    assert plugin.kept == fills[:2] + fills[3:]
    (record,) = quarantine_of(journal)
    assert (record.origin, record.reason) == ("archive", "Permanent: not this one")
    assert time.waits == []


def test_a_refused_event_is_recorded_before_the_cursor_passes_it(journal, follow):
    journal.append([make_fill()])
    cursors = []
    follower = follow(Plugin(Permanent("no")), quarantine=lambda record: cursors.append(journal.cursor("sink.archive")))
    deliver_all(follower)
    assert cursors == [0]


def test_what_is_settled_within_a_halved_batch_is_acked_at_once(journal, follow):
    fills = [make_fill() for _ in range(4)]
    journal.append(fills)
    cursors = []
    plugin = Plugin(bad=[fills[3]])

    def deliver(events):
        cursors.append(journal.cursor("sink.archive"))
        plugin(events)

    deliver_all(follow(deliver, kinds={"fill"}))
    assert cursors == [0, 0, 2, 2, 3]


def test_a_refused_record_of_a_refusal_makes_no_further_record(journal, follow):
    journal.append([make_quarantined()])
    deliver_all(follow(Plugin(*[Permanent("no")] * 10)))
    assert len(quarantine_of(journal)) == 1


@pytest.mark.parametrize("error", [RuntimeError, KeyError, SystemExit])
def test_a_plugin_with_a_bug_about_one_event_loses_only_that_one_after_some_patience(journal, follow, error):
    fills = [make_fill() for _ in range(4)]
    journal.append(fills)
    plugin = Plugin(bad=[fills[1]], error=error)
    deliver_all(follow(plugin, kinds={"fill"}))
    assert plugin.kept == [fills[0], *fills[2:]]
    assert [plugin.calls.count(part) for part in (fills, fills[:2], fills[1:2])] == [4, 4, 11]
    assert error.__name__ in quarantine_of(journal)[0].reason


def test_a_short_outage_that_a_plugin_does_not_translate_loses_nothing(journal, follow):
    fills = [make_fill() for _ in range(4)]
    journal.append(fills)
    plugin = Plugin(*[RuntimeError("connection reset")] * 15)
    deliver_all(follow(plugin))
    assert plugin.kept == fills
    assert quarantine_of(journal) == []


def test_draining_leaves_no_time_for_long_waits(journal, follow, time):
    journal.append([make_fill()])
    follower = follow(Plugin(*[Transient("busy")] * 3), backoff=lambda attempt, retry_after: (0.5, 60.0, 60.0)[attempt])
    follower.drain()
    deliver_all(follower)
    assert time.waits == [0.5, 1.0, 1.0]


def test_transient_errors_use_up_no_patience(journal, follow):
    fill = make_fill()
    journal.append([fill])
    plugin = Plugin(*[Transient("busy")] * 50, *[RuntimeError("bug")] * 10)
    deliver_all(follow(plugin))
    assert plugin.kept == [fill]


def test_events_of_other_kinds_are_passed_over_and_the_lag_is_true(journal, follow):
    orders = [make_order() for _ in range(3)]
    journal.append([make_fill(), *orders[:2], make_fill(), orders[2], make_fill()])
    plugin = Plugin()
    follower = follow(plugin, kinds={"order"}, max_batch=2)
    assert follower.status().lag == 6
    assert follower.deliver_next()
    assert follower.status().lag == 3
    assert not follower.deliver_next()
    assert (plugin.kept, follower.status().lag) == (orders, 0)


def test_an_event_appended_while_reading_is_not_passed_over(journal, follow):
    late = make_order()

    class Racing:
        """Appends a wanted event between the reading of the end and the reading of events, and once after both."""

        def __getattr__(self, name):
            return getattr(journal, name)

        def last_seq(self):
            seq = journal.last_seq()
            journal.append([make_fill()])
            return seq

        def read_after(self, seq, **options):
            entries = journal.read_after(seq, **options)
            journal.append([late])
            return entries

    plugin = Plugin()
    follower = Follower("racing", Racing(), plugin, part="sink", quarantine=lambda record: None, kinds={"order"})
    follower.deliver_next()
    follower.deliver_next()
    assert plugin.kept == [late]


def test_passing_over_is_saved_now_and_then(journal, follow):
    follower = follow(Plugin(), kinds={"order"})
    journal.append([make_fill() for _ in range(499)])
    follower.deliver_next()
    assert journal.cursor("sink.archive") == 0
    journal.append([make_fill()])
    follower.deliver_next()
    assert journal.cursor("sink.archive") == 500


def test_the_status_tells_since_when_it_fails_and_why(journal, follow, time):
    journal.append([make_fill()])
    statuses = []
    plugin = Plugin(Transient("busy"), Transient("still busy"))
    follower = follow(lambda events: (statuses.append(follower.status()), plugin(events)))
    deliver_all(follower)
    assert [status.failing_since_ms for status in statuses] == [None, 1_000_000, 1_000_000]
    assert [status.error for status in statuses] == ["", "Transient: busy", "Transient: still busy"]
    after = follower.status()
    assert (after.failing_since_ms, after.error, after.last_ack_ms, after.lag) == (None, "", 1_003_000, 0)
    assert (after.name, after.part) == ("archive", "sink")


def test_a_call_that_runs_for_more_than_a_minute_is_reported_as_hanging(journal, follow, time):
    journal.append([make_fill()])
    statuses = []

    def deliver(events):
        for _ in range(2):
            time.now_ms += 30_001
            statuses.append(follower.status())

    follower = follow(deliver)
    deliver_all(follower)
    assert [status.failing_since_ms for status in statuses] == [None, 1_000_000]
    assert statuses[1].error == "hanging: a call has been running for 60 s"
    assert follower.status().error == ""


@given(st.sets(st.integers(0, 29)), st.integers(1, 12))
def test_whatever_is_refused_every_other_event_is_kept_once_and_in_order(bad, max_batch):
    fills = [make_fill() for _ in range(30)]
    plugin = Plugin(bad=[fills[index] for index in bad])
    aside = []

    class Tape:
        """A journal in memory."""

        acked = 0

        def cursor(self, name):
            return self.acked

        def ack(self, name, seq):
            assert seq > self.acked
            self.acked = seq

        def last_seq(self):
            return len(fills)

        def read_after(self, seq, *, kinds, limit):
            from hlmon.journal import Entry

            return [Entry(number + 1, fill) for number, fill in enumerate(fills)][seq : seq + limit]

    tape = Tape()
    deliver_all(Follower("t", tape, plugin, part="sink", quarantine=aside.append, max_batch=max_batch))
    assert plugin.kept == [fill for index, fill in enumerate(fills) if index not in bad]
    assert [record.time_ms for record in aside] == [fills[index].time_ms for index in sorted(bad)]
    assert tape.acked == len(fills)


def factory_of(**fields):
    from hlmon.contract import NoConfig, SinkFactory

    return SinkFactory(name="any", config=NoConfig, open=lambda config, settings: None, **fields)


def test_a_sink_gets_the_kinds_and_batches_that_its_factory_names(journal):
    fills = [make_fill() for _ in range(3)]
    journal.append([make_order(), *fills])
    sink = Plugin()
    factory = factory_of(kinds=frozenset({"fill"}), max_batch=2)
    deliver_all(follow_sink("archive", journal, sink, factory, quarantine=journal.append))
    assert sink.calls == [fills[:2], fills[2:]]


def test_with_several_stores_an_empty_disk_resumes_where_the_one_furthest_behind_ends():
    old, new = (make_checkpoint(stream="userFills", time_ms=time_ms) for time_ms in (1_000, 2_000))
    other = make_checkpoint(stream="userFundings", time_ms=3_000)
    assert common_checkpoints([[new, other], [old]]) == [old]
    assert common_checkpoints([[new, other]]) == [new, other]
    assert common_checkpoints([[new, other], []]) == []
    assert common_checkpoints([]) == []
