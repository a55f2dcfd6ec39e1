"""Sinks that are wrong in one way each, and the case of the contract that is about it."""

from __future__ import annotations

import socket
import threading
from decimal import Decimal

from msgspec.structs import replace

from hlmon.errors import Permanent, Transient
from hlmon.events import STORED, State, encode
from tests.core.memory_sink import PASSWORD, MemorySink, MemorySinkContract


class Buffers(MemorySink):
    def __init__(self, store):
        super().__init__(store)
        self.buffer = []

    def write(self, events):
        self.reach()
        self.buffer += events

    def close(self, error):
        super().write(self.buffer)


class ForgetsAccountInfo(MemorySink):
    def insert(self, event):
        if event.kind != "account_info":
            super().insert(event)


class RoundsDecimals(MemorySink):
    def insert(self, event):
        fields = {field: getattr(event, field) for field in event.__struct_fields__}
        rounded = {name: Decimal(str(float(value))) for name, value in fields.items() if isinstance(value, Decimal)}
        super().insert(replace(event, **rounded))


class CountsInFloats(MemorySink):
    def insert(self, event):
        super().insert(replace(event, order_id=int(float(event.order_id))) if event.kind == "order" else event)


class SpeaksAscii(MemorySink):
    def insert(self, event):
        self.store.rows.append((event.name, event.kind, encode(event).decode().encode("ascii", "replace")))


class LowersNames(MemorySink):
    def name_of(self, event):
        return tuple(part.lower() for part in event.name)


class ForgetsTheAccount(MemorySink):
    def name_of(self, event):
        return (event.kind, event.key)


class SkipsTheMarket(MemorySink):
    def insert(self, event):
        if event.account:
            super().insert(event)


class RefusesEmptyBatches(MemorySink):
    def write(self, events):
        if not events:
            raise ValueError("nothing to write")
        super().write(events)


class TakesTwentyFive(MemorySink):
    def write(self, events):
        super().write(events[:25])


class EditsEvents(MemorySink):
    def insert(self, event):
        super().insert(event)
        if event.kind == "alert":
            event.labels.clear()


class AppendsEverything(MemorySink):
    def write(self, events):
        self.reach()
        for event in events:
            self.insert(event)


class KnowsOnlyItself(MemorySink):
    def __init__(self, store):
        super().__init__(store)
        self.seen = {}

    def write(self, events):
        self.reach()
        for event in events:
            known = self.seen.get(event.name)
            if known is None or self.replaces(event, known):
                self.seen[event.name] = event
                self.put(event)

    def put(self, event):
        self.insert(event)


class KnowsOnlyItsStates(KnowsOnlyItself):
    def put(self, event):
        known = self.store.find(event.name)
        if known is None:
            self.insert(event)
        elif isinstance(event, State):
            self.store.rows[known] = self.row(event)


class TrustsWhatItReadAtOpening(KnowsOnlyItsStates):
    def __init__(self, store):
        super().__init__(store)
        self.seen = {row[0]: store.event(index) for index, row in enumerate(store.rows)}


class OverwritesFacts(MemorySink):
    def replaces(self, event, known):
        return not isinstance(event, State) or event.version > known.version


class KeepsTheFirstState(MemorySink):
    def replaces(self, event, known):
        return False


class LastWriteWins(MemorySink):
    def replaces(self, event, known):
        return isinstance(event, State)


class ComparesTimes(MemorySink):
    def replaces(self, event, known):
        return isinstance(event, State) and event.time_ms > known.time_ms


class TakesEqualVersions(MemorySink):
    def replaces(self, event, known):
        return isinstance(event, State) and event.version >= known.version


class GivesOneCheckpointPerAccount(MemorySink):
    def load_checkpoints(self):
        return list({event.account: event for event in super().load_checkpoints()}.values())


class SkipsBatchesThatBeginKnown(MemorySink):
    def write(self, events):
        self.reach()
        if not events or self.store.find(events[0].name) is None or isinstance(events[0], State):
            super().write(events)


class RollsBackOnError(MemorySink):
    def __init__(self, store):
        super().__init__(store)
        self.before = list(store.rows)

    def close(self, error):
        if error is not None:
            self.store.rows = self.before


class SwallowsOutages(MemorySink):
    def write(self, events):
        if self.store.reachable:
            super().write(events)


class BlamesTheEvents(MemorySink):
    def reach(self):
        if not self.store.reachable:
            raise Permanent("cannot store this")


class NeverRecovers(MemorySink):
    broken = False

    def reach(self):
        self.broken = self.broken or not self.store.reachable
        if self.broken:
            raise Transient("the connection is closed")


class ForgetsWhatFailed(MemorySink):
    def __init__(self, store):
        super().__init__(store)
        self.tried = set()

    def write(self, events):
        new = [event for event in events if event.name not in self.tried]
        self.tried |= {event.name for event in events}
        super().write(new)


class LeaksItsPassword(MemorySink):
    def reach(self):
        if not self.store.reachable:
            raise Transient(f"cannot reach https://user:{PASSWORD}@store.example")


class StaysInItsThread(MemorySink):
    def __init__(self, store):
        super().__init__(store)
        self.thread = threading.get_ident()

    def reach(self):
        if threading.get_ident() != self.thread:
            raise RuntimeError("objects created in a thread can only be used in that same thread")
        super().reach()


class LosesWhatOtherThreadsWrite(MemorySink):
    def __init__(self, store):
        super().__init__(store)
        self.mine = threading.local()
        self.mine.open = True

    def write(self, events):
        if hasattr(self.mine, "open"):
            super().write(events)


