"""`python -m bench.proof`: how long `hlmon verify` takes for a journal of many fills, and how much memory."""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from hlmon.events import Fill
from hlmon.journal import Journal

AIM_SECONDS, AIM_MB = 10.0, 100.0  # for a million fills
ACCOUNTS, COINS = 10, ("BTC", "ETH", "SOL", "HYPE", "xyz:SILVER")
BATCH = 5_000


def fills(number: int, *, seed: int) -> Iterator[Fill]:
    """So many fills of ten accounts and five coins, each starting where the one before it ended."""
    chance = random.Random(seed)
    positions = {(account, coin): Decimal(0) for account in range(ACCOUNTS) for coin in COINS}
    time_ms = 1_760_000_000_000
    for index in range(number):
        name = (index % ACCOUNTS, chance.choice(COINS))
        time_ms += chance.choice([0, 7, 60, 90])
        size, is_buy = Decimal(chance.randrange(1, 500)) / 100, chance.random() < 0.5
        start = positions[name]
        positions[name] = start + size if is_buy else start - size
        yield Fill(
            account=f"0x{name[0]:040x}",
            time_ms=time_ms,
            coin=name[1],
            side="buy" if is_buy else "sell",
            price=Decimal("65123.5"),
            size=size,
            direction="Open Long",
            start_position=start,
            closed_pnl=Decimal("1.23"),
            fee=Decimal("0.0312"),
            order_id=400_000_000_000 + index,
            trade_id=900_000_000_000_000 + index,
            tx_hash=f"0x{index:064x}",
        )


def write_journal(path: Path, number: int, *, seed: int = 1) -> None:
    """A journal of so many fills."""
    with Journal.open(path) as journal:
        batch: list[Fill] = []
        for fill in fills(number, seed=seed):
            batch.append(fill)
            if len(batch) == BATCH:
                journal.append(batch)
                batch = []
        journal.append(batch)


def measure(path: Path) -> dict[str, Any]:
    """What `hlmon verify` of this journal takes in a process of its own: seconds, peak memory in MB, and fills seen."""
    command = [sys.executable, "-c", _MEASURED, "verify", "--json", "--journal", str(path)]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    report = json.loads(done.stdout)
    return {
        "seconds": round(seconds, 2),
        "peak_mb": round(int(done.stderr.rsplit("peak ", 1)[1]) / 1024, 1),
        "fills": sum(chain["fills"] for chain in report["chains"]),
    }


# Not ru_maxrss: that begins with the memory of the process which started this one.
_MEASURED = """
import pathlib, sys
from hlmon.cli import main
try:
    main()
finally:
    status = pathlib.Path("/proc/self/status").read_text()
    print("peak", status.split("VmHWM:")[1].split()[0], file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.proof", description=__doc__)
    parser.add_argument("--fills", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        write_journal(path, options.fills)
        found = measure(path)
    met = found["seconds"] <= AIM_SECONDS and found["peak_mb"] <= AIM_MB
    print(
        f"{found['fills']:,} fills: {found['seconds']} s, {found['peak_mb']} MB at most; {'met' if met else 'MISSED'}"
    )


if __name__ == "__main__":
    main()
