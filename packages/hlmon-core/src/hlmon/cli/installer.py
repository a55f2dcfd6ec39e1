"""How packages come into the environment that hlmon runs in and leave it: by its pip, or by uv where it has none."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from hlmon.contract import ENTRY_POINT_GROUP
from hlmon.errors import ConfigError, HlmonError
from hlmon.fields import nearest

CORE: Final = "hlmon-core"


def install_command(packages: Sequence[str], *, upgrade: bool = False) -> list[str]:
    """The command that installs. Raises HlmonError if there is neither pip nor uv."""
    return _command("install", [*(["--upgrade"] if upgrade else []), *packages])


def uninstall_command(packages: Sequence[str]) -> list[str]:
    """The command that removes. Raises ConfigError for what is no plugin, HlmonError if there is neither pip nor uv."""
    plugins = {_plain(each.dist.name) for each in entry_points(group=ENTRY_POINT_GROUP) if each.dist} - {CORE}
    for package in packages:
        if _plain(package) == CORE:
            raise ConfigError(f"{CORE} is the program itself; remove it with the installer that brought it")
        if _plain(package) not in plugins:
            raise ConfigError(f"{package} is no package of a plugin that is installed{nearest(package, plugins)}")
    return _command("uninstall", [*(["--yes"] if _has_pip() else []), *packages])


def carry_out(command: Sequence[str]) -> None:
    """Run it, then list the plugins by a new process, which sees what changed. Raises HlmonError if it fails."""
    if subprocess.run(command, check=False).returncode:
        raise HlmonError(f"nothing was changed, see above; the command was: {shlex.join(command)}")
    subprocess.run([sys.executable, "-m", "hlmon", "plugins"], check=False)


def _plain(package: str) -> str:
    """A name in the one form that all its spellings have in common."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _command(action: str, arguments: Sequence[str]) -> list[str]:
    if _has_pip():
        return [sys.executable, "-m", "pip", action, *arguments]
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        raise HlmonError(f"neither pip nor uv is there to change {sys.prefix}; install one of them")
    return [uv, "pip", action, "--python", sys.executable, *arguments]


def _has_pip() -> bool:
    return find_spec("pip") is not None
