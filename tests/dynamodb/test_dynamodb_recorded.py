"""What was recorded at the real exchange lies in the tables as it was."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hlmon.testing.builders import make_funding
from hlmon_dynamodb.items import event_of, item_of
from hlmon_dynamodb.sink import MAX_BATCH
from tests.servers import recorded

pytestmark = pytest.mark.skipif(not recorded.RECORDED.is_dir(), reason=recorded.NOT_HERE)


def test_every_recorded_amount_is_an_exact_number():
    items = {text: item_of(make_funding(amount=Decimal(text))) for text in recorded.amounts()}
    assert len(items) > 5_000
    assert [text for text, item in items.items() if Decimal(item["amount"].get("N", "NaN")) != Decimal(text)] == []


def test_every_recorded_event_comes_back_as_it_was(case, sink):
    events = recorded.events()
    assert {event.kind for event in events} == {"fill", "order", "funding", "ledger"}
    for start in range(0, len(events), MAX_BATCH):
        sink.write(events[start : start + MAX_BATCH])
    for event in case.events():
        events.remove(event)
    assert events == []


def test_every_recorded_event_comes_back_from_its_item():
    assert [event for event in recorded.events() if event_of(item_of(event)) != event] == []
