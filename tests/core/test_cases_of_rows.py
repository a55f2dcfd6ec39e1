"""Small inputs that failed others, by `hlmon replay`: each keeps what can be read of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from hlmon.journal import Journal
from tests.core.invoking import run

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not on this machine")

KEPT = {
    "fills_one_bad_row_null_dir": {"fill": 2, "position_closed": 1},
    "fills_one_bad_row_side": {"fill": 2, "position_closed": 1, "quarantine": 1},
    "fills_null_fee_pnl": {"fill": 2, "position_closed": 1},
    "fills_empty_strings": {"fill": 2, "position_closed": 1},
    "fill_liq_nulls": {"fill": 2, "position_closed": 1},
    "fill_zero_size": {"fill": 3, "position_closed": 1},
    "fills_new_fields": {"fill": 1},
    "funding_twice_same_ms": {"funding": 3},
    "ledger_one_bad_row": {"ledger": 2, "quarantine": 1},
    "orders_null_flags": {"order": 3},
    "twap_id_second": {"fill": 1},
    "trades_tid0": {"cvd": 1},
}


@pytest.fixture
def replayed(tmp_path):
    def replay(name):
        journal = tmp_path / "hlmon.db"
        for _ in range(2):  # the second time changes nothing
            assert run("replay", str(CASES / f"{name}.jsonl"), "--journal", str(journal)).exit_code == 0
        with Journal.open(journal, read_only=True) as opened:
            return [entry.event for entry in opened.read_after(0)]

    return replay


@pytest.mark.parametrize("name", KEPT)
def test_what_can_be_read_is_kept(replayed, name):
    found = Counter(event.kind for event in replayed(name))
    assert {kind: found[kind] for kind in {*KEPT[name], "quarantine"}} == {"quarantine": 0} | KEPT[name]


def test_what_came_with_a_fill_is_kept(replayed):
    (fill,) = replayed("fills_new_fields")
    assert fill.extra.keys() == {"deployerFee", "priorityGas", "builder", "feeTrialEscrow"}


def test_the_id_of_a_twap_reaches_its_fill(replayed):
    assert [event.twap_id for event in replayed("twap_id_second") if event.kind == "fill"] == [9001]


def test_trades_without_an_id_are_all_counted(replayed):
    (bucket,) = replayed("trades_tid0")
    assert (bucket.trades, bucket.buy_volume, bucket.sell_volume) == (3, 3, 0.5)
