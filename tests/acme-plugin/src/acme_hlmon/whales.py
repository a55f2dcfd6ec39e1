"""A deriver: numbers the large fills of each coin and alerts about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import msgspec

from hlmon import Alert, DeriverFactory, Event, Fill, Settings, Severity


class WhalesConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fills worth at least `from_notional` are whales."""

    from_notional: Decimal = Decimal(1_000_000)
    severity: Severity = "warning"


class Whales:
    """Remembers how many there were of each coin."""

    def __init__(self, config: WhalesConfig, rule: str) -> None:
        self._config = config
        self._rule = rule
        self._counts: dict[str, int] = {}

    def __call__(self, event: Event, /) -> Iterable[Event]:
        """An alert for a whale."""
        if not isinstance(event, Fill) or event.size * event.price < self._config.from_notional:
            return ()
        count = self._counts[event.coin] = self._counts.get(event.coin, 0) + 1
        title = f"whale {count} of {event.coin}: {event.side} {event.size} at {event.price}"
        return (
            Alert(
                account=event.account,
                time_ms=event.time_ms,
                rule=self._rule,
                subject=event.key,
                severity=self._config.severity,
                title=title,
                cause=event.name,
            ),
        )

    def dump_memory(self) -> bytes:
        """The counts."""
        return msgspec.json.encode(self._counts)

    def load_memory(self, memory: bytes, /) -> None:
        """Take the counts over."""
        self._counts = msgspec.json.decode(memory, type=dict[str, int])


@contextmanager
def open_whales(config: WhalesConfig, settings: Settings) -> Iterator[Whales]:
    """Nothing can fail here."""
    yield Whales(config, settings.name)


FACTORY = DeriverFactory(name="acme-whales", config=WhalesConfig, open=open_whales, kinds=frozenset({"fill"}))
