"""The three kinds of statement that everything else is made of."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Self

import msgspec

from hlmon.units import Address, TimeMs, Unit, says

Name = Annotated[tuple[str, str, str], Unit("kind, account and key")]
LATEST_TIME_MS: Final = 4_102_444_800_000
"""The year 2100: what is later is no time of an event."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="kind"):
    """One immutable statement, named by (kind, account, key)."""

    kind: ClassVar[str] = ""

    account: Annotated[Address, says('whose event it is; "" if it belongs to the market')] = ""
    time_ms: Annotated[TimeMs, says("when it happened, by the exchange's clock unless the kind says otherwise")]

    @property
    def key(self) -> str:
        """What tells this event from others of its kind and account; never empty for stored events."""
        raise NotImplementedError(f"{type(self).__name__} has no key")

    @property
    def name(self) -> Name:
        """(kind, account, key): two facts of one name are the same thing, two states of one name replace each other."""
        return (self.kind, self.account, self.key)


class Fact(Event, frozen=True, kw_only=True, gc=False):
    """Happened once; its key leads with its time, and a second one of its name changes nothing unless it says more."""

    @property
    def version(self) -> int:
        """0; larger where another stream told more of the same fact, which then stands in place of the first."""
        return 0

    def completing(self, _known: Self) -> Self:
        """This fact together with what was known of it, which had a smaller version."""
        return self


class State(Event, frozen=True, kw_only=True, gc=False):
    """Holds until a newer version of its name replaces it."""

    @property
    def version(self) -> int:
        """Grows with every newer statement of this name; an equal or smaller version changes nothing."""
        return self.time_ms


class Reading(Event, frozen=True, kw_only=True, gc=False):
    """An observation for derivers only, of the exchange or of hlmon itself; never stored, so it has no key."""
