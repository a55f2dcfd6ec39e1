"""What is news: known facts and older states fall out here, mostly without asking the journal; the rest waits here."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import msgspec

from hlmon.events import Event, Fact, Funding, Name, State
from hlmon.events.base import LATEST_TIME_MS
from hlmon.journal import Journal

RECENT_NAMES: Final = 5_000


class Admission:
    """Remembers what it let through and what is stored, so that nothing passes twice, and holds what is not stored yet.

    A fact that is later than every known fact of its kind and account is new without a look-up. What is known when
    the program starts is a single time: the journal's `newest_ms`, which no stored event exceeds. So after a restart
    only facts up to that moment are looked up, and no index on the times of fills is needed.
    """

    def __init__(self, journal: Journal) -> None:
        self.completes = False  # whether a fact is pending that takes the place of a stored one
        self.pending: dict[int | Name, Event] = {}  # in order of arrival; facts by number, states by name
        self._journal = journal
        self._stored_to_ms = journal.newest_ms()
        self._moments: dict[tuple[str, str], _Moment] = {}  # as many as there are kinds and accounts
        self._facts = 0
        self._named_facts = 0
        self._pending_names: set[Name] = set()  # of facts
        self._pending_states: dict[Name, int] = {}  # their versions
        self._recent_facts = _Recent(RECENT_NAMES)
        self._recent_states = _Recent(RECENT_NAMES)

    def fact(self, fact: Fact) -> bool:
        """Whether this fact is news; if so it is pending now. Raises ValueError if its time is none.

        One that is known and says more than before is no news, but is pending in place of what was said before.
        """
        if self._is_new(fact):
            return True
        if fact.version:
            self._complete(fact)
        return False

    def payment(self, payment: Funding) -> bool:
        """The same for funding: of one coin and time there may be several payments, each under a name of its own."""
        if payment.variant:
            first = self._known(msgspec.structs.replace(payment, variant="").name)
            is_first = isinstance(first, Funding) and first.content == payment.content and "#" not in payment.variant
            return not is_first and self._is_new(payment)
        if self._is_new(payment):
            return True
        known = self._known(payment.name)
        if not isinstance(known, Funding) or known.content == payment.content:
            return False
        return self._is_new(payment.as_further())

    def _is_new(self, fact: Fact) -> bool:
        time_ms = fact.time_ms
        moment = self._moments.get((fact.kind, fact.account))
        if moment is None:
            check_time(time_ms)
            if time_ms > self._stored_to_ms:
                self._moments[(fact.kind, fact.account)] = _Moment(fact)
            elif self._is_known(fact):
                return False
        elif time_ms > moment.time_ms:  # the way of most: one comparison more, not two
            if time_ms >= LATEST_TIME_MS:
                check_time(time_ms)
            moment.time_ms, moment.first, moment.keys = time_ms, fact, None
        else:
            check_time(time_ms)
            if moment.has(fact) if time_ms == moment.time_ms else self._is_known(fact):
                return False
        self._facts += 1
        self.pending[self._facts] = fact
        return True

    def _complete(self, fact: Fact) -> None:
        known = self._known(fact.name)
        if not isinstance(known, Fact) or known.version >= fact.version:
            return
        for number, pending in self.pending.items():
            if pending is known:
                self.pending[number] = fact.completing(known)
                return
        self._facts += 1
        self.pending[self._facts] = fact.completing(known)
        self.completes = True

    def _known(self, name: Name) -> Event | None:
        """The event of this name, pending or stored."""
        found = (event for event in self.pending.values() if event.kind == name[0] and event.name == name)
        return next(found, None) or self._journal.event(name)

    def state(self, state: State) -> bool:
        """Whether this state is newer than what is known of its name; if so it is pending now, in place of that.

        Raises ValueError if its time is none: nothing could ever replace it.
        """
        check_time(state.time_ms)
        name, version = state.name, state.version
        known = self._pending_states.get(name)
        if known is None:
            known = self._recent_states.get(name)
        if known is None:
            known = self._journal.version(name)
            if known is not None:
                self._recent_states.put(name, known)
        if known is not None and version <= known:
            return False
        self.pending.pop(name, None)
        self.pending[name], self._pending_states[name] = state, version
        return True

    def flushed(self) -> None:
        """Everything pending is in the journal now."""
        for fact in self._pending_names:
            self._recent_facts.put(fact, 0)
        for state, version in self._pending_states.items():
            self._recent_states.put(state, version)
        self.pending.clear()
        self.completes = False
        self._pending_names.clear()
        self._pending_states.clear()
        self._named_facts = self._facts

    def _is_known(self, fact: Event) -> bool:
        # Most facts never meet one that is not later than they are: names are made when the first such comes.
        while self._named_facts < self._facts:
            self._named_facts += 1
            with suppress(Exception):  # one that has no name cannot be stored, and is no fault of this fact
                self._pending_names.add(self.pending[self._named_facts].name)
        name = fact.name
        if name in self._pending_names or self._recent_facts.get(name) is not None:
            return True
        if self._journal.contains(name):
            self._recent_facts.put(name, 0)
            return True
        return False


def check_time(time_ms: int) -> None:
    """Raise ValueError for a number that is no time of an event: nothing could ever come after it."""
    if not 0 <= time_ms < LATEST_TIME_MS:
        raise ValueError(f"{time_ms} is no time")


class _Moment:
    """The latest time of one kind and account, and the keys of all its facts: exact, so no look-up is needed there."""

    __slots__ = ("first", "keys", "time_ms")

    def __init__(self, first: Event) -> None:
        self.time_ms = first.time_ms
        self.first = first
        self.keys: set[str] | None = None

    def has(self, event: Event) -> bool:
        """Whether the key of an event of this time was seen; now it was."""
        keys = self.keys
        if keys is None:
            keys = self.keys = set()
            with suppress(Exception):  # as above
                keys.add(self.first.key)
        key = event.key
        if key in keys:
            return True
        keys.add(key)
        return False


class _Recent:
    """The last names put in, at least `size` and at most twice as many."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._young: dict[Name, int] = {}
        self._old: dict[Name, int] = {}

    def get(self, name: Name) -> int | None:
        value = self._young.get(name)
        return self._old.get(name) if value is None else value

    def put(self, name: Name, value: int) -> None:
        if len(self._young) >= self._size:
            self._old, self._young = self._young, {}
        self._young[name] = value
