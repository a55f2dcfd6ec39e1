"""The distributions that belong into the image: the chosen plugins, the core, and what those import; nothing else."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hlmon.errors import ConfigError
from hlmon_deploy.settings import Architecture

PYTHON: Final = "3.11"
MACHINES: Final[Mapping[Architecture, str]] = {"arm64": "aarch64", "x86_64": "x86_64"}
_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)")

Find = Callable[[str], Distribution]


@dataclass(frozen=True, kw_only=True)
class Package:
    """One distribution of the image. `source` is the folder that it is installed from here, if it is."""

    name: str
    version: str
    source: Path | None = None


def packages_of(names: Iterable[str], arch: Architecture, find: Find = distribution) -> tuple[Package, ...]:
    """These distributions, with extras as `name[extra]`, and all that they require there on Linux, by name.

    Raises ConfigError for a requirement that is not installed here.
    """
    environment = {name: str(value) for name, value in default_environment().items()} | {
        "platform_machine": MACHINES[arch],
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
        "python_version": PYTHON,
        "python_full_version": f"{PYTHON}.0",
    }
    found: dict[str, Package] = {}
    wanted = map(Requirement, names)
    waiting: list[tuple[str, frozenset[str]]] = [(each.name, frozenset(each.extras)) for each in wanted]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        name, extras = one
        try:
            installed = find(name)
        except ModuleNotFoundError:
            raise ConfigError(f"the image needs {name}, which is not installed beside cdk") from None
        found[canonicalize_name(name)] = _package(installed)
        waiting += _required(installed, extras, environment)
    return tuple(found[name] for name in sorted(found))


def locked_lines(constraints: str) -> dict[tuple[str, str], str]:
    """(name, version) -> its lines of a constraints file with hashes, without markers."""
    found: dict[tuple[str, str], str] = {}
    for block in re.split(r"\n(?=\S)", constraints.strip()):
        if pinned := _PINNED.match(block):
            hashes = re.findall(r"--hash=\S+", block)
            lines = [f"{pinned[1]}=={pinned[2]}", *hashes]
            found[canonicalize_name(pinned[1]), pinned[2]] = " \\\n    ".join(lines)
    return found


def wheel_line(wheel: Path) -> str:
    """How a requirements file names a wheel in the folder `wheels` beside it, with its hash."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"./wheels/{wheel.name} \\\n    --hash=sha256:{digest}"


def _package(installed: Distribution) -> Package:
    name = canonicalize_name(installed.metadata["Name"])
    text = installed.read_text("direct_url.json")
    origin = json.loads(text) if text else {}
    folder = Path(unquote(urlsplit(origin["url"]).path)) if "dir_info" in origin else None
    return Package(name=name, version=installed.version, source=folder)


def _required(
    installed: Distribution, extras: frozenset[str], environment: Mapping[str, str]
) -> list[tuple[str, frozenset[str]]]:
    requirements = map(Requirement, installed.requires or ())
    return [
        (canonicalize_name(each.name), frozenset(each.extras))
        for each in requirements
        if each.marker is None or any(each.marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras))
    ]
