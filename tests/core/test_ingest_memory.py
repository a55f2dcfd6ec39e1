"""Derivers keep their memory across restarts: saved with the events that it knows, completed from those after it."""

from __future__ import annotations

import json

from hlmon.ingest import Ingest
from hlmon.testing.builders import make_alert, make_fill, make_order

MINUTE_MS = 60_000


class Times:
    """Remembers the times of the events that it was called with."""

    def __init__(self):
        self.times = []

    def __call__(self, event):
        self.times.append(event.time_ms)
        return [make_alert(time_ms=event.time_ms)]


class Remembers(Times):
    """The same, with a memory that can be saved."""

    def __init__(self):
        super().__init__()
        self.loaded = None

    def dump_memory(self):
        return json.dumps(self.times).encode()

    def load_memory(self, memory):
        self.loaded = memory
        self.times = json.loads(memory)


def ingest_with(journal, deriver, kinds=("fill",)):
    return Ingest(journal, [("times", frozenset(kinds), deriver)])


def test_the_final_flush_saves_every_memory_even_with_nothing_pending(journal):
    ingest = ingest_with(journal, Remembers())
    ingest([make_fill(time_ms=1)])
    ingest.flush()
    assert journal.memory("times") is None
    ingest.flush(final=True)
    assert journal.memory("times") == (2, b"[1]")


def test_a_deriver_is_failing_until_its_memory_can_be_saved_whatever_it_concludes_meanwhile(journal):
    class Forgets(Remembers):
        memory: object = 7

        def dump_memory(self):
            return self.memory

    deriver = Forgets()
    ingest = ingest_with(journal, deriver)
    for number in range(3):
        ingest([make_fill(time_ms=number * MINUTE_MS)])
        ingest.flush()
    ingest([make_fill(time_ms=3 * MINUTE_MS)])
    assert "dump_memory returned int, not bytes" in ingest.failing["times"][1]
    assert (journal.memory("times"), ingest.remembering) == (None, [])
    deriver.memory = b"good"
    ingest.flush()
    assert (ingest.failing, ingest.remembering) == ({}, ["times"])


def test_a_memory_is_saved_with_the_append_after_a_minute_of_the_events_time(journal):
    ingest = ingest_with(journal, Remembers())
    saved = []
    for time_ms in (0, MINUTE_MS - 1, 5, MINUTE_MS, MINUTE_MS + 1, 2 * MINUTE_MS):
        ingest([make_fill(time_ms=time_ms)])
        ingest.flush()
        saved.append(journal.memory("times") == (journal.last_seq(), json.dumps(ingest._derivers[0][2].times).encode()))
    assert saved == [False, False, False, True, False, True]


def test_a_memory_is_saved_after_many_events(journal, monkeypatch):
    monkeypatch.setattr("hlmon.ingest.save_times.SAVE_AFTER_EVENTS", 6)
    ingest = ingest_with(journal, Remembers())
    saved = []
    for number in range(6):
        ingest([make_fill(time_ms=number)])  # and the alert that is derived from it
        ingest.flush()
        saved.append((journal.memory("times") or (0,))[0])
    assert saved == [0, 0, 6, 6, 6, 12]


class Large(Remembers):
    """One whose memory outweighs the events that it is made of."""

    def dump_memory(self):
        return super().dump_memory() + b" " * 100_000


class Broken(Remembers):
    """One whose memory cannot be had."""

    def dump_memory(self):
        raise ValueError("no memory")


def both(journal, *derivers):
    return Ingest(journal, [(type(deriver).__name__, frozenset({"fill"}), deriver) for deriver in derivers])


def test_a_large_memory_is_saved_less_often_and_the_events_that_it_lacks_outlive_the_retention(journal):
    ingest = both(journal, Remembers(), Large())
    for time_ms in range(0, 5 * MINUTE_MS, MINUTE_MS):
        ingest([make_fill(time_ms=time_ms)])
        ingest.flush()
    small, large = journal.memory("Remembers"), journal.memory("Large")
    assert small[0] > large[0]
    journal.prune(10**15, memories=ingest.remembering)
    again = Large()
    both(journal, Remembers(), again).rebuild()
    assert again.times == list(range(0, 5 * MINUTE_MS, MINUTE_MS))


def test_a_memory_that_cannot_be_had_keeps_nothing_in_the_journal(journal):
    ingest = both(journal, Remembers(), Broken())
    assert ingest.remembering == ["Remembers", "Broken"]
    ingest([make_fill(time_ms=1)])
    ingest.flush(final=True)
    assert ingest.remembering == ["Remembers"]


def test_a_rebuilt_deriver_gets_its_memory_and_the_events_after_it(journal):
    ingest = ingest_with(journal, Remembers())
    ingest([make_fill(time_ms=1)])
    ingest.flush(final=True)
    ingest([make_fill(time_ms=2), make_order(time_ms=3)])
    ingest.flush()
    again = Remembers()
    last_seq = journal.last_seq()
    rebuilt = ingest_with(journal, again)
    rebuilt.rebuild()
    rebuilt.flush()
    assert again.loaded == b"[1]"
    assert again.times == [1, 2]
    assert journal.last_seq() == last_seq


def test_a_deriver_without_saved_memory_gets_every_stored_event_of_its_kinds(journal):
    journal.append([make_fill(time_ms=time_ms) for time_ms in range(2500)] + [make_order()])
    plain, remembers = Times(), Remembers()
    fill = frozenset({"fill", "account_state"})
    Ingest(journal, [("plain", fill, plain), ("remembers", fill, remembers), ("none", frozenset(), Times())]).rebuild()
    assert plain.times == remembers.times == list(range(2500))


def test_each_deriver_is_rebuilt_from_its_own_place(journal):
    journal.append([make_fill(time_ms=1)], {"times": b"[1]"})
    journal.append([make_fill(time_ms=2)])
    plain, remembers = Times(), Remembers()
    kinds = frozenset({"fill"})
    Ingest(journal, [("times", kinds, remembers), ("plain", kinds, plain)]).rebuild()
    assert plain.times == remembers.times == [1, 2]


def test_a_memory_that_cannot_be_read_is_rebuilt_from_the_start_with_a_warning(journal, caplog):
    journal.append([make_fill(time_ms=1)], {"times": b"of another version"})
    deriver = Remembers()
    ingest_with(journal, deriver).rebuild()
    assert deriver.times == [1]
    assert "times cannot read its saved memory" in caplog.text


def test_a_deriver_that_raises_while_it_is_rebuilt_does_not_stop_the_start(journal):
    journal.append([make_fill(time_ms=1)])
    ingest = ingest_with(journal, lambda event: 1 / 0)
    ingest.rebuild()
    assert ingest.failures == {"times": 1}


def test_a_memory_that_cannot_be_saved_holds_up_neither_events_nor_other_memories(journal):
    class Broken(Remembers):
        def dump_memory(self):
            raise ValueError("broken")

    kinds = frozenset({"fill"})
    ingest = Ingest(journal, [("broken", kinds, Broken()), ("fine", kinds, Remembers())])
    ingest([make_fill(time_ms=1)])
    ingest.flush(final=True)
    assert (journal.memory("broken"), journal.count("fill")) == (None, 1)
    assert journal.memory("fine") is not None
    assert ingest.failures == {"broken": 1}
