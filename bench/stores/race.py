"""One contestant writes rows of one kind into one store: hlmon's sink as its follower calls it, or the bare client.

`python -m bench.stores.race CONTESTANT STORE KIND NUMBER ACCOUNT` prints one JSON object: rows, seconds and CPU
seconds. Where the store is and its keys are in the environment, as both clients read them. hlmon's events wait in a
journal, from which its follower decodes them and to which it acks each batch; the bare client has them in memory. The
connection is open before the clock runs.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.contestants import cpu_seconds
from bench.stores import bare, events
from hlmon import Event, Settings, SinkFactory
from hlmon.delivery import follow_sink
from hlmon.events import Quarantined
from hlmon.journal import Journal

CLIENTS = {"dynamodb": bare.dynamodb, "supabase": bare.supabase}
EVENTS: dict[str, Callable[[int, range], Iterator[Event]]] = {"fill": events.fills, "order": events.orders}


def factory_of(store: str) -> SinkFactory[Any]:
    if store == "dynamodb":
        from hlmon_dynamodb.sink import FACTORY as DYNAMODB

        return DYNAMODB
    from hlmon_supabase.sink import FACTORY as SUPABASE

    return SUPABASE


def row_of(store: str, event: Event) -> dict[str, Any]:
    """As hlmon writes it."""
    if store == "dynamodb":
        from hlmon_dynamodb.items import item_of

        return item_of(event)
    from hlmon_supabase.tables import TABLES

    return TABLES[event.kind].row_of(event)


@contextmanager
def hlmon(store: str, kind: str, found: Sequence[Event]) -> Iterator[Callable[[], None]]:
    factory = factory_of(store)

    def refused(record: Quarantined) -> None:
        raise RuntimeError(f"{store} refused a {kind}: {record.reason}")

    with (
        tempfile.TemporaryDirectory() as folder,
        Journal.open(Path(folder) / "journal.db") as journal,
        factory.open(factory.config(), Settings(name=store)) as sink,
    ):
        journal.append(found)
        follower = follow_sink(store, journal, sink, factory, quarantine=refused)

        def work() -> None:
            while follower.deliver_next():
                pass

        yield work


@contextmanager
def bare_client(store: str, kind: str, found: Sequence[Event]) -> Iterator[Callable[[], None]]:
    size = factory_of(store).max_batch
    assert bare.ROW_OF[store, kind](found[0]).keys() == row_of(store, found[0]).keys(), "the rows differ"
    with CLIENTS[store](kind) as write:

        def work() -> None:
            for start in range(0, len(found), size):
                write(found[start : start + size])

        yield work


def main() -> None:
    contestant, store, kind = sys.argv[1:4]
    number, account = map(int, sys.argv[4:])
    found = list(EVENTS[kind](number, range(account, account + 1)))
    with {"hlmon": hlmon, "bare": bare_client}[contestant](store, kind, found) as work:
        began, cpu = time.perf_counter(), cpu_seconds()
        work()
        seconds, cpu = time.perf_counter() - began, cpu_seconds() - cpu
    print(json.dumps({"rows": number, "seconds": seconds, "cpu": cpu}))


if __name__ == "__main__":
    main()
