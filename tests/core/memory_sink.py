"""A reference sink that keeps the contract of sinks, on a store in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, ClassVar

import msgspec

from hlmon.contract import SinkFactory
from hlmon.errors import ConfigError, Permanent, Transient
from hlmon.events import STORED, Checkpoint, State, decode, encode
from hlmon.testing import SinkContract
from hlmon.testing.builders import make_fill

PASSWORD = "correct-horse-battery"


class Store:
    """A database of rows (name, kind, JSON) that may be out of reach."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, str, bytes]] = []
        self.reachable = True
        self.refused: Any = None

    def find(self, name):
        return next((index for index, row in enumerate(self.rows) if row[0] == name), None)

    def event(self, index):
        _, kind, body = self.rows[index]
        return decode(kind, body)


class MemorySink:
    """The reference: what the contract asks for, and nothing else."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def write(self, events):
        for event in events:
            self.reach()
            if event.kind not in STORED:
                continue
            if event.name == self.store.refused:
                self.refuse(event)
                continue
            known = self.store.find(self.name_of(event))
            if known is None:
                self.insert(event)
            elif self.replaces(event, self.store.event(known)):
                self.store.rows[known] = self.row(event)

    def load_checkpoints(self):
        rows = [self.store.event(index) for index in range(len(self.store.rows))]
        return [event for event in rows if isinstance(event, Checkpoint)]

    def reach(self):
        if not self.store.reachable:
            raise Transient("the store is out of reach")

    def refuse(self, event):
        raise Permanent(f"the store refuses {event.name}")

    def insert(self, event):
        self.store.rows.append(self.row(event))

    def row(self, event):
        return self.name_of(event), event.kind, encode(event)

    def name_of(self, event):
        return event.name

    def replaces(self, event, known):
        return isinstance(event, State) and event.version > known.version

    def close(self, error):
        pass


class MemoryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    database: str = "right"


class MemorySinkContract(SinkContract):
    secrets = (PASSWORD,)
    sink: ClassVar[type[MemorySink]] = MemorySink
    proves_reach: ClassVar[bool] = True
    proves_config: ClassVar[bool] = True

    @cached_property
    def store(self):
        return Store()

    def factory(self):
        return SinkFactory(name="memory", config=MemoryConfig, open=self.open_sink, max_batch=30)

    @contextmanager
    def open_sink(self, config, _settings) -> Iterator[MemorySink]:
        if self.proves_config and config.database != "right":
            raise ConfigError(f"no database {config.database!r}")
        if self.proves_reach and not self.store.reachable:
            raise ConfigError("the store is out of reach")
        sink = self.sink(self.store)
        try:
            yield sink
        except BaseException as error:
            sink.close(error)
            raise
        sink.close(None)

    def config(self):
        return MemoryConfig()

    def wrong_configs(self):
        return {"an unknown database": MemoryConfig(database="wrong")}

    def stored(self):
        return [self.store.event(index) for index in range(len(self.store.rows))]

    def refusal(self):
        event = make_fill()
        self.store.refused = event.name
        return event

    @contextmanager
    def outage(self):
        self.store.reachable = False
        yield
        self.store.reachable = True
