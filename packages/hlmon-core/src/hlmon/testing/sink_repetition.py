"""Cases of the sink contract: repetition and order of arrival change nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from hlmon.events import Event
from hlmon.testing.builders import ALICE, BOB, STORED_BUILDERS, make_cvd, make_gap, make_order
from hlmon.testing.promises import check
from hlmon.testing.sink_case import SinkCase

_REPEATS: Final = "after a crash, a time-out or a lost answer the follower writes again what it cannot know was stored"
_LATER: Final = 7_000

_NEWS: Final[dict[str, dict[str, Any]]] = {
    "order": {"status": "filled", "remaining": Decimal(0)},
    "position": {"size": Decimal("3.75"), "unrealized_pnl": Decimal("-1.5")},
    "cvd": {"trades": 9, "buy_volume": Decimal("13.5")},
    "gap": {"healed": True, "events_read": 5},
    "checkpoint": {},
    "account_info": {"status": "refused", "reason": "too many users"},
}

_FACT_CHANGES: Final[dict[str, dict[str, Any]]] = {
    "fill": {"fee": Decimal("9.99"), "is_position_close": True},
    "account": {"account_value": Decimal(77)},
    "position_closed": {"net_pnl": Decimal(-77)},
    "funding": {"amount": Decimal(77)},
    "ledger": {"amount": Decimal(77)},
    "alert": {"title": "another title"},
    "quarantine": {"reason": "another reason"},
}


def older_and_newer(kind: str) -> tuple[Event, Event]:
    """Two versions of one state, the second one later."""
    older = STORED_BUILDERS[kind]()
    return older, replace(older, time_ms=older.time_ms + _LATER, **_NEWS[kind])


def versions_of_one_moment() -> list[tuple[Event, Event]]:
    """Pairs whose second is newer by its version although both have the same time."""
    order, bucket, gap = make_order(), make_cvd(), make_gap(end_ms=None)
    return [
        (order, replace(order, status="filled", remaining=Decimal(0))),
        (bucket, replace(bucket, trades=bucket.trades + 1, sell_volume=Decimal(11))),
        (gap, replace(gap, end_ms=gap.start_ms + 5_000, healed=True)),
    ]


class SinkKeepsOnce(SinkCase):
    """A fact is kept once; of a state the newest version is kept."""

    def test_the_same_batch_again_changes_nothing(self) -> None:
        """Facts and states alike."""
        events = self.one_of_each()
        with self.opened() as sink:
            self.write(sink, events)
            self.write(sink, events)
            self.write(sink, list(reversed(events)))
        self.expect(events, "the same events again change nothing", because=_REPEATS)

    def test_the_same_batch_after_reopening_changes_nothing(self) -> None:
        """What was stored is known from the store, not from the sink's memory."""
        events = self.one_of_each()
        with self.opened() as sink:
            self.write(sink, events)
        more = self.one_of_each()
        more = [event for event in more if event.name not in {stored.name for stored in events}]
        with self.opened() as sink:
            self.write(sink, events + more)
        self.expect(events + more, "the same events again change nothing after a restart", because=_REPEATS)

    def test_a_fact_that_comes_again_with_other_values_changes_nothing(self) -> None:
        """The first statement of a fact stays."""
        facts = [STORED_BUILDERS[kind]() for kind in self.kinds(*_FACT_CHANGES)]
        changed = [replace(fact, **_FACT_CHANGES[fact.kind]) for fact in facts]
        with self.opened() as sink:
            self.write(sink, facts)
            self.write(sink, changed)
        self.expect(
            facts,
            "a fact of a known name changes nothing",
            because="a resumed history tells the same fact with less detail, and the first telling had more",
        )

    def test_a_newer_state_replaces_the_older(self) -> None:
        """One row per state, and it is the newest."""
        pairs = [older_and_newer(kind) for kind in self.kinds(*_NEWS)]
        with self.opened() as sink:
            self.write(sink, [older for older, _ in pairs])
            self.write(sink, [newer for _, newer in pairs])
        self.expect(
            [newer for _, newer in pairs], "a newer state replaces the older one", because="the store shows what is now"
        )

    def test_an_older_state_that_comes_later_changes_nothing(self) -> None:
        """The order of arrival is not the order of time."""
        pairs = [older_and_newer(kind) for kind in self.kinds(*_NEWS)]
        with self.opened() as sink:
            self.write(sink, [newer for _, newer in pairs])
            self.write(sink, [older for older, _ in pairs])
        self.expect(
            [newer for _, newer in pairs],
            "an older state changes nothing, however late it comes",
            because="history that is read back after an outage arrives behind what is live",
        )

    def test_an_older_state_after_reopening_changes_nothing(self) -> None:
        """The version of what is stored is known from the store."""
        pairs = [older_and_newer(kind) for kind in self.kinds(*_NEWS)]
        with self.opened() as sink:
            self.write(sink, [newer for _, newer in pairs])
        with self.opened() as sink:
            self.write(sink, [older for older, _ in pairs])
        self.expect(
            [newer for _, newer in pairs],
            "an older state changes nothing after a restart",
            because="a restart is followed by a resume, and that brings older states",
        )

    def test_states_are_compared_by_version_not_by_time(self) -> None:
        """Within one millisecond an order opens and is filled."""
        wanted = self.kinds("order", "cvd", "gap")
        pairs = [pair for pair in versions_of_one_moment() if pair[0].kind in wanted]
        newest = [newer for _, newer in pairs]
        with self.opened() as sink:
            self.write(sink, [older for older, _ in pairs])
            self.write(sink, newest)
            self.write(sink, [older for older, _ in pairs])
        self.expect(
            newest, "of two states of one time the larger `version` stays", because="a millisecond holds many changes"
        )

    def test_a_state_of_the_same_version_changes_nothing(self) -> None:
        """Only a larger version replaces."""
        kinds = self.kinds("position", "order", "account_info")
        changes: dict[str, dict[str, Any]] = {
            "position": {"size": Decimal(99)},
            "order": {"remaining": Decimal("0.5")},
            "account_info": {"reason": "another"},
        }
        first = [STORED_BUILDERS[kind]() for kind in kinds]
        with self.opened() as sink:
            self.write(sink, first)
            self.write(sink, [replace(state, **changes[state.kind]) for state in first])
        self.expect(
            first,
            "an equal version changes nothing",
            because="a store must show the same as the journal, which does so",
        )

    def test_two_writers_on_one_store_agree(self) -> None:
        """Two monitors may share a store, for instance while one replaces the other."""
        events = [event for event in self.one_of_each() if event.kind not in _NEWS]
        pairs = [older_and_newer(kind) for kind in self.kinds() if kind in _NEWS]
        newest = [newer for _, newer in pairs]
        with self.opened() as one, self.opened() as other:
            self.write(one, events[::2] + newest[::2])
            self.write(other, events + [older for older, _ in pairs])
            self.write(one, events + newest[1::2])
            self.write(other, [older for older, _ in pairs])
        self.expect(
            events + newest,
            "two open sinks on one store neither repeat facts nor bring back older states",
            because="a sink that trusts its memory does not see what the other one wrote",
        )

    def test_checkpoints_come_back_newest_per_account_and_stream(self) -> None:
        """A monitor with an empty disk resumes from them."""
        self.kinds("checkpoint")
        make = STORED_BUILDERS["checkpoint"]
        old = [make(account=who, stream=stream) for who in (ALICE, BOB) for stream in ("userFills", "userFundings")]
        new = [replace(checkpoint, time_ms=checkpoint.time_ms + _LATER) for checkpoint in old[1:]]
        newest = {checkpoint.name: checkpoint for checkpoint in (*old, *new)}
        with self.opened() as sink:
            empty = list(sink.load_checkpoints())
            self.write(sink, old)
            self.write(sink, new)
            self.write(sink, old)
        with self.opened() as sink:
            loaded = list(sink.load_checkpoints())
        because = "a newer checkpoint than the truth loses history, an older one only costs time"
        check(not empty, "an empty store has no checkpoints", because=because, seen=empty)
        check(
            sorted(loaded, key=lambda event: event.name) == sorted(newest.values(), key=lambda event: event.name),
            "load_checkpoints gives the newest checkpoint of every account and stream, each once",
            because=because,
            seen=loaded,
        )
