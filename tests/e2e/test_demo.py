"""The demo needs nothing, and ends by saying whether anything was lost."""

from __future__ import annotations

import re


def test_the_demo_ends_with_success_and_nothing_lost(hlmon, tmp_path):
    result = hlmon("demo", "--for", "5", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    last, next_step = result.stdout.splitlines()[-2:]
    assert next_step.endswith("run --account 0x…")
    made, stored = re.fullmatch(
        r"The exchange made (\d+) fills, the monitor stored (\d+): none lost, none twice\.", last
    ).groups()
    assert int(made) == int(stored) > 0
    assert list(tmp_path.iterdir()) == []
