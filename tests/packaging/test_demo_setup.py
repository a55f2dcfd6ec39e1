"""`make run` on a fresh machine: only what the demo needs is installed, in the versions that the tests run with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.packaging.conftest import ROOT

NEEDED = ("Makefile", "constraints-demo.txt", "packages")
WITHOUT_TOOLS = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")}  # no uv: the slower way


def pins(name: str) -> set[str]:
    return {line.partition(" ")[0] for line in (ROOT / name).read_text().splitlines() if "==" in line}


def test_the_demo_runs_with_the_versions_that_the_tests_run_with():
    demo, everything = pins("constraints-demo.txt"), pins("constraints.txt")
    assert demo <= everything
    assert len(demo) < len(everything) / 2


@pytest.fixture
def checkout(tmp_path):
    """What of a checkout the demo needs."""
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, tmp_path / name)
    return tmp_path


def test_from_a_fresh_checkout_the_demo_is_set_up_and_runs(checkout):
    made = subprocess.run(
        ["make", f"PYTHON={sys.executable}", ".venv/.demo"],
        cwd=checkout, env=WITHOUT_TOOLS, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert "Installing what the demo needs" in made.stdout
    command = [".venv/bin/hlmon", "demo", "--for", "2"]
    shown = subprocess.run(command, cwd=checkout, env=WITHOUT_TOOLS, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    *_, verdict, next_step = shown.stdout.splitlines()
    assert verdict.endswith("none lost, none twice.")
    assert re.fullmatch(r"Your own account, its address is enough: +\.venv/bin/hlmon run --account 0x…", next_step)
