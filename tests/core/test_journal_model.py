"""The compacted log against a dict: whatever is appended in whatever order, readers see what the dict holds."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from hlmon.events import Funding, Gap, Position, State
from hlmon.journal import Journal

accounts = st.sampled_from(["0xa1", "0xb0"])
times = st.integers(0, 5)
coins = st.sampled_from(["BTC", "ETH", "1"])
amounts = st.integers(0, 3).map(Decimal)  # so that two events of one name may differ
facts = st.builds(
    Funding, account=accounts, time_ms=times, coin=coins, amount=amounts, size=amounts, rate=st.just(Decimal(0))
)
positions = st.builds(
    Position, account=accounts, time_ms=times, coin=coins, size=amounts, side=st.sampled_from(["long", "short"])
)
gaps = st.builds(
    Gap, account=accounts, time_ms=times, stream=coins, start_ms=times, healed=st.booleans(), end_ms=st.none() | times
)
bursts = st.lists(facts | positions | gaps, max_size=12)


class CompactedLog(RuleBasedStateMachine):
    """Appends, reopens and reads; the model is a dict of names, and for each follower what it has seen."""

    followers = Bundle("followers")

    @initialize()
    def open(self):
        self.folder = tempfile.TemporaryDirectory()
        self.journal = Journal.open(Path(self.folder.name) / "hlmon.db")
        self.model = {}
        self.seen = {}
        self.newest_seq = 0

    @rule(events=bursts)
    def append(self, events):
        before = dict(self.model)
        for event in events:
            held = self.model.get(event.name)
            if held is None or (isinstance(event, State) and event.version > held.version):
                self.model[event.name] = event
        changed = [name for name, event in self.model.items() if before.get(name) is not event]
        assert self.journal.append(events) == len(changed)

    @rule()
    def reopen(self):
        self.journal.close()
        self.journal = Journal.open(Path(self.folder.name) / "hlmon.db")

    @rule(target=followers, kinds=st.sampled_from([None, {"funding"}, {"gap", "position"}]))
    def follow(self, kinds):
        name = f"follower{len(self.seen)}"
        self.seen[name] = (kinds, [])
        return name

    @rule(name=followers, limit=st.integers(1, 5))
    def read(self, name, limit):
        self.read_some(name, limit)

    def read_some(self, name, limit):
        kinds, seen = self.seen[name]
        entries = self.journal.read_after(self.journal.cursor(name), kinds=kinds, limit=limit)
        seen.extend(entries)
        if entries:
            self.journal.ack(name, entries[-1].seq)
        return entries

    @invariant()
    def the_log_holds_what_the_model_holds(self):
        entries = self.journal.read_after(0)
        assert {entry.event.name: entry.event for entry in entries} == self.model
        assert len(entries) == len(self.model)
        assert [entry.seq for entry in entries] == sorted({entry.seq for entry in entries})
        assert self.journal.last_seq() >= self.newest_seq
        self.newest_seq = self.journal.last_seq()
        assert all(self.journal.contains(name) for name in self.model)

    def teardown(self):
        for name, (kinds, seen) in self.seen.items():
            while self.read_some(name, 3):
                pass
            self.check_follower(kinds, seen)
        self.journal.close()
        self.folder.cleanup()

    def check_follower(self, kinds, seen):
        wanted = {name: event for name, event in self.model.items() if kinds is None or name[0] in kinds}
        latest = {entry.event.name: entry.event for entry in seen}
        assert latest == wanted
        read_facts = [entry.event.name for entry in seen if not isinstance(entry.event, State)]
        assert len(read_facts) == len(set(read_facts))
        assert [entry.seq for entry in seen] == sorted({entry.seq for entry in seen})


CompactedLog.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestCompactedLog = CompactedLog.TestCase
