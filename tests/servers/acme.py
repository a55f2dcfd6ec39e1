"""The independent plugin of the tests, built to a wheel and installed for as long as a context lasts."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "acme-plugin"


@contextlib.contextmanager
def installed_acme(folder: Path) -> Iterator[Path]:
    """Its wheel in this folder; meanwhile this process has it as any installed plugin."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(command, cwd=SOURCE, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    installed = str(folder / "installed")
    with zipfile.ZipFile(wheel) as files:
        files.extractall(installed)
    sys.path.insert(0, installed)
    try:
        yield wheel
    finally:
        sys.path.remove(installed)
