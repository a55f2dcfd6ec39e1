"""Plugins that are found as installed packages are."""

from __future__ import annotations

from pathlib import Path


def install(site: Path, name: str, module: str) -> None:
    """What `pip install` leaves behind of a package with one plugin."""
    (site / f"{name}.py").write_text(module)
    about = site / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[hlmon]\n{name} = {name}\n")
