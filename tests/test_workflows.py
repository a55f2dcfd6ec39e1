"""The workflows of the repository: nothing in them can be changed by others, and they do what the Makefile does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = {path.stem: path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml")}


def test_zizmor_has_no_findings():
    program = Path(sys.executable).with_name("zizmor")
    done = subprocess.run([program, "--offline", ROOT / ".github"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_action_is_pinned_to_a_commit_and_says_its_version():
    used = [line for text in WORKFLOWS.values() for line in re.findall(r"uses: (.*)", text)]
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_they_test_every_python_that_the_packages_claim():
    claimed = re.findall(r"Python :: (3\.\d+)", (ROOT / "packages/hlmon-core/pyproject.toml").read_text())
    tested = re.findall(r'"(3\.\d+)"', WORKFLOWS["test"].partition("python: [")[2].partition("]")[0])
    assert set(claimed) <= set(tested)
    assert "run: make test\n" in WORKFLOWS["test"]


def test_a_release_is_made_of_what_is_tested_and_checked():
    wheels = WORKFLOWS["release"].partition("  wheels:")[2].partition("  publish:")[0]
    assert wheels.index("make test") < wheels.index("make dist") < wheels.index("upload-artifact")
    assert "needs: wheels" in WORKFLOWS["release"].partition("  publish:")[2]
