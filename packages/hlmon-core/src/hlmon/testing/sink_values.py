"""Cases of the sink contract: what is written comes back, whole and exact."""

from __future__ import annotations

import typing
from decimal import Decimal
from typing import Any, Final

import msgspec

from hlmon.events import STORED, Event, encode
from hlmon.testing.builders import ALICE, BOB, STORED_BUILDERS, make_fill
from hlmon.testing.promises import check, error_of
from hlmon.testing.sink_case import SinkCase
from hlmon.testing.time_limit import error_in_thread

DECIMALS: Final = tuple(
    map(
        Decimal,
        (
            "0.1",
            "-0.000000000000000001",
            "12345678901234567890.123456789012345678",
            "-99999999999999999999999999999999999999",
            "9007199254740993",
            "1E-18",
            "1E+20",
            "100.00",
            "-0.30",
        ),
    )
)
"""Decimals that a float or a fixed scale cannot hold, none longer than the 38 digits that common stores allow."""

INTEGERS: Final = (2**53 + 1, 2**63 - 1)

TEXT: Final = "Grüße 你好 🚀 \u202e ' \" ` \\ ; -- %s {} ${x} <b>&amp; line\nline\ttab"


def decimal_fields(event_type: type[Event]) -> list[str]:
    """The fields of an event that hold a Decimal."""
    hints = typing.get_type_hints(event_type)
    fields = [field.name for field in msgspec.structs.fields(event_type)]
    return [name for name in fields if Decimal in (hints[name], *typing.get_args(hints[name]))]


class SinkKeepsValues(SinkCase):
    """What is written comes back."""

    def test_what_was_written_is_stored_when_write_returns(self) -> None:
        """Durability is promised by returning, not by closing."""
        events = self.one_of_each()
        with self.opened() as sink:
            self.write(sink, events)
            self.expect(
                events,
                "an event is durable when write returns, before the sink is closed",
                because="the follower acks then, and a killed process closes nothing",
            )

    def test_another_thread_writes_than_the_one_that_opened(self) -> None:
        """Calls come one at a time; on which thread is the host's affair, now and in later versions."""
        events = self.one_of_each()
        with self.opened() as sink:
            error = error_in_thread(lambda: self.write(sink, events))
        check(
            error is None,
            "write works in another thread than the one that opened the sink",
            because="which thread calls is the host's affair: nothing may be tied to the one that opened it",
            seen=error and f"{type(error).__name__}: {error}",
        )
        self.expect(events, "what another thread wrote is stored", because="returning was the promise")

    def test_every_kind_comes_back_exactly(self) -> None:
        """No field is lost, renamed or rounded."""
        events = self.one_of_each()
        with self.opened() as sink:
            self.write(sink, events)
        self.expect(
            events, "every field of every kind comes back", because="the store may be all that is left of the history"
        )

    def test_decimals_keep_every_digit(self) -> None:
        """Prices, sizes and amounts are exact decimals of up to 38 digits."""
        events = []
        for kind in self.kinds():
            names = decimal_fields(STORED[kind])
            events += [STORED_BUILDERS[kind](**dict.fromkeys(names, value)) for value in DECIMALS if names]
        with self.opened() as sink:
            self.write(sink, events)
        self.expect(
            events, "decimals come back as the same Decimal", because="a rounded price is money that never existed"
        )

    def test_integers_beyond_two_to_the_53_stay_exact(self) -> None:
        """Ids are 64-bit integers, not floats."""
        kinds = self.kinds("fill", "order")
        events: list[Event] = [STORED_BUILDERS[kind](order_id=number) for kind in kinds for number in INTEGERS]
        if "fill" in kinds:
            events += [make_fill(trade_id=number) for number in INTEGERS]
        with self.opened() as sink:
            self.write(sink, events)
        self.expect(
            events, "64-bit ids come back exactly", because="neighbouring ids become one as soon as a float holds them"
        )

    def test_text_of_any_script_comes_back(self) -> None:
        """Quotes, line breaks, emoji and right-to-left marks are text like any other."""
        texts: dict[str, dict[str, Any]] = {
            "alert": {"subject": "Grüße/你好:🚀'\"", "title": TEXT, "body": TEXT * 50, "labels": {TEXT: TEXT}},
            "ledger": {"counterparty": TEXT, "details": {"note": TEXT, "deep": {"list": [TEXT, 1, None, True]}}},
            "gap": {"stream": "trades:xyz:SILVER", "reason": TEXT},
            "quarantine": {"reason": TEXT, "payload": TEXT * 100},
            "order": {"status": TEXT, "trigger_condition": TEXT},
        }
        events = [STORED_BUILDERS[kind](**texts[kind]) for kind in self.kinds(*texts)]
        with self.opened() as sink:
            self.write(sink, events)
        self.expect(events, "text comes back as it was", because="the exchange and users write what they like")

    def test_names_that_differ_in_one_part_stay_apart(self) -> None:
        """Kind, account and key together are the name; coins contain / : @ and #."""
        coins = ("BTC", "xyz:BTC", "@107", "PURR/USDC", "#14880", "btc")
        events: list[Event] = []
        for kind in self.kinds("position", "funding", "checkpoint", "account_info", "account"):
            if kind in ("position", "funding"):
                events += [STORED_BUILDERS[kind](coin=coin, account=who) for coin in coins for who in (ALICE, BOB)]
            else:
                events += [STORED_BUILDERS[kind](account=who, time_ms=1_760_000_000_000) for who in (ALICE, BOB, "")]
        with self.opened() as sink:
            self.write(sink, events)
        self.expect(
            events,
            "events whose kind, account or key differ are kept side by side",
            because="two accounts hold the same coin, and coins have odd names",
        )

    def test_events_without_an_account_are_stored(self) -> None:
        """An empty account means the market."""
        events = [STORED_BUILDERS[kind](account="") for kind in self.kinds()]
        with self.opened() as sink:
            self.write(sink, events)
        self.expect(events, "events of the market have the account ''", because="CVD and gaps of trades belong to none")

    def test_an_empty_batch_changes_nothing(self) -> None:
        """Nothing to write is no error."""
        promise, because = "an empty batch is accepted and stores nothing", "many clients refuse empty requests"
        with self.opened() as sink:
            error = error_of(lambda: sink.write([]))
        check(error is None, promise, because=because, seen=error)
        self.expect([], promise, because=because)

    def test_a_batch_of_the_largest_size_is_stored(self) -> None:
        """`max_batch` is what the sink itself said that it takes."""
        factory = self.factory()
        kinds = [kind for kind in self.kinds() if kind not in ("checkpoint", "account_info")] or self.kinds()[:1]
        events = [STORED_BUILDERS[kinds[index % len(kinds)]]() for index in range(factory.max_batch)]
        events = list({event.name: event for event in events}.values())
        with self.opened() as sink:
            sink.write(events)
        self.expect(
            events, f"a batch of max_batch = {factory.max_batch} is stored", because="a full batch is the usual one"
        )

    def test_events_are_not_changed(self) -> None:
        """A sink reads events, it does not edit them."""
        events = self.one_of_each()
        before = [encode(event) for event in events]
        with self.opened() as sink:
            self.write(sink, events)
        seen = [event.name for event, body in zip(events, before, strict=True) if encode(event) != body]
        check(not seen, "writing leaves the events as they are", because="a retry sends them again", seen=seen)