class WritesTableByTable(MemorySink):
    def write(self, events):
        super().write(sorted(events, key=lambda event: event.kind))


class ChecksOffFirst(MemorySink):
    def write(self, events):
        super().write(sorted(events, key=lambda event: event.kind != "checkpoint"))


class SwallowsRefusals(MemorySink):
    def refuse(self, event):
        pass


class RepeatsRefusals(MemorySink):
    def refuse(self, event):
        raise Transient("the store answered 400")


class StopsForGoodAtARefusal(MemorySink):
    refused = False

    def refuse(self, event):
        self.refused = True
        super().refuse(event)

    def reach(self):
        if self.refused:
            raise Transient("the transaction is aborted")
        super().reach()


class KnowsTheKindsOfToday(MemorySink):
    def write(self, events):
        for event in events:
            STORED[event.kind]
        super().write(events)


class LeavesAThread(MemorySink):
    def __init__(self, store):
        super().__init__(store)
        threading.Thread(target=threading.Event().wait, args=[10], name="flusher", daemon=True).start()


class LeavesAConnection(MemorySink):
    def __init__(self, store):
        super().__init__(store)
        self.connection = socket.socket()

    def __del__(self):
        self.connection.close()


def contract_of(sink_type: type[MemorySink], **proofs: bool) -> MemorySinkContract:
    return type(f"{sink_type.__name__}Contract", (MemorySinkContract,), {"sink": sink_type, **proofs})()


WRONG_SINKS = [
    (contract_of(Buffers), "test_what_was_written_is_stored_when_write_returns"),
    (contract_of(StaysInItsThread), "test_another_thread_writes_than_the_one_that_opened"),
    (contract_of(LosesWhatOtherThreadsWrite), "test_another_thread_writes_than_the_one_that_opened"),
    (contract_of(ForgetsAccountInfo), "test_every_kind_comes_back_exactly"),
    (contract_of(RoundsDecimals), "test_decimals_keep_every_digit"),
    (contract_of(CountsInFloats), "test_integers_beyond_two_to_the_53_stay_exact"),
    (contract_of(SpeaksAscii), "test_text_of_any_script_comes_back"),
    (contract_of(LowersNames), "test_names_that_differ_in_one_part_stay_apart"),
    (contract_of(ForgetsTheAccount), "test_names_that_differ_in_one_part_stay_apart"),
    (contract_of(SkipsTheMarket), "test_events_without_an_account_are_stored"),
    (contract_of(RefusesEmptyBatches), "test_an_empty_batch_changes_nothing"),
    (contract_of(TakesTwentyFive), "test_a_batch_of_the_largest_size_is_stored"),
    (contract_of(EditsEvents), "test_events_are_not_changed"),
    (contract_of(AppendsEverything), "test_the_same_batch_again_changes_nothing"),
    (contract_of(KnowsOnlyItself), "test_the_same_batch_after_reopening_changes_nothing"),
    (contract_of(OverwritesFacts), "test_a_fact_that_comes_again_with_other_values_changes_nothing"),
    (contract_of(KeepsTheFirstState), "test_a_newer_state_replaces_the_older"),
    (contract_of(LastWriteWins), "test_an_older_state_that_comes_later_changes_nothing"),
    (contract_of(KnowsOnlyItsStates), "test_an_older_state_after_reopening_changes_nothing"),
    (contract_of(ComparesTimes), "test_states_are_compared_by_version_not_by_time"),
    (contract_of(TakesEqualVersions), "test_a_state_of_the_same_version_changes_nothing"),
    (contract_of(TrustsWhatItReadAtOpening), "test_two_writers_on_one_store_agree"),
    (contract_of(GivesOneCheckpointPerAccount), "test_checkpoints_come_back_newest_per_account_and_stream"),
    (contract_of(SkipsBatchesThatBeginKnown), "test_a_batch_cut_short_is_completed_by_its_repetition"),
    (contract_of(RollsBackOnError), "test_a_kill_between_write_and_ack_changes_nothing"),
    (contract_of(SwallowsOutages), "test_an_outage_raises_transient"),
    (contract_of(BlamesTheEvents), "test_an_outage_raises_transient"),
    (contract_of(NeverRecovers), "test_an_open_sink_recovers_from_an_outage"),
    (contract_of(ForgetsWhatFailed), "test_an_open_sink_recovers_from_an_outage"),
    (contract_of(MemorySink, proves_reach=False), "test_opening_an_unreachable_store_says_so"),
    (contract_of(MemorySink, proves_config=False), "test_opening_with_a_wrong_config_raises_config_error"),
    (contract_of(WritesTableByTable), "test_a_checkpoint_is_stored_after_what_it_covers"),
    (contract_of(ChecksOffFirst), "test_a_checkpoint_is_stored_after_what_it_covers"),
    (contract_of(SwallowsRefusals), "test_a_refused_event_raises_permanent"),
    (contract_of(RepeatsRefusals), "test_a_refused_event_raises_permanent"),
    (contract_of(StopsForGoodAtARefusal), "test_a_refused_event_raises_permanent"),
    (contract_of(KnowsTheKindsOfToday), "test_kinds_that_it_does_not_know_are_passed_over"),
    (contract_of(LeavesAThread), "test_closing_leaves_no_thread_and_no_connection"),
    (contract_of(LeavesAConnection), "test_closing_leaves_no_thread_and_no_connection"),
    (contract_of(LeaksItsPassword), "test_secrets_never_show"),
]
