"""What a follower does about the errors of its plugin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlmon.delivery import Follower
from hlmon.errors import Permanent, Transient
from hlmon.journal import Entry
from hlmon.testing.builders import make_checkpoint, make_fill, make_quarantined
from tests.core.delivering import Plugin, deliver_all, quarantine_of


@pytest.mark.parametrize("error", [Transient("busy"), OSError("no route"), TimeoutError("late")])
def test_a_transient_error_brings_the_same_events_again(journal, follow, time, error):
    fills = [make_fill(), make_fill()]
    journal.append(fills)
    plugin = Plugin(*[error] * 20)
    deliver_all(follow(plugin, kinds={"fill"}))
    assert plugin.calls == [fills, fills, *[fills[:1]] * 19, fills[1:]]
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


class Narrow(Plugin):
    """A store that takes no more than so many events at once."""

    def __init__(self, most, error):
        super().__init__()
        self.most, self.too_many = most, error

    def __call__(self, events):
        if len(events) > self.most:
            self.calls.append(list(events))
            raise self.too_many
        super().__call__(events)


@pytest.mark.parametrize("error", [Transient("57014: canceling statement due to statement timeout"), TimeoutError()])
def test_a_batch_that_fails_again_and_again_is_halved_and_larger_ones_are_tried_seldom(journal, follow, error):
    fills = [make_fill() for _ in range(400)]
    journal.append(fills)
    plugin = Narrow(20, error)
    deliver_all(follow(plugin, max_batch=64, kinds={"fill"}))
    assert plugin.kept == fills
    assert quarantine_of(journal) == []
    failed = [len(call) for call in plugin.calls if len(call) > 20]
    assert failed == [64, 64, 32, *[32, 32] * 2]  # 64 twice, 32 with it; then after ten batches of 16 each


def test_after_an_outage_batches_become_as_large_as_before(journal, follow):
    fills = [make_fill() for _ in range(3_000)]
    journal.append(fills)
    plugin = Plugin(*[OSError("no route")] * 30)
    deliver_all(follow(plugin, max_batch=100, kinds={"fill"}))
    sizes = [len(call) for call in plugin.calls]
    assert plugin.kept == fills
    assert (sizes[29], max(sizes[-10:])) == (1, 100)


def test_a_batch_that_is_refused_though_each_part_of_it_is_accepted_was_too_large(journal, follow, time):
    fills = [make_fill() for _ in range(64)]
    journal.append(fills)
    plugin = Narrow(8, Permanent("413: the request is too large"))
    deliver_all(follow(plugin, max_batch=16, kinds={"fill"}))
    assert (plugin.kept, quarantine_of(journal), time.waits) == (fills, [], [])
    assert [len(call) for call in plugin.calls] == [16, 8, 8, 8, 8, 8, 8, 8, 8]


class Table(Plugin):
    """A store that refuses everything until it is put right."""

    is_right = False

    def __call__(self, events):
        if not self.is_right:
            self.calls.append(list(events))
            raise Permanent("the provided key element does not match the schema")
        super().__call__(events)


def test_a_store_that_refuses_everything_gets_the_rest_once_it_is_put_right(journal, follow, time):
    fills = [make_fill() for _ in range(96)]
    journal.append(fills)
    table, statuses = Table(), []

    def wait(event, seconds):
        statuses.append(follower.status())
        table.is_right = len(statuses) == 15
        return time.wait(event, seconds)

    follower = follow(table, max_batch=32, kinds={"fill"}, wait=wait)
    deliver_all(follower)
    assert len(quarantine_of(journal)) == 20
    assert table.kept[1:] == fills[20:]  # one of them told that it is put right
    assert {status.failing_since_ms is None for status in statuses} == {False}
    assert all("refused 20 different events in a row" in status.error for status in statuses)
    assert (follower.status().error, follower.status().lag) == ("", 0)


def test_many_bad_events_in_a_row_do_not_stop_a_store_that_takes_another_one(journal, follow):
    fills = [make_fill() for _ in range(120)]
    journal.append(fills)
    plugin = Plugin(bad=fills[10:90])
    deliver_all(follow(plugin, max_batch=100, kinds={"fill"}))
    assert {fill.name for fill in plugin.kept} == {fill.name for fill in [*fills[:10], *fills[90:]]}
    assert len(quarantine_of(journal)) == 80


def test_what_tells_that_a_store_is_put_right_is_no_checkpoint(journal, follow):
    fills = [make_fill() for _ in range(30)]
    journal.append([*fills, make_checkpoint()])
    plugin = Plugin(bad=fills)
    follower = follow(plugin, max_batch=50, kinds={"fill", "checkpoint"})
    for _ in range(60):
        follower.deliver_next()
    assert plugin.kept == []


@given(st.sets(st.integers(0, 29), max_size=19), st.integers(1, 12))
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
            return [Entry(number + 1, fill) for number, fill in enumerate(fills)][seq : seq + limit]

    tape = Tape()
    deliver_all(Follower("t", tape, plugin, part="sink", quarantine=aside.append, max_batch=max_batch))
    assert plugin.kept == [fill for index, fill in enumerate(fills) if index not in bad]
    assert [record.time_ms for record in aside] == [fills[index].time_ms for index in sorted(bad)]
    assert tape.acked == len(fills)
