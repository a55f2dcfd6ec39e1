"""The folder from which the image is built: the Dockerfile, the wheels, and what they are installed with."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hlmon.errors import ConfigError
from hlmon_deploy import container
from hlmon_deploy.manifest import CORE, Manifest
from hlmon_deploy.packages import MACHINES, Package, locked_lines, packages_of, wheel_line
from hlmon_deploy.settings import Architecture

FOLDER: Final = Path(__file__).resolve().parents[1]
CONSTRAINTS: Final = FOLDER.parent / "constraints.txt"
RELAY_PYTHON: Final = "3.13"
_SAME_TIME: Final = "1767225600"
"""Of every file in a wheel, so that the same sources make the same image."""


def stage_image(
    manifest: Manifest, arch: Architecture, target: Path, constraints: Path = CONSTRAINTS, *, expressions: bool = False
) -> Path:
    """Fill `target`, which must not exist, with all that the build needs; the same manifest gives the same files.

    The library behind rules of the type `expression` is in it if the config has one, or with `expressions`.
    """
    needed = expressions or any(rule.type == "expression" for rule in manifest.config.parts("rule"))
    _stage_packages(manifest, arch, target, constraints, core=f"{CORE}[expressions]" if needed else CORE)
    shutil.copy(FOLDER / "Dockerfile", target)
    shutil.copy(Path(container.__file__), target / "container.py")
    _write(target / "modules.txt", modules_of(manifest))
    return target


def stage_relay(manifest: Manifest, arch: Architecture, target: Path, constraints: Path = CONSTRAINTS) -> Path:
    """Fill `target`, which must not exist, with the relay's code and everything that it imports.

    The packages are fetched now, as wheels for AWS's machines. Raises ConfigError if one has none.
    """
    work = target.with_name(f"{target.name}-packages")
    _stage_packages(manifest, arch, work, constraints)
    platforms = [f"--platform=manylinux{version}_{MACHINES[arch]}" for version in ("2014", "_2_28")]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += [
        "--no-compile",
        "--only-binary=:all:",
        f"--python-version={RELAY_PYTHON}",
        *platforms,
        "--target",
        str(target),
    ]
    for file, options in (("requirements.txt", ["--require-hashes"]), ("further.txt", [])):
        if (work / file).read_text(encoding="utf-8").strip():
            done = subprocess.run(
                [*command, *options, "-r", file], cwd=work, check=False, capture_output=True, text=True
            )
            if done.returncode:
                raise ConfigError(f"the relay's packages cannot be fetched: {done.stderr.strip()[-500:]}")
    for told in (*target.glob("*.dist-info/direct_url.json"), *target.glob("*.dist-info/RECORD")):
        told.unlink()  # they name the folder of this run, which would make another asset each time
    shutil.copy(Path(__file__).parent / "functions" / "relay.py", target / "hlmon_relay.py")
    shutil.rmtree(work)
    return target


def _stage_packages(
    manifest: Manifest, arch: Architecture, target: Path, constraints: Path, *, core: str = CORE
) -> None:
    """The wheels that are not on an index, and what is to be installed, with hashes as far as they are known."""
    wheels = target / "wheels"
    wheels.mkdir(parents=True)
    brought = {plugin.name: plugin.wheel for plugin in manifest.plugins if plugin.wheel}
    locked = locked_lines(constraints.read_text(encoding="utf-8"))
    hashed, unhashed = [], []
    for package in packages_of([core, *(plugin.name for plugin in manifest.plugins)], arch):
        if wheel := brought.get(package.name):
            hashed.append(wheel_line(Path(shutil.copy(wheel, wheels))))
        elif package.source is not None:
            hashed.append(wheel_line(_build(package, package.source, wheels)))
        elif line := locked.get((package.name, package.version)):
            hashed.append(line)
        else:
            unhashed.append(f"{package.name}=={package.version}")
    _write(target / "requirements.txt", hashed)
    _write(target / "further.txt", unhashed)


def modules_of(manifest: Manifest) -> list[str]:
    """The entry points whose import the build proves: the core's and those of the chosen plugins."""
    wanted = {CORE, *(plugin.name for plugin in manifest.plugins)}
    found = importlib.metadata.entry_points(group="hlmon")
    return sorted(each.module for each in found if each.dist and each.dist.name in wanted)


def _build(package: Package, source: Path, target: Path) -> Path:
    """The wheel of a plugin that is installed from a folder."""
    before = set(target.iterdir())
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    environ = os.environ | {"SOURCE_DATE_EPOCH": _SAME_TIME}
    done = subprocess.run(command, cwd=source, env=environ, check=False, capture_output=True, text=True)
    built = set(target.iterdir()) - before
    if done.returncode or len(built) != 1:
        raise ConfigError(f"no wheel of {package.name} can be built in {source}: {done.stderr.strip()[-500:]}")
    return built.pop()


def _write(file: Path, lines: Iterable[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
