"""A process that is killed at any point loses nothing that `append` or `ack` had returned for."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from hlmon.journal import Journal

WRITER = """
import sys
from decimal import Decimal
from pathlib import Path
from hlmon.events import Checkpoint, Funding
from hlmon.journal import Journal

one = Decimal(1)
print("start", flush=True)
with Journal.open(Path(sys.argv[1])) as journal:
    first = journal.count("funding")
    for burst in range(first // 7, 100_000):
        times = range(burst * 7, burst * 7 + 7)
        facts = [Funding(time_ms=time_ms, coin="BTC", amount=one, size=one, rate=one) for time_ms in times]
        journal.append([*facts, Checkpoint(time_ms=burst + 1, stream="userFills")], {"m": b"%d" % burst})
        journal.ack("sink", journal.last_seq())
        print(burst, journal.last_seq(), flush=True)
"""


def run_until_killed(path, lines):
    """Read so many lines of the writer, kill it, and return the last one that it had printed."""
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True) as writer:
        said = [writer.stdout.readline() for _ in range(lines)]
        writer.kill()
        said += [line for line in writer.stdout if line.endswith("\n")]
    assert said[0] == "start\n"
    return said[-1].split()


@pytest.mark.parametrize("seed", range(3))
def test_what_append_returned_for_is_there_after_a_kill(tmp_path, seed):
    path, chance = tmp_path / "hlmon.db", random.Random(seed)
    returned = -1
    for lines in (1, chance.randrange(2, 30), chance.randrange(30, 300), 1):
        last = run_until_killed(path, lines)
        with Journal.open(path) as journal:
            assert journal.query("PRAGMA integrity_check") == [("ok",)]
            if last != ["start"]:
                returned = int(last[0])
                assert journal.cursor("sink") >= int(last[1])
            check_whole(journal, returned)


def check_whole(journal, returned):
    """Whole bursts only, none missing: facts, state and memory of a burst came in one transaction."""
    times = [time_ms for (time_ms,) in journal.query("SELECT time_ms FROM events WHERE kind = 'funding' ORDER BY seq")]
    bursts = len(times) // 7
    assert bursts >= returned + 1
    assert times == list(range(bursts * 7))
    if bursts:
        assert [state.time_ms for state in journal.states("checkpoint")] == [bursts]
        assert journal.memory("m") == (journal.last_seq(), b"%d" % (bursts - 1))
        assert journal.last_seq() == bursts * 8
