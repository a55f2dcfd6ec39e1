"""A monitor that lacks rows says so, and follows what the user decides about them."""

from __future__ import annotations

import asyncio
import json

from hlmon import host
from hlmon.journal import Journal
from hlmon.quarantine import write_decisions
from hlmon.status import AccountStatus, SourceStatus
from hlmon.testing.builders import ALICE, BOB, make_quarantined
from tests.core.host.parts import Script, status_in, stop

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
