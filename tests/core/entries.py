"""What a journal holds, and fills that only their time tells apart."""

from __future__ import annotations

from hlmon.testing.builders import make_fill


def events_in(journal, kinds=None):
    return [entry.event for entry in journal.read_after(0, kinds=kinds)]


def fill_at(time_ms, **changes):
    return make_fill(**{"time_ms": time_ms, "trade_id": 1, "order_id": 1} | changes)
