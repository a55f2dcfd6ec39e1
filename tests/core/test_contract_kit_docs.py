"""The page about testing plugins is true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hlmon.testing import (
    CommandContract,
    DeriverContract,
    NotifierContract,
    PluginContract,
    SinkContract,
    SourceContract,
)

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "testing-plugins.md").read_text()


def test_the_source_of_the_page_keeps_its_contract(tmp_path):
    snippets = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "test_lines.py").write_text("\n".join(snippets))
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "test_lines.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout
    assert f"{len(SourceContract.cases()) - 1} passed, 1 skipped" in run.stdout
    assert "the source has no status()" in run.stdout


@pytest.mark.parametrize(
    "contract", [SinkContract, NotifierContract, DeriverContract, SourceContract, CommandContract, PluginContract]
)
def test_the_page_lists_every_case_with_its_meaning(contract):
    section = PAGE.split(f"### {contract.__name__}\n")[1].split("\n### ")[0]
    cases = [f"- `{case}`: {getattr(contract, case).__doc__.strip()}" for case in contract.cases()]
    assert section.strip().splitlines() == cases
