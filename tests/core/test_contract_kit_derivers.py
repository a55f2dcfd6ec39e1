"""The deriver contract bites: a reference rule keeps it, and each case catches one that is wrong in its own way."""

from __future__ import annotations

import itertools
import sys
import time
import types
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from hlmon.contract import DeriverFactory, NoConfig
from hlmon.events import Alert
from hlmon.testing import BrokenPromise, DeriverContract
from hlmon.testing.builders import make_fill, make_order, make_prices


class EverySecondFill:
    """The reference: an alert for every second fill of a coin."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def __call__(self, event):
        if event.kind != "fill":
            return []
        self.counts[event.coin] = self.counts.get(event.coin, 0) + 1
        return [self.alert(event)] if self.counts[event.coin] % 2 == 0 else []

    def alert(self, event, **changes):
        title = f"{self.counts.get(event.coin)} fills"
        fields = {"rule": "second", "subject": event.key, "severity": "info", "title": title}
        return Alert(**{"account": event.account, "time_ms": event.time_ms} | fields | changes)

    def dump_memory(self):
        return msgspec.json.encode(self.counts)

    def load_memory(self, memory):
        self.counts = msgspec.json.decode(memory)


class SecondFillContract(DeriverContract):
    deriver: ClassVar[type] = EverySecondFill
    kinds: ClassVar[frozenset[str]] = frozenset({"fill"})

    @cached_property
    def fills(self):
        return [make_fill(coin=coin) for coin in ("BTC", "ETH", "BTC", "BTC", "ETH", "BTC")]

    def factory(self):
        return DeriverFactory(name="second", config=NoConfig, open=self.open_deriver, kinds=self.kinds)

    @contextmanager
    def open_deriver(self, _config, _settings):
        yield self.deriver()

    def config(self):
        return NoConfig()

    def events(self):
        return self.fills


class TestEverySecondFill(SecondFillContract):
    """The reference passes every case."""


class NeverConcludes(EverySecondFill):
    def __call__(self, event):
        return []


class SharesItsMemory(EverySecondFill):
    shared: ClassVar[dict[str, int]] = {}

    def __init__(self):
        self.counts = self.shared


class NumbersItsAlerts(EverySecondFill):
    numbers = itertools.count()

    def alert(self, event, **changes):
        return super().alert(event, labels={"number": str(next(self.numbers))})


class LooksAtTheClock(EverySecondFill):
    def alert(self, event, **changes):
        return super().alert(event, labels={"year": time.strftime("%Y", time.gmtime(time.time()))})


class ForgetsACoin(EverySecondFill):
    def dump_memory(self):
        return msgspec.json.encode({coin: count for coin, count in self.counts.items() if coin != "ETH"})


class EmptiesItselfInDumping(EverySecondFill):
    def dump_memory(self):
        memory = super().dump_memory()
        self.counts = {}
        return memory


class DumpsText(EverySecondFill):
    def dump_memory(self):
        return super().dump_memory().decode()


class DerivesReadings(EverySecondFill):
    def alert(self, event, **changes):
        return make_prices(time_ms=event.time_ms, account=event.account)


class DerivesFloats(EverySecondFill):
    def alert(self, event, **changes):
        return super().alert(event, labels={"size": 1.5})


class NamesAlertsAlike(EverySecondFill):
    def alert(self, event, **changes):
        return super().alert(event, subject="fills", time_ms=1)


class EditsEvents(EverySecondFill):
    def __call__(self, event):
        msgspec.structs.force_setattr(event, "coin", event.coin.lower())
        return super().__call__(event)


class CountsUndeclaredOrders(EverySecondFill):
    def __call__(self, event):
        if event.kind == "order":
            self.counts["BTC"] = self.counts.get("BTC", 0) + 1
        return super().__call__(event)


class FailsOnOthers(EverySecondFill):
    def __call__(self, event):
        if event.kind != "fill":
            raise TypeError(event.kind)
        return super().__call__(event)


class AsksAFile(EverySecondFill):
    def alert(self, event, **changes):
        return super().alert(event, body=Path(__file__).read_text()[:3])


class Sleeps(EverySecondFill):
    def __call__(self, event):
        time.sleep(0)
        return super().__call__(event)


class RemembersEveryFill(EverySecondFill):
    def __init__(self):
        super().__init__()
        self.seen = set()

    def __call__(self, event):
        if event.kind == "fill":
            self.seen.add((event.account, event.key))
        return super().__call__(event)


class ListsItsCoinsAsTheyHash(EverySecondFill):
    def alert(self, event, **changes):
        return super().alert(event, body=",".join({"BTC", "ETH", "SOL", "HYPE", event.coin}))


class HashingContract(SecondFillContract):
    """Has a name of its own, by which another process finds it."""

    deriver = ListsItsCoinsAsTheyHash


class HashingOfAClosureContract(SecondFillContract):
    """Its factory cannot leave this process, the test that makes it can."""

    def factory(self):
        @contextmanager
        def opened(_config, _settings):
            yield ListsItsCoinsAsTheyHash()

        return DeriverFactory(name="second", config=NoConfig, open=opened, kinds=self.kinds)


def contract_of(deriver_type: type, **fields: object) -> SecondFillContract:
    return type(f"{deriver_type.__name__}Contract", (SecondFillContract,), {"deriver": deriver_type, **fields})()


WRONG_DERIVERS = [
    (contract_of(NeverConcludes), "test_the_events_are_of_its_kinds_and_derive_something"),
    (
        contract_of(EverySecondFill, fills=[make_fill(), make_fill(), make_order()]),
        "test_the_events_are_of_its_kinds_and_derive_something",
    ),
    (contract_of(SharesItsMemory), "test_the_same_events_give_the_same_conclusions"),
    (contract_of(NumbersItsAlerts), "test_the_same_events_give_the_same_conclusions"),
    (contract_of(LooksAtTheClock), "test_the_clock_plays_no_part"),
    (contract_of(ForgetsACoin), "test_a_saved_memory_changes_nothing"),
    (contract_of(EmptiesItselfInDumping), "test_a_saved_memory_changes_nothing"),
    (contract_of(DumpsText), "test_a_saved_memory_changes_nothing"),
    (contract_of(DerivesReadings), "test_it_derives_only_what_is_stored"),
    (contract_of(DerivesFloats), "test_it_derives_only_what_is_stored"),
    (contract_of(NamesAlertsAlike), "test_a_fact_is_derived_once"),
    (contract_of(AsksAFile), "test_it_does_no_io"),
    (contract_of(Sleeps), "test_it_does_no_io"),
    (contract_of(RemembersEveryFill), "test_its_memory_does_not_grow_for_ever"),
    (HashingContract(), "test_the_order_of_hashes_plays_no_part"),
    (HashingOfAClosureContract(), "test_the_order_of_hashes_plays_no_part"),
    (contract_of(EditsEvents), "test_events_are_not_changed"),
    (contract_of(CountsUndeclaredOrders), "test_events_of_other_kinds_are_ignored"),
    (contract_of(FailsOnOthers), "test_events_of_other_kinds_are_ignored"),
]


@pytest.mark.parametrize(
    ("contract", "case"), WRONG_DERIVERS, ids=[f"{type(c).__name__}-{n}" for n, (c, _) in enumerate(WRONG_DERIVERS)]
)
def test_a_wrong_deriver_is_caught_by_the_case_about_it(contract, case):
    with pytest.raises(BrokenPromise, match=r"(?s)^promise: .+\n  because: .+\n  seen: .+"):
        getattr(contract, case)()


def test_every_case_of_the_deriver_contract_catches_some_wrong_deriver():
    assert {case for _, case in WRONG_DERIVERS} == set(DeriverContract.cases())


class RemembersNothing:
    def __call__(self, event):
        return [EverySecondFill().alert(event, title="a fill")]


def test_a_deriver_without_a_saved_memory_is_not_asked_for_one():
    with pytest.raises(pytest.skip.Exception, match="saves no memory"):
        contract_of(RemembersNothing).test_a_saved_memory_changes_nothing()


def test_a_test_that_no_other_process_can_find_is_skipped_with_that_reason(monkeypatch):
    nowhere = contract_of(EverySecondFill)
    with pytest.raises(pytest.skip.Exception, match="cannot be taken to another process"):
        nowhere.test_the_order_of_hashes_plays_no_part()
    here_only = types.ModuleType("here_only")
    here_only.HereOnly = type("HereOnly", (SecondFillContract,), {"__module__": "here_only"})
    monkeypatch.setitem(sys.modules, "here_only", here_only)
    with pytest.raises(pytest.skip.Exception, match="another process cannot import this test"):
        here_only.HereOnly().test_the_order_of_hashes_plays_no_part()
