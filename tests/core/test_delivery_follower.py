"""How a follower brings a journal's events to one plugin."""

from __future__ import annotations

from hlmon.contract import NoConfig, SinkFactory
from hlmon.delivery import Follower, common_checkpoints, follow_sink
from hlmon.errors import Transient
from hlmon.testing.builders import make_checkpoint, make_fill, make_order
from tests.core.delivering import Plugin, deliver_all


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
    time.now_ms = 1_000_000
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
    time.now_ms = 1_000_000
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


def factory_of(**fields):
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
