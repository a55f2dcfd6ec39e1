"""A monitor that lacks rows says so, and follows what the user decides about them."""

from __future__ import annotations

import asyncio
import json

from hlmon import host
from hlmon.delivery.rejected import Retry, rejected, write_retries
from hlmon.errors import Permanent
from hlmon.journal import Journal
from hlmon.quarantine import write_decisions
from hlmon.status import AccountStatus, SourceStatus
from hlmon.testing.builders import ALICE, BOB, make_fill, make_quarantined
from tests.core.host.parts import Kept, Script, status_in, stop, table

ROW = {"coin": "BTC", "px": "1", "sz": "1", "side": "B", "time": 1_796_000_000_000, "tid": 5}


def row(digest, account=ALICE, payload="{}"):
    return make_quarantined(
        account=account, origin="wire", unit="row", stream="userFills", digest=digest, payload=payload
    )


class Watching(Script):
    """A source that watches ALICE."""

    def status(self):
        return SourceStatus(accounts=[AccountStatus(address=ALICE)])


def test_a_missing_row_is_a_problem_until_it_is_read_again_or_dismissed(parts, run, tmp_path, monkeypatch, deadline):
    monkeypatch.setattr(host, "STATUS_SECONDS", 0.02)
    journal = tmp_path / "hlmon.db"
    told = []

    async def problems(wanted):
        async def come():
            while [each for each in status_in(journal)["problems"] if "quarantine" in each] != wanted:
                await asyncio.sleep(0.01)

        await asyncio.wait_for(come(), 2)
        told.append(wanted)

    async def act(_script, ingest):
        ingest([row("a", payload=json.dumps(ROW)), row("b"), row("c", account=BOB)])
        await problems([f"2 rows of userFills of {ALICE} could not be read, see hlmon quarantine list"])
        write_decisions(journal, {"a": "retry"})
        await problems([f"1 row of userFills of {ALICE} could not be read, see hlmon quarantine list"])
        write_decisions(journal, {"a": "retry", "b": "dismiss"})
        await problems([])
        await stop()

    parts.sources["hyperliquid"] = Watching(act)
    run()
    assert len(told) == 3
    with Journal.open(journal, read_only=True) as opened:
        assert [fill.trade_id for fill in opened.states("fill")] == [5]


class Strict(Kept):
    """A sink that refuses fills until it is told otherwise."""

    refuses = True

    def write(self, events):
        if self.refuses and any(event.kind == "fill" for event in events):
            raise Permanent("not yet")
        super().write(events)


def test_what_a_sink_refused_is_a_reason_until_it_is_delivered_after_all(parts, run, tmp_path, monkeypatch, deadline):
    monkeypatch.setattr(host, "STATUS_SECONDS", 0.02)
    journal, sink, fill = tmp_path / "hlmon.db", Strict(), make_fill()

    async def told(wanted):
        async def come():
            while status_in(journal).get("rejected", {}) != wanted:
                await asyncio.sleep(0.01)

        await asyncio.wait_for(come(), 3)

    async def act(_script, ingest):
        ingest([fill])
        await told({"strict": 1})
        sink.refuses = False
        with Journal.open(journal, read_only=True) as opened:
            (kept,) = rejected(opened)
        write_retries(journal, [Retry(origin="strict", digest=kept.digest, to="strict", asked_ms=1)])
        await told({})
        await stop()

    parts.sources["hyperliquid"], parts.sinks["strict"] = Watching(act), sink
    run(table("sink", "strict"))
    assert [event for event in sink.events if event.kind == "fill"] == [fill]
