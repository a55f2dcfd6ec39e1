"""The sink "dynamodb": facts in batches, states by conditional writes, checkpoints last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from hlmon import Checkpoint, Event, Fact, Name, Permanent, Settings, SinkFactory, State
from hlmon_dynamodb.config import DynamodbConfig
from hlmon_dynamodb.items import Item, event_of, item_of
from hlmon_dynamodb.needs import needs
from hlmon_dynamodb.tables import TABLE_OF, TABLES, TableName

if TYPE_CHECKING:
    from hlmon_dynamodb.store import Store

MAX_BATCH: Final = 100
"""As many facts as one call can look up."""

LINGER_MS: Final = 5_000
"""Each write is paid for, and the CVD of a busy coin changes three times a second."""


class DynamodbSink:
    """Writes to the tables of `store`; `ttl_days` by table.

    A fact that is there already stays as it is, unless it comes with more in it. Of a state the largest version stays,
    whoever writes, in whatever order. A checkpoint is written after everything else of its call, since it says that all
    before it is stored. Kinds without a table, which a later hlmon may have, are passed over.
    """

    def __init__(self, store: Store, ttl_days: Mapping[TableName, int]) -> None:
        self._store = store
        self._ttl_days = ttl_days
        self._stored: dict[Name, int] = {}  # versions of what calls that failed have stored: it is not paid for twice

    def write(self, events: Sequence[Event], /) -> None:
        """Make the events durable. Raises Transient, and Permanent if an event is one that DynamoDB refuses."""
        known = [event for event in events if event.kind in TABLE_OF]
        left = [event for event in known if self._stored.get(event.name) != _version_of(event)]
        try:
            with self._store.translating():
                for event in self._write(left):
                    self._stored[event.name] = _version_of(event)
        except Permanent:
            self._store.suspect(TABLE_OF[event.kind] for event in left)
            raise
        finally:
            while len(self._stored) > MAX_BATCH:
                del self._stored[next(iter(self._stored))]
        for event in known:
            self._stored.pop(event.name, None)

    def load_checkpoints(self) -> Iterable[Checkpoint]:
        """The newest checkpoint of every account and stream."""
        with self._store.translating():
            items = list(self._store.series(TABLE_OF[Checkpoint.kind], Checkpoint.kind))
        return [event for event in map(event_of, items) if isinstance(event, Checkpoint)]

    def _write(self, events: Sequence[Event]) -> Iterator[Event]:
        """Yields each event once it is stored; an error ends it."""
        yield from self._write_facts([event for event in events if not isinstance(event, State)])
        states = [event for event in events if isinstance(event, State)]
        for state in sorted(states, key=lambda state: isinstance(state, Checkpoint)):
            self._store.put_newest(TABLE_OF[state.kind], self._item(state))
            yield state

    def _write_facts(self, facts: Sequence[Event]) -> Iterator[Event]:
        items = [(TABLE_OF[fact.kind], self._item(fact)) for fact in facts]
        by_address = {self._store.address(*each): fact for each, fact in zip(items, facts, strict=True)}
        held = self._store.held((table, {name: item[name] for name in table.key_names}) for table, item in items)
        yield from (by_address[address] for address in held if not _version_of(by_address[address]))
        new = (each for each in items if self._store.address(*each) not in held)
        yield from (by_address[address] for address in self._store.put(new))
        for table, item in items:
            address = self._store.address(table, item)
            if "version" in item and address in held:
                self._store.put_newest(table, item)
                yield by_address[address]

    def _item(self, event: Event) -> Item:
        return item_of(event, self._ttl_days.get(TABLE_OF[event.kind].name))


def _version_of(event: Event) -> int:
    return event.version if isinstance(event, State | Fact) else 0


@contextmanager
def open_dynamodb(config: DynamodbConfig, _settings: Settings) -> Iterator[DynamodbSink]:
    """Prove that every table is there, has hlmon's keys and may be used; the connection ends with the context."""
    from hlmon_dynamodb.client import connect, place_of  # noqa: PLC0415  # boto3 is for those who use it
    from hlmon_dynamodb.errors import when_opening  # noqa: PLC0415
    from hlmon_dynamodb.store import Store  # noqa: PLC0415

    store = Store(
        partial(connect, config),
        place=place_of(config),
        prefix=config.prefix,
        names=", ".join(config.table_names()),
    )
    try:
        with store.translating(when_opening):
            store.prove(TABLES)
            list(store.series(TABLE_OF[Checkpoint.kind], "0"))
        yield DynamodbSink(store, config.ttl_days)
    finally:
        store.close()


FACTORY: Final = SinkFactory(
    name="dynamodb",
    config=DynamodbConfig,
    open=open_dynamodb,
    needs=needs,
    max_batch=MAX_BATCH,
    linger_ms=LINGER_MS,
)
