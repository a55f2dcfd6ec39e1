"""Cases of the source contract: what is fed is all there, exact, and named alike whenever it is read."""

from __future__ import annotations

import re
import time
from typing import Final
from unittest.mock import patch

import msgspec

from hlmon.events import STORED, Event, Reading, encode
from hlmon.testing.builders import READING_BUILDERS
from hlmon.testing.promises import check
from hlmon.testing.source_case import SourceCase

EARLIEST_MS: Final = 10**11  # 1973; a time in seconds lies before it
LATEST_MS: Final = 10**14  # 5138; a time in microseconds lies after it
_LATER_SECONDS: Final = 2
_ADDRESS: Final = re.compile(r"0x[0-9a-f]{40}", re.IGNORECASE)


class SourceFeeds(SourceCase):
    """What is fed."""

    def test_it_feeds_what_its_input_holds(self) -> None:
        """The other cases say nothing without such input."""
        expected = dict(self.expected())
        because = "else nothing is tested"
        check(bool(expected), "something is expected of the input", because=because, seen="expected() is empty")
        taken = self.whole()
        counts = {kind: taken.counts[kind] for kind in expected}
        promise = f"the input's events are fed within {self.patience_seconds:g} s: {expected}"
        check(counts == expected, promise, because="whoever watches relies on every one of them", seen=counts)

    def test_it_feeds_from_the_event_loop(self) -> None:
        """`ingest` is no business of other threads."""
        threads = self.whole().foreign_threads
        because = "ingest admits, derives and schedules the commit without a lock: events would be lost or doubled"
        check(not threads, "`ingest` is called on the event loop's thread only", because=because, seen=threads)

    def test_it_feeds_only_what_can_be_stored_exactly(self) -> None:
        """Events of hlmon's kinds, with every field of its type: Decimal for money, integers for ids and times."""
        for event in self.fed():
            kind, name = event.kind, type(event).__name__
            of_its_kind = type(event) is STORED[kind] if kind in STORED else isinstance(event, Reading)
            because = "what is neither one of hlmon's facts and states nor a reading vanishes without a word"
            check(of_its_kind, "an event has a type that hlmon knows", because=because, seen=f"{kind!r} is a {name}")
            if kind in STORED:
                check(bool(event.key), "a fact or state has a key", because="it is what makes it one", seen=event)
            because = "a float price is money that never existed, and two journals of it differ"
            seen = _changes_in_json(event)
            check(not seen, "every field has the type that is declared, exactly", because=because, seen=seen)

    def test_times_are_utc_milliseconds(self) -> None:
        """Not seconds, not microseconds."""
        odd = [(event.kind, event.time_ms) for event in self.fed() if not EARLIEST_MS <= event.time_ms < LATEST_MS]
        because = "order, age of alerts, gaps and retention are worked out from it"
        check(not odd, "time_ms is the event's time in ms since 1970, UTC", because=because, seen=odd[:3])

    def test_addresses_are_lower_case(self) -> None:
        """The same account is written in one way."""
        accounts = {event.account for event in self.fed() if _ADDRESS.fullmatch(event.account)}
        odd = sorted(account for account in accounts if account != account.lower())
        because = "the account is a part of the name: written in two ways it is two accounts, each with half the rows"
        check(not odd, "addresses are lower case", because=because, seen=odd)

    def test_the_same_input_gives_the_same_names(self) -> None:
        """Whenever it is read."""
        first = self.whole()
        now_s, now_ns = time.time, time.time_ns
        with (
            patch("time.time", lambda: now_s() + _LATER_SECONDS),
            patch("time.time_ns", lambda: now_ns() + _LATER_SECONDS * 10**9),
        ):
            later = self.whole()
        self.expect_same(
            first,
            later,
            "reading the same input again gives the same names",
            because="after a restart a source reads again what may be stored already, and by its name that is known",
        )


def _changes_in_json(event: Event) -> str:
    """What a field of a wrong type does to the event between the journal and its reader; empty if nothing."""
    if event.kind not in STORED.keys() | READING_BUILDERS.keys():
        return ""
    try:
        body = encode(event)
        again = encode(msgspec.json.decode(body, type=type(event)))
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
        return f"{type(error).__name__}: {error}, in {event}"
    return "" if again == body else f"{body.decode()} comes back as {again.decode()}"
